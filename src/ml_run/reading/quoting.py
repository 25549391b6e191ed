"""CSV and TSV: lines into records, and whether quotes mean anything in this file.

Some files quote fields (a field in quotes may hold delimiters and line breaks, a quote in it is doubled), others have
quotes that are just characters, as tweets do. Nothing in a file says which. So: read it with quotes; where every
record comes out whole, that is how it is meant. Where records break, take quotes as characters if more records break
than need quoting, and if that makes fewer lines break. Decided once a file, and said when it is not the usual way.
"""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ml_run.reading.types import Fault
from ml_run.wording import number_of

UNFINISHED = "unexpected end of data"
"""What Python's reader says where quotes are still open at the end."""


@dataclass(frozen=True, slots=True)
class TableRecord:
    """One record of the file: its physical lines (1-based, inclusive), its fields, or why it has none."""

    first: int
    last: int
    fields: list[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Quoting:
    """What speaks for quotes that are quotes, and against it: of a file, or of a portion of it, to be added up."""

    broken: int
    """Lines that are no whole records where quotes mean something."""
    broken_plain: int
    """The same, where they are characters."""
    needed: int
    """Whole records that could not be written without quotes."""
    by_quotes: bool
    """A quote stands where a record breaks."""

    def __add__(self, other: "Quoting") -> "Quoting":
        return Quoting(
            self.broken + other.broken,
            self.broken_plain + other.broken_plain,
            self.needed + other.needed,
            self.by_quotes or other.by_quotes,
        )

    def is_plain(self, header: str) -> bool:
        """Whether quotes are characters in a file that begins with the line `header`."""
        if not self.by_quotes or header.lstrip().startswith('"'):
            return False
        return self.needed < self.broken > self.broken_plain

    @property
    def note(self) -> Fault:
        """What is said where quotes are characters."""
        problem = f"quotes are taken as plain characters: as quoting they would break {number_of(self.broken, 'line')}"
        return Fault("quoting", None, problem)


def quoting_of(quoted: list[TableRecord], texts: list[str], delimiter: str) -> Quoting:
    """Look at records read with quotes and the lines they were read from, the header first."""
    return Quoting(
        sum(record.last - record.first + 1 for record in quoted if record.problem),
        _broken_plain(texts, delimiter),
        _needing_quotes(quoted, texts, delimiter),
        breaks_by_quotes(quoted, texts),
    )


def breaks_by_quotes(quoted: list[TableRecord], texts: list[str]) -> bool:
    """Whether a quote stands in the line where a record breaks that was read with quotes."""
    return any(record.problem and '"' in texts[record.first - 1] for record in quoted)


def _broken_plain(texts: list[str], delimiter: str) -> int:
    count = texts[0].count(delimiter) if texts else 0
    return sum(text.count(delimiter) != count and bool(text.rstrip("\r").strip(delimiter)) for text in texts)


def with_quotes(texts: list[str], delimiter: str, shift: int = 0) -> list[TableRecord]:
    """The records in `texts`, the first of which is the header, where quotes are quotes.

    Args:
        texts: lines of a file.
        delimiter: stands between fields.
        shift: what is added to a line of `texts` to make it a line of the file.
    """
    return _checked(_without_swallowed(_quoted(texts, delimiter, 0, len(texts)), texts, delimiter, shift))


def without_quotes(texts: list[str], delimiter: str) -> list[TableRecord]:
    """The records in `texts`, the first of which is the header, where quotes are characters."""
    return _checked([_plain(texts, number, delimiter) for number in range(1, len(texts) + 1)])


def _plain(texts: list[str], number: int, delimiter: str) -> TableRecord:
    return TableRecord(number, number, texts[number - 1].rstrip("\r").split(delimiter))


def _checked(records: list[TableRecord]) -> list[TableRecord]:
    """Mark the records that have not as many fields as the header."""
    width = len(records[0].fields) if records else 0
    return [
        record
        if record.problem or len(record.fields) == width or not any(record.fields)
        else replace(record, problem=f"it has {len(record.fields)} fields, the header has {width}")
        for record in records
    ]


def _needing_quotes(records: list[TableRecord], texts: list[str], delimiter: str) -> int:
    """How many whole records could not be written without quotes."""
    return sum(
        record.last > record.first
        or any(delimiter in field for field in record.fields)
        or '""' in texts[record.first - 1]
        for record in records
        if not record.problem
    )


# --- reading with quotes --------------------------------------------------------------------------------------------


def _quoted(texts: list[str], delimiter: str, start: int, stop: int) -> list[TableRecord]:
    """The records in `texts[start:stop]`. A quoting accident costs the line it begins on, and no other."""
    csv.field_size_limit(sys.maxsize)
    records = []
    while start < stop:
        reader = csv.reader(_ended(texts, start, stop), delimiter=delimiter, strict=True)
        base = start
        try:
            for fields in reader:
                records.append(TableRecord(start + 1, base + reader.line_num, fields))
                start = base + reader.line_num
        except csv.Error as error:
            records.append(TableRecord(start + 1, start + 1, [], _quote_problem(error)))
            start += 1
    return records


def _quote_problem(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return "it holds a carriage return that ends no line"
    return f"its quotes do not match: {error}"


def _ended(texts: list[str], start: int, stop: int) -> Iterator[str]:
    for position in range(start, stop):
        yield texts[position] + "\n"


def _without_swallowed(records: list[TableRecord], texts: list[str], delimiter: str, shift: int) -> list[TableRecord]:
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
            closed = record.last + shift
            problem = f"a quote opened here is closed on line {closed} only, and would swallow the rows between"
            taken.append(TableRecord(record.first, record.first, [], problem))
            taken += _quoted(texts, delimiter, record.first, record.last)
        else:
            taken.append(record)
    return taken


def _is_several_rows(record: TableRecord, texts: list[str], delimiter: str, seen: list[set[str]]) -> bool:
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
