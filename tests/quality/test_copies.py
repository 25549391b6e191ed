import csv
import sys

import pytest

from conftest import SHARED, make_rows
from ml_run.languages import load_profile
from ml_run.quality import copies
from ml_run.quality.duplicates import hash_rows
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

NEWS = SHARED / "data" / "masakhanews"
needs_shared = pytest.mark.skipif(not NEWS.is_dir(), reason="needs ../shared with the MasakhaNEWS files")

ROAD = "waddada dheer ee magaalada u dhow ayaa {} lagu dhisay lacagta dadka deegaanka"


def _rows(name, found):
    return [Row(name, line, text, label, None, {}) for line, (text, label) in enumerate(found, start=1)]


def _handle(mode=None, checks=None, limits=None, profile=None, **splits):
    return copies.handle(
        hash_rows({name: _rows(f"{name}.csv", found) for name, found in splits.items()}, profile),
        checks=Checks(checks or {}, limits or {}),
        mode=mode,
        val_share=0.15,
        test_share=0.2,
        source_name="train.csv",
        profile=profile,
    )


def _made(count, seed):
    return [(row["text"], row["label"]) for row in make_rows(count, seed)]


def _messages(found):
    return {one.rule: one.message for one in found.findings}


def test_clean_data_gives_nothing():
    """Rows without copies yield no finding, no row to look at and an empty matrix, and all stay."""
    found = _handle(train=_made(300, 0), val=_made(60, 1), test=_made(60, 2))
    assert (found.findings, found.reviews, found.rejected, found.leaks) == ([], [], [], ())
    assert {name: len(rows) for name, rows in found.splits.items()} == {"train": 300, "val": 60, "test": 60}


def test_near_duplicates_are_told_with_their_lines():
    """A row that nearly repeats an earlier one with its label is a note, and a warning above 1 % of its split."""
    train = [*_made(150, 0), (ROAD.format("shalay"), "x"), (ROAD.format("maanta"), "x"), (ROAD.format("shalay"), "x")]
    splits = {"train": train, "val": _made(9, 1), "test": _made(9, 2)}
    found = _handle(**splits)
    near = next(one for one in found.findings if one.rule == "duplicate_near")
    assert (near.severity, near.count, [(one.file, one.line) for one in near.examples]) == (
        "info", 1, [("train.csv", 152)],
    )  # fmt: skip
    assert near.message == (
        "1 of 153 train rows (0.7 %) say nearly the same as an earlier row of the same split; "
        "the most alike are lines 151 and 152 of train.csv, with a similarity of 0.78"
    )
    assert found.splits["train"][-1].line == 153
    warned = _handle(limits={"duplicate_near.warning_above": 0.005}, **splits)
    assert {one.rule: one.severity for one in warned.findings} == {
        "duplicate_exact": "info", "duplicate_near": "warning",
    }  # fmt: skip
    assert "duplicate_near" not in _messages(_handle(limits={"duplicate_near.similarity": 0.8}, **splits))


def test_near_conflicts_go_to_the_review_queue():
    """Nearly the same text with another label is a warning that names both lines, and both rows are to be looked at."""
    train = [*_made(30, 0), (ROAD.format("shalay"), "x"), (ROAD.format("maanta"), "y")]
    found = _handle(train=train, val=_made(9, 1), test=_made(9, 2))
    [near] = found.findings
    assert (near.rule, near.severity, near.count) == ("conflict_near", "warning", 2)
    assert near.message == (
        "2 rows say nearly the same as a row with another label; the most alike are line 31 of train.csv (x) "
        "and line 32 of train.csv (y), with a similarity of 0.78"
    )
    assert [(one.row.line, one.why) for one in found.reviews] == [
        (31, "conflict_near: nearly the same text (0.78) has the label y (train.csv, line 32)"),
        (32, "conflict_near: nearly the same text (0.78) has the label x (train.csv, line 31)"),
    ]
    assert all(3.7 < one.value < 4 for one in found.reviews)


@pytest.mark.parametrize(
    ("mode", "rows", "severity"),
    [(None, 30, "error"), ("drop", 30, "warning"), ("keep", 31, "warning"), ("error", 31, "error")],
)
def test_data_leaks_decides_about_near_leaks(mode, rows, severity):
    """Drop leaves near copies out of train, keep keeps them, error refuses; only an unset mode judges by share."""
    train = [*_made(30, 0), (ROAD.format("shalay"), "x")]
    found = _handle(mode=mode, train=train, val=_made(9, 1), test=[(ROAD.format("maanta"), "x"), *_made(9, 2)])
    [leak] = found.findings
    assert (leak.rule, leak.severity, len(found.splits["train"])) == ("leak_near", severity, rows)
    assert [row.reason for row in found.rejected] == ["leak_near"] * (31 - rows)
    assert [(one.split, one.into, one.exact, one.near) for one in found.leaks] == [
        ("train", "test", 0, 1), ("test", "train", 0, 1),
    ]  # fmt: skip
    assert len(found.given_away) == 1


def test_splits_that_are_made_have_no_leaks():
    """Near copies stay together, so a divided file has none between its splits, whatever was planted."""
    rows = _made(300, 0)
    rows += [(f"{text} {text.split()[0]}", label) for text, label in rows[:60]]
    found = _handle(train=rows)
    assert {"leak_exact", "leak_near"}.isdisjoint(_messages(found))
    assert _messages(found)["split_made"].startswith("train.csv was divided by the hash of the text: 234 train rows")
    assert {(one.split, one.into) for one in found.leaks} <= {(name, name) for name in ("train", "val", "test")}
    assert sum(one.near for one in found.leaks) == 60


def test_no_search_when_nothing_asks_for_it():
    """With the three near rules off and all splits given, near copies are neither told nor left out."""
    off = dict.fromkeys(("duplicate_near", "conflict_near", "leak_near"), "off")
    found = _handle(checks=off, train=[(ROAD.format("shalay"), "x")], val=[], test=[(ROAD.format("maanta"), "x")])
    assert (found.findings, found.rejected, found.leaks) == ([], [], ())


def _news(language):
    csv.field_size_limit(sys.maxsize)
    splits = {}
    for split, name in (("train", "train"), ("val", "dev"), ("test", "test")):
        with (NEWS / language / f"{name}.tsv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        splits[split] = [(f"{row['headline']} {row['text']}", row["category"]) for row in rows]
    return splits


@needs_shared
def test_somali_news():
    """Found: the 4 test rows with a near copy in train, 3 more near leaks, and the body under another's headline."""
    found = _handle(profile=load_profile("so"), **_news("som"))
    assert {(one.split, one.into): (one.exact, one.near) for one in found.leaks if one.split < one.into} == {
        ("train", "val"): (0, 2), ("test", "train"): (0, 4), ("test", "val"): (0, 1),
    }  # fmt: skip
    assert [(row.line, row.reason) for row in found.rejected] == [
        (line, "leak_near") for line in (537, 542, 146, 174, 210, 314)
    ]
    assert {one.rule: (one.severity, one.count) for one in found.findings} == {
        "conflict_near": ("warning", 10), "duplicate_near": ("info", 3), "leak_near": ("warning", 7),
    }  # fmt: skip
    assert "(health) and line" in _messages(found)["conflict_near"]
    assert "(technology), with a similarity of 0.97" in _messages(found)["conflict_near"]


@needs_shared
def test_oromo_news():
    """Oromo has two exact copies in train, one with another label, and no near copy or leak at all."""
    found = _handle(profile=None, **_news("orm"))
    assert {one.rule: one.count for one in found.findings} == {"conflict": 2, "duplicate_exact": 1}
    assert [(one.split, one.into, one.exact, one.near) for one in found.leaks] == [("train", "train", 2, 0)]
