"""Intervals of one model's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml_run.results import Estimate
from ml_run.statistics.bootstrap import RESAMPLES, reaches, resampled_counts, smoothed
from ml_run.statistics.confusion import f1_by_class, f1_of_counts, matthews, matthews_of_counts
from ml_run.statistics.levels import LEVEL, z_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def wilson(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """Proportion with Wilson's score interval.

    Source: E. B. Wilson, JASA 22 (1927). Undefined (all None) for n = 0.
    """
    if n == 0:
        return Estimate(value=None)
    z2 = z_of(level) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2**0.5 / (1 + z2 / n)) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
    # At 0 and n successes the bound is exactly 0 or 1; rounding must not push it past the value.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(value=p, low=low, high=high)


def mean_interval(values: NDArray[np.float64], level: float = LEVEL) -> Estimate:
    """Mean of `values` [n] with Student's interval; undefined for fewer than two values or a non-number.

    Source: Student, Biometrika 6 (1908), 1-25.
    """
    import numpy as np
    from scipy.special import stdtrit

    n = len(values)
    if n < 2 or not np.isfinite(values).all():  # noqa: PLR2004 -- one value has no spread
        return Estimate(value=None)
    mean, reach = float(values.mean()), float(stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / n**0.5)
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def f1_intervals(
    matrix: NDArray[np.int64], *, seed: int, resamples: int = RESAMPLES
) -> tuple[Estimate, Estimate, tuple[Estimate, ...]]:
    """Macro-F1, weighted F1 and the F1 of each class, with intervals from a stratified, smoothed bootstrap.

    The classes' percentile intervals (see `bootstrap`) are put together around the observed scores, which the half
    mistake of the smoothing does not touch; from their mean the bias that the resampling shows is taken away, for F1 of
    few rows is lower on average than of many.

    Args:
        matrix: counts [k, k + 1] of `confusion_matrix`.
        seed: seed of the resampling.
        resamples: number of bootstrap samples.

    Returns:
        Macro-F1 over all k classes, F1 weighted by support, and k estimates; undefined where a class has no rows.

    Source: as in `bootstrap`, of Efron and Tibshirani also section 10.2 (bias); G. Y. Zou and A. Donner, Statistics in
    Medicine 27 (2008), 1693-1702 (intervals of a sum from those of its terms).
    """
    import numpy as np

    support = matrix.sum(1)
    if support.sum() == 0:
        return Estimate(value=None), Estimate(value=None), (Estimate(value=None),) * len(support)
    shares = smoothed(matrix)
    hits, predicted = resampled_counts(support, shares, seed, resamples)
    draws = f1_of_counts(hits, np.broadcast_to(support, hits.shape), predicted)
    point, bias = f1_by_class(matrix), draws.mean(0) - f1_by_class(support[:, None] * shares)
    below, above = reaches(draws, point, LEVEL)
    classes = tuple(
        Estimate(value=point[c], low=point[c] - below[c], high=point[c] + above[c])
        if support[c]
        else Estimate(value=None)
        for c in range(len(support))
    )
    terms = _Terms(point, bias, below, above, _correlation(draws))
    macro = terms.weighted_sum(np.full(len(support), 1 / len(support)))
    weighted = terms.weighted_sum(support / support.sum())
    return (Estimate(value=None) if (support == 0).any() else macro), weighted, classes


class _Terms(NamedTuple):
    """Scores of the classes [k], and what is known of how they stray."""

    point: NDArray[np.float64]
    bias: NDArray[np.float64]
    below: NDArray[np.float64]
    above: NDArray[np.float64]
    together: NDArray[np.float64]
    """Correlation [k, k]."""

    def weighted_sum(self, weights: NDArray[np.float64]) -> Estimate:
        """Sum of the weighted scores; how far their intervals reach adds up as standard deviations do."""
        value, bias = min(float(self.point @ weights), 1.0), float(self.bias @ weights)
        down, up = (
            max(float((reach * weights) @ self.together @ (reach * weights)), 0.0) ** 0.5
            for reach in (self.below, self.above)
        )
        low, high = value - bias - down, value - bias + up
        return Estimate(value=value, low=max(min(low, value), 0.0), high=max(min(high, 1.0), value))


def _correlation(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation [k, k] of the columns of `draws` [resamples, k]; a column that never changes goes with no other."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        together = np.nan_to_num(np.atleast_2d(np.corrcoef(draws, rowvar=False)))
    np.fill_diagonal(together, 1.0)
    return together


def matthews_interval(matrix: NDArray[np.int64], *, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Matthews' correlation coefficient with an interval from the stratified, smoothed bootstrap.

    The draws are moved so that their middle is the observed value: smoothing pulls both towards 0.

    Args:
        matrix: counts [k, k + 1] of `confusion_matrix`.
        seed: seed of the resampling.
        resamples: number of bootstrap samples.

    Source: as in `confusion.matthews` and `bootstrap`. Undefined where `matthews` is.
    """
    value = matthews(matrix)
    if value is None:
        return Estimate(value=None)
    support, shares = matrix.sum(1), smoothed(matrix)
    hits, predicted = resampled_counts(support, shares, seed, resamples)
    draws = matthews_of_counts(hits.sum(1), support, predicted)
    expected = support[:, None] * shares
    middle = matthews_of_counts(expected.diagonal().sum(), support, expected[:, :-1].sum(0))
    below, above = reaches(draws, middle, LEVEL)
    return Estimate(value=value, low=max(value - float(below), -1.0), high=min(value + float(above), 1.0))


def macro_f1_error(matrix: NDArray[np.int64], *, seed: int, resamples: int = 1000) -> float:
    """Standard error of macro-F1, from a stratified bootstrap of counts [k, k + 1] of which no class is without rows.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), section 6.
    """
    import numpy as np

    support = matrix.sum(1)
    hits, predicted = resampled_counts(support, matrix / support[:, None], seed, resamples)
    return float(f1_of_counts(hits, np.broadcast_to(support, hits.shape), predicted).mean(1).std(ddof=1))
