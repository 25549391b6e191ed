"""Whether probabilities are to be believed, against scikit-learn and simulation."""

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from ml_run.statistics import (
    calibrated_ece,
    expected_calibration_error,
    log_loss,
)


def test_log_loss_equals_scikit_learn_and_refuses_nan():
    """Log loss is scikit-learn's; one NaN makes it undefined instead of silently something."""
    chance = np.random.default_rng(6)
    soft = chance.dirichlet(np.ones(3), 50)
    true = chance.integers(0, 3, 50)
    assert log_loss(soft, true) == pytest.approx(sklearn_log_loss(true, soft, labels=[0, 1, 2]), abs=1e-9)
    soft[0, 0] = np.nan
    assert log_loss(soft, true) is None
    assert expected_calibration_error(soft.max(1), true == 0) is None


def test_calibration_error_of_known_bins():
    """Ten rows of confidence .8 of which five are right are off by .3; confident and right rows by 0."""
    assert expected_calibration_error(np.full(10, 0.8), [True] * 5 + [False] * 5) == pytest.approx(0.3)
    assert expected_calibration_error(np.ones(4), [True] * 4) == 0.0


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_the_noise_of_calibration_error_is_that_of_calibrated_models(n):
    """Simulated models, right as often as they are confident: the surest and the least sure score what is foretold."""
    chance = np.random.default_rng(9)
    for confidences, expected in zip(
        (chance.beta(12, 1, (400, n)), chance.uniform(1 / 7, 1, (400, n))), calibrated_ece(n), strict=True
    ):
        found = [expected_calibration_error(values, chance.random(n) < values) for values in confidences]
        assert np.mean(found) == pytest.approx(expected, rel=0.1)
