"""Differences of accuracy, against the literature and statsmodels."""

import pytest

from ml_run.statistics import (
    accuracy_difference,
)


def test_newcombe_equals_the_published_example():
    """Newcombe (1998), table III, cell counts 36, 12, 2, 0 by method 10: difference .2, interval .0569 to .3404."""
    new = [True] * 36 + [True] * 12 + [False] * 2
    old = [True] * 36 + [False] * 12 + [True] * 2
    found = accuracy_difference(new, old)
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.2),
        pytest.approx(0.0569, abs=5e-5),
        pytest.approx(0.3404, abs=5e-5),
    )
