"""Differences of accuracy, against the literature and statsmodels."""

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar as oracle
from statsmodels.stats.proportion import proportion_confint

from ml_run.statistics import accuracy_difference, accuracy_lower_p_value, discordant, mcnemar


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


def random_flags(chance):
    n = int(chance.integers(1, 400))
    both, only_new, only_old, neither = chance.multinomial(n, chance.dirichlet([3, 0.5, 0.5, 1]))
    return (
        [True] * both + [True] * only_new + [False] * only_old + [False] * neither,
        [True] * both + [False] * only_new + [True] * only_old + [False] * neither,
    )


def test_mcnemar_equals_statsmodels_on_a_thousand_random_tables():
    """R28: the exact p is statsmodels'; mid-p is it less the chance of what was seen, 1 where the sides are even."""
    chance = np.random.default_rng(0)
    for _ in range(1000):
        only_new, only_old = (int(x) for x in chance.integers(0, 40, 2))
        expected = oracle([[7, only_new], [only_old, 5]], exact=True).pvalue
        found = mcnemar(only_new, only_old)
        assert found.exact == pytest.approx(expected, abs=1e-9)
        fewer, n = min(only_new, only_old), only_new + only_old
        mid = 1.0 if only_new == only_old else 2 * binom.cdf(fewer, n, 0.5) - binom.pmf(fewer, n, 0.5)
        assert found.mid_p == pytest.approx(mid, abs=1e-9)


def test_mid_p_equals_the_published_example():
    """Fagerland, Lydersen and Laake (2013): 1 and 7 discordant pairs give mid-p .039, exact p .070."""
    assert mcnemar(1, 7) == (pytest.approx(0.0703, abs=5e-5), pytest.approx(0.0391, abs=5e-5))


def test_without_discordant_rows_nothing_speaks_against_equal_accuracy():
    """No rows, or only rows both get right or wrong: both p values are 1 (R27)."""
    assert mcnemar(0, 0) == (1.0, 1.0)
    assert discordant([], []) == (0, 0)
    assert discordant([True, False], [True, False]).rows == 0


@pytest.mark.parametrize("level", [0.8, 0.95, 0.9998])
def test_newcombe_equals_its_formula_over_statsmodels_wilson_on_random_tables(level):
    """R28: method 10 from statsmodels' Wilson ends and the correlation of the two columns, to 1e-9, at any level."""
    chance = np.random.default_rng(1)
    for _ in range(350):
        new, old = random_flags(chance)
        found, n = accuracy_difference(new, old, level), len(new)
        p, q = np.mean(new), np.mean(old)
        (new_low, new_high), (old_low, old_high) = (
            proportion_confint(sum(flags), n, alpha=1 - level, method="wilson") for flags in (new, old)
        )
        a, d = (
            sum(x and y for x, y in zip(new, old, strict=True)),
            sum(not (x or y) for x, y in zip(new, old, strict=True)),
        )
        b, c = sum(new) - a, sum(old) - a
        product = a * d - b * c
        corrected = max(product - n / 2, 0) if product > 0 else product
        scale = np.sqrt(float((a + b) * (c + d) * (a + c) * (b + d)))
        phi = corrected / scale if scale else 0.0
        below = np.sqrt((p - new_low) ** 2 - 2 * phi * (p - new_low) * (old_high - q) + (old_high - q) ** 2)
        above = np.sqrt((new_high - p) ** 2 - 2 * phi * (new_high - p) * (q - old_low) + (q - old_low) ** 2)
        assert (found.value, found.low, found.high) == pytest.approx((p - q, p - q - below, p - q + above), abs=1e-9)


def test_the_p_value_of_lost_accuracy_is_where_the_interval_reaches_the_margin():
    """Below that error the interval's upper end is above minus the margin, at it below; a better model has p 1."""
    new, old = [True] * 60 + [False] * 40, [True] * 80 + [False] * 20
    p = accuracy_lower_p_value(new, old, 0.1)
    assert 0.001 < p < 0.05
    assert accuracy_difference(new, old, 1 - 2 * p * 0.99).high > -0.1 > accuracy_difference(new, old, 1 - 2 * p).high
    assert accuracy_lower_p_value(old, new, 0.0) == 1.0
    assert accuracy_lower_p_value([], [], 0.0) == 1.0
