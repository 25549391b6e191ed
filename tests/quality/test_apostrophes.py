from ml_run.languages import load_profile
from ml_run.quality.apostrophes import apostrophe_findings, forms_in
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

SO = load_profile("so")


def _finding(texts, profile=None):
    rows = [Row("f.csv", number, text, "x", None, {}) for number, text in enumerate(texts, start=1)]
    return apostrophe_findings(rows, profile, len(rows), Checks())


def test_apostrophes_are_told_from_quotation_marks():
    """Inside a word it is an apostrophe; after one only where no quotation was opened; before one never."""
    assert forms_in("hay'adda lo' iyo go’", None) == ["'", "'", "’"]
    assert forms_in("wuxuu yiri 'waa lo' ', hay’adda", None) == ["’"]
    assert forms_in("‘oo ku tartamaya’ da'ay", None) == ["'"]
    assert forms_in("'waa' ‘waa’ 5' 12’", None) == []
    assert forms_in("go` da´ay", None) == []
    assert forms_in("go` da´ay", SO) == ["`", "´"]


def test_rows_that_write_it_otherwise_are_counted():
    """The most frequent form is taken for the usual one; each row with another is counted once."""
    [found] = _finding(["hay'ad", "lo' go'", "hay’ad da'ay", "guri", "ma’ ma’", "waa"])
    assert (found.count, found.severity, [example.line for example in found.examples]) == (2, "info", [3, 5])
    assert found.message == (
        "2 texts write the apostrophe in another form than most: ' (U+0027) 4 times and ’ (U+2019) 3 times (2 in f.csv)"
    )


def test_one_form_is_no_finding():
    """A corpus that writes it one way, whichever, is clean; so is one without."""
    assert _finding(["hay’ad", "lo’", "guri"]) == _finding(["guri"]) == _finding(["hay'ad 'waa ‘maya’"]) == []
