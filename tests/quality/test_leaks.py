import pytest

from ml_run.quality.duplicates import conflict_reviews, find_conflicts, hash_rows
from ml_run.quality.leaks import drop_leaks, find_leaks, given_away, leak_counts, leak_findings, leak_reviews
from ml_run.quality.near import NearCopies, find_near_copies
from ml_run.quality.review import review_queue, safe_cell
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

ROAD = "waddada dheer ee magaalada u dhow ayaa {} lagu dhisay lacagta dadka deegaanka"
SEA = "doonyaha kalluumaysigu waxay {} ka soo noqdeen badda iyagoo wata kalluun badan"


def _splits(**texts):
    return hash_rows(
        {
            name: [Row(f"{name}.csv", line, text, label, None, {}) for line, (text, label) in enumerate(found, start=1)]
            for name, found in texts.items()
        },
        None,
    )


def _near(splits):
    return find_near_copies(splits, Checks(), None)


def _lines(given):
    return [one.row.line for one in given]


def test_every_pair_of_splits_is_compared():
    """Leaks are counted by the rows of the later split that are given away, copies included."""
    splits = _splits(
        train=[("a", "x"), ("A ", "x"), ("b", "x")],
        val=[("a", "x"), ("c", "x")],
        test=[("a", "x"), ("a", "x"), ("c", "y"), ("d", "x")],
    )
    found = {(leak.split, leak.into): (_lines(leak.rows), leak.share("leak_exact")) for leak in find_leaks(splits)}
    assert found == {
        ("train", "val"): ([1, 2], 0.5),
        ("train", "test"): ([1, 2], 0.5),
        ("val", "test"): ([1, 2], 0.75),
    }


def test_a_row_that_leaks_twice_is_left_out_once():
    """A training row with copies in val and in test is one row of rejected.jsonl."""
    splits = _splits(train=[("a", "x"), ("b", "x")], val=[("a", "x")], test=[("a", "x")])
    kept, left_out = drop_leaks(splits, find_leaks(splits), {"train"})
    assert [(row.split, row.line, row.problem) for row in left_out] == [
        ("train", 1, "its text is also in val, line 1 of val.csv")
    ]
    assert {name: len(rows) for name, rows in kept.items()} == {"train": 1, "val": 1, "test": 1}


def test_the_queue_says_why_and_stays_readable():
    """Conflicts come first, each row with where the other label stands; a long list of places is cut."""
    splits = _splits(train=[("a", "x"), *[("a", "y")] * 5], val=[("b", "x")], test=[("b", "x")])
    reviews = [*leak_reviews(find_leaks(splits)), *conflict_reviews(find_conflicts(splits))]
    rows = review_queue(reviews).splitlines()
    assert rows[1] == (
        'train.csv,1,train,a,x,"conflict: the same text has the label y (train.csv, line 2), '
        'y (train.csv, line 3), y (train.csv, line 4) and 2 more",'
    )
    assert rows[-1] == 'val.csv,1,val,b,x,"leak_exact: the same text is in test (test.csv, line 1)",'


def test_cells_that_would_begin_a_formula_are_neutralised():
    """=, +, -, @, tab and carriage return begin formulas in one spreadsheet or another."""
    for start in "=+-@\t\r":
        assert safe_cell(f"{start}1") == f"'{start}1"
    for harmless in ("1", "waa = maxay", "'quoted", "", 7):
        assert safe_cell(harmless) == str(harmless)


def test_a_row_that_was_given_away_twice_is_counted_once():
    """A test row with copies in train and in val is one leaked row, so the share never passes all rows."""
    splits = _splits(train=[("a", "x"), ("b", "x")], val=[("a", "x"), ("b", "x")], test=[("a", "x"), ("b", "x")])
    [found] = leak_findings(find_leaks(splits), "keep", set(), explicit=True)
    assert (found.count, found.share) == (4, 1.0)
    assert found.message == (
        "2 of 2 val rows (100.0 %) are also in train; 2 of 2 test rows (100.0 %) are also in train; "
        "2 of 2 test rows (100.0 %) are also in val; all are kept"
    )


def test_what_was_left_out_is_told_by_split():
    """Rows of a val split that was divided from train are not called rows of train."""
    splits = _splits(train=[("a", "x"), ("A", "x"), ("c", "x")], val=[("b", "x")], test=[("a", "x"), ("b", "x")])
    [found] = leak_findings(find_leaks(splits), "drop", {"train", "val"}, explicit=False)
    assert found.message.endswith("; 2 rows of train and 1 row of val left out")


# --- near leaks -----------------------------------------------------------------------------------------------------


def test_near_leaks_are_left_out_with_line_and_similarity():
    """A near copy of a test row leaves train, and says of which line it is a copy and how similar."""
    splits = _splits(
        train=[(SEA.format("galabtii"), "x"), (ROAD.format("shalay"), "x"), ("geel iyo lo'", "x")],
        val=[("roob ayaa da'ay", "x")],
        test=[("roob ma di'in", "x"), (ROAD.format("maanta"), "x")],
    )
    leaks = find_leaks(splits, _near(splits))
    kept, left_out = drop_leaks(splits, leaks, {"train"})
    assert [(row.line, row.reason, row.problem) for row in left_out] == [
        (2, "leak_near", "its text is nearly that of line 2 of test.csv, in test (similarity 0.78)")
    ]
    assert [row.line for row in kept["train"]] == [1, 3]
    [found] = leak_findings(leaks, "drop", {"train"}, explicit=True)
    assert (found.rule, found.severity, found.count, [one.line for one in found.examples]) == (
        "leak_near", "warning", 1, [2],
    )  # fmt: skip
    assert found.message == "1 of 2 test rows (50.0 %) have a near copy in train; 1 row of train left out"
    [review] = leak_reviews(leaks)
    assert review.why == "leak_near: nearly the same text (0.78) is in test (test.csv, line 2)"
    assert given_away(leaks) == {splits["test"][1].hash}


def test_an_exact_copy_is_told_before_a_near_one():
    """A training row that is exactly in test and nearly in val is left out as an exact leak."""
    splits = _splits(
        train=[(ROAD.format("shalay"), "x")], val=[(ROAD.format("maanta"), "x")], test=[(ROAD.format("Shalay"), "x")]
    )
    _, [row] = drop_leaks(splits, find_leaks(splits, _near(splits)), {"train"})
    assert (row.reason, row.problem) == ("leak_exact", "its text is also in test, line 1 of test.csv")


def test_a_leak_is_a_pair_not_a_chain():
    """A row that resembles only a row that resembles a test row gives nothing away."""
    near = NearCopies({"a": {"b": 0.9}, "b": {"a": 0.9, "c": 0.8}, "c": {"b": 0.8}})
    rows = {name: [Row(name, 1, name, "x", None, {}, hash=name)] for name in "abc"}
    splits = {"train": rows["a"] + rows["b"], "val": [], "test": rows["c"]}
    [leak] = find_leaks(splits, near)
    assert _lines(leak.rows) == [1]
    assert leak.rows[0].row.hash == "b"


@pytest.mark.parametrize(
    ("exact", "near", "explicit", "severities"),
    [
        (0, 1, False, {"leak_near": "info"}),
        (0, 2, False, {"leak_near": "warning"}),
        (1, 1, False, {"leak_exact": "info", "leak_near": "warning"}),
        (8, 4, False, {"leak_exact": "warning", "leak_near": "warning"}),
        (8, 5, False, {"leak_exact": "warning", "leak_near": "error"}),
        (8, 5, True, {"leak_exact": "warning", "leak_near": "warning"}),
    ],
)
def test_exact_and_near_copies_are_judged_together(exact, near, explicit, severities):
    """Above 0.5 % of a split is a warning and above 5 % an error, for exact copies alone and for both together."""
    test = [Row("test", line, "t", "x", None, {}, hash=f"t{line}") for line in range(240)]
    train = [Row("train", line, "t", "x", None, {}, hash=f"t{line}") for line in range(exact)]
    train += [Row("train", line, "n", "x", None, {}, hash=f"n{line}") for line in range(exact, exact + near)]
    partners = {f"n{line}": {f"t{line}": 0.8} for line in range(exact, exact + near)}
    partners |= {other: {one: 0.8} for one, [other] in ((one, list(found)) for one, found in partners.items())}
    leaks = find_leaks({"train": train, "test": test}, NearCopies(partners))
    found = leak_findings(leaks, "drop", {"train"}, explicit=explicit)
    assert {one.rule: one.severity for one in found} == severities


def test_limits_of_leaks_can_be_changed():
    """data.limits moves the shares from which a leak is a warning and an error."""
    splits = _splits(train=[("a", "x"), ("b", "x")], test=[("a", "x"), ("c", "x"), ("d", "x"), ("e", "x")])
    for limits, severity in (
        ({"leak_exact.error_above": 0.2}, "error"),
        ({"leak_exact.error_above": 0.25}, "warning"),
        ({"leak_exact.error_above": 0.25, "leak_exact.warning_above": 0.25}, "info"),
    ):
        [found] = leak_findings(find_leaks(splits), "drop", {"train"}, explicit=False, checks=Checks({}, limits))
        assert found.severity == severity


def test_the_matrix_counts_every_ordered_pair():
    """Each cell counts rows of one split with an exact copy in the other, or a near one and no exact one."""
    splits = _splits(
        train=[("a", "x"), ("a", "y"), (ROAD.format("shalay"), "x"), (ROAD.format("xalay"), "x")],
        val=[("a", "x")],
        test=[(ROAD.format("maanta"), "x"), (ROAD.format("shalay"), "x"), ("c", "x")],
    )
    counted = {(one.split, one.into): (one.exact, one.near, one.rows) for one in leak_counts(splits, _near(splits))}
    assert counted == {
        ("train", "train"): (1, 1, 4),
        ("train", "val"): (1, 0, 1),
        ("train", "test"): (1, 1, 3),
        ("val", "train"): (2, 0, 4),
        ("test", "train"): (1, 1, 4),
        ("test", "test"): (0, 1, 3),
    }
