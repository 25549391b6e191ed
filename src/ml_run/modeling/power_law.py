"""An inverse power law through the scores of models that learnt from ever more rows. Pure.

Source: R. Figueroa et al., Predicting sample size required for classification performance, BMC Medical Informatics and
Decision Making 12:8, 2012, whose weights these are; bounds and the robust loss are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_LOW, _HIGH = (0.0, 0.0, 0.05), (1.0, 1.0, 2.0)
"""Bounds of a, b (at the present rows) and c: scores lie between 0 and 1, and few rows cannot tell slower growth."""
_OUTLYING = 0.01
"""Residuals beyond it count by their size in place of its square."""


@dataclass(frozen=True)
class PowerLaw:
    """score = a - b * rows ** -c."""

    a: float
    b: float
    c: float

    def rows_for(self, target: float) -> float:
        """Rows at which the score is `target`; infinity where it never is."""
        if target >= self.a:
            return math.inf
        return float((self.b / (self.a - target)) ** (1 / self.c))

    def score_at(self, rows: float) -> float:
        """The score with that many rows."""
        return float(self.a - self.b * rows**-self.c)


def fit_power_law(sizes: Sequence[int], scores: Sequence[float] | NDArray[np.float64]) -> PowerLaw:
    """Fit by bounded, robust least squares (soft L1), the j-th of m sizes with weight j / m.

    Args:
        sizes: rows, the smallest first [m].
        scores: macro-F1 of each [m].
    """
    import numpy as np
    from scipy.optimize import least_squares

    share, measured = np.asarray(sizes, float) / sizes[-1], np.asarray(scores, float)
    weight = np.sqrt(np.arange(1, len(share) + 1) / len(share))

    def residuals(law: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(weight * (law[0] - law[1] * share ** -law[2] - measured))

    def slopes(law: NDArray[np.float64]) -> NDArray[np.float64]:
        power = share ** -law[2]
        return np.asarray(weight[:, None] * np.stack([np.ones_like(power), -power, law[1] * power * np.log(share)], 1))

    start = (min(0.95, measured[-1] + 0.05), 0.1, 0.5)
    found = least_squares(residuals, start, slopes, bounds=(_LOW, _HIGH), loss="soft_l1", f_scale=_OUTLYING)
    a, b, c = (float(value) for value in found.x)
    return PowerLaw(a, b * sizes[-1] ** c, c)
