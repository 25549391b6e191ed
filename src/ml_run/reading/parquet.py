"""Parquet files, through Arrow; the line of a row is its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_run import events
from ml_run.errors import NotReadyError
from ml_run.reading.sharing import Sharing
from ml_run.reading.types import Fault, RawRow, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from ml_run.reading.lines import Opened

ROWS_AT_A_TIME = 50_000
"""Rows that are columns and rows at the same time."""
Columns = dict[str, list[Any]]


def parse(content: Opened) -> Source:
    """Read every row; one whose text is not UTF-8 becomes a fault.

    Raises:
        NotReadyError: it is no parquet file, or a damaged one, or names a field twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = content.file if content.file is content.packed else pa.BufferReader(content.file.read())
    try:
        table = pq.ParquetFile(file)
        fields = distinct(table.schema_arrow.names, content.name)
        return from_columns(content.name, fields, map(columns_of, table.iter_batches(ROWS_AT_A_TIME)))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(content.name, error) from None


def unreadable(name: str, error: Exception) -> NotReadyError:
    """What is said of the file `name` where Arrow cannot read it."""
    return NotReadyError(
        f"not a parquet file that can be read ({str(error).splitlines()[0]})",
        where=name,
        remedy="write it again, or correct its ending",
    )


def distinct(fields: list[str], name: str) -> tuple[str, ...]:
    """The names of the columns of the file `name`, no two the same; raises NotReadyError where two are."""
    twice = next((field for field in fields if fields.count(field) > 1), None)
    if twice is not None:
        raise NotReadyError(f"two columns have the name {twice!r}", where=name, remedy="rename one of them")
    return tuple(fields)


def columns_of(batch: pa.RecordBatch | pa.Table) -> Columns:
    """The columns of some rows as lists of Python values."""
    return {field: _values(batch.column(field)) for field in batch.schema.names}


def from_columns(name: str, fields: tuple[str, ...], batches: Iterable[Columns]) -> Source:
    """Rows out of batches of columns; bytes among the values are text that could not be decoded.

    Args:
        name: what the source is called in findings.
        fields: names of the columns.
        batches: the columns of some rows after those of others, by field, each of equal length.
    """
    rows: list[RawRow] = []
    faults: list[Fault] = []
    share = Sharing().value
    for columns in batches:
        for found in records(columns, fields, len(rows) + len(faults), share):
            if isinstance(found, Fault):
                faults.append(found)
            else:
                rows.append(found)
        events.emit("progress", f"{name}: {len(rows) + len(faults):,} rows read", stage="data")
    return Source(name, fields, rows, faults)


def records(
    columns: Columns, fields: tuple[str, ...], before: int, share: Callable[[Any], Any] | None = None
) -> Iterator[RawRow | Fault]:
    """The rows of one batch of columns; one whose text is not UTF-8 becomes a fault.

    Args:
        columns: by field, each of equal length.
        fields: names of the columns.
        before: rows that stand before these.
        share: makes equal values the same object.
    """
    every = ([*map(share, columns[field])] if share else columns[field] for field in fields)
    for number, values in enumerate(zip(*every, strict=True), start=before + 1):
        row = dict(zip(fields, values, strict=True))
        bad = next((field for field, value in row.items() if isinstance(value, _Undecodable)), None)
        yield RawRow(number, row) if bad is None else Fault("encoding", number, f"the field {bad!r} is not UTF-8", row)


class _Undecodable(str):
    """A text with bytes that are not UTF-8, written out by their numbers."""

    __slots__ = ()


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        try:
            values = [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]
        except pa.ArrowNotImplementedError:  # texts inside lists or structs
            values = [_nested(value) for value in column]
    return values


def _nested(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return _Undecodable(f"a {value.type} that cannot be decoded")


def _decoded(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _Undecodable(value.decode("utf-8", "backslashreplace"))
