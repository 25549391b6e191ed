from ml_run.quality.duplicates import conflict_reviews, find_conflicts, hash_rows
from ml_run.quality.leaks import drop_leaks, find_leaks, leak_findings, leak_reviews
from ml_run.quality.review import review_queue, safe_cell
from ml_run.quality.rows import Row


def _splits(**texts):
    return hash_rows(
        {
            name: [Row(f"{name}.csv", line, text, label, None, {}) for line, (text, label) in enumerate(found, start=1)]
            for name, found in texts.items()
        },
        None,
    )


def test_every_pair_of_splits_is_compared():
    """Leaks are counted by the rows of the later split that are given away, copies included."""
    splits = _splits(
        train=[("a", "x"), ("A ", "x"), ("b", "x")],
        val=[("a", "x"), ("c", "x")],
        test=[("a", "x"), ("a", "x"), ("c", "y"), ("d", "x")],
    )
    found = {(leak.split, leak.into): ([row.line for row, _ in leak.rows], leak.share) for leak in find_leaks(splits)}
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
