"""Slices of the test rows: which there are, what they score, and which are called worse."""

import numpy as np
import pytest

from ml_run.evaluation.predictions import Predictions
from ml_run.evaluation.slices import among_occurring, score_slices
from ml_run.evaluation.slicing import Traits, cut_up
from ml_run.splits import SplitRows
from ml_run.statistics import confusion_matrix, f1_by_class

CLASSES = 3
NOTHING = Traits()
SOMALI = "Maanta waxaa magaalada Muqdisho ka dhacay shir ballaaran oo ay ka qayb galeen odayaasha iyo haweenka"
ENGLISH = "The minister said today that the new road to the north of the country will be opened next week"


def rows(n, texts=None, groups=None, leaked=None):
    """`n` rows whose labels take turns."""
    ids = [number % CLASSES for number in range(n)]
    return SplitRows(
        texts=texts or [f"text {number}" for number in range(n)],
        labels=[str(i) for i in ids],
        label_ids=ids,
        hashes=[f"{number:032x}" for number in range(n)],
        files=["test.jsonl"] * n,
        lines=list(range(1, n + 1)),
        groups=groups or [None] * n,
        leaked=leaked or [False] * n,
    )


def says(ids, wrong=()):
    """A model that is right but for the rows `wrong`, of which it says the next class."""
    said = np.array(ids)
    said[list(wrong)] = (said[list(wrong)] + 1) % CLASSES
    return Predictions("candidate", said)


def slices(some, wrong=(), traits=NOTHING):
    return score_slices(some, says(some.label_ids, wrong), CLASSES, seed=1, traits=traits)


def names(some, traits=NOTHING, kind=None):
    return [part.name for part in cut_up(some, traits) if kind in (None, part.kind)]


def test_a_source_that_is_much_weaker_is_found_and_comes_first():
    """A source with half its rows wrong stands first, is called worse, and has the right numbers."""
    some = rows(300, texts=["same"] * 300, groups=["a"] * 240 + ["b"] * 60)
    found = slices(some, wrong=[*range(24), *range(240, 270)])
    assert [(one.name, one.worse) for one in found] == [("b", True), ("a", False)]
    worst = found[0]
    assert (worst.kind, worst.n, worst.classes) == ("group", 60, 3)
    assert worst.accuracy.value == 0.5
    assert worst.difference.value == pytest.approx(0.5 - 0.9)
    assert worst.difference.high < 0
    assert worst.p_adjusted == 2 * worst.p_value


def test_a_slice_worse_by_chance_is_not_called_worse():
    """With twelve equally good sources the one that luck treats worst is not called worse in 19 of 20 test sets."""
    chance = np.random.default_rng(5)
    groups = [f"g{number % 12:02}" for number in range(480)]
    some = rows(480, texts=["same"] * 480, groups=groups)
    alarms = sum(
        any(one.worse for one in slices(some, wrong=np.flatnonzero(chance.random(480) < 0.2))) for _ in range(40)
    )
    assert alarms <= 4


def test_a_slice_of_few_rows_is_counted_and_not_judged():
    """Below twenty rows a source has its numbers and no verdict, and it comes last, however bad."""
    some = rows(120, texts=["same"] * 120, groups=["a"] * 51 + ["b"] * 50 + ["c"] * 19)
    found = slices(some, wrong=range(101, 120))
    assert [one.name for one in found] == ["a", "b", "c"] or [one.name for one in found] == ["b", "a", "c"]
    assert (found[-1].worse, found[-1].p_value, found[-1].n, found[-1].accuracy.value) == (None, None, 19, 0.0)
    assert found[0].p_adjusted == min(1.0, 2 * min(one.p_value for one in found[:2]))


def test_macro_f1_is_over_the_classes_that_occur():
    """A source of two classes has the macro-F1 of these two; what is said to be a third counts as wrong."""
    groups = ["a" if number % 3 < 2 else "b" for number in range(90)]
    some = rows(90, texts=["same"] * 90, groups=groups)
    first = next(one for one in slices(some, wrong=[1, 4]) if one.name == "a")
    assert first.classes == 2
    true, said = [0] * 30 + [1] * 30, [0] * 30 + [2, 2] + [1] * 28
    assert first.macro_f1.value == pytest.approx(f1_by_class(confusion_matrix(true, said, 2)).mean())
    assert first.macro_f1.low < first.macro_f1.value < first.macro_f1.high
    assert first.expected is None  # its classes stand in no other row


def test_what_its_classes_alone_would_give_is_told():
    """A source that holds mostly a hard class is expected to score what the others score on that class."""
    some = rows(120, texts=["same"] * 120, groups=["a"] * 90 + ["b"] * 30)
    wrong = [number for number in range(90) if number % 3 == 0][:15]  # half of class 0 outside b
    b = next(one for one in slices(some, wrong=wrong) if one.name == "b")
    assert b.expected == pytest.approx((10 * 0.5 + 10 + 10) / 30)


def test_a_label_the_run_does_not_know_is_wrong_and_of_no_class():
    """A predicted id beyond the labels never stands for a class of the slice."""
    classes, true, said = among_occurring([2, 2, 0], np.array([2, 7, 1]), 3)
    assert (classes, true.tolist(), said.tolist()) == ([0, 2], [1, 1, 0], [1, 2, 2])


def test_many_sources_are_bounded_and_the_rest_is_summed_up():
    """The thirty largest sources are slices of their own; smaller ones, and rows without any, are one slice each."""
    groups = [f"g{number % 40:02}" for number in range(400)] + ["tiny"] * 4 + [None] * 20
    some = rows(424, texts=["same"] * 424, groups=groups)
    assert names(some) == [*(f"g{n:02}" for n in range(30)), "11 smaller sources", "without a source"]
    sizes = {part.name: int(part.rows.sum()) for part in cut_up(some, NOTHING)}
    assert sum(sizes.values()) == 424
    assert sizes["11 smaller sources"] == 104


def test_lengths_are_quartiles_with_their_bounds():
    """Four slices by length, named by the shortest and the longest text in them; texts of one length make none."""
    some = rows(8, texts=["x" * number for number in (1, 2, 30, 40, 500, 500, 7000, 8000)])
    found = ["1 to 2 characters", "30 to 40 characters", "500 characters", "7,000 to 8,000 characters"]
    assert names(some, kind="length") == found
    assert names(rows(8, texts=["same"] * 8)) == []


def test_predictions_without_texts_have_no_slices_by_text():
    """Where texts are empty, as in predictions from elsewhere, only sources are looked at."""
    some = rows(60, texts=[""] * 60, groups=["a"] * 30 + ["b"] * 30)
    assert names(some, Traits(language="so")) == ["a", "b"]


def test_rows_of_another_language_and_rows_nobody_can_tell_are_two_slices():
    """Unknown is its own slice and never wrong; a Somali text with an English sentence is told from both."""
    texts = [SOMALI + f" {number}" for number in range(20)] + [ENGLISH, "ok", f"{SOMALI}. {ENGLISH}."]
    some = rows(23, texts=texts)
    parts = {part.name: np.flatnonzero(part.rows).tolist() for part in cut_up(some, Traits(language="so"))}
    assert parts["not in Somali, it seems"] == [20]
    assert parts["of unknown language"] == [21]
    assert parts["with a foreign passage"] == [22]


def test_where_most_rows_look_foreign_the_expectation_is_wrong():
    """When more rows look like another language than not, no row is put apart for its language."""
    some = rows(20, texts=[f"{ENGLISH} {number}" for number in range(20)])
    assert names(some, Traits(language="so"), "language") == []


def test_another_script_cut_texts_and_kept_copies_are_slices():
    """Rows in another script than most, rows longer than the model reads, and rows with a copy in train."""
    texts = ["kitaab"] * 30 + ["كتاب جديد"] * 5
    some = rows(35, texts=texts, leaked=[True] * 3 + [False] * 32)
    cut = np.arange(35) >= 30
    found = cut_up(some, Traits(cut=cut, copies_kept=True))
    assert [(part.kind, part.name) for part in found if part.kind != "length"] == [
        ("cut", "longer than is read"),
        ("copied", "with a copy in train"),
        ("script", "in Arabic script"),
    ]
    assert names(some, NOTHING, "copied") == []  # their copies in train were dropped


def test_no_rows_have_no_slices():
    """An empty test split is no error."""
    assert slices(rows(0)) == ()


def test_the_same_rows_give_the_same_slices():
    """Names, order and every number depend on the rows and the seed alone."""
    some = rows(200, groups=[f"g{number % 7}" for number in range(200)])
    wrong = range(0, 200, 9)
    assert slices(some, wrong) == slices(some, wrong)
