"""What is written for a row, in each format.

Rows are appended while the job goes on, so each portion of them has to stand by itself: lines of text, or a gzip member
of such lines. Parquet cannot be appended to: its rows are kept as JSON lines until the last one is there.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.config.names import data_format
from ml_run.errors import UsageError
from ml_run.quality.review import safe_cell
from ml_run.quality.structure import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

FORMS = "jsonl, csv, tsv or parquet; the first three also .gz"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_MARK = "\ufeff"
"""Without it, spreadsheets misread every character beyond ASCII."""
_LEVEL = 6
_BYTES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Form:
    """The format of a file of predictions."""

    ending: str
    packed: bool

    def encode(self, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]], *, first: bool) -> bytes:
        """The bytes of some rows, to be appended to those before.

        Args:
            columns: names of the values of a row.
            rows: strings, numbers, booleans and None.
            first: no rows stand before these.
        """
        if self.ending in _DELIMITERS:
            text = (_MARK + self._table([columns]) if first else "") + self._table(rows)
        else:
            lines = (json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows)
            text = "".join(f"{line}\n" for line in lines)
        content = text.encode("utf-8")
        return gzip.compress(content, _LEVEL, mtime=0) if self.packed and content else content

    def _table(self, rows: Iterable[Iterable[Any]]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=_DELIMITERS[self.ending]).writerows(map(_cell, row) for row in rows)
        return text.getvalue()

    def finish(self, rows: Path, target: Path) -> None:
        """Make of all that `encode` gave, in the file `rows`, the file `target`, at once."""
        whole = _as_parquet(rows) if self.ending == ".parquet" else rows
        whole.replace(target)
        files.crash_point()
        files.sync(target.parent)


def form_of(path: Path, name: str) -> Form:
    """The format that a file is written in, by its name.

    Raises:
        UsageError: its name tells none.
    """
    ending, packed = data_format(path), path.name.lower().endswith(".gz")
    if ending is None or (packed and ending == ".parquet"):
        raise UsageError(f"the format of {name} is not known", where="OUT", remedy=f"end its name in {FORMS}")
    return Form(ending, packed)


def columns_of(ids: tuple[str, ...], labels: tuple[str, ...]) -> tuple[str, ...]:
    """What is told of a row."""
    shares = [f"p_{label}" for label in labels]
    return "line", *ids, "text", "predicted", "confidence", "abstain", *shares, "model_version"


def _cell(value: Any) -> Any:
    return safe_cell(value) if isinstance(value, str) else scalar(value) if isinstance(value, bool) else value


def _as_parquet(rows: Path) -> Path:
    """Write the rows into a file beside them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = rows.with_suffix(".parquet")
    with rows.open("rb") as lines:
        some = [json.loads(line) for line in lines.readlines(_BYTES_AT_ONCE)]
        schema = _schema(list(some[0]))
        with pq.ParquetWriter(whole, schema) as writer:
            while some:
                names = [name for name in schema.names if schema.field(name).type == pa.string()]
                columns = {name: [row[name] for row in some] for name in schema.names}
                columns |= {name: [_string(value) for value in columns[name]] for name in names}
                writer.write_table(pa.table(columns, schema=schema))
                some = [json.loads(line) for line in lines.readlines(_BYTES_AT_ONCE)]
    files.crash_point()
    files.sync(whole)
    return whole


def _string(value: Any) -> str | None:
    return None if value is None else scalar(value)


def _schema(columns: list[str]) -> pa.Schema:
    import pyarrow as pa

    kinds = {"line": pa.int64(), "confidence": pa.float64(), "abstain": pa.bool_()}
    shares = columns[columns.index("abstain") + 1 : -1]
    return pa.schema([(name, pa.float64() if name in shares else kinds.get(name, pa.string())) for name in columns])
