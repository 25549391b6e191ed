"""What F1 a number of test rows can prove: the gate's own intervals, of models that are wrong evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ml_run.results import Estimate
from ml_run.statistics import f1_intervals, rows_to_settle_scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75)
"""Shares of mistakes looked at; between them values are interpolated."""
_NOISE = 0.005
"""Ends of intervals move by less between seeds of the bootstrap."""
_RESAMPLES = 1000
_MANY_CLASSES = 30
_TOO_MANY_CLASSES = 200
"""The bootstrap's cost grows with the square of the classes: beyond these, only the best case, and nothing."""
_MOST_ROWS = 10_000_000
_NEAR = 1.02


@dataclass(frozen=True)
class F1Boundaries:
    """Intervals of macro-F1 (`number` None) and of the F1 of class `number`, at the test rows of each class."""

    support: tuple[int, ...]
    seed: int

    def best(self, number: int | None = None) -> float | None:
        """Lower end of the interval of a model without a mistake; None where it cannot be said."""
        return self._intervals(0.0)[_place(number)].low if self._possible else None

    def reachable(self, threshold: float, number: int | None = None) -> bool:
        """False when not even a model without a mistake proves `threshold`."""
        best = self.best(number)
        return best is None or best + _NOISE >= threshold

    def rows_needed(self, threshold: float, number: int | None = None) -> int | None:
        """Rows, about, with which a model without a mistake proves `threshold`; None: no number, or it cannot be said.

        More rows of all classes in proportion, or of class `number` alone.
        """
        if not self._possible:
            return None
        if number is None:
            return _rows_needed(self, threshold, None)
        # Classes of one size among the same others need the same rows: they are looked for once.
        others = sorted(rows for place, rows in enumerate(self.support) if place != number)
        return _rows_needed(F1Boundaries((self.support[number], *others), self.seed), threshold, 0)

    def search(self, threshold: float, number: int | None) -> int | None:
        """`rows_needed`, worked out anew."""
        n = sum(self.support) if number is None else self.support[number]
        low, high = 1.0, 1.0
        while not self._grown(high, number).provable(threshold, number):
            low, high = high, high * 2
            if n * high > _MOST_ROWS:
                return None
        while high / low > _NEAR:
            middle = (low + high) / 2
            low, high = (low, middle) if self._grown(middle, number).provable(threshold, number) else (middle, high)
        return math.ceil(n * high)

    def provable(self, threshold: float, number: int | None) -> bool:
        """True when a model without a mistake proves `threshold` with any seed."""
        best = self.best(number)
        return best is not None and best - min(_NOISE, (1 - threshold) / 2) >= threshold

    def needed(self, threshold: float, number: int | None = None) -> float | None:
        """Smallest F1 whose interval lies above `threshold`; None where it cannot be said."""
        if not self._possible or len(self.support) > _MANY_CLASSES:
            return None
        import numpy as np

        of = [self._intervals(share)[_place(number)] for share in _SHARES]
        points = sorted((e.low, e.value) for e in of if e.low is not None and e.value is not None)
        lows, values = zip(*points, strict=True)
        return max(threshold, float(np.interp(threshold, lows, values)))

    def width(
        self, threshold: float, *, better: float, number: int | None = None
    ) -> tuple[float | None, float | None, int | None]:
        """Ends of the interval at an F1 of `threshold`, and the rows at which it does not reach `better` above it."""
        if not self._possible:
            return None, None, None
        at = self._intervals(1 - threshold)[_place(number)]
        if at.value is None or at.low is None or at.high is None:
            return None, None, None
        down, up = at.value - at.low, at.high - at.value
        value = min(threshold + better, 1.0)
        n = sum(self.support) if number is None else self.support[number]
        rows = rows_to_settle_scaled(Estimate(value=value, low=value - down, high=value), threshold, n)
        return max(threshold - down, 0.0), min(threshold + up, 1.0), rows

    @property
    def _possible(self) -> bool:
        return 1 < len(self.support) <= _TOO_MANY_CLASSES and min(self.support) > 0

    def _grown(self, factor: float, number: int | None) -> F1Boundaries:
        grown = [
            math.ceil(rows * factor) if number in {None, place} else rows for place, rows in enumerate(self.support)
        ]
        return F1Boundaries(tuple(grown), self.seed)

    def _intervals(self, share: float) -> tuple[Estimate, ...]:
        return _intervals(self.support, share, self.seed)


def _place(number: int | None) -> int:
    return 0 if number is None else number + 1


@lru_cache(maxsize=1024)
def _rows_needed(boundaries: F1Boundaries, threshold: float, number: int | None) -> int | None:
    return boundaries.search(threshold, number)


@lru_cache(maxsize=64)
def _intervals(support: tuple[int, ...], share: float, seed: int) -> tuple[Estimate, ...]:
    """Macro-F1, then the F1 of each class, of a model that is wrong on `share` of the rows of each class."""
    matrix = _evenly_wrong(support, share)
    macro, _, classes = f1_intervals(matrix, seed=seed, resamples=_RESAMPLES)
    return macro, *classes


def _evenly_wrong(support: tuple[int, ...], share: float) -> NDArray[np.int64]:
    """Counts [k, k + 1]: in each class `share` of the rows is wrong, evenly spread over the other classes."""
    import numpy as np

    k = len(support)
    matrix = np.zeros((k, k + 1), np.int64)
    for c, rows in enumerate(support):
        wrong = round(share * rows)
        each, left = divmod(wrong, k - 1)
        others = [(c + step) % k for step in range(1, k)]
        matrix[c, others] = each
        matrix[c, others[:left]] += 1
        matrix[c, c] = rows - wrong
    return matrix
