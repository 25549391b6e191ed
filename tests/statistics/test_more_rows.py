"""How many rows would settle a question, and of which class."""

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from ml_run.results import Estimate
from ml_run.statistics import (
    rows_to_settle_proportion,
    rows_to_settle_scaled,
)


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
