"""CSV and TSV: records with their physical lines, and whether quotes mean anything in this file.

Some files quote fields (a field in quotes may hold delimiters and line breaks, a quote in it is doubled), others have
quotes that are just characters, as tweets do. Nothing in a file says which. So: read it with quotes; where every
record comes out whole, that is how it is meant. Where records break, take quotes as characters if more records break
than need quoting, and if that makes fewer lines break. Decided once a file, and said when it is not the usual way.
"""

import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ml_run.errors import NotReadyError
from ml_run.reading.lines import Lines
from ml_run.reading.sharing import Sharing
from ml_run.reading.types import Fault, RawRow, Source
from ml_run.wording import number_of


@dataclass(frozen=True, slots=True)
class _Record:
    """One record of the file: its physical lines (1-based, inclusive), its fields, or why it has none."""

    first: int
    last: int
    fields: list[str]
    problem: str = ""


def parse(lines: Lines, delimiter: str) -> Source:
    """Read every record below the header; one that does not fit the header becomes a fault.

    Raises:
        NotReadyError: there is no header, or it names a field twice.
    """
    texts = list(lines)
    records, note = _records(texts, delimiter)
    header = _header(records, lines.name)
    rows: list[RawRow] = []
    faults = [*lines.faults, *note]
    share = Sharing().value
    for record in records[1:]:
        fault = _fault(record, texts, lines.undecodable) or _repeated(record, header, texts)
        if fault:
            faults.append(fault)
        else:
            rows.append(RawRow(record.first, dict(zip(header, map(share, record.fields), strict=True))))
    return Source(lines.name, tuple(header), rows, faults)


def _header(records: list[_Record], name: str) -> list[str]:
    if not records or records[0].problem or not any(records[0].fields):
        raise NotReadyError(
            "the file has no header line" if records else "the file is empty",
            where=name,
            remedy="its first line must name the fields, e.g. text and label",
        )
    header = [field.strip() for field in records[0].fields]
    twice = next((field for field in header if field and header.count(field) > 1), None)
    if twice:
        raise NotReadyError(f"the header names the field {twice!r} twice", where=name, remedy="rename one of them")
    return header


def _fault(record: _Record, texts: list[str], undecodable: Mapping[int, str]) -> Fault | None:
    span = range(record.first, record.last + 1)
    bad = next((number for number in span if number in undecodable), None)
    if bad is not None:
        return Fault("encoding", bad, undecodable[bad], _raw(record, texts))
    if not any(field.strip() for field in record.fields) and not record.problem:
        return Fault("blank_line", record.first, "the line is blank")
    if record.problem:
        return Fault("unreadable_line", record.first, record.problem, _raw(record, texts))
    return None


def _repeated(record: _Record, header: list[str], texts: list[str]) -> Fault | None:
    # The mark is what the second of two joined files began with.
    if record.fields[0].lstrip("\ufeff").strip() != header[0] or [f.strip() for f in record.fields[1:]] != header[1:]:
        return None
    return Fault(
        "unreadable_line", record.first, "it repeats the header, as where files were joined", _raw(record, texts)
    )


def _raw(record: _Record, texts: list[str]) -> str:
    return "\n".join(texts[record.first - 1 : record.last])


# --- whether quotes mean anything -----------------------------------------------------------------------------------


def _records(texts: list[str], delimiter: str) -> tuple[list[_Record], list[Fault]]:
    quoted = _without_swallowed(_quoted(texts, delimiter, 0, len(texts)), texts, delimiter)
    quoted = _checked(quoted)
    broken = _broken_lines(quoted)
    by_quotes = any(record.problem and '"' in texts[record.first - 1] for record in quoted)
    quotes_header = bool(texts) and texts[0].lstrip().startswith('"')
    if not by_quotes or quotes_header or broken <= _needing_quotes(quoted, texts, delimiter):
        return quoted, []
    plain = _checked([_plain(texts, number, delimiter) for number in range(1, len(texts) + 1)])
    if _broken_lines(plain) >= broken:
        return quoted, []
    problem = f"quotes are taken as plain characters: as quoting they would break {number_of(broken, 'line')}"
    return plain, [Fault("quoting", None, problem)]


def _plain(texts: list[str], number: int, delimiter: str) -> _Record:
    return _Record(number, number, texts[number - 1].rstrip("\r").split(delimiter))


def _checked(records: list[_Record]) -> list[_Record]:
    """Mark the records that have not as many fields as the header."""
    width = len(records[0].fields) if records else 0
    return [
        record
        if record.problem or len(record.fields) == width or not any(record.fields)
        else replace(record, problem=f"it has {len(record.fields)} fields, the header has {width}")
        for record in records
    ]


def _broken_lines(records: list[_Record]) -> int:
    return sum(record.last - record.first + 1 for record in records if record.problem)


def _needing_quotes(records: list[_Record], texts: list[str], delimiter: str) -> int:
    """How many whole records could not be written without quotes."""
    return sum(
        record.last > record.first
        or any(delimiter in field for field in record.fields)
        or '""' in texts[record.first - 1]
        for record in records
        if not record.problem
    )


# --- reading with quotes --------------------------------------------------------------------------------------------


def _quoted(texts: list[str], delimiter: str, start: int, stop: int) -> list[_Record]:
    """The records in `texts[start:stop]`. A quoting accident costs the line it begins on, and no other."""
    csv.field_size_limit(sys.maxsize)
    records = []
    while start < stop:
        reader = csv.reader(_ended(texts, start, stop), delimiter=delimiter, strict=True)
        base = start
        try:
            for fields in reader:
                records.append(_Record(start + 1, base + reader.line_num, fields))
                start = base + reader.line_num
        except csv.Error as error:
            records.append(_Record(start + 1, start + 1, [], _quote_problem(error)))
            start += 1
    return records


def _quote_problem(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return "it holds a carriage return that ends no line"
    return f"its quotes do not match: {error}"


def _ended(texts: list[str], start: int, stop: int) -> Iterator[str]:
    for position in range(start, stop):
        yield texts[position] + "\n"


def _without_swallowed(records: list[_Record], texts: list[str], delimiter: str) -> list[_Record]:
    """Take apart records of several lines that are several rows, joined by a quote opened in one, closed in another."""
    if not any(record.last > record.first for record in records):
        return records
    width = len(records[0].fields)
    seen: list[set[str]] = [set() for _ in range(width)]
    for record in records:
        if record.first == record.last and len(record.fields) == width:
            for values, field in zip(seen, record.fields, strict=True):
                values.add(field)
    taken = []
    for record in records:
        if record.last > record.first and _is_several_rows(record, texts, delimiter, seen):
            problem = f"a quote opened here is closed on line {record.last} only, and would swallow the rows between"
            taken.append(_Record(record.first, record.first, [], problem))
            taken += _quoted(texts, delimiter, record.first, record.last)
        else:
            taken.append(record)
    return taken


def _is_several_rows(record: _Record, texts: list[str], delimiter: str, seen: list[set[str]]) -> bool:
    """Every line has the header's number of fields, and all but the last a value its column has elsewhere.

    A text with line breaks of its own hardly ever has the right number of delimiters in every line and a label, say,
    in the place of the label.
    """
    for number in range(record.first, record.last + 1):
        fields = _plain(texts, number, delimiter).fields
        if len(fields) != len(seen):
            return False
        known = any(field in values for field, values in zip(fields, seen, strict=True))
        if number < record.last and not known:
            return False
    return True
