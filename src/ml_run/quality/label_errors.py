"""Likely label errors: rows whose label a model trained on the others finds unlikely, and how far such a list goes.

The method is confident learning (C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 70 (2021), 1373-1411), the few lines of it that are needed. How many rows it calls errors tracks
the weakness of the model, so the number decides nothing; what the list is worth on these very rows is found by
planting errors and looking for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run.events import emit
from ml_run.quality import probing
from ml_run.quality.review import LABEL_ERROR, Review
from ml_run.quality.rows import sighting
from ml_run.quality.rules import finding
from ml_run.results import LabelErrors
from ml_run.wording import number_of, percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.rows import Splits
    from ml_run.quality.rules import Checks
    from ml_run.results import Finding

_RULE = "label_error"
_FEWEST_ROWS = 100
_MOST_ROWS = 50_000
_PLANTED_SHARE = 0.05
_LEAST_RECALL = 0.2
"""Of the planted errors, below which looking through the list is hardly better than looking anywhere."""


@dataclass(frozen=True)
class LabelErrorCheck:
    """The suspicious rows, most suspicious first, and what the list is worth."""

    findings: tuple[Finding, ...]
    reviews: tuple[Review, ...]
    record: LabelErrors


@dataclass(frozen=True)
class _Answers:
    """What the model said of each row, without having seen it."""

    probabilities: NDArray[np.float64]
    ids: NDArray[np.int64]
    flagged: NDArray[np.bool_]
    order: NDArray[np.int64]
    """Rows whose label is not the likeliest, most suspicious first."""

    def confidence(self, row: int) -> float:
        return float(self.probabilities[row, self.ids[row]])


def check_label_errors(splits: Splits, checks: Checks, *, seed: int) -> LabelErrorCheck | None:
    """Ask a linear model about each row of all splits, out of fold; at most about 50,000 rows are looked at.

    None when the rule is off, or fewer than 100 rows in classes of at least five can be looked at.
    """
    if not checks.wants(_RULE):
        return None
    sample = probing.take_sample(splits, _MOST_ROWS, seed)
    if sample is None or len(sample.rows) < _FEWEST_ROWS:
        return None
    emit("progress", f"looking for label errors in {number_of(len(sample.rows), 'row')}", stage="data")
    features = probing.ngram_features([row.text for row in sample.rows])
    folds = _folds(sample, seed)
    answers = _ask(features, sample.ids, folds, seed)
    shown = int(checks.limit(f"{_RULE}.shown"))
    record = _record(sample, answers, shown, _self_test(features, sample.ids, folds, shown, seed))
    if not len(answers.order):
        return LabelErrorCheck((), (), record)
    listed = answers.order[: record.shown].tolist()
    return LabelErrorCheck(
        (_finding(sample, record, listed),), tuple(_review(sample, answers, row) for row in listed), record
    )


def _folds(sample: probing.Sample, seed: int) -> NDArray[np.int64]:
    """Copies of a text in one fold, where none can vouch for a wrong label; groups, too, where they can be parted."""
    hashes = [row.hash or row.text for row in sample.rows]
    groups = [row.group for row in sample.rows]
    if any(groups):
        clusters = probing.linked(hashes, groups)
        if probing.spread(sample.ids, clusters):
            return probing.assign_folds(sample.ids, clusters.tolist(), seed)
    return probing.assign_folds(sample.ids, hashes, seed)


def _ask(features: Any, ids: NDArray[np.int64], folds: NDArray[np.int64], seed: int) -> _Answers:
    import numpy as np

    probabilities = probing.out_of_fold(features, ids, folds, seed=seed)
    flagged = confident_errors(probabilities, ids)
    confidence = probabilities[np.arange(len(ids)), ids]
    # The order of rows decides where confidence does not: the same list on every machine.
    order = np.lexsort((confidence, ~flagged))
    return _Answers(probabilities, ids, flagged, order[probabilities.argmax(1)[order] != ids[order]])


def confident_errors(probabilities: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows [n] that confident learning calls label errors.

    A row counts as of class j when its probability of j reaches the mean of that among the rows labelled j (the
    likeliest of such classes). The table of labels against those classes, scaled to the number of rows of each label,
    says how many rows of a label are wrong, and which label they should have had; as many are pruned: by class those
    of least self-confidence, by noise rate those of largest margin for the other class. Called errors are rows that
    both prune (section 3.2 of the paper, method 5), if the model does not agree with their label anyway.

    Args:
        probabilities: [n, k] of each row and class, by a model that has not seen the row.
        ids: labels [n], each of 0..k-1 present.
    """
    import numpy as np

    joint = _confident_joint(probabilities, ids)
    by_class, by_rate = np.zeros((2, len(ids)), bool)
    for label in range(len(joint)):
        rows = np.flatnonzero(ids == label)
        own = probabilities[rows, label]
        by_class[rows[np.argsort(own, kind="stable")[: len(rows) - joint[label, label]]]] = True
        for other in np.flatnonzero(joint[label]):
            if other != label:
                margin = probabilities[rows, other] - own
                by_rate[rows[np.argsort(-margin, kind="stable")[: joint[label, other]]]] = True
    errors: NDArray[np.bool_] = by_class & by_rate & (probabilities.argmax(1) != ids)
    return errors


def _confident_joint(probabilities: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows [k, k] by label and by the class they count as; each row of the table adds up to the rows of its label."""
    import numpy as np

    k = probabilities.shape[1]
    sizes = np.bincount(ids, minlength=k)
    thresholds = np.array([probabilities[ids == c, c].mean() for c in range(k)])
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    sure = confident.max(1) >= 0
    counts = np.zeros((k, k))
    np.add.at(counts, (ids[sure], confident[sure].argmax(1)), 1)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    joint: NDArray[np.int64] = np.rint(counts / counts.sum(1, keepdims=True) * sizes[:, None]).astype(np.int64)
    return joint


def _self_test(
    features: Any, ids: NDArray[np.int64], folds: NDArray[np.int64], shown: int, seed: int
) -> tuple[int, int, float]:
    """Change labels of 5 % of the rows and look for them.

    Returns:
        How many were changed, how many of these are among as many most suspicious rows, and which share they have in
        the first `shown`.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    k = int(ids.max()) + 1
    planted = rng.choice(len(ids), max(1, round(_PLANTED_SHARE * len(ids))), replace=False)
    changed = ids.copy()
    changed[planted] = (ids[planted] + rng.integers(1, k, len(planted))) % k
    order = _ask(features, changed, folds, seed).order
    found = np.isin(order, planted)
    precision = float(found[:shown].mean()) if len(found) else 0.0
    return len(planted), int(found[: len(planted)].sum()), precision


def _record(sample: probing.Sample, answers: _Answers, shown: int, test: tuple[int, int, float]) -> LabelErrors:
    planted, among_planted, precision = test
    listed = min(shown, len(answers.order))
    return LabelErrors(
        rows=len(sample.rows),
        accuracy=float((answers.probabilities.argmax(1) == sample.ids).mean()),
        flagged=int(answers.flagged.sum()),
        shown=listed if among_planted > _by_chance(len(sample.rows), planted) else 0,
        planted=planted,
        recall=among_planted / planted,
        precision=precision,
    )


def _by_chance(rows: int, planted: int) -> float:
    """Planted errors that a list in random order may well have among its first, or that are hardly worth a list."""
    expected = planted * planted / rows
    return max(expected + 3 * math.sqrt(expected), _LEAST_RECALL * planted)


# --- what is said ---------------------------------------------------------------------------------------------------


def _finding(sample: probing.Sample, record: LabelErrors, listed: list[int]) -> Finding:
    looked_at = number_of(record.rows, "row")
    if record.rows < sample.of:
        looked_at += f" looked at (a sample of {sample.of:,})"
    tested = f"of {number_of(record.planted, 'label')} changed on purpose as a test"
    hits = f"{round((record.recall or 0) * record.planted):,}"
    among = f"among the {record.planted:,} rows suspected most"
    if not listed:
        message = (
            f"a model cannot tell wrong labels in these {looked_at}: {tested} it had only {hits} {among}, so its list "
            "is worth little and is left out of the review queue"
        )
    else:
        message = (
            f"{record.shown:,} of {looked_at} are listed because a model that reads the texts expected another label; "
            f"{tested}, {hits} were {among}; the length of the list is no error rate: many of its labels may be right"
        )
    return finding(_RULE, "info", message, (sighting(sample.rows[row]) for row in listed), count=len(listed))


def _review(sample: probing.Sample, answers: _Answers, row: int) -> Review:
    likelier = int(answers.probabilities[row].argmax())
    why = (
        f"{_RULE}: a model that has not seen the row finds {sample.labels[likelier]} likelier "
        f"({percent(float(answers.probabilities[row, likelier]))}, this label "
        f"{percent(answers.confidence(row))})"
    )
    return Review(sample.splits[row], sample.rows[row], LABEL_ERROR + 1 - answers.confidence(row), why)
