"""What `ml-run check-data` shows: the findings worst first, on one screen, then what to do."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml_run.characters import visible
from ml_run.wording import listed, number_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_run.checking.check import DataCheck
    from ml_run.checking.correcting import Corrected
    from ml_run.results import Finding

Mark = Literal["error", "warning", "info", "ok", ""]
HEIGHT = 23
"""Lines of a terminal, less the one that the next command is typed on."""
_WIDE = 100
_NARROW = 60
_MOST_MOVES = 12
_WHOLE = 9
"""Lines that are enough for any message."""
_NOUNS = {"error": "error", "warning": "warning", "info": "note"}
_MARKS: dict[str, Mark] = {"not ready": "error", "ready with warnings": "warning", "ready": "ok"}


@dataclass(frozen=True)
class Line:
    """One line of the screen."""

    mark: Mark
    text: str


def check_screen(check: DataCheck, width: int) -> list[Line]:
    """A check of the data on one screen of `width` columns."""
    closing = list(_closing(check, width))
    height = sum(1 + max(len(line.text) + 1, 0) // max(width, 1) for line in closing)
    found = _findings(check.prepared.findings, width, HEIGHT - height - 1)
    return [*found, Line("", ""), *closing] if found else closing


# --- findings -------------------------------------------------------------------------------------------------------


def _findings(findings: tuple[Finding, ...], width: int, room: int) -> list[Line]:
    """As much of each message as the room allows: errors and warnings in full before notes have a line each."""
    bad = [finding for finding in findings if finding.severity != "info"]
    everything = _rows(findings, width, [_WHOLE if finding in bad else 1 for finding in findings])
    if len(everything) <= room:
        return everything
    notes = _summed([finding for finding in findings if finding.severity == "info"], "info", width)
    left: list[Line] = []
    count = len(bad)
    while len(_rows(bad[:count], width, [1] * count)) + len(left) + len(notes) > room and count > 1:
        count -= 1
        left = _summed(bad[count:], bad[count].severity, width)
    most = [1] * count
    for number in range(count):
        for lines in (2, 3, _WHOLE):
            more = [*most[:number], lines, *most[number + 1 :]]
            if len(_rows(bad[:count], width, more)) + len(left) + len(notes) <= room:
                most = more
    return [*_rows(bad[:count], width, most), *left, *notes]


def _rows(findings: Sequence[Finding], width: int, most: Sequence[int]) -> list[Line]:
    """The findings in columns: rule, how many, message, each on at most so many lines."""
    names = max((len(finding.rule) for finding in findings), default=0)
    counts = max((len(_count(finding, width)) for finding in findings), default=0)
    lines = []
    for finding, lines_each in zip(findings, most, strict=True):
        message = visible(finding.message)
        if width < _NARROW:
            first, *more = _wrapped(f"{finding.rule}: {message}", width - 2, lines_each)
            lines += [Line(finding.severity, first), *(Line("", piece) for piece in more)]
            continue
        start = f"{finding.rule:<{names}}  {_count(finding, width):>{counts}}  "
        first, *more = _wrapped(message, width - 2 - len(start), lines_each)
        lines.append(Line(finding.severity, start + first))
        lines += [Line("", " " * len(start) + piece) for piece in more]
    return lines


def _count(finding: Finding, width: int) -> str:
    if width < _WIDE or finding.share is None:
        return f"{finding.count:,}"
    return f"{finding.count:,} · {percent(finding.share)}"


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """`text` on at most `most` lines; the last is cut where it is full, not before a long path."""
    width = max(width, 12)
    pieces = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    if len(pieces) <= most:
        return pieces
    rest = " ".join(pieces[most - 1 :])
    return [*pieces[: most - 1], f"{rest[: width - 1].rstrip()}…"]


def _summed(findings: list[Finding], mark: Mark, width: int) -> list[Line]:
    if not findings:
        return []
    names = ", ".join(finding.rule for finding in findings)
    number = f"{len(findings)} more" if mark != "info" else number_of(len(findings), "note")
    return list(_marked(mark, f"{number}: {names}", width))


# --- what to make of it ---------------------------------------------------------------------------------------------


def _closing(check: DataCheck, width: int) -> Iterator[Line]:
    prepared = check.prepared
    yield from _marked(_MARKS[prepared.readiness], _answer(check), width)
    if prepared.synthetic:
        yield Line("", "SYNTHETIC data: it shows how ml-run works, and says nothing about a language")
    splits = ", ".join(f"{split.rows:,} {name}" for name, split in prepared.splits.items())
    yield Line("", f"{splits} rows; {number_of(len(prepared.labels), 'label')}")
    yield Line("", f"in {check.folder}/:")
    left = list(_left(check))
    names = max(len(name) for name, _ in left)
    for name, meaning in left:
        yield Line("", f"  {name:<{names}}  {meaning}")
    yield from _next(check, width)


def _answer(check: DataCheck) -> str:
    prepared = check.prepared
    rows = sum(split.rows for split in prepared.splits.values()) + check.rejected_rows
    looked = f"{number_of(check.checks, 'check')} on {number_of(rows, 'row')}"
    if not prepared.findings:
        return f"{prepared.readiness}: {looked} found nothing"
    counts = [
        number_of(count, noun)
        for severity, noun in _NOUNS.items()
        if (count := sum(finding.severity == severity for finding in prepared.findings))
    ]
    return f"{prepared.readiness}: {listed(counts)}, by {looked}"


def _left(check: DataCheck) -> Iterator[tuple[str, str]]:
    """What the check left in its folder, and what it is good for."""
    if check.report:
        yield check.report, "every finding, with rows and what to do"
    if check.queue_rows:
        yield check.queue, f"{number_of(check.queue_rows, 'row')} for a native speaker"
    if check.rejected_rows:
        yield check.rejected, f"{number_of(check.rejected_rows, 'row')} left out, and why"
    for name in check.kept:
        yield name, "was changed by hand, so it was kept"
    if not check.report:
        yield check.record, "every finding, for programs"


def _next(check: DataCheck, width: int) -> Iterator[Line]:
    prepared = check.prepared
    if prepared.readiness == "not ready":
        worst = prepared.findings[0]
        place = next((f"{e.file}:{e.line}: " for e in worst.examples if e.line), "")
        yield from _marked("", visible(f"next: {place}{worst.remedy}"), width)
    if check.queue_rows:
        start = "next: fill in" if prepared.readiness != "not ready" else "then: fill in"
        yield Line("", f"{start} correct_label in the queue, and")
        yield Line("", check.apply)
    elif prepared.readiness != "not ready":
        yield Line("", "next: ml-run NAME")


def _marked(mark: Mark, text: str, width: int) -> Iterator[Line]:
    first, *more = _wrapped(text, width - 2, 3)
    yield Line(mark, first)
    yield from (Line("", piece) for piece in more)


def columned(rows: Sequence[tuple[Mark, str, str]], width: int) -> list[Line]:
    """Marks, names and what is said of each: side by side, or in one piece where it is narrow; nothing is cut."""
    names = max((len(name) for _, name, _ in rows), default=0)
    lines = []
    for mark, name, said in rows:
        start = f"{name:<{names}}  " if names else ""
        if width < _NARROW:
            start, said = "", f"{name}: {said}" if name else said  # noqa: PLW2901 -- the name goes with it
        first, *more = _unbroken(visible(said), width - 2 - len(start)) or [""]
        lines += [Line(mark, start + first), *(Line("", " " * len(start) + piece) for piece in more)]
    return lines


def _unbroken(text: str, width: int) -> list[str]:
    """Wrapped, with paths and commands whole, so that they can be copied, and numbers beside their per cent."""
    kept = text.replace(" %", "\0%")
    pieces = textwrap.wrap(kept, max(width, 12), break_on_hyphens=False, break_long_words=False)
    return [piece.replace("\0", " ") for piece in pieces]


# --- corrections ----------------------------------------------------------------------------------------------------


def corrections_screen(corrected: Corrected, width: int) -> list[Line]:
    """What applying a review queue changed."""
    lines = [Line("ok" if corrected.changes or corrected.confirmed else "info", _outcome(corrected))]
    if corrected.changes:
        lines += [Line("", ""), *_table(corrected), Line("", ""), *_how_to_use(corrected, width)]
    return [*lines, Line("", f"next  {corrected.next_step}")]


def _outcome(corrected: Corrected) -> str:
    told = f"{number_of(len(corrected.changes), 'label')} changed, {corrected.confirmed:,} confirmed"
    if corrected.unanswered:
        verb = "has" if corrected.unanswered == 1 else "have"
        told += f"; {number_of(corrected.unanswered, 'row')} of the queue {verb} no correct_label"
    return told


def _table(corrected: Corrected) -> Iterator[Line]:
    moves = Counter((change.file, visible(change.old), visible(change.new)) for change in corrected.changes)
    rows = [(corrected.files[file], f"{old} → {new}", f"{count:,}") for (file, old, new), count in moves.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for file, move, count in sorted(rows)[:_MOST_MOVES]:
        yield Line("", f"{file:<{widths[0]}}  {move:<{widths[1]}}  {count:>{widths[2]}}")
    if len(rows) > _MOST_MOVES:
        yield Line("", f"… and {len(rows) - _MOST_MOVES} more")


def _how_to_use(corrected: Corrected, width: int) -> Iterator[Line]:
    for piece in _unbroken(
        f"The originals are as they were. To use the corrected files, write in {corrected.config}:", width
    ):
        yield Line("", piece)
    yield Line("", "  data:")
    for key, path in corrected.config_lines.items():
        yield Line("", f"    {key.removeprefix('data.')}: {path}")
    judged = [split for split in ("val", "test") if f"data.{split}_path" in corrected.config_lines]
    if judged:
        text = f"other labels in {listed(judged)}: scores are not comparable with those of earlier runs"
        yield from _marked("warning", text, width)
