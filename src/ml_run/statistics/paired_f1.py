"""Two models on the same rows: how much their macro-F1 differs, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml_run.results import Estimate
from ml_run.statistics.bootstrap import RESAMPLES, reaches, resampled_rows
from ml_run.statistics.confusion import confusion_matrix, f1_by_class, f1_of_counts
from ml_run.statistics.levels import LEVEL
from ml_run.statistics.more_rows import one_that_stands_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.statistics.confusion import Ids

FEWEST_COMPARED = 50
"""Rows below which a difference between two models says nothing (reliability.md, 3b)."""
_PSEUDO_ROWS = 0.5
"""Rows added to each of the four cells right/wrong by right/wrong, shared out among the classes."""


def macro_f1_difference(
    true: Ids,
    new: Ids,
    old: Ids,
    k: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """Macro-F1 of `new` minus macro-F1 of `old` on the same rows, with a paired, stratified, smoothed bootstrap.

    Rows are resampled jointly within each true class: a multinomial over the observed (new, old) pairs of the class. A
    plain bootstrap of rows on which the models hardly ever disagree repeats those few disagreements for ever and is too
    sure: where two rows of a hundred tell them apart, it lets a model pass that is truly worse by the margin in 13 % of
    simulated test sets. So each class carries a part of a row more that both, only one, the
    other or none gets right; and as this pulls the difference towards 0, the draws are moved back to where it was seen.

    Args:
        true: label ids [n].
        new: predicted ids [n].
        old: predicted ids [n].
        k: number of labels.
        seed: of the resampling.
        resamples: number of bootstrap samples.
        level: of the interval, two-sided.

    Returns:
        Undefined where any of the k classes has no rows: a mean over the others would be another score. Of equal
        predictions exactly 0, inside an interval: on other rows the two might differ.

    Source: T. Berg-Kirkpatrick, D. Burkett and D. Klein, An Empirical Investigation of Statistical Significance in
    NLP, EMNLP 2012 (paired bootstrap); A. Agresti and Y. Min, Statistics in Medicine 24 (2005), 729-740 (half a row
    more in each cell of matched pairs).
    """
    rows = _Pairs.of(true, new, old, k)
    if rows is None:
        return Estimate(value=None)
    more = _PSEUDO_ROWS / k
    below, above = reaches(rows.draws(seed, resamples, more), rows.expected(more), level)
    return Estimate(
        value=rows.difference,
        low=max(rows.difference - float(below), -1.0),
        high=min(rows.difference + float(above), 1.0),
    )


def macro_f1_difference_error(
    true: Ids, new: Ids, old: Ids, k: int, *, seed: int, resamples: int = 1000
) -> tuple[float, float] | None:
    """Macro-F1 of `new` minus that of `old` on the same rows, and the standard error of that difference.

    Of a plain paired bootstrap: 0 for equal predictions. Undefined (None) where a class has no rows.
    """
    rows = _Pairs.of(true, new, old, k)
    return None if rows is None else (rows.difference, float(rows.draws(seed, resamples, 0.0).std(ddof=1)))


def class_to_label_first_to_compare(true: Ids, new: Ids, old: Ids, k: int) -> int | None:
    """The class of which one more labelled row narrows the interval of the macro-F1 difference most.

    As `more_rows.class_to_label_first`, for the difference. None where all classes are alike, or it is undefined.
    """
    import numpy as np

    rows = _Pairs.of(true, new, old, k)
    if rows is None:
        return None
    moves = [_moves(confusion_matrix(true, ids, k)) for ids in (new, old)]
    less = []
    for c, (counts, *said) in enumerate(rows.cells):
        shares = _shares(counts, _PSEUDO_ROWS / k)
        worth = said[0] @ moves[0][c] - said[1] @ moves[1][c]
        variance = shares @ worth**2 - (shares @ worth) ** 2
        less.append(rows.support[c] / (rows.support[c] + 1) * variance)
    return one_that_stands_out(np.array(less))


def _moves(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much one row of class [k] that is predicted as a label [k] moves the sum of the F1 scores."""
    import numpy as np

    k = len(matrix)
    total = matrix.sum(1) + matrix[:, :k].sum(0)
    moves: NDArray[np.float64] = np.diag(2 / total) - f1_by_class(matrix) / total
    return moves


class _Pairs(NamedTuple):
    """The counts that a difference depends on: for each true class, what both models say of its rows."""

    support: NDArray[np.int64]
    cells: tuple[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], ...]
    """For each class: rows of each pair [p], and the share of each label in what the new and the old model say [p, k].

    The last four pairs are the added rows: both right, only the new one, only the old one, none. What is wrong there
    counts for all other classes alike.
    """
    difference: float

    @classmethod
    def of(cls, true: Ids, new: Ids, old: Ids, k: int) -> _Pairs | None:
        import numpy as np

        y, a, b = (np.asarray(ids, int) for ids in (true, new, old))
        support = np.bincount(y, minlength=k)
        if len(y) == 0 or (support == 0).any():
            return None
        per_class = [f1_by_class(confusion_matrix(y, ids, k)) for ids in (a, b)]
        cells = tuple(_cells(np.minimum(a[y == c], k), np.minimum(b[y == c], k), c, k) for c in range(k))
        return cls(support, cells, float((per_class[0] - per_class[1]).mean()))

    def draws(self, seed: int, resamples: int, more: float) -> NDArray[np.float64]:
        """The difference in each resample [resamples], with `more` rows in each of the four added pairs of a class."""
        import numpy as np

        rng = np.random.default_rng(seed)
        k = len(self.support)
        hits, predicted = np.zeros((2, resamples, k)), np.zeros((2, resamples, k))
        for c, (counts, *said) in enumerate(self.cells):
            drawn = resampled_rows(rng, int(self.support[c]), _shares(counts, more), resamples)
            for model in (0, 1):
                of_label = drawn @ said[model]
                predicted[model] += of_label
                hits[model][:, c] = of_label[:, c]
        return self._difference(hits, predicted)

    def expected(self, more: float) -> float:
        """The difference in the middle of `draws`."""
        import numpy as np

        k = len(self.support)
        hits, predicted = np.zeros((2, 1, k)), np.zeros((2, 1, k))
        for c, (counts, *said) in enumerate(self.cells):
            for model in (0, 1):
                of_label = self.support[c] * _shares(counts, more) @ said[model]
                predicted[model] += of_label
                hits[model][:, c] = of_label[c]
        return float(self._difference(hits, predicted)[0])

    def _difference(self, hits: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        rows = np.broadcast_to(self.support, hits.shape[1:])
        of_both = [f1_of_counts(hits[model], rows, predicted[model]) for model in (0, 1)]
        difference: NDArray[np.float64] = (of_both[0] - of_both[1]).mean(1)
        return difference


def _cells(
    new: NDArray[np.int64], old: NDArray[np.int64], c: int, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """One class of `_Pairs.cells`; the added pairs hold no rows yet."""
    import numpy as np

    pairs, counts = np.unique(np.stack([new, old]), axis=1, return_counts=True)
    right, wrong = np.eye(k)[c], np.full(k, 1 / max(k - 1, 1))
    wrong[c] = 0.0
    said = [(pairs[model][:, None] == np.arange(k)).astype(float) for model in (0, 1)]
    added_new, added_old = np.stack([right, right, wrong, wrong]), np.stack([right, wrong, right, wrong])
    return (
        np.concatenate([counts.astype(float), np.zeros(4)]),
        np.concatenate([said[0], added_new]),
        np.concatenate([said[1], added_old]),
    )


def _shares(counts: NDArray[np.float64], more: float) -> NDArray[np.float64]:
    filled = counts.copy()
    filled[-4:] = more
    shares: NDArray[np.float64] = filled / filled.sum()
    return shares
