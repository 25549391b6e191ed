"""Whether a model's confidence is to be believed, and what leaving the unsure rows to a person would buy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run import statistics
from ml_run.results import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.predictions import Predictions
    from ml_run.results import RiskCoverage


def calibration_of(
    predictions: Predictions, true: Sequence[int], temperature: float | None = None
) -> Calibration | None:
    """Confidence beside accuracy on the test rows, as the model gives it and without its temperature.

    Args:
        predictions: of n test rows.
        true: their label ids [n].
        temperature: what the scores behind the predictions were divided by; None: it is not known, or by nothing.

    Returns:
        None without probabilities of all labels, or without rows.
    """
    soft = predictions.probabilities
    if soft is None or not len(true):
        return None
    right = _right(predictions, true)
    bare = None if temperature is None else statistics.with_temperature(soft, 1 / temperature)
    return Calibration(
        n=len(true),
        bins=statistics.reliability_bins(soft.max(1), right),
        temperature=temperature,
        ece=statistics.expected_calibration_error(soft.max(1), right),
        ece_without_temperature=None if bare is None else statistics.expected_calibration_error(bare.max(1), right),
        log_loss=statistics.log_loss(soft, true),
        log_loss_without_temperature=None if bare is None else statistics.log_loss(bare, true),
    )


def risk_coverage_of(predictions: Predictions, true: Sequence[int]) -> RiskCoverage | None:
    """Accuracy among the surest rows, for every share of them; None without probabilities or rows."""
    if predictions.probabilities is None or not len(true):
        return None
    return statistics.risk_coverage(predictions.probabilities.max(1), _right(predictions, true))


def _right(predictions: Predictions, true: Sequence[int]) -> NDArray[np.bool_]:
    import numpy as np

    right: NDArray[np.bool_] = predictions.ids == np.asarray(true, int)
    return right
