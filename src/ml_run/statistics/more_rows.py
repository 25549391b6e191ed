"""How many test rows would settle a question, and of which class.

All of it takes the values seen for the true ones: what is promised is that, if they are, so many rows settle the
question in `POWER` of all test sets. Rows that make the interval just leave out the threshold would do so in half.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from ml_run.statistics.bootstrap import smoothed
from ml_run.statistics.confusion import f1_by_class
from ml_run.statistics.levels import LEVEL, POWER, z_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.results import Estimate

_EXACT_UP_TO = 20_000
_MOST = 10**9
"""More rows than this are no advice."""


def rows_to_settle_proportion(value: float, threshold: float, power: float = POWER) -> int | None:
    """Rows with which Wilson's interval leaves out `threshold`, on the side of `value`, with this power.

    The interval holds t exactly when the score test does not reject t, so this is the sample size of that test:
    (z_a sqrt(t (1 - t)) + z_b sqrt(p (1 - p)))^2 / (p - t)^2. Below 20,000 rows the power is added up exactly: the
    smallest number of rows is taken that has it.

    Args:
        value: the proportion, taken for true, 0-1.
        threshold: 0-1.
        power: how often the question is to be settled, 0.5-1.

    Returns:
        None where they are equal, or where more than a billion rows would be needed.

    Source: J. Fleiss, B. Levin and M. Paik, Statistical Methods for Rates and Proportions, 3rd ed. (2003), section 2.5.
    """
    gap = abs(value - threshold)
    if gap == 0.0:
        return None
    z, z_power = z_of(LEVEL), NormalDist().inv_cdf(power)
    about = ((z * math.sqrt(threshold * (1 - threshold)) + z_power * math.sqrt(value * (1 - value))) / gap) ** 2
    if about > _MOST:
        return None
    return _exact_rows(value, threshold, power, about) if about <= _EXACT_UP_TO else math.ceil(about)


def _exact_rows(value: float, threshold: float, power: float, about: float) -> int:
    """Smallest n from half of `about` on with which the score test of `threshold` has the power."""
    import numpy as np
    from scipy.special import bdtr, bdtrc

    n = np.arange(max(1, int(about / 2)), int(about * 2) + 50)
    reach = z_of(LEVEL) * np.sqrt(n * threshold * (1 - threshold))
    if value > threshold:
        settled = bdtrc(np.floor(n * threshold + reach), n, value)
    else:
        settled = bdtr(np.ceil(n * threshold - reach) - 1, n, value)
    enough = np.flatnonzero(np.nan_to_num(settled) >= power)
    return int(n[enough[0]]) if len(enough) else math.ceil(about)


def rows_to_settle_scaled(
    estimate: Estimate, threshold: float, n: int, *, level: float = LEVEL, power: float = POWER
) -> int | None:
    """Rows with which the interval of `estimate`, shrinking with the root of n, leaves out `threshold` with this power.

    The interval must end short of the threshold by as much as the value itself will stray: the reach towards the
    threshold, times 1 + z_power / z_level.

    Args:
        estimate: of a score that is a mean, or smooth in means, with its interval on n rows.
        threshold: what the interval is to leave out.
        n: rows it was seen on; all classes are taken to grow alike.
        level: of the interval, two-sided.
        power: how often the question is to be settled, 0.5-1.

    Returns:
        None when the value is the threshold or unknown, or where more than a billion rows would be needed.

    Source: the sample size of a z test, e.g. Fleiss, Levin and Paik (2003), section 2.5.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or estimate.value == threshold:
        return None
    gap = abs(estimate.value - threshold)
    reach = estimate.value - estimate.low if threshold < estimate.value else estimate.high - estimate.value
    times = (1 + NormalDist().inv_cdf(power) / z_of(level)) * reach / gap
    rows = n * times**2
    return math.ceil(rows) + 1 if rows <= _MOST else None


def class_to_label_first(matrix: NDArray[np.int64] | Sequence[Sequence[int]]) -> int | None:
    """The class of which one more labelled row narrows the interval of macro-F1 most.

    By the delta method the variance of macro-F1 is a sum over the classes of V_c / n_c, n_c their rows: one row more of
    c takes V_c / (n_c (n_c + 1)) away. The V_c are those of the smoothed counts (see `bootstrap`): five rows without a
    mistake are no reason to stop labelling.

    Args:
        matrix: counts [k, k + 1] of `confusion_matrix`.

    Returns:
        The id of the class; a class without rows before all others; None where all classes are alike.

    Source: A. Agresti, Categorical Data Analysis, 2nd ed. (2002), section 14.1 (delta method for multinomials).
    """
    import numpy as np

    counts = np.asarray(matrix, np.int64)
    support = counts.sum(1)
    if (support == 0).any():
        return int(np.flatnonzero(support == 0)[0])
    return one_that_stands_out(_row_variance(smoothed(counts), support) / (support * (support + 1)))


def one_that_stands_out(values: NDArray[np.float64]) -> int | None:
    """Place of the largest of `values`; None where all are alike but for rounding."""
    import numpy as np

    return None if np.allclose(values, values[0], rtol=1e-9, atol=0) else int(values.argmax())


def _row_variance(shares: NDArray[np.float64], support: NDArray[np.int64]) -> NDArray[np.float64]:
    """V_c [k]: variance of what one row of class c adds to n_c times the macro-F1 of counts with these shares."""
    import numpy as np

    k = len(support)
    expected = support[:, None] * shares
    f1 = f1_by_class(expected.astype(float))
    total = support + expected[:, :k].sum(0)
    # F1_j = 2 TP_j / (n_j + predicted_j): a row predicted j moves it by -F1_j / total, and by 2 / total if it is right.
    moves = np.zeros_like(shares)
    moves[:, :k] = -f1 / total
    moves[np.arange(k), np.arange(k)] += 2 / total
    mean = (shares * moves).sum(1)
    variance: NDArray[np.float64] = support.astype(float) ** 2 * ((shares * moves**2).sum(1) - mean**2) / k**2
    return variance
