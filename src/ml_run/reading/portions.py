"""CSV and TSV of any size: whole records, some at a time.

What is said in `quoting` of a file holds here of a portion of it, the header before it: only whether quotes mean
anything is decided once for all of them. A record may be longer than a portion, but not than two.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ml_run.reading.lines import Lines
from ml_run.reading.quoting import UNFINISHED, Quoting, TableRecord, quoting_of, with_quotes, without_quotes

_MOST_LINES = 10_000
_MOST_CHARACTERS = 4_000_000


@dataclass(frozen=True)
class Portion:
    """Some records of a file."""

    header: TableRecord
    records: list[TableRecord]
    texts: list[str]
    """The lines they were read from, those of the header first."""
    shift: int
    """What is added to a line of `texts` to make it a line of the file."""


def portions(lines: Lines, delimiter: str, *, plain: bool) -> Iterator[Portion]:
    """All records of a file, in portions; nothing for an empty file.

    Args:
        lines: of the file; what is noted there of lines that have been passed is forgotten.
        delimiter: stands between fields.
        plain: quotes are characters.
    """
    texts = iter(lines)
    header: list[str] = []
    waiting: list[str] = []
    before = 0
    while (new := _some(texts)) or waiting:
        read = header + waiting + new
        shift = before - len(header)
        found = without_quotes(read, delimiter) if plain else with_quotes(read, delimiter, shift)
        end = _end(found, len(header), retried=bool(waiting)) if new and not plain else len(read)
        whole = [record for record in found if record.last <= end]
        if whole:
            yield Portion(whole[0], whole[1:], read[:end], shift)
            header = header or read[: whole[0].last]
        waiting, before = read[end:], end + shift
        for number in [number for number in lines.undecodable if number <= before]:
            del lines.undecodable[number]


def _some(texts: Iterator[str]) -> list[str]:
    taken, characters = [], 0
    for text in texts:
        taken.append(text)
        characters += len(text)
        if len(taken) >= _MOST_LINES or characters >= _MOST_CHARACTERS:
            break
    return taken


def _end(found: list[TableRecord], header: int, *, retried: bool) -> int:
    """Lines up to the first record that may go on in the next portion; one that had its second chance may not."""
    for record in found:
        if UNFINISHED in record.problem and not (retried and record.first == header + 1):
            return record.first - 1
    return found[-1].last


@dataclass(frozen=True)
class Survey:
    """What has to be known of a file before its rows can be read one after the other."""

    header: TableRecord
    records: int
    """Below the header, whatever quotes are: about as many."""
    quoting: Quoting
    is_plain: bool
    """Its quotes are characters."""


def survey(lines: Lines, delimiter: str) -> Survey | None:
    """Read a whole file to see what its quotes are; None for an empty one."""
    found = None
    for portion in portions(lines, delimiter, plain=False):
        quoting, records = quoting_of(portion.records, portion.texts, delimiter), len(portion.records)
        if found is not None:
            quoting, records = found.quoting + quoting, found.records + records
        found = Survey(portion.header, records, quoting, quoting.is_plain(portion.texts[0]))
    return found
