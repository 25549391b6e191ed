import numpy as np
import pytest

from ml_run.drift.reliance import estimated_accuracy, learn_trust


def model(n, rng, *, bias=0.0):
    """Confidence of n rows, and whether they are right: less often than it says, by `bias`."""
    confidence = rng.beta(6, 2, n)
    return confidence, rng.random(n) < np.clip(confidence - bias, 0, 1)


@pytest.mark.parametrize(("n_before", "n"), [(60, 50), (294, 200), (1000, 500)])
def test_the_interval_holds_the_accuracy_of_the_rows(n_before, n):
    """Without drift, it holds the accuracy on the very rows in 95 of 100 windows, also of a miscalibrated model."""
    rng = np.random.default_rng(4)
    held, off = [], []
    for _ in range(600):
        trust = learn_trust(*model(n_before, rng, bias=0.1), 1.0)
        confidence, right = model(n, rng, bias=0.1)
        found = estimated_accuracy(trust, confidence)
        held.append(found.low <= right.mean() <= found.high)
        off.append(found.value - right.mean())
    assert 0.93 < np.mean(held) < 0.99
    assert abs(np.mean(off)) < 0.01


def test_no_mistake_among_the_reference_rows_promises_nothing():
    """Sixty rows without a mistake leave room for some: the interval is no single number."""
    trust = learn_trust(np.full(60, 0.99), np.ones(60, bool), 1.3)
    found = estimated_accuracy(trust, np.full(200, 0.99))
    assert (found.value, trust.temperature, trust.accuracy) == (1.0, 1.3, 1.0)
    assert 0.9 < found.low < 0.98
    assert found.high == 1.0


def test_too_few_rows_tell_nothing():
    """One reference row has no spread; no new rows have no accuracy."""
    assert learn_trust(np.array([0.9]), np.array([True]), 1.0) is None
    trust = learn_trust(np.array([0.9, 0.8]), np.array([True, False]), 1.0)
    assert estimated_accuracy(trust, np.zeros(0)).value is None
