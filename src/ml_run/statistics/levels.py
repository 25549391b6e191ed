"""How sure an interval is, and how that grows with every further look at the same test rows."""

from __future__ import annotations

import math
from statistics import NormalDist

LEVEL = 0.95
"""Two-sided level of every interval that is shown without another one."""
ALPHA = 0.05
"""One-sided error that all looks at one test set may spend together, however many there will be."""
POWER = 0.8
"""How often a question that more rows are said to settle is to be settled by them."""
MANY_LOOKS = 20
"""Looks from which on a fresh test set is due: the best of twenty equal models seems 1.6 points better on 1,000 rows,
3.3 on 200 (reliability.md, 3a)."""


def z_of(level: float) -> float:
    """Standard normal deviate that a two-sided interval of this level reaches to: 1.96 for .95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def alpha_of_look(number: int) -> float:
    """One-sided error that look `number` (1, 2, …) may spend: `ALPHA` 6 / (pi number)^2.

    The sum over all looks, even without end, is `ALPHA` (the sum of 1 / k^2 is pi^2 / 6), so that a model no better
    than production is called better at any of them with a chance of at most `ALPHA`, by Bonferroni's inequality,
    however much the looks depend on one another.

    Source: D. Foster and R. Stine, J. Royal Statistical Society B 70 (2008), 429-444 (spending alpha over an endless
    series of tests); reliability.md, 3b, for the series.

    Raises:
        ValueError: looks are counted from 1.
    """
    if number < 1:
        raise ValueError(f"looks are counted from 1, not {number}")
    return ALPHA * 6 / (math.pi * number) ** 2


def level_of_look(number: int) -> float:
    """Two-sided level of the interval whose lower end is the one-sided bound of look `number`: 1 - 2 alpha."""
    return 1 - 2 * alpha_of_look(number)
