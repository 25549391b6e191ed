import random
from dataclasses import replace

import numpy as np
import pytest

from conftest import make_rows
from ml_run.quality.label_errors import check_label_errors, confident_errors
from ml_run.quality.review import LABEL_ERROR
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

SIZES = {"train": 240, "val": 60, "test": 60}


def splits_of(relabel=lambda split, number, label: label, group=lambda number: None):
    """Rows that a small model tells apart without a mistake, some with another label than their words."""
    return {
        split: [
            Row(f"{split}.csv", n, row["text"], relabel(split, n, row["label"]), group(n), row, f"{split}{n}")
            for n, row in enumerate(make_rows(size, seed), start=1)
        ]
        for seed, (split, size) in enumerate(SIZES.items())
    }


def test_planted_errors_are_listed_and_nothing_else():
    """Six wrong labels in three splits are exactly the list, each with its line and the label the model expects."""
    wrong = {("train", 3), ("train", 77), ("train", 200), ("val", 5), ("test", 1), ("test", 60)}
    splits = splits_of(lambda split, n, label: "Northern" if (split, n) in wrong else label)
    really = {place for place in wrong if make_rows(SIZES[place[0]], list(SIZES).index(place[0]))[place[1] - 1]
              ["label"] != "Northern"}  # fmt: skip
    check = check_label_errors(splits, Checks(), seed=1)
    assert {(review.split, review.row.line) for review in check.reviews} == really
    assert 1 <= check.record.flagged <= check.record.shown == len(really)
    (found,) = check.findings
    assert (found.rule, found.severity, found.count) == ("label_error", "info", len(really))
    assert {(e.file, e.line) for e in found.examples} == {(f"{split}.csv", n) for split, n in really}


def test_the_list_begins_with_the_most_suspicious_row():
    """Rows are worth a look by how little the model believes their label, and say which label it expects."""
    splits = splits_of(lambda split, n, label: "Southern" if split == "train" and n in {1, 2, 4} else label)
    check = check_label_errors(splits, Checks(), seed=1)
    values = [review.value for review in check.reviews]
    assert values == sorted(values, reverse=True)
    assert all(LABEL_ERROR < value <= LABEL_ERROR + 1 for value in values)
    first = check.reviews[0]
    expected = make_rows(240, 0)[first.row.line - 1]["label"]
    assert first.why.startswith(f"label_error: a model that has not seen the row finds {expected} likelier (")


def test_clean_rows_make_no_list():
    """Where the model agrees with all labels there is no finding; the self-test is still recorded."""
    check = check_label_errors(splits_of(), Checks(), seed=1)
    assert (check.findings, check.reviews) == ((), ())
    assert (check.record.rows, check.record.accuracy, check.record.planted) == (360, 1.0, 18)
    assert check.record.recall == 1.0


def test_the_message_has_the_size_of_the_list_and_the_self_test():
    """A reader learns how many rows are listed, what the list is worth here, and that it is no error rate."""
    splits = splits_of(lambda split, n, label: "Southern" if split == "train" and n in {1, 2} else label)
    check = check_label_errors(splits, Checks(), seed=1)
    (found,) = check.findings
    hits = round(check.record.recall * 18)
    assert 14 <= hits <= 18
    assert found.message == (
        "2 of 360 rows are listed because a model that reads the texts expected another label; of 18 labels changed "
        f"on purpose as a test, {hits} were among the 18 rows suspected most; the length of the list is no error rate: "
        "many of its labels may be right"
    )


def test_the_list_is_no_longer_than_wanted():
    """`label_error.shown` cuts the list, and the record says so."""
    splits = splits_of(lambda split, n, label: "Southern" if n % 11 == 0 else label)
    check = check_label_errors(splits, Checks(limits={"label_error.shown": 4}), seed=1)
    assert len(check.reviews) == check.record.shown == 4
    assert check.record.flagged > 4


def test_a_model_that_cannot_tell_sends_nobody_to_look():
    """With labels at random the self-test fails, the finding says so, and no row takes a speaker's time."""
    chance = random.Random(0)
    check = check_label_errors(splits_of(lambda *_: chance.choice("abc")), Checks(), seed=1)
    (found,) = check.findings
    assert (found.severity, found.count, check.reviews, check.record.shown) == ("info", 0, (), 0)
    assert found.message.startswith("a model cannot tell wrong labels in these 360 rows: of 18 labels changed on")
    assert found.message.endswith("so its list is worth little and is left out of the review queue")


def test_copies_cannot_vouch_for_a_wrong_label():
    """A wrong label repeated on six copies of its text is suspected: none of them is in the others' training rows."""
    splits = splits_of()
    wrong = splits["train"][0]
    label = "Southern" if wrong.label != "Southern" else "Central"
    copies = [Row("train.csv", 1000 + n, wrong.text, label, None, {}, "the same") for n in range(6)]
    splits["train"] += copies
    check = check_label_errors(splits, Checks(), seed=1)
    assert {1000 + n for n in range(6)} <= {review.row.line for review in check.reviews}


def test_rows_of_a_group_cannot_vouch_for_each_other():
    """Wrong labels of one speaker are suspected although a word of his own goes with them; without groups they pass."""
    suspects = {}
    for grouped in (True, False):
        splits = splits_of(group=lambda number, grouped=grouped: f"speaker {number % 20}" if grouped else None)
        splits["train"] = [
            replace(row, text=f"{row.text} qqqq qqqqq qqqqqq", label="Southern") if row.line % 20 == 7 else row
            for row in splits["train"]
        ]
        reviews = check_label_errors(splits, Checks(), seed=1).reviews
        suspects[grouped] = sum(review.row.line % 20 == 7 for review in reviews)
    assert (suspects[True], suspects[False]) == (8, 0)


def test_groups_are_held_apart_unless_nothing_is_left_to_learn_from():
    """A class whose rows are all of one group is still learned: its rows are not all suspects."""
    splits = splits_of(group=lambda number: f"speaker {number % 3}")
    check = check_label_errors(splits, Checks(), seed=1)
    assert check.record.accuracy == 1.0


@pytest.mark.parametrize("rows", [{"a": 60, "b": 39}, {"a": 200, "b": 4}, {"a": 200}, {}])
def test_too_few_rows_are_not_judged(rows):
    """Below 100 rows, or two classes of five rows, there is nothing to ask."""
    train = [
        Row("f", n, f"{label} {n}", label, None, {}, f"{label}{n}") for label, count in rows.items()
        for n in range(count)
    ]  # fmt: skip
    assert check_label_errors({"train": train, "val": [], "test": []}, Checks(), seed=1) is None


def test_a_rule_that_is_off_costs_nothing():
    """`label_error: off` skips the training."""
    assert check_label_errors(splits_of(), Checks({"label_error": "off"}), seed=1) is None


def test_the_same_seed_gives_the_same_answer():
    """Two runs agree to the last digit."""
    splits = splits_of(lambda split, n, label: "Southern" if n % 11 == 0 else label)
    assert check_label_errors(splits, Checks(), seed=3) == check_label_errors(splits, Checks(), seed=3)


def test_confident_errors_by_hand():
    """Of four rows labelled 0, the one that is surely 1 is an error; the one that is merely doubtful is not."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.55, 0.45], [0.05, 0.95], [0.1, 0.9], [0.2, 0.8]])
    ids = np.array([0, 0, 0, 0, 1, 1])
    # Thresholds: (0.9 + 0.8 + 0.55 + 0.05) / 4 = 0.575 and (0.9 + 0.8) / 2 = 0.85. Rows 0 and 1 count as 0, row 3 as
    # 1 (0.95), row 2 as neither; so the table's first row is (2, 1), scaled to four rows (2.67, 1.33): one wrong.
    assert confident_errors(probabilities, ids).tolist() == [False, False, False, True, False, False]


def test_both_ways_of_pruning_must_agree():
    """Least believed is one row, furthest on the side of the other class another: neither is called an error."""
    probabilities = np.array(
        [[0.9, 0.1, 0.0], [0.9, 0.0, 0.1], [0.3, 0.36, 0.34], [0.35, 0.65, 0.0], [0.3, 0.6, 0.1], [0.1, 0.0, 0.9]]
    )
    # One of the four rows labelled 0 counts as 1: the fourth (0.65 reaches the mean of class 1, 0.6).
    assert confident_errors(probabilities, np.array([0, 0, 0, 0, 1, 2])).tolist() == [False] * 6
