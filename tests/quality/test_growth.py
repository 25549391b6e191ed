"""Work grows as the rows do, also on data that nobody expects: a million rows must be done in minutes."""

import numpy as np
import pytest

from ml_run.quality.duplicates import conflict_reviews, find_conflicts
from ml_run.quality.labels import class_counts, label_findings, sorted_labels
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.token_counts import Counted


class _Label(str):
    """A label that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other):
        _Label.compared += 1
        return str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__


def _rows(split, labels):
    return [Row(split, line, "waa maxay", _Label(label), None, {}, "hash") for line, label in enumerate(labels, 1)]


def _conflicts(size):
    """A greeting in every row, most of them under one label."""
    splits = {"train": _rows("train", ["a"] * size + ["b"] * 4)}
    assert len(list(conflict_reviews(find_conflicts(splits)))) == size + 4


def _ids(size):
    """Each row has a label of its own, as where ids are taken for labels."""
    splits = {name: _rows(name, [f"{name} {i}" for i in range(size)]) for name in ("train", "val", "test")}
    counts = class_counts(splits, sorted_labels(splits))
    rules = [found.rule for found in label_findings(splits, counts, Checks())]
    assert "label_only_in_eval" in rules


def _token_classes(size):
    rows = _rows("train", [str(i) for i in range(size)])
    numbers = np.arange(size)
    assert len(Counted(rows, numbers, numbers, numbers).by_label()) == size


@pytest.mark.parametrize("work", [_conflicts, _ids, _token_classes])
def test_twice_the_rows_are_twice_the_work(work):
    """No row is held against every other: with twice the rows, labels are compared about twice as often."""
    compared = []
    for size in (300, 600):
        _Label.compared = 0
        work(size)
        compared.append(_Label.compared)
    assert compared[1] < 3 * compared[0] + 100
