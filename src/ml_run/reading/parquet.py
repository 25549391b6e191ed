"""Parquet files, through Arrow; the line of a row is its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_run import events
from ml_run.errors import NotReadyError
from ml_run.reading.sharing import Sharing
from ml_run.reading.types import Fault, RawRow, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        fields = _distinct(table.schema_arrow.names, content.name)
        return from_columns(content.name, fields, map(columns_of, table.iter_batches(ROWS_AT_A_TIME)))
    except (pa.ArrowException, OSError) as error:
        raise NotReadyError(
            f"not a parquet file that can be read ({str(error).splitlines()[0]})",
            where=content.name,
            remedy="write it again, or correct its ending",
        ) from None


def _distinct(fields: list[str], name: str) -> tuple[str, ...]:
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
        for values in zip(*(map(share, columns[field]) for field in fields), strict=True):
            row = dict(zip(fields, values, strict=True))
            number = len(rows) + len(faults) + 1
            bad = next((field for field, value in row.items() if isinstance(value, _Undecodable)), None)
            if bad is None:
                rows.append(RawRow(number, row))
            else:
                faults.append(Fault("encoding", number, f"the field {bad!r} is not UTF-8", row))
        events.emit("progress", f"{name}: {len(rows) + len(faults):,} rows read", stage="data")
    return Source(name, fields, rows, faults)


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
