"""Corrections that a native speaker wrote into the review queue: found in the data again, and judged as a whole.

A queue may be weeks old, and its files may have changed since. So each row is looked up by file and line, and taken
only where text and label there are still what the queue shows. One fault, and nothing is corrected.
"""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_run.config.names import HUB_PREFIX
from ml_run.errors import ConfigError, MlRunError, UsageError
from ml_run.quality.fields import Fields
from ml_run.quality.labels import tidy_labels
from ml_run.quality.review import Answer, same_label, same_text
from ml_run.quality.rows import Row
from ml_run.quality.structure import take_rows
from ml_run.reading import Source
from ml_run.wording import listed, number_of

_MOST_FAULTS = 20
_MOST_LABELS = 12
_FRESH = "the file was changed since; make a new queue with ml-run check-data"

Rows = dict[tuple[str, int], Row]
"""Usable rows by file and line, their labels tidied and mapped."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another label for one row."""

    file: str
    line: int
    old: str
    new: str
    """Both as they are after `data.label_map`."""
    value: Any
    """What to write into the label field, so that it is read as `new`."""


@dataclass(frozen=True)
class Corrections:
    """What the answers of a queue come to."""

    changes: list[Change]
    confirmed: int
    """Rows whose label was found right."""


def labelled_rows(sources: Mapping[str, Source], used: Fields, label_map: Mapping[str, str]) -> Rows:
    """The usable rows of all sources."""
    taken = {split: take_rows(source, split, used)[0] for split, source in sources.items()}
    tidied, _ = tidy_labels(taken, label_map)
    return {(row.file, row.line): row for rows in tidied.values() for row in rows}


def find_corrections(answers: Iterable[Answer], rows: Rows, files: Iterable[str], field: str) -> Corrections:
    """Judge the answers against the data.

    Args:
        answers: the rows of the queue with a `correct_label`.
        rows: as `labelled_rows` gives them.
        files: the names of the sources.
        field: the field that holds the label.

    Raises:
        ConfigError: an answer is about no such row, or gives a label that no row has; all such faults.
    """
    labels = sorted({row.label for row in rows.values()})
    known = set(files)
    faults: list[MlRunError] = []
    chosen: dict[tuple[str, int], str] = {}
    for answer in answers:
        row = rows.get((answer.file, answer.line))
        label = _resolve(answer.correct, labels)
        fault = _misplaced(answer, row, known) or _mislabelled(answer, label, labels)
        if fault is None and label is not None and chosen.setdefault((answer.file, answer.line), label) != label:
            found = f"{answer.file}:{answer.line} stands in the queue twice, with different correct labels"
            fault = UsageError(found, where=answer.place, remedy="leave one of them")
        faults += [fault] if fault else []
    if faults:
        raise ConfigError(_first(faults))
    written = _Written(rows.values(), field)
    changes = [
        Change(*place, rows[place].label, label, written.value(rows[place], label))
        for place, label in chosen.items()
        if rows[place].label != label
    ]
    return Corrections(changes, confirmed=len(chosen) - len(changes))


def _first(faults: list[MlRunError]) -> list[MlRunError]:
    more = len(faults) - _MOST_FAULTS
    if more <= 0:
        return faults
    return [*faults[:_MOST_FAULTS], UsageError(f"and {number_of(more, 'more fault')} of this kind")]


def _misplaced(answer: Answer, row: Row | None, known: set[str]) -> MlRunError | None:
    place = f"{answer.file}:{answer.line}"
    if answer.file.startswith(HUB_PREFIX):
        found = f"{answer.file} is a data set of the hub, which cannot be corrected from here"
        return UsageError(
            found, where=answer.place, remedy="save it as a file, name that in the config, check it again"
        )
    if answer.file not in known:
        found = f"the config does not read {answer.file}; it reads {listed(sorted(known))}"
        return UsageError(found, where=answer.place, remedy="use the config that the queue was made with (--config)")
    if row is None:
        return UsageError(f"there is no row that can be used at {place}", where=answer.place, remedy=_FRESH)
    if not same_text(answer.text, row.text):
        remedy = f"{_FRESH}. If letters are broken in the queue: save it as CSV UTF-8"
        return UsageError(f"the text at {place} is not the one in the queue", where=answer.place, remedy=remedy)
    if not same_label(answer.label, row.label):
        found = f"the label at {place} is {row.label!r}, in the queue it is {answer.label!r}"
        return UsageError(found, where=answer.place, remedy=_FRESH)
    return None


def _mislabelled(answer: Answer, label: str | None, labels: list[str]) -> MlRunError | None:
    if label is not None:
        return None
    near = difflib.get_close_matches(answer.correct.casefold(), [label.casefold() for label in labels], n=1)
    nearest = next((label for label in labels if near and label.casefold() == near[0]), None)
    shown = ", ".join(labels[:_MOST_LABELS]) + (", …" if labels[_MOST_LABELS:] else "")
    hint = f"did you mean {nearest!r}?" if nearest else f"the labels are: {shown}"
    return UsageError(f"correct_label is {answer.correct!r}, which no row has", where=answer.place, remedy=hint)


def _resolve(cell: str, labels: list[str]) -> str | None:
    """The label that `cell` means: as it stands, or the only one that a spreadsheet turns into this."""
    if cell in labels:
        return cell
    meant = [label for label in labels if same_label(cell, label)]
    return meant[0] if len(meant) == 1 else None


# --- what to write --------------------------------------------------------------------------------------------------


class _Written:
    """How the files write each label: what is written for a correction is what other rows have.

    So `data.label_map` needs no reversing, and numbers stay numbers.
    """

    def __init__(self, rows: Iterable[Row], field: str) -> None:
        self._field = field
        self._here: dict[tuple[str, str], Counter[tuple[type, Any]]] = {}
        self._anywhere: dict[str, Counter[tuple[type, Any]]] = {}
        for row in rows:
            value = row.raw[field]
            form = (type(value), value.strip() if isinstance(value, str) else value)
            self._here.setdefault((row.file, row.label), Counter())[form] += 1
            self._anywhere.setdefault(row.label, Counter())[form] += 1

    def value(self, row: Row, label: str) -> Any:
        """What to write into `row` so that it is read as `label`, in the type that it has now if that can be."""
        kind = type(row.raw[self._field])
        forms = self._here.get((row.file, label)) or self._anywhere[label]
        same_kind = [form for form, _ in forms.most_common() if form[0] is kind]
        return same_kind[0][1] if same_kind else _converted(forms.most_common(1)[0][0][1], kind)


def _converted(value: Any, kind: type) -> Any:
    if kind is str:
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            return value
        return parsed if type(parsed) is kind and json.dumps(parsed) == value else value
    return value
