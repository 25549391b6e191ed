"""What is measured of the user's rows before a config is written for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.errors import NotReadyError
from ml_run.languages import choose_language
from ml_run.quality.expected_language import expected_language
from ml_run.quality.fields import Fields
from ml_run.quality.labels import class_counts, sorted_labels, tidy_labels
from ml_run.quality.rows import every_row, total
from ml_run.quality.structure import NOT_ROWS, take_rows
from ml_run.results import SPLITS
from ml_run.wording import number_of

if TYPE_CHECKING:
    from ml_run.quality.rows import Rejected, Splits
    from ml_run.reading import Source
    from ml_run.starting.fields import Roles


@dataclass(frozen=True)
class Facts:
    """The data as it will be read."""

    rows: dict[str, int]
    """Usable rows of each file, by split."""
    labels: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    """Rows of each label, by split."""
    words: tuple[int, int]
    """Median and 95th percentile of the words of a training text."""
    characters: tuple[int, int]
    """The same of its characters."""
    language: str | None
    """Code; None: not recognised."""
    language_name: str
    language_why: str
    notes: tuple[str, ...]
    """Rows that cannot be used."""

    def class_sizes(self, split: str) -> dict[str, int]:
        """Rows of each label that occurs in a split."""
        return {label: count for label, count in self.counts[split].items() if count}


def measure(sources: dict[str, Source], roles: Roles) -> Facts:
    """Take every row as the data stage will, and measure.

    Args:
        sources: by split; train is there.
        roles: which field is what.

    Raises:
        NotReadyError: none of the rows of a file can be used.
    """
    fields = Fields(roles.text.names, roles.label.names[0], roles.group.names[0] if roles.group else None)
    splits: Splits = {}
    rejected: list[Rejected] = []
    for split, source in sources.items():
        splits[split], left_out = take_rows(source, split, fields)
        rejected += left_out
        if not splits[split]:
            raise _no_rows(source, left_out)
    splits, _ = tidy_labels(splits, {})
    labels = sorted_labels(splits)
    code, name, why = _language(splits)
    return Facts(
        rows={split: len(splits[split]) for split in SPLITS if split in splits},
        labels=labels,
        counts=class_counts(splits, labels),
        words=_lengths([len(row.text.split()) for row in splits["train"]]),
        characters=_lengths([len(row.text) for row in splits["train"]]),
        language=code,
        language_name=name,
        language_why=why,
        notes=_notes(rejected, total(splits)),
    )


def refuse_unreadable(sources: dict[str, Source]) -> None:
    """Raise NotReadyError where lines of a file cannot be read, naming the first; a file without rows is not judged."""
    for source in sources.values():
        lost = [fault for fault in source.faults if fault.rule not in NOT_ROWS]
        if lost and source.rows:
            lines = "1 line cannot be read" if len(lost) == 1 else f"{len(lost):,} lines cannot be read"
            raise NotReadyError(
                f"{lines}; the first: {lost[0].problem}",
                where=f"{source.name}:{lost[0].line}",
                remedy="correct the lines or delete them: a run would not start with them either",
            )


def _no_rows(source: Source, rejected: list[Rejected]) -> NotReadyError:
    if not rejected:
        return NotReadyError("there are no rows", where=source.name, remedy="name another file")
    first = rejected[0]
    return NotReadyError(
        f"none of its {number_of(len(rejected), 'row')} can be used; line {first.line}: {first.problem}",
        where=source.name,
        remedy="a row needs a text with letters, and a label; --text-field and --label-field say which fields to read",
    )


def _notes(rejected: list[Rejected], usable: int) -> tuple[str, ...]:
    notes = []
    for reason, count in Counter(row.reason for row in rejected).most_common():
        first = next(row for row in rejected if row.reason == reason)
        rows = f"{number_of(count, 'row')} of {usable + len(rejected):,} will be left out"
        notes.append(f"{rows} ({reason}); line {first.line} of {first.file}: {first.problem}")
    return tuple(notes)


def _language(splits: Splits) -> tuple[str | None, str, str]:
    _, guess = choose_language(None, [row.text for row in every_row(splits)])
    if guess:
        return guess.code, guess.name, guess.evidence
    expected = expected_language(None, splits["train"])
    if expected.language:
        return expected.language.code, expected.language.name, expected.how.removeprefix("taken from the rows: ")
    return None, "", expected.how.removeprefix("data.language is not set, and ")


def _lengths(values: list[int]) -> tuple[int, int]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[int(0.95 * (len(ordered) - 1))]
