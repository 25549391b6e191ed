"""Where people who labelled the same rows did not agree, or said that they were not sure.

Read from fields that a row has beside its text and label. Which shapes are known is a short list, by name:

- a field of all labels a row got (`annotations`, `annotator_labels`, …): a list of labels, a list of objects with a
  label each, an object of annotator to label, or of label to votes; in csv the same as JSON, or `Northern|Central`;
- a field for each annotator (`label_1` and `label_2`, `annotator_a` and `annotator_b`, …) that holds labels;
- the name of the annotator (`annotator_id`, …) and several rows of one text;
- how sure the annotator was (`confidence`, …): 0 to 1, 1 to 5, or low, medium and high.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ml_run.characters import visible
from ml_run.quality.review import DISAGREEMENT, Review
from ml_run.quality.rows import every_row, sighting, total
from ml_run.quality.rules import finding
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ml_run.quality.rows import Row, Splits
    from ml_run.quality.rules import Checks
    from ml_run.results import Finding, Severity

_RULE = "annotator_disagreement"
_LABEL_LISTS = frozenset(
    {"annotations", "annotation", "annotator_labels", "annotators_labels", "labels_by_annotator", "raw_labels",
     "all_labels", "annotator_votes", "votes"}
)  # fmt: skip
_ANNOTATORS = frozenset(
    f"{who}{ending}" for who in ("annotator", "annotators", "rater", "labeler", "labeller", "coder", "worker")
    for ending in ("", "_id", "_ids", "_name")
)  # fmt: skip
_CONFIDENCES = frozenset({"confidence", "annotator_confidence", "label_confidence", "annotation_confidence"})
_ONE_OF_SEVERAL = re.compile(
    r"(?:label|annotator|annotation|rater|coder)_?(?:label_?)?(?:\d{1,2}|[a-e])"
    r"|(?:annotator|rater|coder)_?(?:\d{1,2}|[a-e])_label|label_(?:annotator|rater|coder)_?(?:\d{1,2}|[a-e])"
)
_LABEL_KEYS = ("label", "value", "annotation", "class", "category")
_WORDS: dict[float | str, float] = {"low": 0.0, "medium": 0.5, "high": 1.0}
_STEPS: dict[float | str, float] = {1.0: 0.0, 2.0: 0.25, 3.0: 0.5, 4.0: 0.75, 5.0: 1.0}
_UNSURE = 0.5
"""Confidence, from 0 to 1, below which a row is worth a second look."""
_FEWEST_ROWS = 30
"""Rows of two labels or more below which their agreement says little."""
_CELL_SEPARATOR = "|"
_SEVERAL = 2
_MOST_VOTES = 1_000
_MOST_NAMED = 6


@dataclass(frozen=True)
class AnnotatorCheck:
    """What the annotators of the rows say of each other; empty where no known field is there."""

    findings: tuple[Finding, ...]
    reviews: tuple[Review, ...]


@dataclass(frozen=True)
class _Unit:
    """What several annotators called one text."""

    rows: tuple[tuple[str, Row], ...]
    """Split and row; several when each annotator has one."""
    labels: tuple[str, ...]

    @property
    def disagreement(self) -> float:
        """Share of the labels that are not the most frequent one."""
        return 1 - max(Counter(self.labels).values()) / len(self.labels)


def is_annotator_field(name: str) -> bool:
    """Whether a field of this name is about the labelling: it may tell the label without giving it away."""
    folded = _folded(name)
    known = folded in _LABEL_LISTS or folded in _ANNOTATORS or folded in _CONFIDENCES
    return known or _ONE_OF_SEVERAL.fullmatch(folded) is not None


def check_annotators(splits: Splits, checks: Checks, *, label_field: str = "label") -> AnnotatorCheck:
    """Read the annotators' fields, if there are any; rows where they differ or were unsure are for review.

    Args:
        splits: rows with their hashes.
        checks: limit `annotator_disagreement.agreement`.
        label_field: the field the labels were read from, which is no annotator's own.
    """
    if not checks.wants(_RULE):
        return AnnotatorCheck((), ())
    names = dict.fromkeys(name for row in every_row(splits) for name in row.raw)
    fields = [name for name in names if name != label_field and is_annotator_field(name)]
    if not fields:
        return AnnotatorCheck((), ())
    found: list[Finding] = []
    reviews: list[Review] = []
    for source, units in _labelled(splits, fields, label_field):
        if one := _disagreement(source, units, checks.limit(f"{_RULE}.agreement")):
            found.append(one)
            reviews += _disagreement_reviews(units)
    for name in fields:
        if _folded(name) in _CONFIDENCES and (unsure := _unsure(splits, name)):
            found.append(_unsure_finding(name, unsure, total(splits)))
            reviews += _unsure_reviews(name, unsure)
    return AnnotatorCheck(tuple(found), tuple(reviews))


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Agreement beyond chance for nominal labels: 1 is full agreement, 0 what chance would give.

    Args:
        units: the labels that each text got, in any order and number; texts of fewer than two do not count.

    Returns:
        None where all labels are the same, or no text has two.

    Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C (nominal data, any number
    of observers, missing data).
    """
    totals: Counter[str] = Counter()
    differing = 0.0
    for labels in units:
        if len(labels) < _SEVERAL:
            continue
        counts = Counter(labels)
        totals.update(counts)
        differing += (len(labels) ** 2 - _squares(counts)) / (len(labels) - 1)
    n = totals.total()
    by_chance = n**2 - _squares(totals)
    return 1 - (n - 1) * differing / by_chance if by_chance else None


def _squares(counts: Counter[str]) -> int:
    return sum(count**2 for count in counts.values())


# --- labels of several annotators -----------------------------------------------------------------------------------


def _labelled(splits: Splits, fields: list[str], label_field: str) -> Iterator[tuple[str, list[_Unit]]]:
    """Each way in which the rows hold several labels: the fields that were read, and the labels."""
    known = {text for row in every_row(splits) for text in (row.label, _text(row.raw.get(label_field)))}
    for name in fields:
        if _folded(name) in _LABEL_LISTS:
            yield f"the field {name}", _units(splits, partial(_cell, name, known), known)
    several = [name for name in fields if _ONE_OF_SEVERAL.fullmatch(_folded(name))]
    if len(several) >= _SEVERAL:
        units = _units(splits, lambda row: [row.raw.get(name) for name in several], known)
        yield f"the fields {listed(several)}", units
    for name in fields:
        if _folded(name) in _ANNOTATORS:
            yield f"rows of one text with different {name}", _by_annotator(splits, name)


def _units(splits: Splits, values_of: Callable[[Row], list[Any]], known: set[str]) -> list[_Unit]:
    """Rows with two labels or more; none where most of what the fields hold is no label, but a name, say."""
    found = []
    for split, rows in splits.items():
        for row in rows:
            labels = tuple(filter(None, map(_text, values_of(row))))
            if len(labels) >= _SEVERAL:
                found.append(_Unit(((split, row),), labels))
    seen = Counter(label for unit in found for label in unit.labels)
    return found if 2 * sum(seen[label] for label in known) > seen.total() else []


def _by_annotator(splits: Splits, name: str) -> list[_Unit]:
    """Texts that stand in the rows of two annotators or more; the last label of each annotator counts."""
    texts: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for split, rows in splits.items():
        for row in rows:
            if row.hash and _text(row.raw.get(name)):
                texts[row.hash].append((split, row))
    found = []
    for copies in texts.values():
        labels = {_text(row.raw[name]): row.label for _, row in copies}
        if len(labels) >= _SEVERAL:
            found.append(_Unit(tuple(copies), tuple(labels.values())))
    return found


def _cell(name: str, known: set[str], row: Row) -> list[Any]:
    """The labels in one field of a row: see the shapes at the top."""
    value = _parsed(row.raw.get(name))
    if isinstance(value, dict):
        if not known.isdisjoint(map(str, value)):
            return [
                label for label, votes in value.items() if type(votes) is int for _ in range(min(votes, _MOST_VOTES))
            ]
        value = list(value.values())
    return [_label_of(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else []


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # the latter of thousands of brackets
            return None
    return value.split(_CELL_SEPARATOR) if _CELL_SEPARATOR in value else None


def _label_of(item: Mapping[str, Any]) -> Any:
    return next((item[key] for key in _LABEL_KEYS if key in item), None)


def _text(value: Any) -> str:
    """A label as it is read from the label field."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _folded(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")


# --- what is said ---------------------------------------------------------------------------------------------------


def _disagreement(source: str, units: list[_Unit], limit: float) -> Finding | None:
    differing = [unit for unit in units if unit.disagreement]
    if not differing:
        return None
    alpha = krippendorff_alpha([unit.labels for unit in units])
    few = len(units) < _FEWEST_ROWS
    severity: Severity = "warning" if alpha is not None and alpha < limit and not few else "info"
    message = (
        f"annotators differ on {len(differing):,} of {number_of(len(units), 'text')} that two or more of them labelled "
        f"(Krippendorff's alpha {alpha:.2f}: 1 is full agreement, 0 is chance), by {source}"
        f"{'; too few to judge by' if few else ''}"
    )
    seen = (sighting(unit.rows[0][1]) for unit in sorted(differing, key=lambda unit: -unit.disagreement))
    return finding(_RULE, severity, message, seen, count=len(differing), total=len(units))


def _disagreement_reviews(units: list[_Unit]) -> Iterator[Review]:
    for unit in units:
        if unit.disagreement:
            votes = (f"{visible(label)} ({count})" for label, count in Counter(unit.labels).most_common(_MOST_NAMED))
            why = f"{_RULE}: annotators said {', '.join(votes)}"
            for split, row in unit.rows:
                yield Review(split, row, DISAGREEMENT + unit.disagreement, why)


def _unsure(splits: Splits, name: str) -> list[tuple[str, Row, float]]:
    """Rows whose annotator was not sure, and how sure from 0 to 1; none where the scale is not known."""
    given = [(split, row, _confidence(row.raw.get(name))) for split, rows in splits.items() for row in rows]
    values = {value for _, _, value in given if value is not None}
    if values <= set(_WORDS):
        scale = _WORDS
    elif all(isinstance(value, float) and 0 <= value <= 1 for value in values):
        scale = {value: float(value) for value in values}
    elif values <= _STEPS.keys():
        scale = _STEPS
    else:
        return []
    sure = ((split, row, scale[value]) for split, row, value in given if value is not None)
    return [one for one in sure if one[2] < _UNSURE]


def _confidence(value: Any) -> float | str | None:
    text = _text(value).casefold()
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return text
    return None if math.isnan(number) else number


def _unsure_finding(name: str, unsure: list[tuple[str, Row, float]], rows: int) -> Finding:
    message = f"annotators were not sure of {len(unsure):,} of {number_of(rows, 'row')}, by the field {name}"
    seen = (sighting(row) for _, row, _ in sorted(unsure, key=lambda one: one[2]))
    return finding(_RULE, "info", message, seen, count=len(unsure), total=rows)


def _unsure_reviews(name: str, unsure: list[tuple[str, Row, float]]) -> Iterator[Review]:
    for split, row, sure in unsure:
        why = f"{_RULE}: the annotator was not sure ({name} {visible(_text(row.raw[name]))})"
        yield Review(split, row, DISAGREEMENT + 1 - sure, why)
