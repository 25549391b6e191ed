"""Differences of macro-F1, against brute force and simulation."""

import numpy as np
import pytest

from ml_run.statistics import (
    class_to_label_first_to_compare,
    confusion_matrix,
    f1_by_class,
    level_of_look,
    macro_f1_difference,
    macro_f1_difference_error,
)


def random_table(chance, n, k):
    true = chance.integers(0, k, n)
    return true, np.where(chance.random(n) < 0.7, true, chance.integers(0, k, n))


def test_the_paired_bootstrap_equals_resampling_rows_jointly():
    """The interval of a macro-F1 difference is the one of resampling rows with both predictions together."""
    chance = np.random.default_rng(4)
    true, new = random_table(chance, 150, 3)
    old = np.where(chance.random(150) < 0.8, new, chance.integers(0, 3, 150))
    found = macro_f1_difference(true, new, old, 3, seed=1)
    slow = []
    for _ in range(3000):
        rows = np.concatenate([chance.choice(np.flatnonzero(true == c), (true == c).sum()) for c in range(3)])
        slow.append(
            f1_by_class(confusion_matrix(true[rows], new[rows], 3)).mean()
            - f1_by_class(confusion_matrix(true[rows], old[rows], 3)).mean()
        )
    assert (found.low, found.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.008)


def test_a_model_compared_with_itself_differs_by_exactly_nothing():
    """R30: the same predictions differ by 0, inside an interval: 80 rows cannot rule out one disagreement in a hundred.

    No level makes them a better model or a worse one.
    """
    true, new = random_table(np.random.default_rng(5), 80, 3)
    for level in (0.5, 0.95, level_of_look(1), level_of_look(20)):
        found = macro_f1_difference(true, new, new, 3, seed=1, level=level)
        assert found.value == 0.0
        assert found.low <= 0 <= found.high
    assert -0.1 < found.low < 0 < found.high < 0.1


def test_a_difference_is_undefined_where_a_class_has_no_rows():
    """A class that vanished from the compared rows is not silently left out of the mean."""
    assert macro_f1_difference([0, 1], [0, 1], [0, 0], 3, seed=1).model_dump() == {
        "value": None, "low": None, "high": None,
    }  # fmt: skip


def test_the_error_of_a_difference_agrees_with_its_interval():
    """A 95 % interval reaches about 1.96 standard errors each way; both are undefined without rows of a class."""
    chance = np.random.default_rng(7)
    true, new = random_table(chance, 400, 3)
    old = np.where(chance.random(400) < 0.85, new, chance.integers(0, 3, 400))
    value, error = macro_f1_difference_error(true, new, old, 3, seed=1, resamples=5000)
    interval = macro_f1_difference(true, new, old, 3, seed=2)
    assert value == interval.value
    assert 2 * 1.96 * error == pytest.approx(interval.high - interval.low, rel=0.05)
    assert macro_f1_difference_error(true, new, old, 4, seed=1) is None


def test_the_class_to_label_first_is_where_the_two_models_part():
    """Two models part on one of three equal classes only: its rows narrow the interval of their difference most."""
    true = np.repeat([0, 1, 2], 50)
    new = true.copy()
    old = np.where((true == 1) & (np.arange(150) % 4 == 0), 2, true)
    assert class_to_label_first_to_compare(true, new, old, 3) == 1
    assert class_to_label_first_to_compare(true, true, true, 3) is None
    assert class_to_label_first_to_compare([0, 1], [0, 1], [1, 1], 3) is None


def test_a_difference_at_a_stricter_level_is_wider_around_the_same_value():
    """R31: the value does not depend on the level, the interval grows with it, the same seed gives the same bits."""
    chance = np.random.default_rng(6)
    true, new = random_table(chance, 200, 3)
    old = np.where(chance.random(200) < 0.9, new, chance.integers(0, 3, 200))
    found = [macro_f1_difference(true, new, old, 3, seed=1, level=level_of_look(k)) for k in (1, 2, 5, 20)]
    assert len({e.value for e in found}) == 1
    widths = [e.high - e.low for e in found]
    assert widths == sorted(widths)
    assert widths[-1] > 1.8 * widths[0]
    assert found[0] == macro_f1_difference(true, new, old, 3, seed=1, level=level_of_look(1))


@pytest.mark.parametrize("n", [3, 10])
def test_a_difference_on_few_rows_is_wide_and_defined(n):
    """R27: three or ten rows, unknown labels, one-class predictions: a value inside an interval within -1 and 1."""
    true = np.arange(n) % 3
    for new, old in ((true, np.zeros(n, int)), (np.full(n, 9), true), (np.zeros(n, int), np.ones(n, int))):
        found = macro_f1_difference(true, new, old, 3, seed=0)
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low > 0.05
