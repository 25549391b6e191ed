"""Two proportions on different rows: their difference, a test, and what many tests together still show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.results import Estimate
from ml_run.statistics.intervals import wilson
from ml_run.statistics.levels import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence


def proportion_difference(hits: int, n: int, other_hits: int, other_n: int, level: float = LEVEL) -> Estimate:
    """The share hits / n minus other_hits / other_n, of different rows, with Newcombe's hybrid score interval.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10. Undefined where either has no rows.
    """
    one, other = wilson(hits, n, level), wilson(other_hits, other_n, level)
    ends = one.value, one.low, one.high, other.value, other.low, other.high
    if any(end is None for end in ends):
        return Estimate(value=None)
    p, low, high, q, other_low, other_high = (float(end) for end in ends if end is not None)
    below = ((p - low) ** 2 + (other_high - q) ** 2) ** 0.5
    above = ((high - p) ** 2 + (q - other_low) ** 2) ** 0.5
    return Estimate(value=p - q, low=max(p - q - below, -1.0), high=min(p - q + above, 1.0))


def proportions_p_value(hits: int, n: int, other_hits: int, other_n: int) -> float | None:
    """Fisher's test that two independent proportions are the same, mid-p, two-sided: twice the smaller tail, at most 1.

    Source: K. F. Hirji, S.-J. Tan and R. M. Elashoff, A quasi-exact test for comparing two binomial proportions,
    Statistics in Medicine 10 (1991), 1137-1153. None where either has no rows.
    """
    from scipy.stats import hypergeom

    if n == 0 or other_n == 0:
        return None
    drawn = hypergeom(n + other_n, hits + other_hits, n)
    half = float(drawn.pmf(hits)) / 2
    fewer, more = float(drawn.cdf(hits - 1)) + half, float(drawn.sf(hits)) + half
    return min(1.0, 2 * min(fewer, more))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of m hypotheses, in their order, adjusted so that the chance of any false alarm stays the level.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
    (1979), 65-70. Holds however the hypotheses depend on one another.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: (p_values[i], i))):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
