"""How accurate the model is on rows without labels, as far as its confidence tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.results import Estimate, Record
from ml_run.statistics.levels import LEVEL, z_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Trust(Record):
    """What the model's confidence was worth on the reference rows."""

    n: int
    temperature: float
    """What scores are divided by before the softmax, fitted on rows that are not among these."""
    accuracy: float
    gap: float
    """Accuracy minus mean confidence, with the temperature."""
    spread: float
    """Standard deviation over the rows of being right (0 or 1) minus confidence, with the two rows of `learn_trust`."""


def learn_trust(confidence: NDArray[np.float64], right: NDArray[np.bool_], temperature: float) -> Trust | None:
    """What confidence [n] with the temperature is worth, from rows of which it is known whether they are right [n].

    The spread counts one row more that was right and one that was wrong: without them, rows without a mistake would
    promise that none will ever come.

    Returns:
        None for fewer than two rows.
    """
    import numpy as np

    n = len(confidence)
    if n < 2:  # noqa: PLR2004 -- one row has no spread
        return None
    gaps = right - confidence
    mean = float(confidence.mean())
    spread = float(np.append(gaps, [1 - mean, -mean]).std(ddof=1))
    return Trust(n=n, temperature=temperature, accuracy=float(right.mean()), gap=float(gaps.mean()), spread=spread)


def estimated_accuracy(trust: Trust, confidence: NDArray[np.float64]) -> Estimate:
    """Accuracy on new rows: their mean confidence with the temperature [n], corrected by the gap of the reference.

    Holds while texts are as they were: where they are not, models are sure of wrong answers (data-quality.md, 4.2:
    .59 estimated, .36 true). The interval is for the accuracy on these very rows.

    Source: D. Guillory et al., Predicting with Confidence on Unseen Distributions, ICCV 2021 (difference of
    confidences); C. Guo et al., ICML 2017 (temperature).
    """
    n = len(confidence)
    if n == 0:
        return Estimate(value=None)
    value = min(1.0, max(0.0, float(confidence.mean()) + trust.gap))
    reach = z_of(LEVEL) * trust.spread * (1 / n + 1 / trust.n) ** 0.5
    return Estimate(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach))
