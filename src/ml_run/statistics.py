"""Intervals, paired comparisons and calibration: pure functions, each with its source.

Conventions: labels are ids 0..k-1; a predicted id of k or more means "a label this run does not know" and is never
correct. Intervals are two-sided 95 %. Anything undefined is None, never NaN.
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

_LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + _LEVEL / 2)
RESAMPLES = 10_000
_ROUNDING = 1e-12
ECE_BINS = 15
FEWEST_COMPARED = 50
"""Rows below which a difference between two models says nothing (reliability.md, 3b)."""
_BOOTSTRAP_CELLS = 20_000_000  # 160 MB of counts at most at a time


def wilson(successes: int, n: int) -> Estimate:
    """Proportion with Wilson's score interval.

    Source: E. B. Wilson, JASA 22 (1927). Undefined (all None) for n = 0.
    """
    if n == 0:
        return Estimate(value=None)
    z2 = _Z**2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2**0.5 / (1 + z2 / n)) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
    # At 0 and n successes the bound is exactly 0 or 1; rounding must not push it past the value.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(value=p, low=low, high=high)


def confusion_matrix(true: Ids, predicted: Ids, k: int) -> NDArray[np.int64]:
    """Counts [k, k + 1]: true label by predicted label; the last column holds labels this run does not know."""
    import numpy as np

    cells = np.asarray(true, int) * (k + 1) + np.minimum(np.asarray(predicted, int), k)
    return np.bincount(cells, minlength=k * (k + 1)).reshape(k, k + 1)


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
    matrix: NDArray[np.int64], *, seed: int, resamples: int = RESAMPLES
) -> tuple[Estimate, Estimate, tuple[Estimate, ...]]:
    """Macro-F1, weighted F1 and the F1 of each class, with intervals from a stratified, smoothed bootstrap.

    Rows are resampled within each true class. All scores depend on the rows only through the confusion matrix, so
    resampling rows equals drawing each of its rows from a multinomial: exact, and thousands of times faster. A plain
    bootstrap repeats ten rows without a mistake for ever and is certain; so the multinomials carry half a mistake and
    half a hit more than was seen, as Jeffreys' prior has it. The classes' percentile intervals are then put together
    around the observed scores, which that half mistake does not touch.

    Args:
        matrix: counts [k, k + 1] of `confusion_matrix`.
        seed: seed of the resampling.
        resamples: number of bootstrap samples.

    Returns:
        Macro-F1 over all k classes, F1 weighted by support, and k estimates; undefined where a class has no rows.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), sections 6.5 (parametric bootstrap)
    and 13.3 (percentile interval); L. Brown, T. Cai and A. DasGupta, Statistical Science 16 (2001), 101-133 (Jeffreys'
    prior for a proportion); G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008), 1693-1702 (intervals of a sum
    from those of its terms).
    """
    import numpy as np

    support = matrix.sum(1)
    if support.sum() == 0:
        return Estimate(value=None), Estimate(value=None), (Estimate(value=None),) * len(support)
    draws = _bootstrap_f1(support, _smoothed(matrix), seed, resamples)
    point = f1_by_class(matrix)
    low, high = _percentiles(point, draws)
    below, above = point - low, high - point
    together = _correlation(draws)
    classes = tuple(
        Estimate(value=point[c], low=low[c], high=high[c]) if support[c] else Estimate(value=None)
        for c in range(len(support))
    )
    macro = _weighted_sum(point, below, above, np.full(len(support), 1 / len(support)), together)
    weighted = _weighted_sum(point, below, above, support / support.sum(), together)
    return (Estimate(value=None) if (support == 0).any() else macro), weighted, classes


def _smoothed(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares [k, k + 1] of each class's predictions: half a row more on the right label, half a row on the others."""
    import numpy as np

    k = len(matrix)
    counts = matrix.astype(float)
    counts[:, :k] += np.where(np.eye(k, dtype=bool), 0.5, 0.5 / max(k - 1, 1))
    shares: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return shares


def _bootstrap_f1(
    support: NDArray[np.int64], shares: NDArray[np.float64], seed: int, resamples: int
) -> NDArray[np.float64]:
    """F1 of each class [resamples, k] when rows of the classes are predicted with `shares` [k, k + 1]."""
    import numpy as np

    rng = np.random.default_rng(seed)
    k = len(support)
    chunk = max(1, _BOOTSTRAP_CELLS // (k + 1))
    blocks = []
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        hits, predicted = np.zeros((2, size, k), np.int64)
        for c in np.flatnonzero(support):
            drawn = rng.multinomial(support[c], shares[c], size=size)
            hits[:, c] = drawn[:, c]
            predicted += drawn[:, :k]
        blocks.append(_f1(hits, np.broadcast_to(support, (size, k)), predicted))
    return np.concatenate(blocks)


def _percentiles(
    value: NDArray[np.float64], draws: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the percentile intervals of `draws` [resamples, ...], each stretched to hold its observed value."""
    import numpy as np

    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return np.minimum(low, value), np.maximum(high, value)


def _correlation(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation [k, k] of the columns of `draws` [resamples, k]; a column that never changes goes with no other."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        together = np.nan_to_num(np.atleast_2d(np.corrcoef(draws, rowvar=False)))
    np.fill_diagonal(together, 1.0)
    return together


def _weighted_sum(
    point: NDArray[np.float64],
    below: NDArray[np.float64],
    above: NDArray[np.float64],
    weights: NDArray[np.float64],
    together: NDArray[np.float64],
) -> Estimate:
    """Sum of the weighted scores; how far their intervals reach adds up as standard deviations do."""
    value = float(point @ weights)
    down, up = (max(float((reach * weights) @ together @ (reach * weights)), 0.0) ** 0.5 for reach in (below, above))
    return Estimate(value=value, low=max(value - down, 0.0), high=max(min(value + up, 1.0), value))


def macro_f1_difference(
    true: Ids,
    new: Ids,
    old: Ids,
    k: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Macro-F1 of `new` minus macro-F1 of `old` on the same rows, with a paired stratified bootstrap interval.

    Rows are resampled jointly within each true class: a multinomial over the observed (new, old) pairs of the class.
    Undefined where any of the k classes has no rows: a mean over the others would be another score.

    Source: T. Berg-Kirkpatrick, D. Burkett and D. Klein, An Empirical Investigation of Statistical Significance in
    NLP, EMNLP 2012 (paired bootstrap).
    """
    found = _paired_differences(true, new, old, k, seed, resamples)
    if found is None:
        return Estimate(value=None)
    value, draws = found
    low, high = _percentiles(value, draws)
    return Estimate(value=float(value), low=float(low), high=float(high))


def macro_f1_error(matrix: NDArray[np.int64], *, seed: int, resamples: int = 1000) -> float:
    """Standard error of macro-F1, from a stratified bootstrap of counts [k, k + 1] of which no class is without rows.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), section 6.
    """
    support = matrix.sum(1)
    return float(_bootstrap_f1(support, matrix / support[:, None], seed, resamples).mean(1).std(ddof=1))


def macro_f1_difference_error(
    true: Ids, new: Ids, old: Ids, k: int, *, seed: int, resamples: int = 1000
) -> tuple[float, float] | None:
    """Macro-F1 of `new` minus that of `old` on the same rows, and the standard error of that difference.

    Resampled as in `macro_f1_difference`, and undefined (None) where that is.
    """
    found = _paired_differences(true, new, old, k, seed, resamples)
    return None if found is None else (float(found[0]), float(found[1].std(ddof=1)))


def _paired_differences(
    true: Ids, new: Ids, old: Ids, k: int, seed: int, resamples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The observed difference of macro-F1, and that of each resample [resamples]; None where a class has no rows."""
    import numpy as np

    y, a, b = (np.asarray(ids, int) for ids in (true, new, old))
    support = np.bincount(y, minlength=k)
    if (support == 0).any():
        return None
    per_class = [f1_by_class(confusion_matrix(y, ids, k)) for ids in (a, b)]
    rng = np.random.default_rng(seed)
    hits, predicted = np.zeros((2, resamples, k), np.int64), np.zeros((2, resamples, k), np.int64)
    for c in range(k):
        pairs, counts = np.unique(
            np.stack([np.minimum(a[y == c], k), np.minimum(b[y == c], k)]), axis=1, return_counts=True
        )
        drawn = rng.multinomial(support[c], counts / support[c], size=resamples)
        for model in (0, 1):
            of_label = drawn @ (pairs[model][:, None] == np.arange(k)).astype(np.int64)
            predicted[model] += of_label
            hits[model][:, c] = of_label[:, c]
    rows = np.broadcast_to(support, (resamples, k))
    draws = _f1(hits[0], rows, predicted[0]).mean(1) - _f1(hits[1], rows, predicted[1]).mean(1)
    return np.asarray((per_class[0] - per_class[1]).mean()), draws


def accuracy_difference(new_right: Flags, old_right: Flags) -> Estimate:
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
    phi = _newcombe_phi(both, only_new, only_old, neither)
    difference = (only_new - only_old) / n
    new_below, new_above = _reaches(both + only_new, n)
    old_below, old_above = _reaches(both + only_old, n)
    return Estimate(
        value=difference,
        low=difference - _newcombe_reach(new_below, old_above, phi),
        high=difference + _newcombe_reach(new_above, old_below, phi),
    )


def _reaches(successes: int, n: int) -> tuple[float, float]:
    """How far Wilson's interval reaches below and above the proportion, n > 0."""
    estimate = wilson(successes, n)
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.value - estimate.low, estimate.high - estimate.value


def _newcombe_reach(new: float, old: float, phi: float) -> float:
    return float((new**2 - 2 * phi * new * old + old**2) ** 0.5)


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


def rows_to_settle_proportion(value: float, threshold: float) -> int | None:
    """Smallest n at which Wilson's interval around `value` no longer holds `threshold`; None when they are equal.

    The interval holds t exactly when the score test does not reject t: (value - t)^2 n <= z^2 t (1 - t).
    """
    if value == threshold:
        return None
    return int(_Z**2 * threshold * (1 - threshold) / (value - threshold) ** 2) + 1


def rows_to_settle_scaled(estimate: Estimate, threshold: float, n: int) -> int | None:
    """Rows at which the interval of `estimate`, shrinking with the root of n, no longer holds `threshold`.

    A projection: it takes the value seen for the true one. None when the value is the threshold or unknown.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or estimate.value == threshold:
        return None
    gap = abs(estimate.value - threshold)
    reach = estimate.value - estimate.low if threshold < estimate.value else estimate.high - estimate.value
    return math.ceil(n * (reach / gap) ** 2) + 1


# --- what a number of rows can show ---------------------------------------------------------------------------------


def fewest_hits(threshold: float, n: int) -> int | None:
    """Fewest of n right answers whose Wilson interval lies at or above `threshold`; None when not even n do."""
    if n == 0 or _below(n, n) < threshold - _ROUNDING:
        return None
    missing, enough = -1, n
    while enough - missing > 1:
        middle = (missing + enough) // 2
        missing, enough = (missing, middle) if _below(middle, n) >= threshold - _ROUNDING else (middle, enough)
    return enough


def _below(hits: int, n: int) -> float:
    low = wilson(hits, n).low
    assert low is not None, "n > 0"
    return low


def rows_without_mistake(threshold: float) -> int | None:
    """Smallest n at which n right answers of n prove `threshold`: Wilson's lower end is n / (n + z^2) there.

    None for a threshold of 1, which no number of rows can prove.
    """
    if threshold >= 1:
        return None
    return max(1, math.ceil(_Z**2 * threshold / (1 - threshold) - _ROUNDING))


def smallest_shown_difference(n: float, discordant: float) -> float:
    """Smallest difference of two paired proportions, as observed, whose 95 % interval lies above 0.

    (b - c)^2 >= z^2 (b + c - (b - c)^2 / n): McNemar's test with the variance of Wald's interval.

    Args:
        n: paired rows, above 0.
        discordant: share of rows that only one of the two gets right, 0-1.

    Source: A. Agresti, Categorical Data Analysis, 2nd ed. (2002), section 10.1.1.
    """
    return min(_Z * math.sqrt(discordant / (n + _Z**2)), discordant)


def detectable_difference(n: float, discordant: float, power: float = 0.8) -> float:
    """True difference of two paired proportions that McNemar's test finds, at 5 % two-sided, with this power.

    Solves n d^2 = (z_a sqrt(discordant) + z_b sqrt(discordant - d^2))^2 for d, at most `discordant` itself.

    Args:
        n: paired rows, above 0.
        discordant: share of rows that only one of the two gets right, 0-1.
        power: how often it is to be found, 0.5-1.

    Source: R. J. Connor, Biometrics 43 (1987), 207-211.
    """
    z_power = NormalDist().inv_cdf(power)
    low, high = 0.0, discordant
    for _ in range(60):
        middle = (low + high) / 2
        reach = _Z * math.sqrt(discordant) + z_power * math.sqrt(max(discordant - middle**2, 0.0))
        low, high = (middle, high) if n * middle**2 < reach**2 else (low, middle)
    return high


def rows_per_class_mean(support: Sequence[int]) -> float:
    """Rows of one proportion that is as uncertain as the mean of one proportion a class: k^2 / sum(1 / n_c).

    The variance of a mean of k independent proportions is sum(p q / n_c) / k^2. Used for differences of macro-F1, which
    it takes for differences of mean recall. No class may be without rows.
    """
    return len(support) ** 2 / sum(1 / rows for rows in support)


def calibrated_ece(n: int) -> tuple[float, float]:
    """Expected calibration error (15 bins) that n rows show on average of a perfectly calibrated model, n > 0.

    The less sure the model, the more: simulated for n = 100 to 2,000, 0.5 / sqrt(n) at a mean confidence of .92 and
    1.2 / sqrt(n) at .57; these two are returned. (reliability.md, 3a, has 0.75 / sqrt(n).)
    """
    return 0.5 / math.sqrt(n), 1.2 / math.sqrt(n)
