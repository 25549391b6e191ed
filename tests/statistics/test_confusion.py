"""Counts and the scores that follow from them, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from ml_run.statistics import (
    confusion_matrix,
    f1_by_class,
    matthews,
)


def random_table(chance, n, k):
    true = chance.integers(0, k, n)
    return true, np.where(chance.random(n) < 0.7, true, chance.integers(0, k, n))


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


def test_mcc_equals_scikit_learn_on_a_thousand_random_tables():
    """R28: Matthews' coefficient is scikit-learn's to 1e-9, also with unknown labels and one-class predictions."""
    chance = np.random.default_rng(2)
    for _ in range(1000):
        k = int(chance.integers(2, 6))
        true, predicted = random_table(chance, int(chance.integers(2, 60)), k)
        predicted = np.where(chance.random(len(true)) < chance.choice([0, 0.1]), k, predicted)
        predicted = np.full(len(true), 1) if chance.random() < 0.05 else predicted
        found = matthews(confusion_matrix(true, predicted, k))
        if len(set(true.tolist())) < 2:
            assert found is None
        else:
            assert found == pytest.approx(matthews_corrcoef(true, predicted), abs=1e-9)


def test_mcc_of_degenerate_counts_is_defined():
    """R27: one-class predictions say nothing: 0. Rows of one class, or none, leave nothing to correlate: undefined."""
    assert matthews(confusion_matrix([0, 1, 2], [1, 1, 1], 3)) == 0.0
    assert matthews(confusion_matrix([0, 1], [5, 5], 2)) == 0.0
    assert matthews(confusion_matrix([1, 1], [1, 0], 2)) is None
    assert matthews(confusion_matrix([], [], 2)) is None
    assert matthews(confusion_matrix([0, 1, 2], [0, 1, 2], 3)) == pytest.approx(1.0)
    assert matthews(confusion_matrix([0, 1], [1, 0], 2)) == pytest.approx(-1.0)
