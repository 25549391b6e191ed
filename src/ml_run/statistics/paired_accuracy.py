"""Two models on the same rows: how much their accuracy differs, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml_run.results import Estimate
from ml_run.statistics.intervals import wilson
from ml_run.statistics.levels import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_run.statistics.confusion import Flags


class Discordant(NamedTuple):
    """Rows that only one of two models gets right."""

    only_new: int
    only_old: int

    @property
    def rows(self) -> int:
        """Both together."""
        return self.only_new + self.only_old


class McNemar(NamedTuple):
    """Two-sided p values of the hypothesis that two models are equally accurate."""

    exact: float
    mid_p: float


def accuracy_difference(new_right: Flags, old_right: Flags, level: float = LEVEL) -> Estimate:
    """Accuracy of `new` minus accuracy of `old` on the same rows, with Newcombe's interval for paired proportions.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 2635-2650, method 10. Undefined without rows.
    """
    import numpy as np

    a_right, b_right = np.asarray(new_right, bool), np.asarray(old_right, bool)
    n = len(a_right)
    if n == 0:
        return Estimate(value=None)
    both, (only_new, only_old) = int((a_right & b_right).sum()), discordant(a_right, b_right)
    phi = _newcombe_phi(both, only_new, only_old, n - both - only_new - only_old)
    difference = (only_new - only_old) / n
    new_below, new_above = _wilson_reaches(both + only_new, n, level)
    old_below, old_above = _wilson_reaches(both + only_old, n, level)
    return Estimate(
        value=difference,
        low=difference - _newcombe_reach(new_below, old_above, phi),
        high=difference + _newcombe_reach(new_above, old_below, phi),
    )


def accuracy_lower_p_value(new_right: Flags, old_right: Flags, margin: float = 0.0) -> float:
    """One-sided p value of "the accuracy of `new` is at most `margin` lower": small where it is lower by more.

    The smallest error at which the upper end of Newcombe's interval lies below minus the margin; 1 without rows.
    """
    return _lowest_error(lambda level: accuracy_difference(new_right, old_right, level).high, -margin)


def _lowest_error(upper_end: Callable[[float], float | None], bound: float) -> float:
    """The smallest one-sided error, of 1e-6 at least and 1 at most, at which the upper end is below the bound."""

    def below(error: float) -> bool:
        high = upper_end(1 - 2 * error)
        return high is not None and high < bound

    if not below(0.5 - 1e-9):
        return 1.0
    certain, enough = 1e-6, 0.5
    for _ in range(40):
        middle = (certain + enough) / 2
        certain, enough = (certain, middle) if below(middle) else (middle, enough)
    return enough


def _wilson_reaches(successes: int, n: int, level: float) -> tuple[float, float]:
    """How far Wilson's interval reaches below and above the proportion, n > 0."""
    estimate = wilson(successes, n, level)
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.value - estimate.low, estimate.high - estimate.value


def _newcombe_reach(new: float, old: float, phi: float) -> float:
    return float(max(new**2 - 2 * phi * new * old + old**2, 0.0) ** 0.5)


def _newcombe_phi(both: int, only_new: int, only_old: int, neither: int) -> float:
    n = both + only_new + only_old + neither
    product = both * neither - only_new * only_old
    scale = (both + only_new) * (only_old + neither) * (both + only_old) * (only_new + neither)
    if scale == 0:
        return 0.0
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    return float(corrected / scale**0.5)


def discordant(new_right: Flags, old_right: Flags) -> Discordant:
    """Rows that only the new model gets right, and rows that only the old one does."""
    import numpy as np

    a_right, b_right = np.asarray(new_right, bool), np.asarray(old_right, bool)
    return Discordant(int((a_right & ~b_right).sum()), int((~a_right & b_right).sum()))


def mcnemar(only_new: int, only_old: int) -> McNemar:
    """McNemar's test of equal accuracy, from the rows that only one of the two models gets right.

    The exact test counts how often a fair coin falls at least as unevenly; mid-p counts the case seen by half, for the
    exact test is wrong less often than it claims. Both are 1 without such rows.

    Source: M. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13 (2013), 91.
    """
    from scipy.special import bdtr

    fewer, n = min(only_new, only_old), only_new + only_old
    if n == 0:
        return McNemar(1.0, 1.0)
    up_to, below = float(bdtr(fewer, n, 0.5)), float(bdtr(fewer - 1, n, 0.5)) if fewer else 0.0
    return McNemar(min(2 * up_to, 1.0), min(up_to + below, 1.0))
