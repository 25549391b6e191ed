import numpy as np
import pytest

from ml_run.drift.priors import estimated_prior

RATES = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])


def test_the_estimate_undoes_the_models_errors():
    """With exact rates the true shares come out, whatever the predicted ones are."""
    true = np.array([0.2, 0.2, 0.6])
    predicted = np.round(true @ RATES * 10_000).astype(int)
    found = estimated_prior((RATES * 1000).astype(int), predicted, seed=1)
    assert [one.value for one in found] == pytest.approx(true, abs=1e-3)
    assert sum(one.value for one in found) == pytest.approx(1)


def test_it_is_nearer_to_the_truth_than_predicted_shares_are():
    """Under label shift its error is well below that of the predicted shares, and its intervals hold the truth."""
    rng = np.random.default_rng(3)
    true = np.array([0.1, 0.1, 0.8])
    errors, plain, inside = [], [], []
    for draw in range(100):
        confusion = np.stack([rng.multinomial(150, row) for row in RATES])
        predicted = rng.multinomial(500, true @ RATES)
        found = estimated_prior(confusion, predicted, seed=draw)
        values = np.array([one.value for one in found])
        errors.append(np.abs(values - true).sum() / 2)
        plain.append(np.abs(predicted / 500 - true).sum() / 2)
        inside.append(np.mean([one.low <= t <= one.high for one, t in zip(found, true, strict=True)]))
    assert np.mean(errors) < 0.09
    assert np.mean(plain) > 0.15
    assert np.mean(inside) > 0.9


def test_what_cannot_be_undone_is_not_estimated():
    """A label without reference rows, no new rows, or very many labels: None, not an invented number."""
    assert estimated_prior(np.array([[3, 0], [0, 0]]), np.array([5, 5]), seed=1) is None
    assert estimated_prior(np.eye(2, dtype=int), np.array([0, 0]), seed=1) is None
    assert estimated_prior(np.eye(60, dtype=int), np.ones(60, int), seed=1) is None


def test_a_model_that_always_says_the_same_is_no_error():
    """Then predictions tell nothing: shares that sum to 1 come out, not numbers beyond 0 and 1."""
    found = estimated_prior(np.array([[9, 0], [9, 0]]), np.array([40, 0]), seed=1)
    assert sum(one.value for one in found) == pytest.approx(1)
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found)
