"""What a number of rows can show."""

import numpy as np
import pytest

from ml_run.statistics import (
    accuracy_difference,
    detectable_difference,
    fewest_hits,
    rows_per_class_mean,
    rows_without_mistake,
    smallest_shown_difference,
    wilson,
)


def test_the_fewest_hits_are_those_of_a_search():
    """Fewest right answers whose interval lies above the threshold: as counting up through Wilson's intervals finds."""
    for n in (1, 2, 9, 30, 31, 200):
        for threshold in (0.0, 0.05, 0.3, 0.5, 0.7, 0.85, 0.99, 1.0):
            lows = [wilson(hits, n).low for hits in range(n + 1)]
            by_search = next((hits for hits, low in enumerate(lows) if low >= threshold), None)
            assert fewest_hits(threshold, n) == by_search, (n, threshold)
    assert fewest_hits(0.5, 0) is None


def test_rows_without_a_mistake_are_the_fewest_that_prove_a_threshold():
    """So many right answers of as many rows prove it, one row less does not; nothing proves 1."""
    assert [rows_without_mistake(t) for t in (0.0, 0.5, 0.7, 0.85, 0.95)] == [1, 4, 9, 22, 73]
    for threshold in np.linspace(0.01, 0.99, 99):
        rows = rows_without_mistake(threshold)
        assert fewest_hits(threshold, rows) is not None
        assert rows == 1 or fewest_hits(threshold, rows - 1) is None
    assert rows_without_mistake(1.0) is None


@pytest.mark.parametrize(("n", "discordant"), [(100, 0.2), (300, 0.15), (1000, 0.1)])
def test_the_smallest_shown_difference_is_where_the_paired_interval_leaves_zero(n, discordant):
    """Newcombe's interval, which is computed in another way, leaves 0 within a few rows of it."""
    rows = round(n * discordant)
    for only_new in range(rows // 2, rows + 1):
        right = np.arange(n) >= rows
        new, old = right | (np.arange(n) < only_new), right | ((np.arange(n) >= only_new) & (np.arange(n) < rows))
        if accuracy_difference(new, old).low > 0:
            break
    seen = (2 * only_new - rows) / n
    assert smallest_shown_difference(n, rows / n) == pytest.approx(seen, abs=4 / n)


def test_the_detectable_difference_is_found_as_often_as_it_says():
    """Of 4,000 test sets with that true difference about 80 % show it, by McNemar's test."""
    chance = np.random.default_rng(8)
    n, discordant = 300, 0.15
    difference = detectable_difference(n, discordant)
    both = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    b, c, _ = chance.multinomial(n, both, size=4000).T
    power = ((b - c) ** 2 > 1.96**2 * (b + c)).mean()
    assert power == pytest.approx(0.8, abs=0.03)
    assert detectable_difference(n, discordant, power=0.9) > difference > smallest_shown_difference(n, discordant)
    assert detectable_difference(5, 0.1) == pytest.approx(0.1)


def test_a_mean_over_classes_is_as_sure_as_its_smallest_class_allows():
    """Equal classes count fully; one class of 10 beside 1,000 makes macro scores worth 40 rows."""
    assert rows_per_class_mean([100, 100, 100]) == pytest.approx(300)
    assert rows_per_class_mean([1000, 10]) == pytest.approx(4 / (1 / 1000 + 1 / 10))
