"""What a number of rows can show, before anything is measured on them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from ml_run.statistics.intervals import wilson
from ml_run.statistics.levels import LEVEL, POWER, z_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_Z = z_of(LEVEL)
_ROUNDING = 1e-12
_MARGINS = ((2000, 0.01), (500, 0.02), (200, 0.03), (0, 0.05))


def usual_margin(n: int) -> float:
    """The smallest `gate.max_regression` that n test rows can usually tell (reliability.md, 3b)."""
    return next(margin for rows, margin in _MARGINS if n >= rows)


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


def detectable_difference(n: float, discordant: float, power: float = POWER) -> float:
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
