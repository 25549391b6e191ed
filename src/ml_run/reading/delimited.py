"""CSV and TSV: rows out of records, by the names that the header gives their fields."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ml_run.errors import NotReadyError
from ml_run.reading.lines import Lines
from ml_run.reading.quoting import TableRecord, breaks_by_quotes, quoting_of, with_quotes, without_quotes
from ml_run.reading.sharing import Sharing
from ml_run.reading.types import Fault, RawRow, Source


def parse(lines: Lines, delimiter: str) -> Source:
    """Read every record below the header; one that does not fit the header becomes a fault.

    Raises:
        NotReadyError: there is no header, or it names a field twice.
    """
    texts = list(lines)
    records, note = _records(texts, delimiter)
    header = header_of(records, lines.name)
    rows: list[RawRow] = []
    faults = [*lines.faults, *note]
    for found in rows_of(records[1:], header, texts, lines.undecodable, share=Sharing().value):
        if isinstance(found, Fault):
            faults.append(found)
        else:
            rows.append(found)
    return Source(lines.name, tuple(header), rows, faults)


def rows_of(
    records: list[TableRecord],
    header: list[str],
    texts: list[str],
    undecodable: Mapping[int, str],
    shift: int = 0,
    share: Callable[[str], Any] = str,
) -> Iterator[RawRow | Fault]:
    """The rows that `records` hold; one that does not fit the header becomes a fault.

    Args:
        records: of a file, or of a portion of it, without the header.
        header: the names of the fields.
        texts: the lines that the records were read from.
        undecodable: lines of the file that are not UTF-8, and what is wrong with each.
        shift: what is added to a line of `texts` to make it a line of the file.
        share: makes equal values the same object.
    """
    for record in records:
        fault = _fault(record, texts, undecodable, shift) or _repeated(record, header, texts, shift)
        if fault is None:
            yield RawRow(record.first + shift, dict(zip(header, map(share, record.fields), strict=True)))
        else:
            yield fault


def header_of(records: list[TableRecord], name: str) -> list[str]:
    """The names of the fields; raises NotReadyError where there are none, or two are the same."""
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


def _fault(record: TableRecord, texts: list[str], undecodable: Mapping[int, str], shift: int) -> Fault | None:
    span = range(record.first + shift, record.last + shift + 1)
    bad = next((number for number in span if number in undecodable), None) if undecodable else None
    if bad is not None:
        return Fault("encoding", bad, undecodable[bad], _raw(record, texts))
    if not any(field.strip() for field in record.fields) and not record.problem:
        return Fault("blank_line", span.start, "the line is blank")
    if record.problem:
        return Fault("unreadable_line", span.start, record.problem, _raw(record, texts))
    return None


def _repeated(record: TableRecord, header: list[str], texts: list[str], shift: int) -> Fault | None:
    # The mark is what the second of two joined files began with.
    if record.fields[0].lstrip("\ufeff").strip() != header[0] or [f.strip() for f in record.fields[1:]] != header[1:]:
        return None
    return Fault(
        "unreadable_line",
        record.first + shift,
        "it repeats the header, as where files were joined",
        _raw(record, texts),
    )


def _raw(record: TableRecord, texts: list[str]) -> str:
    return "\n".join(texts[record.first - 1 : record.last])


def _records(texts: list[str], delimiter: str) -> tuple[list[TableRecord], list[Fault]]:
    quoted = with_quotes(texts, delimiter)
    if not breaks_by_quotes(quoted, texts):
        return quoted, []
    quoting = quoting_of(quoted, texts, delimiter)
    if not quoting.is_plain(texts[0]):
        return quoted, []
    return without_quotes(texts, delimiter), [quoting.note]
