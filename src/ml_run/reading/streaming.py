"""Files of any size, row by row: memory does not grow with them. `sources` reads the same formats as a whole."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from ml_run.config.names import DATA_FORMS, data_format
from ml_run.errors import UsageError
from ml_run.reading import json_lines, parquet
from ml_run.reading.delimited import header_of, rows_of
from ml_run.reading.lines import Lines, Opened, lines_of, opened
from ml_run.reading.portions import portions, survey
from ml_run.reading.types import Fault, RawRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow.parquet as pq

_LOOKED_AT = 4096
"""Records of a file of JSON lines that are looked at for the names of its fields."""
_BETWEEN_MEASURES = 256
_BATCH = 4096
_BUFFER = 1 << 20
"""Bytes of a column that are read at once; unset, all of a row group's are."""


class Stream(ABC):
    """One file, which can be gone through any number of times."""

    fields: tuple[str, ...] = ()
    """Its fields; of JSON lines those of the first thousands of rows, none where none of them can be read."""
    note: Fault | None = None
    """What a person should know of the file as a whole."""
    done: float = 0.0
    """Share of the file that has been read, 0 to 1."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    @abstractmethod
    def records(self, fields: tuple[str, ...]) -> Iterator[RawRow | Fault]:
        """All rows in their order, and in the place of those that cannot be read what is wrong with them.

        Args:
            fields: those that are needed; the others may be left out of the rows.

        Raises:
            NotReadyError: the file is damaged, whenever that shows.
        """


def stream(path: Path, name: str) -> Stream:
    """Open a file, in the format that its name tells.

    Raises:
        UsageError: there is no such file, or its name does not tell its format.
        NotReadyError: it is not what its name says, or has no header.
    """
    kinds: dict[str, type[Stream]] = {
        ".jsonl": _JsonLines, ".csv": _Table, ".tsv": _Table, ".parquet": _Parquet,
    }  # fmt: skip
    if not path.is_file():
        raise UsageError("there is no such file", where=name, remedy="correct the path; it must be a file, no stream")
    ending = data_format(path)
    if ending is None:
        raise UsageError(f"the format of {path.name} is not known", where=name, remedy=f"write {DATA_FORMS}")
    return kinds[ending](path, name)


class _Quiet(Opened):
    """Says nothing of how much of it is read: whoever goes through a stream asks it."""

    def tell_progress(self, rows: str) -> None:
        """Say nothing."""


class _Text(Stream):
    @contextmanager
    def _lines(self) -> Iterator[Lines]:
        with opened(self.path, self.name) as content:
            yield lines_of(_Quiet(content.name, content.file, content.packed))


class _JsonLines(_Text):
    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        with self._lines() as lines:
            seen = islice(json_lines.records(lines), _LOOKED_AT)
            self.fields = tuple(dict.fromkeys(name for one in seen if isinstance(one, RawRow) for name in one.values))

    def records(self, fields: tuple[str, ...]) -> Iterator[RawRow | Fault]:  # noqa: ARG002 -- a line is read as a whole
        size = self.path.stat().st_size
        with self._lines() as lines:
            for number, one in enumerate(json_lines.records(lines)):
                if number % _BETWEEN_MEASURES == 0:
                    self.done = lines.source.packed.tell() / size
                yield one
        self.done = 1.0


class _Table(_Text):
    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        self._delimiter = "\t" if data_format(path) == ".tsv" else ","
        with self._lines() as lines:
            seen = survey(lines, self._delimiter)
        self._header = header_of([seen.header] if seen else [], name)
        self.fields = tuple(self._header)
        assert seen is not None, "an empty file has no header"
        self._records, self._plain = seen.records, seen.is_plain
        self.note = seen.quoting.note if seen.is_plain else None

    def records(self, fields: tuple[str, ...]) -> Iterator[RawRow | Fault]:  # noqa: ARG002 -- a line is read as a whole
        with self._lines() as lines:
            read = 0
            for some in portions(lines, self._delimiter, plain=self._plain):
                for one in rows_of(some.records, self._header, some.texts, lines.undecodable, some.shift):
                    read += 1
                    self.done = min(1.0, read / max(1, self._records))
                    yield one
        self.done = 1.0


class _Parquet(Stream):
    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        self._unpacked: BinaryIO | None = None
        with self._opened() as file:
            self.fields = parquet.distinct(file.schema_arrow.names, name)

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with opened(self.path, self.name) as content:
            try:
                file = content.file if content.file is content.packed else self._unpack(content)
                yield pq.ParquetFile(file, buffer_size=_BUFFER)
            except (pa.ArrowException, OSError) as error:
                raise parquet.unreadable(self.name, error) from None

    def _unpack(self, content: Opened) -> Any:
        # A parquet file is read from its end, and a packed one cannot be.
        if self._unpacked is None:
            self._unpacked = tempfile.TemporaryFile()  # noqa: SIM115 -- gone with the stream
            shutil.copyfileobj(content.file, self._unpacked)
        return self._unpacked

    def records(self, fields: tuple[str, ...]) -> Iterator[RawRow | Fault]:
        read = 0
        with self._opened() as file:
            columns = [field for field in self.fields if field in fields]
            for batch in file.iter_batches(_BATCH, columns=columns):
                for one in parquet.records(parquet.columns_of(batch), tuple(columns), read):
                    read += 1
                    self.done = read / file.metadata.num_rows
                    yield one
        self.done = 1.0
