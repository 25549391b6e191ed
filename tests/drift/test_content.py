import numpy as np
import pytest

from ml_run.drift.content import bandwidth, discrepancy, some


def cloud(n, seed, shift=0.0):
    points = np.random.default_rng(seed).normal(0, 1, (n, 8))
    points[:, 0] += shift
    return points.astype(np.float32)


def by_hand(reference, new, width):
    def kernel(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / width)

    m, n = len(reference), len(new)
    inside = (kernel(new, new).sum() - n) / (n * (n - 1))
    outside = (kernel(reference, reference).sum() - m) / (m * (m - 1))
    return max(inside + outside - 2 * kernel(reference, new).mean(), 0.0) ** 0.5


def test_the_discrepancy_by_hand():
    """It is the unbiased estimate, written out as three means of kernels."""
    reference, new = cloud(40, 1), cloud(30, 2, 1.0)
    width = bandwidth(reference)
    assert discrepancy(reference, new, width, seed=0).mmd == pytest.approx(by_hand(reference, new, width), abs=1e-4)
    distances = ((reference[:, None] - reference[None]) ** 2).sum(-1)
    assert width == pytest.approx(np.median(distances[np.triu_indices(40, 1)]), rel=1e-5)


def test_another_cloud_is_found_and_the_same_is_not():
    """A cloud that is moved has the smallest p-value; of the same cloud one in twenty is below .05."""
    reference = cloud(100, 1)
    assert discrepancy(reference, cloud(100, 2, 1.0), 16.0, seed=0).p_value == 1 / 1000
    p_values = [discrepancy(cloud(40, i), cloud(30, 1000 + i), 16.0, seed=i, draws=99).p_value for i in range(300)]
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.085
    assert 0.44 < np.mean(p_values) < 0.56


def test_no_more_than_five_hundred_points_are_compared():
    """More points are drawn from, always the same ones; fewer are taken as they are."""
    points = cloud(800, 3)
    assert some(points, 1).shape == (500, 8)
    assert (some(points, 1) == some(points, 1)).all()
    assert len(some(points[:20], 1)) == 20


def test_points_that_are_all_one_have_a_width():
    """A corpus of one text, over and over, does not divide by nothing."""
    assert bandwidth(np.ones((5, 3), np.float32)) == 1.0
