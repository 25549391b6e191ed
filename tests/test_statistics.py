"""Intervals and comparisons against statsmodels, scikit-learn and brute force."""

import time
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.metrics import log_loss as sklearn_log_loss
from statsmodels.stats.proportion import proportion_confint

from ml_run import statistics
from ml_run.statistics import (
    accuracy_difference,
    calibrated_ece,
    confusion_matrix,
    detectable_difference,
    expected_calibration_error,
    f1_by_class,
    f1_intervals,
    fewest_hits,
    log_loss,
    macro_f1_difference,
    macro_f1_difference_error,
    macro_f1_error,
    rows_per_class_mean,
    rows_to_settle_proportion,
    rows_to_settle_scaled,
    rows_without_mistake,
    smallest_shown_difference,
    wilson,
)


def random_table(chance, n, k):
    true = chance.integers(0, k, n)
    return true, np.where(chance.random(n) < 0.7, true, chance.integers(0, k, n))


def test_wilson_equals_statsmodels_on_a_thousand_random_counts():
    """Wilson's interval is the one statsmodels computes, to 1e-9, over all sizes."""
    chance = np.random.default_rng(0)
    for _ in range(1000):
        n = int(chance.integers(1, 5000))
        hits = int(chance.integers(0, n + 1))
        low, high = proportion_confint(hits, n, method="wilson")
        mine = wilson(hits, n)
        assert (mine.low, mine.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_wilson_without_rows_is_undefined():
    """A proportion of nothing has no value and no interval."""
    assert wilson(0, 0).model_dump() == {"value": None, "low": None, "high": None}


def test_f1_equals_scikit_learn_on_a_thousand_random_tables():
    """F1 of every class equals scikit-learn's, also with classes absent from truth or prediction."""
    chance = np.random.default_rng(1)
    for _ in range(1000):
        k = int(chance.integers(2, 6))
        true, predicted = random_table(chance, int(chance.integers(1, 60)), k)
        expected = f1_score(true, predicted, labels=range(k), average=None, zero_division=0)
        assert f1_by_class(confusion_matrix(true, predicted, k)) == pytest.approx(expected, abs=1e-9)


def test_an_unknown_predicted_label_is_a_mistake_of_its_row_only():
    """An id of k or more counts against recall and as no prediction of any known class."""
    matrix = confusion_matrix([0, 0, 1], [0, 7, 1], 2)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert f1_by_class(matrix) == pytest.approx([2 / 3, 1.0])


def test_the_bootstrap_shortcut_equals_resampling_rows():
    """Multinomial draws over the confusion matrix spread as the scores of resampled rows do."""
    chance = np.random.default_rng(2)
    true, predicted = random_table(chance, 200, 3)
    matrix = confusion_matrix(true, predicted, 3)
    fast = statistics._bootstrap_f1(matrix.sum(1), matrix / matrix.sum(1, keepdims=True), 5, 10_000)
    slow = np.array([_resampled_f1(chance, true, predicted) for _ in range(4000)])
    ends = [0.025, 0.5, 0.975]
    assert np.quantile(fast.mean(1), ends) == pytest.approx(np.quantile(slow.mean(1), ends), abs=0.006)
    assert np.quantile(fast[:, 1], ends) == pytest.approx(np.quantile(slow[:, 1], ends), abs=0.012)


def test_f1_intervals_stand_around_the_observed_scores():
    """What smooths the interval leaves the scores alone: they are scikit-learn's."""
    true, predicted = random_table(np.random.default_rng(2), 200, 3)
    macro, weighted, classes = f1_intervals(confusion_matrix(true, predicted, 3), seed=5)
    assert macro.value == pytest.approx(f1_score(true, predicted, average="macro"))
    assert weighted.value == pytest.approx(f1_score(true, predicted, average="weighted"))
    assert [c.value for c in classes] == pytest.approx(list(f1_score(true, predicted, average=None)))


def _resampled_f1(chance, true, predicted):
    rows = np.concatenate([chance.choice(np.flatnonzero(true == c), (true == c).sum()) for c in range(3)])
    return f1_by_class(confusion_matrix(true[rows], predicted[rows], 3))


def test_intervals_repeat_with_their_seed():
    """The same counts and seed give the same interval to the last bit; another seed gives another."""
    matrix = confusion_matrix(*random_table(np.random.default_rng(3), 100, 3), 3)
    assert f1_intervals(matrix, seed=1) == f1_intervals(matrix, seed=1)
    assert f1_intervals(matrix, seed=1) != f1_intervals(matrix, seed=2)


@pytest.mark.parametrize(("accuracy", "n"), list(product((0.85, 0.95, 0.99), (60, 200, 500))))
def test_f1_intervals_hold_the_truth_about_as_often_as_they_say(accuracy, n):
    """Of 400 test sets of three classes 60/30/10, 92 to 98 % of the 95 % intervals of macro-F1 hold the true value.

    More for n = 60 at accuracy .99: with 0.6 mistakes expected there are only a handful of different test sets, so the
    share goes in large steps. A plain percentile bootstrap holds the truth in 43 % there.
    """
    chance = np.random.default_rng(11)
    support = np.array([n * 6, n * 3, n]) // 10
    shares = np.full((3, 4), (1 - accuracy) / 2) * [1, 1, 1, 0]
    np.fill_diagonal(shares, accuracy)
    expected = support[:, None] * shares
    truth = (2 * expected.diagonal() / (support + expected[:, :3].sum(0))).mean()
    seen = [np.stack([chance.multinomial(s, p) for s, p in zip(support, shares, strict=True)]) for _ in range(400)]
    found = {m.tobytes(): f1_intervals(m, seed=3, resamples=1000)[0] for m in seen}
    estimates = [found[m.tobytes()] for m in seen]
    assert all(0 <= e.low <= e.value <= e.high <= 1 and e.low < e.high for e in estimates)
    coverage = np.mean([e.low <= truth <= e.high for e in estimates])
    assert 0.92 <= coverage <= (1.0 if (accuracy, n) == (0.99, 60) else 0.98)


def test_ten_rows_without_a_mistake_prove_little():
    """All right in ten rows: the interval of every F1 reaches from its value 1 well down, as Wilson's does (.72)."""
    macro, weighted, classes = f1_intervals(confusion_matrix([0] * 6 + [1] * 4, [0] * 6 + [1] * 4, 2), seed=0)
    assert {e.value for e in (macro, weighted, *classes)} == {1.0}
    assert {e.high for e in (macro, weighted, *classes)} == {1.0}
    assert macro.low == pytest.approx(wilson(10, 10).low, abs=0.1)
    assert all(e.low < 0.85 for e in (weighted, *classes))


def test_intervals_of_many_classes_stay_around_their_values():
    """Twenty classes of five rows, one mistake in twenty: half a row in each class must not drag the interval away."""
    true = np.repeat(np.arange(20), 5)
    predicted = np.where(np.arange(100) % 20 == 0, (true + 1) % 20, true)
    macro, weighted, _ = f1_intervals(confusion_matrix(true, predicted, 20), seed=0)
    for estimate in (macro, weighted):
        assert 0.84 < estimate.low < estimate.value < estimate.high


def test_f1_intervals_take_milliseconds():
    """Ten thousand resamples of ten classes, thousands of rows: well under a second on a busy machine."""
    matrix = confusion_matrix(*random_table(np.random.default_rng(8), 5000, 10), 10)
    start = time.perf_counter()
    f1_intervals(matrix, seed=0)
    assert time.perf_counter() - start < 1


def test_a_class_without_rows_leaves_macro_f1_undefined():
    """A mean over classes of which one was never tested is no number."""
    macro, _, classes = f1_intervals(confusion_matrix([0, 1, 1], [0, 1, 0], 3), seed=0)
    assert macro.value is None
    assert classes[2].value is None
    assert classes[0].value is not None


def test_no_rows_at_all_leave_every_score_undefined():
    """Zero rows give None everywhere, never an exception or a zero."""
    macro, weighted, classes = f1_intervals(confusion_matrix([], [], 2), seed=0)
    assert [e.value for e in (macro, weighted, *classes)] == [None] * 4
    assert macro_f1_difference([], [], [], 2, seed=0).value is None
    assert accuracy_difference([], []).value is None
    assert log_loss(np.zeros((0, 2)), []) is None
    assert expected_calibration_error(np.zeros(0), []) is None


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
    """Same predictions: difference and both ends of its interval are zero."""
    true, new = random_table(np.random.default_rng(5), 80, 3)
    assert macro_f1_difference(true, new, new, 3, seed=1).model_dump() == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_difference_is_undefined_where_a_class_has_no_rows():
    """A class that vanished from the compared rows is not silently left out of the mean."""
    assert macro_f1_difference([0, 1], [0, 1], [0, 0], 3, seed=1).model_dump() == {
        "value": None, "low": None, "high": None,
    }  # fmt: skip


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


def test_log_loss_equals_scikit_learn_and_refuses_nan():
    """Log loss is scikit-learn's; one NaN makes it undefined instead of silently something."""
    chance = np.random.default_rng(6)
    soft = chance.dirichlet(np.ones(3), 50)
    true = chance.integers(0, 3, 50)
    assert log_loss(soft, true) == pytest.approx(sklearn_log_loss(true, soft, labels=[0, 1, 2]), abs=1e-9)
    soft[0, 0] = np.nan
    assert log_loss(soft, true) is None
    assert expected_calibration_error(soft.max(1), true == 0) is None


def test_calibration_error_of_known_bins():
    """Ten rows of confidence .8 of which five are right are off by .3; confident and right rows by 0."""
    assert expected_calibration_error(np.full(10, 0.8), [True] * 5 + [False] * 5) == pytest.approx(0.3)
    assert expected_calibration_error(np.ones(4), [True] * 4) == 0.0


@pytest.mark.parametrize(("value", "threshold"), [(0.87, 0.85), (0.5, 0.6), (0.99, 0.95), (0.8, 0.85)])
def test_rows_to_settle_is_the_smallest_number_that_does(value, threshold):
    """At the number printed the interval leaves the threshold out; one row fewer and it still holds it."""
    rows = rows_to_settle_proportion(value, threshold)
    for n, held in ((rows - 1, True), (rows, False)):
        low, high = proportion_confint(value * n, n, method="wilson")
        assert (low <= threshold <= high) is held


def test_rows_to_settle_a_scaled_interval():
    """Half the gap to the threshold needs four times the rows; at the threshold itself no number does."""
    estimate = statistics.Estimate(value=0.80, low=0.70, high=0.88)
    assert rows_to_settle_scaled(estimate, 0.75, 100) == 401
    assert rows_to_settle_scaled(estimate, 0.80, 100) is None
    assert rows_to_settle_scaled(statistics.Estimate(value=None), 0.8, 100) is None


# --- what a number of rows can show ---------------------------------------------------------------------------------


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


def test_the_error_of_macro_f1_is_the_spread_of_resampled_rows():
    """The standard error equals that of macro-F1 over resampled rows; a paired difference with itself has none."""
    chance = np.random.default_rng(6)
    true, predicted = random_table(chance, 200, 3)
    slow = np.array([_resampled_f1(chance, true, predicted).mean() for _ in range(3000)]).std()
    assert macro_f1_error(confusion_matrix(true, predicted, 3), seed=1, resamples=4000) == pytest.approx(slow, rel=0.05)
    assert macro_f1_difference_error(true, predicted, predicted, 3, seed=1) == (0.0, 0.0)


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


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_the_noise_of_calibration_error_is_that_of_calibrated_models(n):
    """Simulated models, right as often as they are confident: the surest and the least sure score what is foretold."""
    chance = np.random.default_rng(9)
    for confidences, expected in zip(
        (chance.beta(12, 1, (400, n)), chance.uniform(1 / 7, 1, (400, n))), calibrated_ece(n), strict=True
    ):
        found = [expected_calibration_error(values, chance.random(n) < values) for values in confidences]
        assert np.mean(found) == pytest.approx(expected, rel=0.1)
