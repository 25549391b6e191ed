"""Whether probabilities are to be believed, against scikit-learn and simulation."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from ml_run.results import RiskCoverage
from ml_run.statistics import (
    answered_at_risk,
    brier_score,
    brier_scores,
    calibrated_ece,
    ece_of_calibrated,
    expected_calibration_error,
    log_loss,
    log_losses,
    reliability_bins,
    risk_coverage,
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


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_the_noise_of_calibration_error_is_that_of_calibrated_models(n):
    """Simulated models, right as often as they are confident: the surest and the least sure score what is foretold."""
    chance = np.random.default_rng(9)
    for confidences, expected in zip(
        (chance.beta(12, 1, (400, n)), chance.uniform(1 / 7, 1, (400, n))), calibrated_ece(n), strict=True
    ):
        found = [expected_calibration_error(values, chance.random(n) < values) for values in confidences]
        assert np.mean(found) == pytest.approx(expected, rel=0.1)


def test_brier_score_equals_scikit_learn_on_random_probabilities():
    """R28: the multi-class Brier score is scikit-learn's, unscaled, to 1e-9; certain of the wrong label it is 2."""
    chance = np.random.default_rng(3)
    for _ in range(1000):
        k, n = int(chance.integers(2, 7)), int(chance.integers(1, 50))
        soft, true = chance.dirichlet(np.ones(k), n), chance.integers(0, k, n)
        expected = np.mean(((soft - np.eye(k)[true]) ** 2).sum(1))
        assert brier_score(soft, true) == pytest.approx(expected, abs=1e-9)
        assert brier_scores(soft, true).mean() == pytest.approx(expected, abs=1e-9)
        if k > 2:
            library = brier_score_loss(true, soft, labels=range(k), scale_by_half=False)
            assert brier_score(soft, true) == pytest.approx(library, abs=1e-9)
    assert brier_score(np.array([[1.0, 0.0]]), [1]) == 2.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_leave_every_score_undefined(bad):
    """R27: one NaN or infinity, or no rows, give None or nothing for each score, never a number or an exception."""
    soft, true = np.full((3, 2), 0.5), [0, 1, 1]
    soft[1, 0] = bad
    for probabilities, labels in ((soft, true), (np.zeros((0, 2)), [])):
        confidence = probabilities.max(1)
        right = np.zeros(len(labels), bool)
        scores = [f(probabilities, labels) for f in (log_loss, log_losses, brier_score, brier_scores)]
        assert scores == [None] * 4
        assert expected_calibration_error(confidence, right) is None
        assert ece_of_calibrated(confidence, seed=0) is None
        assert reliability_bins(confidence, right) == ()
        assert risk_coverage(confidence, right) == RiskCoverage(points=(), area=None)


@pytest.mark.parametrize(("n", "mean", "p95"), [(100, 0.072, 0.110), (200, 0.050, 0.075), (1000, 0.024, 0.035)])
def test_the_floor_of_calibration_error_is_that_of_the_table(n, mean, p95):
    """The floor and its 95th percentile agree with reliability.md, 3a, for confidences around .85; the seed decides."""
    confidence = np.random.default_rng(4).beta(6, 1.06, n)
    found = ece_of_calibrated(confidence, seed=1)
    assert found == (pytest.approx(mean, rel=0.3), pytest.approx(p95, rel=0.3))
    assert found == ece_of_calibrated(confidence, seed=1)
    assert found != ece_of_calibrated(confidence, seed=2)


def test_the_floor_is_what_redrawing_the_outcomes_gives():
    """The shortcut over sorted bins equals taking the calibration error of outcomes drawn one test set at a time."""
    chance = np.random.default_rng(5)
    confidence = chance.uniform(0.3, 1.0, 150)
    slow = [expected_calibration_error(confidence, chance.random(150) < confidence) for _ in range(2000)]
    mean, p95 = ece_of_calibrated(confidence, seed=3, draws=4000)
    assert (mean, p95) == (pytest.approx(np.mean(slow), rel=0.03), pytest.approx(np.quantile(slow, 0.95), rel=0.05))


def test_reliability_bins_add_up_to_the_calibration_error():
    """Gaps of the bins, weighted by rows, are the ECE; a confidence on an edge lies below it; empty bins are absent."""
    chance = np.random.default_rng(6)
    confidence = np.append(chance.uniform(0.2, 1, 300), [0.2, 0.4, 1.0])
    right = chance.random(303) < confidence
    bins = reliability_bins(confidence, right)
    assert sum(b.n for b in bins) == 303
    gap = sum(b.n * abs(b.confidence - b.accuracy.value) for b in bins) / 303
    assert gap == pytest.approx(expected_calibration_error(confidence, right), abs=1e-12)
    assert all(b.low < b.confidence <= b.high and b.accuracy.low <= b.accuracy.value <= b.accuracy.high for b in bins)
    only = reliability_bins(np.array([0.2, 0.0]), [True, False], bins=5)
    assert [(b.low, b.high, b.n) for b in only] == [(0.0, 0.2, 2)]


def test_risk_coverage_is_counted_row_by_row():
    """Each point is the accuracy of all rows at least as sure; the area averages their mistakes over the rows."""
    chance = np.random.default_rng(7)
    confidence = np.round(chance.random(60), 1)
    right = chance.random(60) < confidence
    found = risk_coverage(confidence, right)
    for point in found.points:
        kept = confidence >= point.confidence
        assert (point.coverage, point.accuracy) == (pytest.approx(kept.mean()), pytest.approx(right[kept].mean()))
    assert [p.confidence for p in found.points] == sorted(set(confidence.tolist()), reverse=True)
    assert found.area == pytest.approx(np.mean([1 - right[confidence >= c].mean() for c in confidence]))


def test_ties_in_confidence_never_depend_on_the_order_of_rows():
    """R27: rows of equal confidence are answered together: shuffling them changes nothing, all equal give one point."""
    confidence, right = np.full(10, 0.7), np.arange(10) < 4
    found = risk_coverage(confidence, right)
    assert found == risk_coverage(confidence, right[::-1])
    assert [p.model_dump() for p in found.points] == [{"confidence": 0.7, "coverage": 1.0, "accuracy": 0.4}]
    assert found.area == pytest.approx(0.6)


def test_a_long_risk_coverage_curve_is_thinned_from_end_to_end():
    """Of 5,000 confidences at most 100 points are kept, among them the surest row and all rows."""
    confidence = np.random.default_rng(8).random(5000)
    points = risk_coverage(confidence, confidence > 0.5).points
    assert 90 <= len(points) <= 100
    assert (points[0].coverage, points[-1].coverage) == (1 / 5000, 1.0)


def test_the_surest_rows_are_answered_as_far_as_the_risk_allows():
    """One mistake among seven is 14 %: with 15 % allowed all seven are answered, with 14 % the three before it."""
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    right = np.array([True, True, True, False, True, True, True])
    found = answered_at_risk(confidence, right, 0.15)
    assert (found.confidence, found.coverage) == (0.3, 1.0)
    assert found.accuracy == pytest.approx(6 / 7)
    found = answered_at_risk(confidence, right, 0.14)
    assert (found.confidence, found.coverage, found.accuracy) == (0.7, pytest.approx(3 / 7), 1.0)


def test_a_risk_that_no_confidence_reaches_has_no_threshold():
    """The surest row is wrong, there are no rows, or a confidence is no number: undefined, not 0 and not 1."""
    assert answered_at_risk(np.array([0.9, 0.8]), np.array([False, True]), 0.4) is None
    assert answered_at_risk(np.array([]), np.array([], bool), 0.4) is None
    assert answered_at_risk(np.array([np.nan]), np.array([True]), 0.4) is None


def test_rows_of_equal_confidence_are_answered_together():
    """Which of two equal rows comes first is chance: a mistake in one of them closes the door to both."""
    found = answered_at_risk(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]), 0.1)
    assert (found.confidence, found.coverage) == (0.9, pytest.approx(1 / 3))
