"""What knowing the source of a text is worth: nothing where sources say nothing, much where they give classes away."""

import random

import pytest

from conftest import LABELS, make_rows
from ml_run.evaluation.sources import source_dependence
from ml_run.splits import SplitRows


def split(rows):
    return SplitRows(
        texts=[row["text"] for row in rows],
        labels=[row["label"] for row in rows],
        label_ids=[LABELS.index(row["label"]) for row in rows],
        hashes=[f"{number:032x}" for number in range(len(rows))],
        files=["train.jsonl"] * len(rows),
        lines=list(range(1, len(rows) + 1)),
        groups=[row.get("source") for row in rows],
        leaked=[False] * len(rows),
    )


def measured(rows, units=None):
    some = split(rows)
    return source_dependence(some, units or list(range(len(rows))), len(LABELS), seed=3)


def noisy_rows(count, seed, sources):
    """Rows of which half say nothing of their class; each class stands mostly in a source of its own."""
    chance = random.Random(seed)
    rows = make_rows(count, seed)
    for row in rows:
        if chance.random() < 0.5:
            row["text"] = " ".join(chance.choices(["guri", "wadan", "biyo", "dadka", "suuq", "maanta"], k=8))
        mostly = LABELS.index(row["label"])
        row["source"] = sources(chance, mostly)
    return rows


def test_sources_that_say_nothing_are_worth_nothing():
    """Sources drawn by lot cost an unseen row nothing: the interval holds no difference."""
    found = measured(noisy_rows(300, 1, lambda chance, _: f"s{chance.randrange(4)}"))
    assert found.difference.low < 0 < found.difference.high or found.difference.value == 0
    assert sum(one.n for one in found.sources) == 300


def test_a_source_that_gives_the_class_away_is_worth_much():
    """Where each source has its own mark and its own usual class, models that never saw it do far worse."""
    rows = noisy_rows(300, 2, lambda chance, mostly: f"s{mostly if chance.random() < 0.8 else chance.randrange(3)}")
    for row in rows:
        row["text"] += f" zq{row['source']}zq zq{row['source']}zq"
    found = measured(rows)
    assert found.difference.high < -0.1
    assert found.accuracy_known.value > found.accuracy_unseen.value
    assert [one.difference.value for one in found.sources] == sorted(one.difference.value for one in found.sources)


def test_copies_in_another_source_are_not_learnt_from():
    """Labels by chance can only be known from a copy: where each text has one, no model does better than chance."""
    chance = random.Random(8)
    first, other = (
        [row | {"label": chance.choice(LABELS), "source": source} for row in make_rows(90, seed)]
        for seed, source in ((3, "first"), (4, "other"))
    )
    copies = [row | {"source": "copies"} for row in first]
    found = measured(first + other + copies, [*range(90), *range(90, 180), *range(90)])
    assert {one.group for one in found.sources} == {"first", "other", "copies"}
    assert found.accuracy_unseen.value < 0.5
    assert found.accuracy_known.value < 0.5


def test_a_class_that_only_one_source_has_is_not_asked_about():
    """What no other source teaches is no question of sources: the rows of that class are left out."""
    rows = [row | {"source": f"s{number % 2}"} for number, row in enumerate(make_rows(240, 5))]
    rows = [row for row in rows if row["label"] != "Central" or row["source"] == "s0"]
    found = measured(rows)
    assert {one.group: one.classes for one in found.sources} == {"s0": 2, "s1": 2}
    assert {one.group: one.n for one in found.sources} == {"s0": 80, "s1": 80}


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ([None], "no row has a source"),
        (["only"], "all rows are of one source"),
        ([f"s{n}" for n in range(10)], "no source has 20 rows and two classes that other sources have, too"),
    ],
    ids=["none", "one", "small"],
)
def test_what_cannot_be_measured_says_why(sources, why):
    """Without sources to compare there are no numbers, and the reason takes their place."""
    rows = [row | {"source": sources[number % len(sources)]} for number, row in enumerate(make_rows(60, 6))]
    found = measured(rows)
    assert found.note == why
    assert (found.sources, found.difference.value, found.accuracy_known.value) == ((), None, None)


def test_the_same_rows_give_the_same_numbers():
    """Sample, folds and fits depend on the rows and the seed alone."""
    rows = noisy_rows(150, 7, lambda chance, _: f"s{chance.randrange(3)}")
    assert measured(rows) == measured(rows)
