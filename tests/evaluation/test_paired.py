"""What is said of two models on the same rows, at the level of the look, and the warnings beside it."""

import numpy as np
import pytest

from ml_run.evaluation.paired import paired_scores
from ml_run.results import Comparison, Estimate, Look
from ml_run.statistics import alpha_of_look, level_of_look

LABELS = ("North", "South", "Centre")
TRUE = np.repeat([0, 1, 2], 50)


def right_on(share, label=None):
    """Predictions that are right on all rows, but on the last of each class (or of one) only on `share`."""
    chance = np.arange(150) % 50 < round(50 * share)
    chance = chance | (label != TRUE) if label is not None else chance
    return np.where(chance, TRUE, (TRUE + 1) % 3)


def look(number):
    return Look(number=number, alpha=alpha_of_look(number), level=level_of_look(number), test_set="x", head="y")


def test_without_a_look_the_level_is_95_percent():
    """Predictions from elsewhere are compared at .95, and no look is named."""
    found = paired_scores(TRUE, right_on(1.0), right_on(0.8), LABELS, seed=1)
    assert (found["level"], found["look"]) == (0.95, None)
    assert (found["discordant"], found["p_value"]) == (30, pytest.approx(0.5**30))
    assert found["accuracy_difference"].value == pytest.approx(0.2)
    assert found["warnings"] == ()


def test_with_a_look_both_intervals_have_its_level():
    """R31: at the third look both intervals are wider than at .95 around the same values; a Comparison holds it all."""
    plain = paired_scores(TRUE, right_on(0.9), right_on(0.8), LABELS, seed=1)
    found = paired_scores(TRUE, right_on(0.9), right_on(0.8), LABELS, seed=1, look=look(3))
    assert (found["level"], found["look"]) == (level_of_look(3), 3)
    for score in ("macro_f1_difference", "accuracy_difference"):
        assert found[score].value == plain[score].value
        assert found[score].low < plain[score].low
        assert found[score].high > plain[score].high
    nothing = {"macro_f1_difference": Estimate(value=None), "accuracy_difference": Estimate(value=None)}
    empty = Comparison(against="production", n=150, excluded=0, **nothing)
    assert Comparison(**empty.model_copy(update=found).model_dump()).look == 3


def test_a_class_that_lost_recall_is_named():
    """A candidate right on 60 % of one class where the other is right on all: that class is named, with its loss."""
    found = paired_scores(TRUE, right_on(0.6, label=1), right_on(1.0), LABELS, seed=1)
    assert found["warnings"] == ("recall is lower by more than 0.1, beyond chance, in South (by 0.400)",)
    assert found["label_first"] == "South"


@pytest.mark.parametrize("share", [1.0, 0.96, 0.9])
def test_a_loss_within_the_margin_or_chance_is_no_warning(share):
    """As good, two rows of fifty worse, and exactly twice the usual margin worse: no warning."""
    assert paired_scores(TRUE, right_on(share, label=1), right_on(1.0), LABELS, seed=1)["warnings"] == ()


def test_small_classes_are_not_compared():
    """A class of 29 rows that lost everything is not judged by a test of so few; from 30 on it is."""
    for rows, said in ((29, 0), (30, 1)):
        true = np.repeat([0, 1, 2], [100, 100, rows])
        new = np.where(true == 2, 0, true)
        assert len(paired_scores(true, new, true, LABELS, seed=1)["warnings"]) == said


def test_probabilities_that_are_less_to_be_trusted_are_told():
    """The same labels from over-sure probabilities: Brier score and log loss are worse, and equal ones say nothing."""
    said = right_on(0.8)
    calm, sure = (np.where(said[:, None] == np.arange(3), p, (1 - p) / 2) for p in (0.8, 0.999))
    worse = paired_scores(TRUE, said, said, LABELS, seed=1, new_probabilities=sure, old_probabilities=calm)
    assert worse["warnings"] == (
        "the Brier score is worse by 0.059, beyond chance: the probabilities are less to be trusted",
        "the log loss is worse by 0.882, beyond chance: the probabilities are less to be trusted",
    )
    for new, old in ((calm, calm), (calm, sure), (None, calm), (np.full((150, 3), np.nan), calm)):
        kept = paired_scores(TRUE, said, said, LABELS, seed=1, new_probabilities=new, old_probabilities=old)
        assert kept["warnings"] == ()
