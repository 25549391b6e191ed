"""Confidence beside accuracy: what is measured on validation rows, and what on test rows."""

import numpy as np
import pytest

from ml_run.evaluation.predictions import Predictions
from ml_run.evaluation.trust import calibration_of, risk_coverage_of, temperature_of


def boastful(n, seed):
    """Predictions of two classes whose scores are three times what they ought to be, and the labels."""
    chance = np.random.default_rng(seed)
    honest = chance.normal(0, 1.5, n)
    true = (chance.random(n) < 1 / (1 + np.exp(-honest))).astype(int)
    second = 1 / (1 + np.exp(-3 * honest))
    soft = np.stack([1 - second, second], axis=1)
    return Predictions("candidate", soft.argmax(1), soft), true


def test_a_temperature_from_validation_mends_test_confidence_and_changes_no_label():
    """A model three times too sure gets a temperature near 3, with which its test calibration error shrinks."""
    temperature = temperature_of(*boastful(4000, seed=1))
    assert temperature == pytest.approx(3, rel=0.15)
    predictions, true = boastful(4000, seed=2)
    found = calibration_of(predictions, true, temperature)
    assert found.ece > 0.1
    assert found.ece_with_temperature < 0.03
    assert found.log_loss_with_temperature < found.log_loss
    assert sum(one.n for one in found.bins) == found.n == 4000


def test_without_a_temperature_nothing_is_claimed_with_it():
    """A model that has learnt from the validation rows has no temperature: its numbers with one are undefined."""
    found = calibration_of(*boastful(200, seed=3))
    assert (found.temperature, found.ece_with_temperature, found.log_loss_with_temperature) == (None, None, None)


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
    assert temperature_of(labels_only, [0] * 5) is None
    for predictions, true in ((labels_only, [0] * 5), (empty, [])):
        assert calibration_of(predictions, true) is None
        assert risk_coverage_of(predictions, true) is None
