import numpy as np
import pytest
from scipy.stats import ks_2samp

from ml_run.drift.distribution import alarming_distance, distance, distribution, kolmogorov_p_value, stability_index


def drawn(n, seed, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, n)


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    """Distance and p-value are scipy's for two samples, ties or not."""
    for seed in range(5):
        for decimals in (6, 0):
            before, now = drawn(300, seed).round(decimals), drawn(200, seed + 100, 0.2).round(decimals)
            found, expected = distance(distribution(before), now), ks_2samp(before, now, method="asymp")
            assert found.ks == pytest.approx(expected.statistic)
            assert found.p_value == pytest.approx(expected.pvalue)


def test_two_thousand_quantiles_stand_for_all_values():
    """Of 50,000 rows the quantiles move the distance by at most 1/4000."""
    before, now = drawn(50_000, 1), drawn(300, 2, 0.1)
    kept = distribution(before)
    assert (kept.kind, kept.n, len(kept.values)) == ("quantiles", 50_000, 2000)
    assert distance(kept, now).ks == pytest.approx(ks_2samp(before, now).statistic, abs=1 / 4000 + 1e-9)


def test_a_value_equals_itself_once_it_was_stored():
    """Stored values are rounded, new ones are compared as rounded: the same rows are no distance apart."""
    values = drawn(100, 3) / 3
    assert distance(distribution(values), values).ks == 0


def test_the_alarming_distance_is_where_the_p_value_is_the_level():
    """One per cent above it the p-value is below the level, one per cent below it above."""
    for n in (50, 200, 1000):
        least = alarming_distance(294, n, 0.01)
        assert kolmogorov_p_value(least * 1.01, 294, n) < 0.01 < kolmogorov_p_value(least * 0.99, 294, n)


def test_the_stability_index_by_hand():
    """The same shares give 0; 90 : 10 against 50 : 50 gives 0.4 ln 9 / ..., half a row added to each bin."""
    assert stability_index(np.array([50, 50]), np.array([500, 500])) == pytest.approx(0)
    p, q = 90.5 / 101, 50.5 / 101
    expected = (q - p) * np.log(q / p) + (p - q) * np.log((1 - q) / (1 - p))
    assert stability_index(np.array([90, 10]), np.array([50, 50])) == pytest.approx(expected)
