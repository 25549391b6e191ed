from collections import Counter
from dataclasses import replace

from ml_run.quality.duplicates import hash_rows
from ml_run.quality.rows import Row
from ml_run.quality.splitting import divide, position


def _rows(count, groups=None):
    rows = [
        Row("f.csv", number, f"waa erey {number}", "xy"[number % 2], f"g{number % groups}" if groups else None, {})
        for number in range(count)
    ]
    return hash_rows({"train": rows}, None)["train"]


def test_rows_are_spread_evenly_and_classes_with_them():
    """The shares asked for come out, in each class."""
    splits, made = divide({"train": _rows(20_000)}, val_share=0.15, test_share=0.2)
    assert made == ["val", "test"]
    for label in "xy":
        counts = Counter({name: sum(row.label == label for row in rows) for name, rows in splits.items()})
        assert abs(counts["val"] / 10_000 - 0.15) < 0.015
        assert abs(counts["test"] / 10_000 - 0.20) < 0.015


def test_a_row_keeps_its_place_whatever_its_line_or_label():
    """Where a row goes depends on its text alone: not on its line, file, label or neighbours."""
    [row] = _rows(1)
    assert position(replace(row, file="g", line=9, label="z")) == position(row)


def test_val_stays_the_same_when_the_test_split_is_given():
    """A given split is left alone, whatever else is made."""
    given = _rows(10)
    splits, made = divide({"train": _rows(200), "test": given}, val_share=0.15, test_share=0.2)
    assert (made, splits["test"]) == (["val"], given)
    assert list(splits) == ["train", "val", "test"]


def test_order_within_a_split_is_the_order_of_the_file():
    """Dividing keeps the order, so that reading the same file gives the same training run."""
    splits, _ = divide({"train": _rows(500, groups=40)}, val_share=0.15, test_share=0.2)
    for rows in splits.values():
        assert [row.line for row in rows] == sorted(row.line for row in rows)
