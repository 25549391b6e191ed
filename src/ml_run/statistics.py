"""Intervals, paired comparisons and calibration: pure functions, each with its source.

Conventions: labels are ids 0..k-1; a predicted id of k or more means "a label this run does not know" and is never
correct. Intervals are two-sided 95 % unless `level` says otherwise. Anything undefined is None, never NaN.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from ml_run.results import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ids = Sequence[int] | NDArray[np.signedinteger]
    Flags = Sequence[bool] | NDArray[np.bool_]

LEVEL = 0.95
RESAMPLES = 10_000
ECE_BINS = 15
_BOOTSTRAP_CELLS = 20_000_000  # 160 MB of counts at most at a time


def wilson(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """Proportion with Wilson's score interval.

    Source: E. B. Wilson, JASA 22 (1927). Undefined (all None) for n = 0.
    """
    if n == 0:
        return Estimate(value=None)
    z2 = _z(level) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2**0.5 / (1 + z2 / n)) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
    # At 0 and n successes the bound is exactly 0 or 1; rounding must not push it past the value.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(value=p, low=low, high=high)


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def confusion_matrix(true: Ids, predicted: Ids, k: int) -> NDArray[np.int64]:
    """Counts [k, k + 1]: true label by predicted label; the last column holds labels this run does not know."""
    import numpy as np

    matrix = np.zeros((k, k + 1), dtype=np.int64)
    np.add.at(matrix, (np.asarray(true, int), np.minimum(np.asarray(predicted, int), k)), 1)
    return matrix


def f1_by_class(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each class from counts [..., k, k + 1]: 2 TP / (support + predicted); 0 where both are 0."""
    import numpy as np

    k = matrix.shape[-2]
    hits = np.diagonal(matrix[..., :k], axis1=-2, axis2=-1)
    return _f1(hits, matrix.sum(-1), matrix[..., :k].sum(-2))


def _f1(hits: NDArray[np.int64], support: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    import numpy as np

    total = support + predicted
    result: NDArray[np.float64] = np.divide(2.0 * hits, total, out=np.zeros(total.shape), where=total > 0)
    return result


def f1_intervals(
    matrix: NDArray[np.int64], *, seed: int, resamples: int = RESAMPLES, level: float = LEVEL
) -> tuple[Estimate, Estimate, tuple[Estimate, ...]]:
    """Macro-F1, weighted F1 and the F1 of each class, with stratified percentile bootstrap intervals.

    Rows are resampled within each true class. All scores depend on the rows only through the confusion matrix, so
    resampling rows equals drawing each of its rows from a multinomial: exact, and thousands of times faster.

    Args:
        matrix: counts [k, k + 1] of `confusion_matrix`.
        seed: seed of the resampling.
        resamples: number of bootstrap samples.
        level: level of the intervals.

    Returns:
        Macro-F1 over all k classes, F1 weighted by support, and k estimates; undefined where a class has no rows.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile interval).
    """
    import numpy as np

    support = matrix.sum(1)
    if support.sum() == 0:
        return Estimate(value=None), Estimate(value=None), (Estimate(value=None),) * len(support)
    draws = np.concatenate(list(_bootstrap_f1(matrix, seed, resamples)))
    point = f1_by_class(matrix)
    weights = support / support.sum()
    macro = None if (support == 0).any() else float(point.mean())
    classes = tuple(
        _percentiles(float(point[c]) if support[c] else None, draws[:, c], level) for c in range(len(support))
    )
    return (
        _percentiles(macro, draws.mean(1), level),
        _percentiles(float(point @ weights), draws @ weights, level),
        classes,
    )


def _bootstrap_f1(matrix: NDArray[np.int64], seed: int, resamples: int) -> list[NDArray[np.float64]]:
    import numpy as np

    rng = np.random.default_rng(seed)
    k = matrix.shape[0]
    support = matrix.sum(1)
    chunk = max(1, _BOOTSTRAP_CELLS // (k + 1))
    blocks = []
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        hits = np.zeros((size, k), np.int64)
        predicted = np.zeros((size, k), np.int64)
        for c in np.flatnonzero(support):
            drawn = rng.multinomial(support[c], matrix[c] / support[c], size=size)
            hits[:, c] = drawn[:, c]
            predicted += drawn[:, :k]
        blocks.append(_f1(hits, np.broadcast_to(support, (size, k)), predicted))
    return blocks


def _percentiles(value: float | None, draws: NDArray[np.float64], level: float) -> Estimate:
    import numpy as np

    if value is None:
        return Estimate(value=None)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    # With few rows the bootstrap distribution of a perfect score is a point; the interval always holds the value.
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))


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
    """Macro-F1 of `new` minus macro-F1 of `old` on the same rows, with a paired stratified bootstrap interval.

    Rows are resampled jointly within each true class: a multinomial over the observed (new, old) pairs of the class.
    Classes without rows are left out of both means. Undefined without rows.

    Source: T. Berg-Kirkpatrick, D. Burkett and D. Klein, An Empirical Investigation of Statistical Significance in
    NLP, EMNLP 2012 (paired bootstrap).
    """
    import numpy as np

    y, a, b = (np.asarray(ids, int) for ids in (true, new, old))
    present = np.unique(y)
    if len(y) == 0:
        return Estimate(value=None)
    per_class = [f1_by_class(confusion_matrix(y, ids, k)) for ids in (a, b)]
    value = float((per_class[0] - per_class[1])[present].mean())
    rng = np.random.default_rng(seed)
    hits, predicted = np.zeros((2, resamples, k), np.int64), np.zeros((2, resamples, k), np.int64)
    for c in present:
        pairs, counts = np.unique(
            np.stack([np.minimum(a[y == c], k), np.minimum(b[y == c], k)]), axis=1, return_counts=True
        )
        drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=resamples)
        for model in (0, 1):
            of_label = drawn @ (pairs[model][:, None] == np.arange(k)).astype(np.int64)
            predicted[model] += of_label
            hits[model][:, c] = of_label[:, c]
    support = np.broadcast_to(np.bincount(y, minlength=k), (resamples, k))
    scores = [_f1(hits[m], support, predicted[m])[:, present].mean(1) for m in (0, 1)]
    return _percentiles(value, scores[0] - scores[1], level)


def accuracy_difference(new_right: Flags, old_right: Flags, level: float = LEVEL) -> Estimate:
    """Accuracy of `new` minus accuracy of `old` on the same rows, with Newcombe's interval for paired proportions.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 2635-2650, method 10. Undefined without rows.
    """
    import numpy as np

    a_right, b_right = np.asarray(new_right, bool), np.asarray(old_right, bool)
    n = len(a_right)
    if n == 0:
        return Estimate(value=None)
    both, neither = int((a_right & b_right).sum()), int((~a_right & ~b_right).sum())
    only_new, only_old = int((a_right & ~b_right).sum()), int((~a_right & b_right).sum())
    first, second = wilson(both + only_new, n, level), wilson(both + only_old, n, level)
    phi = _newcombe_phi(both, only_new, only_old, neither)
    difference = (only_new - only_old) / n
    below = _newcombe_reach(first.value, first.low, second.value, second.high, phi)
    above = _newcombe_reach(first.value, first.high, second.value, second.low, phi)
    return Estimate(value=difference, low=difference - below, high=difference + above)


def _newcombe_reach(
    first: float | None, first_end: float | None, second: float | None, second_end: float | None, phi: float
) -> float:
    assert None not in (first, first_end, second, second_end), "defined for n > 0"
    a, b = abs(first - first_end), abs(second - second_end)  # type: ignore[operator]
    return float((a**2 - 2 * phi * a * b + b**2) ** 0.5)


def _newcombe_phi(both: int, only_new: int, only_old: int, neither: int) -> float:
    n = both + only_new + only_old + neither
    product = both * neither - only_new * only_old
    scale = (both + only_new) * (only_old + neither) * (both + only_old) * (only_new + neither)
    if scale == 0:
        return 0.0
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    return float(corrected / scale**0.5)


def log_loss(probabilities: NDArray[np.float64], true: Ids) -> float | None:
    """Mean negative log of the probability [n, k] given to the true label, in nats; None for n = 0 or a non-number."""
    import numpy as np

    if len(true) == 0 or not np.isfinite(probabilities).all():
        return None
    given = np.asarray(probabilities, float)[np.arange(len(true)), np.asarray(true, int)]
    return float(-np.log(np.clip(given, np.finfo(np.float64).tiny, 1.0)).mean())


def expected_calibration_error(confidence: NDArray[np.float64], right: Flags, bins: int = ECE_BINS) -> float | None:
    """Mean absolute gap between confidence and accuracy over equal-width bins of confidence, weighted by rows.

    Even a perfectly calibrated model scores .05 at n = 200 (reliability.md, 3a), so read it with n beside it.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017. None for n = 0 or a non-number.
    """
    import numpy as np

    values = np.asarray(confidence, float)
    if len(values) == 0 or not np.isfinite(values).all():
        return None
    bin_of = np.clip(np.ceil(values * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=values - np.asarray(right, float), minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def rows_to_settle_proportion(value: float, threshold: float, level: float = LEVEL) -> int | None:
    """Smallest n at which Wilson's interval around `value` no longer holds `threshold`; None when they are equal.

    The interval holds t exactly when the score test does not reject t: (value - t)^2 n <= z^2 t (1 - t).
    """
    if value == threshold:
        return None
    return int(_z(level) ** 2 * threshold * (1 - threshold) / (value - threshold) ** 2) + 1


def rows_to_settle_scaled(estimate: Estimate, threshold: float, n: int) -> int | None:
    """Rows at which the interval of `estimate`, shrinking with the root of n, no longer holds `threshold`.

    A projection: it takes the value seen for the true one. None when the value is the threshold or unknown.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or estimate.value == threshold:
        return None
    gap = abs(estimate.value - threshold)
    reach = estimate.value - estimate.low if threshold < estimate.value else estimate.high - estimate.value
    return math.ceil(n * (reach / gap) ** 2) + 1
