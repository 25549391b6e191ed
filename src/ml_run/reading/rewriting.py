"""Changing the labels of single rows in a file, and not one byte beside them."""

import codecs
import csv
import io
import json
import re
from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import Any

from ml_run.reading.types import Source

_JSON_BLANKS = re.compile(r"[ \t\r\n]*")
Span = tuple[int, int]


def relabelled(content: bytes, ending: str, source: Source, field: str, values: Mapping[int, Any]) -> bytes:
    """The content of a file with other values in one field of some rows.

    Args:
        content: the file as it is, unpacked.
        ending: the one of `DATA_FORMATS` that it is in.
        source: what was read from it.
        field: the field to change; it is there in each of the rows.
        values: the new values by the line of their row, strings where the format knows nothing else.

    Raises:
        ValueError: a value cannot be written in this file.
    """
    if ending == ".parquet":
        return _in_parquet(content, field, values)
    # Bytes that are not UTF-8 stand in other lines, and have to stay what they are.
    text = content.decode("utf-8", "surrogateescape")
    mark = "\ufeff" if content.startswith(codecs.BOM_UTF8) else ""
    text = text.removeprefix(mark)
    feed = "\n" if "\n" in text else "\r"  # as old programs end lines, and reading takes them
    starts = [0, *accumulate(len(line) + 1 for line in text.split(feed))]
    edits: dict[Span, str] = {}
    for line, value in values.items():
        if ending == ".jsonl":
            edits[_json_span(text, starts[line - 1], field)] = json.dumps(value, ensure_ascii=text.isascii())
        else:
            delimiter = "\t" if ending == ".tsv" else ","
            plain = any(fault.rule == "quoting" for fault in source.faults)
            span = _field_span(text, starts[line - 1], delimiter, source.fields.index(field), plain=plain)
            edits[span] = _cell(value, delimiter, plain=plain, quoted=not plain and text[span[0]] == '"')
    return (mark + _edited(text, edits)).encode("utf-8", "surrogateescape")


def _edited(text: str, edits: Mapping[Span, str]) -> str:
    pieces, done = [], 0
    for (start, stop), new in sorted(edits.items()):
        pieces += [text[done:start], new]
        done = stop
    return "".join([*pieces, text[done:]])


def _json_span(text: str, start: int, field: str) -> Span:
    """Where the value of `field` stands in the object that begins on the line at `start`; the last one counts."""
    decoder = json.JSONDecoder()
    position = text.index("{", start) + 1
    span = None
    while text[position := _after_blanks(text, position)] != "}":
        if text[position] == ",":
            position = _after_blanks(text, position + 1)
        key, position = decoder.raw_decode(text, position)
        begins = _after_blanks(text, _after_blanks(text, position) + 1)  # behind the colon
        _, position = decoder.raw_decode(text, begins)
        span = (begins, position) if key == field else span
    assert span is not None, "the row was read, so it has the field"
    return span


def _after_blanks(text: str, position: int) -> int:
    match = _JSON_BLANKS.match(text, position)
    assert match is not None, "it matches nothing, too"
    return match.end()


def _field_span(text: str, start: int, delimiter: str, number: int, *, plain: bool) -> Span:
    """Where field `number` (from 0) of the record that begins at `start` stands, with its quotes."""
    unquoted = f"[^{delimiter}\r\n]*"
    form = re.compile(unquoted if plain else f'"(?:[^"]|"")*"|{unquoted}')
    for _ in range(number):
        match = form.match(text, start)
        assert match is not None, "it matches nothing, too"
        start = match.end() + 1
    match = form.match(text, start)
    assert match is not None, "it matches nothing, too"
    return match.span()


def _cell(value: Any, delimiter: str, *, plain: bool, quoted: bool) -> str:
    cell = str(value)
    special = any(mark in cell for mark in (delimiter, "\r", "\n"))
    if plain and special:
        raise ValueError(f"the label {cell!r} cannot be written without quotes, and quotes mean nothing in this file")
    if plain:
        return cell
    line = io.StringIO(newline="")
    csv.writer(line, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerow([cell])
    return line.getvalue().removesuffix("\r\n")


def _in_parquet(content: bytes, field: str, values: Mapping[int, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(content))
    table = file.read()
    place = table.schema.get_field_index(field)
    column = table.column(place).to_pylist()
    for line, value in values.items():
        column[line - 1] = value
    changed = pa.array(column, type=table.schema.field(place).type)
    group = file.metadata.row_group(0)
    target = pa.BufferOutputStream()
    pq.write_table(
        table.set_column(place, table.schema.field(place), changed),
        target,
        compression=group.column(0).compression.replace("UNCOMPRESSED", "NONE"),
        row_group_size=group.num_rows,
    )
    packed: bytes = target.getvalue().to_pybytes()
    return packed


def differs(before: Source, after: Source, field: str, changed: Collection[int]) -> str | None:
    """Say how two readings differ beyond `field` in the lines that were changed; None when they do not."""
    if before.fields != after.fields or [row.line for row in before.rows] != [row.line for row in after.rows]:
        return "it would have other fields or rows"
    if [(fault.rule, fault.line) for fault in before.faults] != [(fault.rule, fault.line) for fault in after.faults]:
        return "it would have other faults"
    for old, new in zip(before.rows, after.rows, strict=True):
        here, there = old.values, new.values
        if old.line in changed:
            here, there = ({k: v for k, v in values.items() if k != field} for values in (here, there))
        if here != there and repr(here) != repr(there):  # NaN differs from itself, and is written the same
            return f"line {old.line} would be another"
    return None
