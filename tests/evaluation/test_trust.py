"""Confidence beside accuracy: what is measured on validation rows, and what on test rows."""

import numpy as np
import pytest

from ml_run.evaluation.predictions import Predictions
from ml_run.evaluation.trust import calibration_of, risk_coverage_of
from ml_run.results import Calibration
from ml_run.statistics import fit_temperature, log_probabilities, with_temperature


def boastful(n, seed):
    """Predictions of two classes whose scores are three times what they ought to be, and the labels."""
    chance = np.random.default_rng(seed)
    honest = chance.normal(0, 1.5, n)
    true = (chance.random(n) < 1 / (1 + np.exp(-honest))).astype(int)
    second = 1 / (1 + np.exp(-3 * honest))
    soft = np.stack([1 - second, second], axis=1)
    return Predictions("candidate", soft.argmax(1), soft), true


def test_a_temperature_from_validation_mends_test_confidence_and_changes_no_label():
    """A model three times too sure has a temperature near 3; what it gives with it is told beside what it would be."""
    validation, known = boastful(4000, seed=1)
    temperature = fit_temperature(log_probabilities(validation.probabilities), known)
    assert temperature == pytest.approx(3, rel=0.15)
    bare, true = boastful(4000, seed=2)
    served = Predictions("candidate", bare.ids, with_temperature(bare.probabilities, temperature))
    found = calibration_of(served, true, temperature)
    assert found.ece < 0.03
    assert found.ece_without_temperature == pytest.approx(calibration_of(bare, true).ece)
    assert found.ece_without_temperature > 0.1
    assert found.log_loss < found.log_loss_without_temperature
    assert (served.probabilities.argmax(1) == bare.ids).all()
    assert sum(one.n for one in found.bins) == found.n == 4000


def test_without_a_temperature_nothing_is_claimed_of_it():
    """Anybody's predictions, whose temperature nobody knows: what they would be without one is undefined."""
    found = calibration_of(*boastful(200, seed=3))
    assert (found.temperature, found.ece_without_temperature, found.log_loss_without_temperature) == (None, None, None)


def test_what_older_versions_measured_can_still_be_read():
    """They fitted a temperature that was not applied: read today, no temperature is in those confidences."""
    old = {"n": 3, "bins": [], "temperature": 1.4, "ece": 0.1, "ece_with_temperature": 0.05, "log_loss": 0.5}
    found = Calibration.model_validate(old | {"log_loss_with_temperature": 0.4})
    assert (found.temperature, found.ece, found.log_loss) == (None, 0.1, 0.5)
    assert found.ece_without_temperature is None


def test_the_surest_rows_come_first_and_all_rows_last():
    """Covering every row gives the plain accuracy; the surest half of a model that knows its limits is better."""
    predictions, true = boastful(2000, seed=4)
    curve = risk_coverage_of(predictions, true)
    assert curve.points[-1].coverage == 1
    assert curve.points[-1].accuracy == pytest.approx((predictions.ids == true).mean())
    half = min(curve.points, key=lambda point: abs(point.coverage - 0.5))
    assert half.accuracy > curve.points[-1].accuracy + 0.05


def test_a_model_without_probabilities_or_rows_has_no_confidence():
    """No probabilities, or no rows: there is nothing to trust, and no number stands for it."""
    labels_only = Predictions("majority", np.zeros(5, int))
    empty = Predictions("candidate", np.zeros(0, int), np.zeros((0, 2)))
    for predictions, true in ((labels_only, [0] * 5), (empty, [])):
        assert calibration_of(predictions, true) is None
        assert risk_coverage_of(predictions, true) is None
