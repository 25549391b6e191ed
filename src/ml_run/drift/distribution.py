"""How one number is distributed over the reference rows, and how far from that new rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ml_run.results import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

MOST_VALUES = 2000
_DIGITS = 6
_BINS = 10
_SOFTENED = 0.5
"""Rows added to each bin of the population stability index: an empty bin would make it infinite."""


class Distribution(Record):
    """How one number is distributed over the reference rows."""

    kind: Literal["values", "quantiles"]
    """`values`: all of them, sorted; `quantiles`: 2,000 of them, in the middles of 2,000 equal shares of the rows."""
    n: int
    """Rows they were taken from."""
    values: tuple[float, ...]


class Distance(NamedTuple):
    """How far new rows are from a distribution."""

    ks: float
    """Largest difference of the two distribution functions, 0-1."""
    p_value: float
    psi: float
    """Population stability index, over tenths of the reference."""


def distribution(values: Sequence[float] | NDArray[np.float64]) -> Distribution:
    """All `values`, sorted, or 2,000 quantiles where there are more; six significant digits of each.

    With 201 quantiles a Kolmogorov-Smirnov test has .063 false alarms instead of .050 (data-quality.md, 4.1); 2,000
    move its distance by at most 1/4000.
    """
    import numpy as np

    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    if n > MOST_VALUES:
        places = ((np.arange(MOST_VALUES) + 0.5) * n / MOST_VALUES).astype(int)
        kept = tuple(rounded(ordered[places]).tolist())
        return Distribution(kind="quantiles", n=n, values=kept)
    return Distribution(kind="values", n=n, values=tuple(rounded(ordered).tolist()))


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`values` [n] as they are stored: what is compared with stored ones must be rounded like them, or ties break."""
    import numpy as np

    result: NDArray[np.float64] = np.array([float(f"{value:.{_DIGITS}g}") for value in values], np.float64)
    return result


def distance(reference: Distribution, values: NDArray[np.float64]) -> Distance:
    """How far `values` [n] of new rows are from the reference, n > 0.

    The Kolmogorov-Smirnov test of two samples, its p-value that of one sample of n m / (n + m) rows: on the safe side
    where values are tied.

    Args:
        reference: of m rows, m > 0.
        values: of the new rows.

    Source: J. L. Hodges, Arkiv för Matematik 3 (1958), 469-486; R. Simard and P. L'Ecuyer, Journal of Statistical
    Software 39 (2011), issue 11 (the distribution, as scipy has it).
    """
    import numpy as np

    before, now = np.asarray(reference.values), np.sort(rounded(values))
    every = np.concatenate([before, now])
    below = np.searchsorted(before, every, "right") / len(before)
    below_now = np.searchsorted(now, every, "right") / len(now)
    ks = float(np.abs(below - below_now).max())
    return Distance(ks, kolmogorov_p_value(ks, reference.n, len(now)), _psi(before, now))


def kolmogorov_p_value(ks: float, m: int, n: int) -> float:
    """How often n new rows are at least as far from m rows by chance."""
    from scipy.stats import kstwo

    return float(kstwo.sf(ks, _rows(m, n)))


def alarming_distance(m: int, n: int, level: float) -> float:
    """The smallest distance of n new rows from m rows whose p-value is at most `level`, within 1 %: for people.

    Source: M. A. Stephens, Journal of the Royal Statistical Society B 32 (1970), 115-122 (the limit for few rows).
    """
    from scipy.special import kolmogi

    root = _rows(m, n) ** 0.5
    return float(kolmogi(level) / (root + 0.12 + 0.11 / root))


def _rows(m: int, n: int) -> int:
    return max(1, round(m * n / (m + n)))


def _psi(before: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    import numpy as np

    edges = np.unique(np.quantile(before, np.arange(1, _BINS) / _BINS))
    counts = [np.bincount(np.searchsorted(edges, part, "left"), minlength=len(edges) + 1) for part in (before, now)]
    return stability_index(counts[0], counts[1])


def stability_index(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Population stability index of two rows of counts [k]: shown, and never an alarm (data-quality.md, 4.2)."""
    import numpy as np

    shares = [(part + _SOFTENED) / (part + _SOFTENED).sum() for part in (before, now)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
