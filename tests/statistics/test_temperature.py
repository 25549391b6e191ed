"""One temperature for logits and for probabilities."""

import numpy as np
import pytest

from ml_run.statistics import fit_temperature, log_loss, log_probabilities, with_temperature


def softmax(scores):
    shares = np.exp(scores - scores.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def too_sure(chance, n, k, temperature):
    """Scores whose softmax is right once they are divided by `temperature`, and what was right."""
    scores = chance.normal(0, 1.5, (n, k))
    true = np.array([chance.choice(k, p=row) for row in softmax(scores)])
    return scores * temperature, true


def test_the_temperature_of_probabilities_is_that_of_their_scores():
    """From logits or from the probabilities made of them, the same temperature is found, near the true one."""
    scores, true = too_sure(np.random.default_rng(0), 3000, 4, 2.5)
    found = fit_temperature(scores, true)
    assert found == pytest.approx(2.5, rel=0.08)
    assert fit_temperature(log_probabilities(softmax(scores)), true) == pytest.approx(found, rel=1e-4)


def test_a_temperature_changes_no_prediction_and_betters_the_log_loss():
    """Probabilities with the temperature are the softmax of the divided scores, and predict the same labels."""
    scores, true = too_sure(np.random.default_rng(1), 500, 3, 3.0)
    raw = softmax(scores)
    made = with_temperature(raw, 3.0)
    assert made == pytest.approx(softmax(scores / 3.0), abs=1e-9)
    assert (made.argmax(1) == raw.argmax(1)).all()
    assert made.sum(1) == pytest.approx(np.ones(500))
    assert log_loss(made, true) < log_loss(raw, true)


def test_degenerate_rows_leave_the_temperature_at_one_or_within_its_bounds():
    """R27: no rows, or one class, tell nothing: 1. Certain probabilities, right or wrong, stay between .01 and 100."""
    assert fit_temperature(np.zeros((0, 3)), []) == 1.0
    assert fit_temperature(np.zeros((2, 1)), [0, 0]) == 1.0
    certain = log_probabilities(np.eye(3)[[0, 1, 2] * 10])
    for true in ([0, 1, 2] * 10, [1, 2, 0] * 10):
        assert 0.01 <= fit_temperature(certain, true) <= 100
    assert with_temperature(np.array([[1.0, 0.0]]), 2.0).tolist() == [[1.0, pytest.approx(0.0)]]
    assert with_temperature(np.zeros((0, 2)), 2.0).shape == (0, 2)
