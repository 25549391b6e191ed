import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

from ml_run.quality.duplicates import hash_rows
from ml_run.quality.near import NearCopies
from ml_run.quality.rows import Row
from ml_run.quality.splitting import divide, position, split_findings


def _rows(count, groups=None, seed=0, weights=(5, 5)):
    chance = random.Random(seed)
    labels = "uvwxyz"[: len(weights)]
    rows = [
        Row(
            "f.csv",
            1000 * seed + number,
            f"waa erey {seed} {number}",
            chance.choices(labels, weights)[0],
            f"g{seed}-{number % groups}" if groups else None,
            {},
        )
        for number in range(count)
    ]
    return hash_rows({"train": rows}, None)["train"]


def _divide(rows, near=None, **given):
    return divide({"train": rows, **given}, val_share=0.15, test_share=0.2, near=near or NearCopies())


def _places(splits):
    return {row.line: name for name, rows in splits.items() for row in rows}


def _chain(hashes):
    partners = {row_hash: {} for row_hash in hashes}
    for one, other in pairwise(hashes):
        partners[one][other] = partners[other][one] = 0.9
    return NearCopies(partners)


def test_each_class_keeps_its_shares_to_the_row():
    """Of single rows every class has its share of test and val, rounded, however rare it is."""
    rows = _rows(1000, weights=(60, 30, 8, 2))
    splits, made = _divide(rows)
    assert made == ["val", "test"]
    sizes = Counter(row.label for row in rows)
    assert min(sizes.values()) < 30
    for name, share in (("test", 0.2), ("val", 0.15)):
        counts = Counter(row.label for row in splits[name])
        assert {label: abs(counts[label] - share * size) <= 0.5 for label, size in sizes.items()} == dict.fromkeys(
            sizes, True
        )


def test_a_row_keeps_its_position_whatever_its_line_or_label():
    """Where a row stands depends on its text alone, or its group alone: not on its line, file, label or neighbours."""
    [row] = _rows(1)
    assert position(replace(row, file="g", line=9, label="z")) == position(row)
    grouped = replace(row, group="g")
    assert position(replace(grouped, text="other", hash="f" * 32)) == position(grouped) != position(row)


def test_few_rows_move_when_rows_are_added():
    """Of 3,000 rows under 1 % change their split when 300 are added, whatever the order, and none from val to test."""
    rows, more = _rows(3000), _rows(300, seed=7)
    before, after = _places(_divide(rows)[0]), _places(_divide(more + rows[::-1])[0])
    moves = [(place, after[line]) for line, place in before.items() if after[line] != place]
    assert 0 < len(moves) < 30
    assert all("train" in move for move in moves)


def test_val_stays_the_same_when_the_test_split_is_given():
    """A given split is left alone, and val is the same rows whether test is given or made."""
    rows, given = _rows(200), _rows(10, seed=3)
    splits, made = _divide(rows, test=given)
    assert (made, splits["test"]) == (["val"], given)
    assert list(splits) == ["train", "val", "test"]
    assert splits["val"] == _divide(rows)[0]["val"]


def test_order_within_a_split_is_the_order_of_the_file():
    """Dividing keeps the order, so that reading the same file gives the same training run."""
    splits, _ = _divide(_rows(500, groups=40))
    for rows in splits.values():
        assert [row.line for row in rows] == sorted(row.line for row in rows)


def test_groups_copies_and_near_copies_are_never_divided():
    """A group, rows that say the same in different groups, and verified near copies go to one split together."""
    rows = _rows(400, groups=100)
    rows[0] = replace(rows[0], hash=rows[1].hash)  # joins two groups
    near = _chain([row.hash for row in rows[2:5]])  # joins three
    places = _places(_divide(rows, near)[0])
    groups = {frozenset({0, 1}), frozenset({2, 3, 4}), *(frozenset({number}) for number in range(5, 100))}
    for joined in groups:
        assert len({places[row.line] for row in rows if row.line % 100 in joined}) == 1
    assert set(places.values()) == {"train", "val", "test"}


def test_copies_are_in_test_as_often_as_other_rows():
    """A cluster's place does not depend on its size: clusters of 4 come to test by its share, as single rows do."""
    rows = _rows(4000)
    partners = {}
    for start in range(0, 2000, 4):
        partners |= _chain([row.hash for row in rows[start : start + 4]]).partners
    splits, _ = _divide(rows, NearCopies(partners))
    for name, share in (("test", 0.2), ("val", 0.15)):
        clustered = sum(row.line < 2000 for row in splits[name])
        assert abs(clustered / 2000 - share) < 0.03


def test_boilerplate_does_not_chain_everything_into_one_split():
    """Where near copies would join more than half a split, they join no more, so that no split stays empty."""
    rows = _rows(400)
    splits, _ = _divide(rows, _chain([row.hash for row in rows]))
    assert abs(len(splits["test"]) - 80) <= 15
    assert abs(len(splits["val"]) - 60) <= 15


def test_a_group_larger_than_a_share_stays_in_train():
    """A unit that would overshoot by more than it helps is passed over, and smaller ones fill the share."""
    rows = [replace(row, group="large") for row in _rows(300)] + _rows(200, groups=50, seed=1)
    for seed in range(5):
        named = [replace(row, group=f"{row.group}{seed}") for row in rows]
        splits, _ = _divide(named)
        assert {row.group for row in splits["val"] + splits["test"]}.isdisjoint({f"large{seed}"})
        assert abs(len(splits["test"]) - 100) <= 4


def test_the_finding_is_the_split_table():
    """The rows of each split, in all and of each class, are in the message."""
    rows = [replace(row, label="uv"[number % 4 == 0]) for number, row in enumerate(_rows(400))]
    splits, made = _divide(rows)
    [found] = split_findings(splits, made, "data/all.csv")
    assert (found.rule, found.severity, found.count, found.share) == ("split_made", "info", 140, 0.35)
    assert found.message == (
        "data/all.csv was divided by the hash of the text: 260 train rows (65.0 %), 60 val rows (15.0 %), "
        "80 test rows (20.0 %); by class (train / val / test): u 195 / 45 / 60, v 65 / 15 / 20"
    )


def test_many_classes_are_summed_up():
    """Of more classes than a message holds, the range of their shares is told."""
    rows = [replace(row, label=f"c{number % 20:02}") for number, row in enumerate(_rows(2000))]
    splits, made = _divide(rows)
    [found] = split_findings(splits, made, "f.csv")
    assert found.message.endswith("; of each of the 20 classes 15.0 % to 15.0 % to val and 20.0 % to 20.0 % to test")
