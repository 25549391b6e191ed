"""How many rows would settle a question, and of which class."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from ml_run.results import Estimate
from ml_run.statistics import (
    class_to_label_first,
    level_of_look,
    rows_to_settle_proportion,
    rows_to_settle_scaled,
)
from ml_run.statistics.bootstrap import smoothed
from ml_run.statistics.confusion import f1_of_counts


@pytest.mark.parametrize(("value", "threshold"), [(0.87, 0.85), (0.5, 0.6), (0.99, 0.95), (0.8, 0.85)])
def test_rows_to_settle_are_the_fewest_that_do_in_four_of_five_test_sets(value, threshold):
    """The exact chance that Wilson's interval leaves the threshold out is 80 % there, and less one row before."""
    rows = rows_to_settle_proportion(value, threshold)
    for n, enough in ((rows - 1, False), (rows, True)):
        hits = np.arange(n + 1)
        low, high = proportion_confint(hits, n, method="wilson")
        settled = (low > threshold) if value > threshold else (high < threshold)
        assert (binom.pmf(hits[settled], n, value).sum() >= 0.8) == enough


def test_rows_to_settle_a_scaled_interval():
    """Half the gap to the threshold needs four times the rows; at the threshold itself no number does."""
    estimate = Estimate(value=0.80, low=0.70, high=0.88)
    assert rows_to_settle_scaled(estimate, 0.75, 100, power=0.5) == 401
    assert rows_to_settle_scaled(estimate, 0.75, 100) == 819
    assert rows_to_settle_scaled(estimate, 0.775, 100) == 3271
    assert rows_to_settle_scaled(estimate, 0.80, 100) is None
    assert rows_to_settle_scaled(Estimate(value=None), 0.8, 100) is None


def test_questions_that_no_rows_settle_have_no_number():
    """R27: at the threshold itself, or a hair beside it, no number of rows is named; certain scores have one."""
    assert rows_to_settle_proportion(0.85, 0.85) is None
    assert rows_to_settle_proportion(0.85 + 1e-9, 0.85) is None
    assert rows_to_settle_scaled(Estimate(value=0.8, low=0.7, high=0.9), 0.8 - 1e-9, 100) is None
    assert rows_to_settle_proportion(1.0, 0.95) == 73
    assert rows_to_settle_proportion(0.0, 0.05) == 73


def test_a_stricter_level_needs_more_rows():
    """R31: rows that settle a difference grow with the look at which it is judged, for its interval grows with it."""
    error = 0.025
    needed = []
    for look in (1, 3, 20):
        level = level_of_look(look)
        reach = NormalDist().inv_cdf((1 + level) / 2) * error
        estimate = Estimate(value=0.0, low=-reach, high=reach)
        needed.append(rows_to_settle_scaled(estimate, -0.02, 300, level=level))
    assert needed == [3461, 5910, 10048]


def brute_force(matrix):
    """Variance of macro-F1 by simulation, with some more rows of each class in turn; the id that lowers it most."""
    k, chance, found = len(matrix), np.random.default_rng(0), []
    for grown in range(k):
        support = matrix.sum(1) + (np.arange(k) == grown) * 3
        shares = smoothed(matrix)
        hits, predicted = np.zeros((2, 200_000, k))
        for c in range(k):
            drawn = chance.multinomial(support[c], shares[c], 200_000)
            hits[:, c] = drawn[:, c]
            predicted += drawn[:, :k]
        found.append(f1_of_counts(hits, np.broadcast_to(support, hits.shape), predicted).mean(1).var())
    return int(np.argmin(found))


@pytest.mark.parametrize(
    "matrix",
    [
        [[140, 5, 5, 0], [5, 125, 5, 0], [3, 3, 9, 0]],
        [[30, 20, 0, 0], [2, 48, 0, 0], [0, 0, 50, 0]],
        [[9, 1, 0, 0], [10, 80, 10, 0], [1, 9, 190, 0]],
        [[95, 5, 0], [3, 7, 0]],
    ],
)
def test_the_class_to_label_first_is_the_one_simulation_finds(matrix):
    """Some more rows of that class lower the variance of macro-F1 more than as many of any other."""
    assert class_to_label_first(matrix) == brute_force(np.array(matrix))


def test_the_class_to_label_first_of_degenerate_counts():
    """R27: a class without rows comes first; five rows without a mistake count as unsure; where all are alike, none."""
    assert class_to_label_first([[5, 0, 0], [0, 0, 0]]) == 1
    assert class_to_label_first([[5, 0, 0], [0, 500, 0]]) == 0
    assert class_to_label_first([[8, 1, 1, 0], [1, 8, 1, 0], [1, 1, 8, 0]]) is None
