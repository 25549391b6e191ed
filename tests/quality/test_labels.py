import pytest

from ml_run.quality.labels import class_counts, label_findings, sorted_labels, tidy_labels
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks


def _splits(**sizes):
    return {
        split: [
            Row(f"{split}.csv", number, f"erey {number}", label, None, {})
            for label, size in found.items()
            for number in range(1, size + 1)
        ]
        for split, found in sizes.items()
    }


def _found(splits, **limits):
    counts = class_counts(splits, sorted_labels(splits))
    checks = Checks(limits={name.replace("__", "."): value for name, value in limits.items()})
    return {found.rule: found for found in label_findings(splits, counts, checks)}


ENOUGH = {"train": {"a": 40, "b": 40}, "val": {"a": 10, "b": 10}}


def test_a_small_class_says_what_its_support_allows():
    """The interval is Wilson's at 95 %, of a recall of 0.8 (or next to it) on the smallest class."""
    found = _found(_splits(**ENOUGH, test={"a": 15, "b": 29}))["class_small"]
    assert found.message == (
        "fewer than 30 test rows of a class, or none in val: a 15 in test, b 29 in test; "
        "with 15 rows a recall of 0.80 could be anything from 0.55 to 0.93"
    )
    assert [(example.file, example.label, example.text) for example in found.examples] == [
        ("test", "a", "15 rows"),
        ("test", "b", "29 rows"),
    ]


def test_a_class_absent_from_val_alone_has_no_interval():
    """No row in val says nothing about the test split."""
    found = _found(_splits(train={"a": 40, "b": 40}, val={"a": 10}, test={"a": 30, "b": 30}))
    assert {rule: one.message for rule, one in found.items()} == {
        "class_small": "fewer than 30 test rows of a class, or none in val: b 0 in val"
    }


def test_a_label_only_in_train_cannot_be_judged():
    """A class without a test row is too small there, an error; without a row in val as well, that is said, too."""
    found = _found(_splits(train={"a": 40, "b": 40}, val={"a": 10}, test={"a": 40}))
    assert found["class_too_small"].message == "fewer than 10 rows of a class: b 0 in test"
    assert found["class_small"].message == "fewer than 30 test rows of a class, or none in val: b 0 in val"


def test_limits_come_from_the_config():
    """What is too small, small and out of balance is as configured."""
    splits = _splits(train={"a": 90, "b": 20}, val={"a": 10, "b": 10}, test={"a": 40, "b": 8})
    assert set(_found(splits)) == {"class_too_small"}
    assert set(_found(splits, class_too_small__rows=8)) == {"class_small"}
    assert _found(splits, class_too_small__rows=8, class_small__rows=8, imbalance__ratio=4.4).keys() == {"imbalance"}
    assert _found(splits, class_too_small__rows=8, class_small__rows=8, imbalance__ratio=4.5) == {}
    assert _found(splits, class_too_small__rows=9)["class_too_small"].message == (
        "fewer than 9 rows of a class: b 8 in test"
    )


@pytest.mark.parametrize(
    ("usual", "variant"),
    [("Northern", "NORTHERN"), ("Af Maay", "Af\u00a0Maay"), ("José", "Jose\u0301"), ("1", "1.0"), ("-2", "-2.00")],
)
def test_labels_in_two_forms_are_an_error(usual, variant):
    """Case, kinds of blanks, Unicode forms, and a whole number written with a fraction: one label in two forms."""
    found = _found(_splits(train={usual: 40, variant: 2, "z": 40}, val={usual: 10, "z": 10}, test={usual: 40, "z": 40}))
    assert found["label_variants"].remedy == f"if they mean the same, write data.label_map: {{{variant!r}: {usual!r}}}"
    assert (found["label_variants"].severity, found["label_variants"].count) == ("error", 2)


def test_numbers_that_differ_are_different_labels():
    """1.5 and 15 are no forms of 1."""
    labels = dict.fromkeys(("1", "1.5", "10", "100.0", "15"), 40)
    assert _found(_splits(train=labels, val=labels, test=labels)) == {}


def test_blanks_around_labels_are_taken_off_before_they_are_mapped():
    """A no-break space around a label is a blank, and the map is written without it."""
    splits, notes = tidy_labels(_splits(train={"\u00a0north\u00a0": 2, "south": 1}), {"north": "Northern"})
    assert [row.label for row in splits["train"]] == ["Northern", "Northern", "south"]
    assert [(note.rule, note.count) for note in notes] == [("label_whitespace", 2)]
