import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact

from ml_run.drift.counts import alarming_hits, labels_moved, share_p_value


def test_moved_labels_are_judged_as_by_the_chi_square_test():
    """With many rows of each label the p-value is that of Pearson's test, and the effect the total variation."""
    before, now = np.array([400, 300, 300]), np.array([60, 80, 60])
    found = labels_moved(before, now, seed=1)
    assert found.p_value == pytest.approx(chi2_contingency([before, now], correction=False).pvalue, abs=0.01)
    assert found.share == pytest.approx(0.1)


def test_the_same_counts_are_no_alarm_and_another_label_is():
    """Equal shares have p = 1; shares that chance never gives have the smallest p there is."""
    assert labels_moved(np.array([40, 60, 0]), np.array([40, 60, 0]), seed=1) == (0.0, 1.0)
    assert labels_moved(np.array([100, 0]), np.array([0, 100]), seed=1) == (1.0, 1 / 10_000)


def test_rare_labels_do_not_raise_false_alarms():
    """With thirty labels of a row or two each, p-values below .05 are as rare as they say."""
    rng = np.random.default_rng(2)
    shares = np.full(30, 1 / 30)
    alarms = [
        labels_moved(rng.multinomial(60, shares), rng.multinomial(60, shares), seed=i, draws=999).p_value <= 0.05
        for i in range(250)
    ]
    assert 0.02 < np.mean(alarms) < 0.075


def test_shares_are_compared_by_fishers_exact_test():
    """Both sides, and the arguments in the order new, then reference."""
    for hits, n, before, of in (
        (5, 100, 0, 294),
        (9, 50, 60, 294),
        (0, 60, 60, 60),
        (40, 80, 40, 80),
        (3, 5000, 20, 60),
    ):
        expected = fisher_exact([[hits, n - hits], [before, of - before]]).pvalue
        assert share_p_value(hits, n, before, of) == pytest.approx(expected)
    assert share_p_value(0, 100, 0, 294) == 1.0


@pytest.mark.parametrize(("n", "hits", "of"), [(50, 0, 294), (200, 3, 294), (50, 290, 294), (100, 50, 100)])
def test_the_fewest_alarming_hits_are_the_fewest(n, hits, of):
    """One fewer raises no alarm; None where even all would raise none."""
    found = alarming_hits(n, hits, of, 0.007)
    every = [h for h in range(n + 1) if h / n > hits / of and share_p_value(h, n, hits, of) <= 0.007]
    assert found == (every[0] if every else None)
