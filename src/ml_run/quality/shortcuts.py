"""Whether the label can be told from something other than what the text says: its length, its form, its source.

Each thing is asked alone, by a small model and five folds, and held against guessing by class shares. A model that
finds such a shortcut scores well here and fails where the shortcut is not.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from statistics import median_low
from typing import TYPE_CHECKING, Any

from ml_run.characters import visible
from ml_run.events import emit
from ml_run.quality import probing, surface
from ml_run.quality.annotators import is_annotator_field
from ml_run.quality.fields import LABEL_ALTERNATIVES, TEXT_ALTERNATIVES
from ml_run.quality.rules import finding
from ml_run.results import ShortcutProbe
from ml_run.statistics import confusion_matrix, f1_by_class
from ml_run.wording import number_of, percent, score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.rows import Row, Splits
    from ml_run.quality.rules import Checks
    from ml_run.results import Finding

_RULE = "shortcut"
_OWN = {
    "length": "the length of a text",
    "punctuation": "the use of punctuation and capitals",
    "encoding": "the way its characters are written (accents, forms of apostrophes and quotes, what is not seen)",
}
"""Probes of the text's form; all others are fields."""
_OF_THE_FORM = (
    "this can be right, as questions end with a question mark; else the classes were written or collected in "
    "different ways: mix them, or make them alike"
)
_OF_GROUPS = "have rows of each class in every group if you can; trust scores on groups that train has not"
_FEWEST_ROWS = 100
_MOST_ROWS = 10_000
_MOST_FIELDS = 30
_PERMUTATIONS = 199
_LEVEL = 0.01
_MANY_VALUES = 20
"""Different numbers of a field from which it is a measure, no code."""
_WORDS_OF_A_TEXT = 3
_SHOWN = 40
_TELLING = 5
"""Rows of one value from which it is an example."""
_DEEP = 6
_LARGEST = 1e30
"""Trees compare 32-bit numbers, and refuse what is larger."""
_NUMBER = re.compile(r"\d+")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- differences only


@dataclass(frozen=True)
class ShortcutCheck:
    """What was asked, and what tells the label."""

    findings: tuple[Finding, ...]
    probes: tuple[ShortcutProbe, ...]


@dataclass(frozen=True)
class _Rows:
    """The rows that all probes are asked about."""

    rows: list[Row]
    ids: NDArray[np.int64]
    folds: NDArray[np.int64]
    seed: int


def check_shortcuts(
    splits: Splits,
    checks: Checks,
    *,
    text_fields: Sequence[str] = ("text",),
    label_field: str = "label",
    group_field: str | None = None,
    seed: int,
) -> ShortcutCheck:
    """Ask length, punctuation, encoding and every other field of the rows for the label, each alone.

    At most about 10,000 rows of all splits are asked. Groups and copies may fall into several folds: whether a group
    gives the label away is itself a question. Empty when the rule is off, or fewer than 100 rows in classes of at
    least five can be asked.
    """
    sample = probing.take_sample(splits, _MOST_ROWS, seed) if checks.wants(_RULE) else None
    if sample is None or len(sample.rows) < _FEWEST_ROWS:
        return ShortcutCheck((), ())
    emit("progress", f"looking for shortcuts in {number_of(len(sample.rows), 'row')}", stage="data")
    folds = probing.assign_folds(sample.ids, range(len(sample.rows)), seed)
    asked = _Rows(sample.rows, sample.ids, folds, seed)
    skipped = {*text_fields, label_field}
    text = _macro_f1(asked.ids, _by_ngrams(asked, [row.text for row in asked.rows]))
    guess = 1 / len(sample.labels)
    found, probes = [], []
    for name, predicted in _predictions(asked, skipped):
        macro_f1 = _macro_f1(asked.ids, predicted)
        probe = ShortcutProbe(name=name, macro_f1=macro_f1, guess=guess, text=text, rows=len(sample.rows))
        probes.append(probe)
        if macro_f1 > guess + checks.limit(f"{_RULE}.margin") and _beyond_chance(asked, predicted, macro_f1):
            found.append(_finding(probe, sample, group_field))
    return ShortcutCheck(tuple(found), tuple(probes))


# --- the probes -----------------------------------------------------------------------------------------------------


def _predictions(asked: _Rows, skipped: set[str]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """What each probe predicts of each row, by name."""
    texts = [row.text for row in asked.rows]
    yield "length", _by_tree(asked, [(len(text), len(text.split())) for text in texts])
    yield "punctuation", _by_tree(asked, list(map(surface.form, texts)), _DEEP)
    yield "encoding", _by_tree(asked, list(map(surface.encoding, texts)), _DEEP)
    names = dict.fromkeys(name for row in asked.rows for name in row.raw)
    asking = (name for name in names if name not in skipped and not _is_of_the_task(name))
    for name in islice(asking, _MOST_FIELDS):
        predicted = _by_field(asked, [row.raw.get(name) for row in asked.rows])
        if predicted is not None:
            yield name, predicted


def _is_of_the_task(name: str) -> bool:
    """Whether a field is another form of the label or the text, or about the labelling."""
    folded = name.strip().casefold()
    parts = set(re.split(r"[\W_]+", folded))
    known = {"label", *LABEL_ALTERNATIVES}
    return "label" in folded or not known.isdisjoint(parts) or folded in TEXT_ALTERNATIVES or is_annotator_field(name)


def _by_field(asked: _Rows, values: list[Any]) -> NDArray[np.int64] | None:
    """Asks one field; None where it holds nothing to ask: no plain values, one value, ids that count, or texts."""
    if not all(value is None or isinstance(value, str | int | float | date) for value in values):
        return None
    texts = ["" if value is None else str(value).strip() for value in values]
    different = len(set(texts))
    if different < 2:  # noqa: PLR2004 -- it says the same of every row
        return None
    if different > _MANY_VALUES and (measured := _measures(texts)) is not None:
        counts = different == len(texts) and all(value == int(value) for value in measured)
        return None if counts else _by_tree(asked, [(value,) for value in measured])
    if 2 * different <= len(texts):
        return _by_value(asked, texts)
    if sum(len(text.split()) for text in texts) >= _WORDS_OF_A_TEXT * len(texts):
        return None
    # What is counted up says where a row stands in the file, and files are often sorted by class.
    uncounted = [_NUMBER.sub("0", text) for text in texts]
    return _by_ngrams(asked, uncounted) if len(set(uncounted)) > 1 else None


def _measures(texts: list[str]) -> list[float] | None:
    """Numbers or times as numbers, a missing one as less than all others; None where one is neither."""
    for read in (float, _seconds):
        try:
            found = [read(text) if text else None for text in texts]
        except (ValueError, OverflowError):
            continue
        given = [value for value in found if value is not None and math.isfinite(value)]
        least = min(given, default=0.0) - 1
        return [least if value is None or not math.isfinite(value) else value for value in found]
    return None


def _seconds(text: str) -> float:
    return (datetime.fromisoformat(text).replace(tzinfo=None) - _EPOCH).total_seconds()


def _by_tree(asked: _Rows, features: Sequence[Sequence[float]], depth: int = 3) -> NDArray[np.int64]:
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier

    table = np.clip(np.asarray(features, np.float64), -_LARGEST, _LARGEST).astype(np.float32)
    predicted = np.zeros_like(asked.ids)
    for fold in range(probing.FOLDS):
        held = asked.folds == fold
        tree = DecisionTreeClassifier(
            max_depth=depth, min_samples_leaf=5, class_weight="balanced", random_state=asked.seed
        )
        predicted[held] = tree.fit(table[~held], asked.ids[~held]).predict(table[held])
    return predicted


def _by_value(asked: _Rows, values: list[str]) -> NDArray[np.int64]:
    """The class that each value favours most, by its share of the class."""
    import numpy as np

    number = {value: place for place, value in enumerate(dict.fromkeys(values))}
    codes = np.array([number[value] for value in values])
    predicted = np.zeros_like(asked.ids)
    for fold in range(probing.FOLDS):
        held = asked.folds == fold
        counts = np.zeros((len(number), int(asked.ids.max()) + 1))
        np.add.at(counts, (codes[~held], asked.ids[~held]), 1)
        sizes = counts.sum(0)
        favoured = (counts / sizes).argmax(1)
        favoured[counts.sum(1) == 0] = sizes.argmax()
        predicted[held] = favoured[codes[held]]
    return predicted


def _by_ngrams(asked: _Rows, texts: list[str]) -> NDArray[np.int64]:
    import numpy as np

    features = probing.ngram_features(texts)
    found = probing.out_of_fold(features, asked.ids, asked.folds, seed=asked.seed, balanced=True)
    predicted: NDArray[np.int64] = found.argmax(1).astype(np.int64)
    return predicted


# --- what they say --------------------------------------------------------------------------------------------------


def _macro_f1(ids: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    return float(f1_by_class(confusion_matrix(ids, predicted, int(ids.max()) + 1)).mean())


def _beyond_chance(asked: _Rows, predicted: NDArray[np.int64], macro_f1: float) -> bool:
    """Whether labels dealt out at random would hardly ever score as much (permutation test of the predictions).

    Source: P. Good, Permutation, Parametric and Bootstrap Tests of Hypotheses (2005), section 3.2.
    """
    import numpy as np

    rng = np.random.default_rng(asked.seed)
    as_good = sum(_macro_f1(rng.permutation(asked.ids), predicted) >= macro_f1 for _ in range(_PERMUTATIONS))
    return (as_good + 1) / (_PERMUTATIONS + 1) <= _LEVEL


def _finding(probe: ShortcutProbe, sample: probing.Sample, group_field: str | None) -> Finding:
    what = _OWN.get(probe.name, f"the field {visible(probe.name)}")
    message = (
        f"{what} alone tells the label with a macro-F1 of {score(probe.macro_f1)}, where guessing by class shares has "
        f"{score(probe.guess)} and the words of the text {score(probe.text)}{_example(probe.name, sample)}"
    )
    remedy = _OF_THE_FORM if probe.name in _OWN else _OF_GROUPS if probe.name == group_field else None
    return finding(_RULE, "warning", message, count=1, remedy=remedy)


def _example(name: str, sample: probing.Sample) -> str:
    """What a person can look up: typical lengths, or the value that says most about a label."""
    if name == "length":
        words: dict[str, list[int]] = defaultdict(list)
        for row in sample.rows:
            words[row.label].append(len(row.text.split()))
        typical = sorted(((median_low(found), label) for label, found in words.items()), reverse=True)
        (most, longest), (fewest, shortest) = typical[0], typical[-1]
        return f"; half of {longest} has {most:,} words or more, half of {shortest} {fewest:,} or fewer"
    if name in _OWN:
        return ""
    pairs = Counter((str(row.raw.get(name)).strip(), row.label) for row in sample.rows)
    values, labels = Counter[str](), Counter[str]()
    for (value, label), count in pairs.items():
        values[value] += count
        labels[label] += count
    rows = len(sample.rows)
    value, label = max(pairs, key=lambda pair: (pairs[pair] - values[pair[0]] * labels[pair[1]] / rows, pair))
    share = percent(pairs[value, label] / values[value])
    if values[value] < _TELLING:
        return ""
    return f"; {share} of the {values[value]:,} rows with {visible(value)[:_SHOWN]!r} are {label}"
