from collections import Counter

import pytest

from ml_run.quality.probing import take_sample
from ml_run.quality.rows import Row


def splits_of(*sizes):
    """As many classes as `sizes`, each of so many training rows."""
    labels = [f"class {number}" for number, size in enumerate(sizes) for _ in range(size)]
    return {"train": [Row("train.csv", line, f"text {line}", label, None, {}) for line, label in enumerate(labels)]}


@pytest.mark.parametrize(("classes", "each", "kept"), [(40, 30, 30), (300, 30, 23), (400, 30, 13), (632, 30, 6)])
def test_rows_times_classes_are_bounded(classes, each, kept):
    """A linear model of k classes is k models: the more classes, the fewer rows of each, so that time stays bounded."""
    sample = take_sample(splits_of(*[each] * classes), 50_000, 1)
    assert set(Counter(sample.ids.tolist()).values()) == {kept}
    assert len(sample.rows) * len(sample.labels) <= 2_600_000
    assert sample.of == classes * each


def test_more_classes_than_can_be_asked_about():
    """Of a thousand classes the 632 largest are looked at, five rows or more of each."""
    sample = take_sample(splits_of(*[8] * 700, *[9] * 300), 50_000, 1)
    assert len(sample.labels) == 632
    assert {f"class {number}" for number in range(700, 1000)} < set(sample.labels)
    assert min(Counter(sample.ids.tolist()).values()) >= 5
    assert len(sample.rows) * len(sample.labels) <= 2_600_000


def test_small_classes_are_left_out():
    """A class of four rows is not looked at, a rare one of twenty whole; all rows are counted."""
    sample = take_sample(splits_of(4, 20, 3000), 1000, 1)
    assert (sample.labels, sample.of) == (("class 1", "class 2"), 3024)
    assert Counter(sample.ids.tolist()) == {0: 20, 1: 993}
