"""Whether counts of new rows differ from those of the reference: predicted labels, and rows that have a property."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 9999
_TIE = 1e-7
"""Chances this close are equal, but for rounding."""


class Moved(NamedTuple):
    """How far one row of counts is from another."""

    share: float
    """Total variation: the least share of the rows that would have to be another label, 0-1."""
    p_value: float


def labels_moved(reference: NDArray[np.int64], new: NDArray[np.int64], *, seed: int, draws: int = DRAWS) -> Moved:
    """Pearson's test that two rows of label counts come from the same shares, exact but for chance.

    The new rows are drawn anew from all rows together, `draws` times; the p-value is the share of draws that are at
    least as far off, the observed one among them. Holds with labels of any rareness.

    Args:
        reference: [k], at least one row.
        new: [k], at least one row.
        seed: of the draws.
        draws: how many.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21; B. Phipson and G. Smyth, Statistical
    Applications in Genetics and Molecular Biology 9 (2010), article 39 (the observed one counts).
    """
    import numpy as np

    both = reference + new
    occurring = both > 0
    total, n = both[occurring], int(new.sum())
    expected = total * (n / total.sum())

    def off(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = ((counts - expected) ** 2 / total).sum(-1)
        return result

    drawn = np.random.default_rng(seed).multivariate_hypergeometric(total, n, size=draws, method="marginals")
    observed = off(new[occurring])
    # Sums in another order differ in the last digits; what is equal must count as equal.
    at_least = int((off(drawn) >= observed * (1 - 1e-9)).sum())
    apart = np.abs(reference / reference.sum() - new / n).sum() / 2
    return Moved(float(apart), (at_least + 1) / (draws + 1))


def share_p_value(hits: int, n: int, reference_hits: int, reference_n: int) -> float:
    """Fisher's exact test, two-sided, that a property is as frequent in n new rows as in the reference.

    Not the mid-p version that `statistics.unpaired` has: an alarm must not be more frequent than it says.

    Source: R. A. Fisher, Statistical Methods for Research Workers, 5th ed. (1934), section 21.02.
    """
    import numpy as np
    from scipy.special import gammaln

    both = hits + reference_hits
    possible = np.arange(max(0, both - reference_n), min(n, both) + 1)
    # Logs of n over k times m over (both - k), but for what all k share.
    other = both - possible
    logs = -(gammaln([possible + 1, n - possible + 1, other + 1, reference_n - other + 1]).sum(0))
    chances = np.exp(logs - logs.max())
    observed = chances[hits - possible[0]]
    return float(min(1.0, chances[chances <= observed * (1 + _TIE)].sum() / chances.sum()))


def alarming_hits(n: int, reference_hits: int, reference_n: int, level: float) -> int | None:
    """The fewest of n new rows with a property, above its share in the reference, whose p-value is at most `level`."""
    low, high = -(-n * reference_hits // reference_n), n + 1
    while low < high:
        middle = (low + high) // 2
        if share_p_value(min(middle, n), n, reference_hits, reference_n) <= level or middle > n:
            high = middle
        else:
            low = middle + 1
    return low if low <= n else None
