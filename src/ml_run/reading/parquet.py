"""Parquet files, through Arrow; the line of a row is its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_run.errors import NotReadyError
from ml_run.reading.types import Fault, RawRow, Source

if TYPE_CHECKING:
    import pyarrow as pa


def parse(content: bytes, name: str) -> Source:
    """Read every row; one whose text is not UTF-8 becomes a fault.

    Raises:
        NotReadyError: it is no parquet file, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise NotReadyError(
            f"not a parquet file that can be read ({str(error).splitlines()[0]})",
            where=name,
            remedy="write it again, or correct its ending",
        ) from None
    return from_columns(name, columns_of(table))


def columns_of(table: pa.Table) -> dict[str, list[Any]]:
    """The columns of a table as lists of Python values."""
    return {field: _values(table.column(field)) for field in table.column_names}


def from_columns(name: str, columns: dict[str, list[Any]]) -> Source:
    """Rows out of columns of equal length; bytes among the values are text that could not be decoded."""
    fields = tuple(columns)
    rows: list[RawRow] = []
    faults: list[Fault] = []
    for number, values in enumerate(zip(*columns.values(), strict=True), start=1):
        row = dict(zip(fields, values, strict=True))
        bad = next((field for field, value in row.items() if isinstance(value, _Undecodable)), None)
        if bad is None:
            rows.append(RawRow(number, row))
        else:
            faults.append(Fault("encoding", number, f"the field {bad!r} is not UTF-8", row))
    return Source(name, fields, rows, faults)


class _Undecodable(str):
    """A text with bytes that are not UTF-8, written out by their numbers."""

    __slots__ = ()


def _values(column: pa.ChunkedArray) -> list[Any]:
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
