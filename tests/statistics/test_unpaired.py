"""Proportions on different rows: differences, Fisher's mid-p, Holm."""

import numpy as np
import pytest

from ml_run.statistics.unpaired import holm, proportion_difference, proportions_p_value


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((5, 56, 0, 29), -0.0381, 0.1926)],
)
def test_differences_are_those_of_the_paper(counts, low, high):
    """The interval is method 10 of Newcombe (1998), whose table II these three examples stand in."""
    found = proportion_difference(*counts)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])


def test_differences_equal_those_of_statsmodels():
    """On random tables the interval is that of statsmodels, to 1e-9."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    chance = np.random.default_rng(1)
    for n, m in chance.integers(1, 300, (300, 2)):
        a, b = int(chance.integers(0, n + 1)), int(chance.integers(0, m + 1))
        low, high = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
        found = proportion_difference(a, int(n), b, int(m))
        assert found.low == pytest.approx(max(low, -1), abs=1e-9)
        assert found.high == pytest.approx(min(high, 1), abs=1e-9)


def test_p_values_lie_between_those_of_fisher_with_and_without_what_was_seen():
    """A one-sided mid-p is half way between P(X < seen) and P(X <= seen); two-sided, twice the smaller of the two."""
    from scipy.stats import fisher_exact

    for a, n, b, m in ((10, 30, 60, 90), (29, 30, 60, 90), (0, 5, 7, 7), (3, 6, 30, 60)):
        table = [[a, n - a], [b, m - b]]
        tails = []
        for side in ("less", "greater"):
            whole = fisher_exact(table, alternative=side).pvalue
            tails.append(whole)
        seen = tails[0] + tails[1] - 1  # P(X = seen) is in both
        assert proportions_p_value(a, n, b, m) == pytest.approx(min(1, 2 * (min(tails) - seen / 2)), abs=1e-12)


def test_a_small_slice_is_called_different_by_chance_as_often_as_the_level_says():
    """Of 1,000 slices of 40 rows that are like the other 160, at most 5 % have a p-value below .05."""
    chance = np.random.default_rng(2)
    hits, others = chance.binomial(40, 0.8, 1000), chance.binomial(160, 0.8, 1000)
    found = [proportions_p_value(int(a), 40, int(b), 160) < 0.05 for a, b in zip(hits, others, strict=True)]
    assert 0.02 < np.mean(found) < 0.06


def test_without_rows_nothing_is_defined():
    """A proportion of no rows has neither a difference nor a test."""
    assert proportion_difference(0, 0, 3, 4).value is None
    assert proportion_difference(3, 4, 0, 0).low is None
    assert proportions_p_value(0, 0, 3, 4) is None


def test_holm_equals_that_of_statsmodels():
    """Adjusted p-values are those of statsmodels, ties and ones included; of none there are none."""
    from statsmodels.stats.multitest import multipletests

    values = [0.04, 0.001, 0.03, 0.03, 1.0, 0.2]
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1].tolist())
    assert holm([]) == []
