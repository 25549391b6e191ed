import csv
import random

import pytest

from conftest import SHARED
from ml_run.quality.rows import Row
from ml_run.quality.truncation import ablate, sample_rows

NEWS = SHARED / "data" / "masakhanews"
_WORDS = [f"erey{number}" for number in range(200)]
_MARKS = {"A": ["guri", "geel"], "B": ["biyo", "badda"]}


def long_rows(count, seed, *, place, length=120):
    """Texts of `length` words of which two, at `place` of them, give the label away."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        label = "AB"[number % 2]
        words = chance.choices(_WORDS, k=length)
        words[place : place + 2] = _MARKS[label]
        rows.append(Row("f", number + 1, " ".join(words), label, None, {}))
    return rows


def masakhanews(language, split):
    with (NEWS / language / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Row(split, number, f"{row['headline']} {row['text']}", row["category"], None, row)
        for number, row in enumerate(rows, start=2)
    ]


def test_a_label_at_the_end_of_long_texts_is_lost_by_cutting():
    """Where the words that matter stand behind what is read, the cut costs, by far more than its standard error."""
    found = ablate(long_rows(200, 1, place=110), long_rows(80, 2, place=110), 60, seed=3)
    assert [point.words for point in found.points] == [32, 60, None]
    assert found.point(None).macro_f1 == 1.0
    assert found.point(60).macro_f1 < 0.7
    assert found.loss == pytest.approx(1.0 - found.point(60).macro_f1)
    assert found.loss > 5 * found.error > 0
    assert found.costs(2)
    assert found.rows == 200


def test_a_label_at_the_start_loses_nothing():
    """Where the words that matter are read, cutting the rest costs nothing."""
    found = ablate(long_rows(200, 1, place=3), long_rows(80, 2, place=3), 60, seed=3)
    assert found.point(60).macro_f1 == 1.0
    assert found.loss <= 0
    assert not found.costs(0)


def test_a_cut_that_does_not_hurt_a_shorter_reading_does_not_count():
    """If fewer words than max_length holds do as well as all, the words beyond it cannot be what is missing."""
    found = ablate(long_rows(200, 1, place=110), long_rows(80, 2, place=110), 60, seed=3)
    good = found.points[0].model_copy(update={"macro_f1": 1.0})
    better = type(found)((good, *found.points[1:]), found.covered, found.loss, found.error, found.rows)
    assert found.costs(2)
    assert not better.costs(2)


def test_the_same_seed_gives_the_same_answer():
    """Sampling, training and resampling draw from the seed alone."""
    rows, judged = long_rows(120, 1, place=80), long_rows(60, 2, place=80)
    assert ablate(rows, judged, 50, seed=4) == ablate(rows, judged, 50, seed=4)


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (long_rows(60, 1, place=9), long_rows(29, 2, place=9)),
        (long_rows(60, 1, place=9), [row for row in long_rows(80, 2, place=9) if row.label == "A"]),
        ([row for row in long_rows(60, 1, place=9) if row.label == "A"], long_rows(60, 2, place=9)),
        (long_rows(60, 1, place=9), []),
    ],
    ids=["29 rows of val", "a class without val rows", "one class in train", "no val"],
)
def test_nothing_is_said_on_too_little(train, val):
    """Fewer than 30 rows of val, or a class missing on either side: unknown, not harmless and not harmful."""
    assert ablate(train, val, 50, seed=1) is None


def test_points_close_to_what_is_read_are_left_out():
    """At most six fits: 32, 64, 128, 256, what max_length holds, and all; none that the longest text does not reach."""
    rows, judged = long_rows(40, 1, place=9, length=300), long_rows(40, 2, place=9, length=300)
    asked = {covered: [p.words for p in ablate(rows, judged, covered, seed=1).points] for covered in (60, 100, 290)}
    assert asked == {
        60: [32, 60, 128, 256, None],
        100: [32, 64, 100, 128, 256, None],
        290: [32, 64, 128, 290, None],
    }


def test_a_sample_is_bounded_by_rows_and_by_characters():
    """Samples keep the order of the rows, depend on the seed alone, and hold at least one row."""
    rows = [Row("f", number, "x" * 10, "A", None, {}) for number in range(100)]
    assert sample_rows(rows, 100, 1_000, 1) == rows
    some = sample_rows(rows, 20, 1_000, 1)
    assert len(some) == 20
    assert some == sorted(some, key=lambda row: row.line) == sample_rows(rows, 20, 1_000, 1)
    assert some != sample_rows(rows, 20, 1_000, 2)
    assert len(sample_rows(rows, 100, 55, 1)) == 5
    assert len(sample_rows(rows, 100, 3, 1)) == 1


@pytest.mark.skipif(not NEWS.is_dir(), reason="needs ../shared with the MasakhaNEWS files")
@pytest.mark.parametrize("covered", [74, 299], ids=["128 tokens", "512 tokens"])
def test_somali_news_loses_nothing_by_being_cut(covered):
    """91 % of the Somali articles are longer than 512 tokens, and a linear model does as well on their first words."""
    found = ablate(masakhanews("som", "train")[:700], masakhanews("som", "dev"), covered, seed=42)
    assert not found.costs(2)
