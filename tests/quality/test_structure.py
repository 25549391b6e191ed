import pytest

from ml_run.quality.fields import Fields
from ml_run.quality.rules import Checks
from ml_run.quality.structure import file_findings, rejection_findings, take_rows
from ml_run.reading import Fault, RawRow, Source

FIELDS = Fields(("text",), "label", None)


def _taken(*rows, faults=()):
    source = Source("f.jsonl", ("text", "label"), [RawRow(n, row) for n, row in enumerate(rows, start=1)], list(faults))
    return take_rows(source, "train", FIELDS)


def _problem(text="guri", label="x"):
    [left_out] = _taken({"text": text, "label": label})[1]
    return left_out.reason, left_out.problem


@pytest.mark.parametrize("text", ["\u200b", " \ufeff\u00a0", "\u3164", "\u200d\u00ad", "\x00\x07"])
def test_a_text_that_nobody_can_see_is_empty(text):
    """Zero-width characters, fillers (which Unicode calls letters) and controls are no text."""
    assert _problem(text) == ("empty_text", "its text has nothing but invisible characters")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "its text is empty"), (" \n\u00a0", "its text is empty"), ("5\u200b!", "its text has no letter")],
)
def test_why_a_text_is_empty(text, problem):
    """Nothing, blanks only and no letter are told apart."""
    assert _problem(text) == ("empty_text", problem)


@pytest.mark.parametrize("label", ["", " ", "\u200b", "\ufeff ", None, float("nan")])
def test_a_label_that_nobody_can_see_is_none(label):
    """A label of blanks or invisible characters is no class of its own."""
    assert _problem(label=label) == ("missing_field", "it has no 'label'")


@pytest.mark.parametrize(("label", "text"), [(1.0, "1"), (-3.0, "-3"), (1.5, "1.5"), (1, "1"), (True, "true")])
def test_numbers_become_labels_by_value(label, text):
    """1.0, as parquet has it beside missing labels, is the label 1."""
    rows, _ = _taken({"text": "guri", "label": label})
    assert [row.label for row in rows] == [text]


def test_bytes_are_no_text():
    """A column of bytes is named for what it is."""
    assert _problem(b"guri") == ("wrong_type", "the field 'text' is bytes, not a string")


def test_the_limit_of_empty_texts_comes_from_the_config():
    """Empty texts are an error above the configured share of all rows."""
    rows, rejected = _taken({"text": "", "label": "x"}, *[{"text": "guri", "label": "x"}] * 99)
    for limit, severity in ((None, "error"), (0.01, "warning")):
        checks = Checks(limits={"empty_text.error_above": limit} if limit else {})
        assert [found.severity for found in rejection_findings(rejected, {"train": rows}, checks)] == [severity]


def test_faults_by_which_no_row_is_lost_are_counted_as_what_they_are():
    """Marks and blank lines are counted one by one, files whose quotes are characters as files."""
    faults = [
        Fault("bom", None, "the file begins with a UTF-8 byte order mark"),
        Fault("bom", 7, "a byte order mark begins the line"),
        Fault("quoting", None, "quotes are taken as plain characters"),
    ]
    found = file_findings({"train": Source("f.jsonl", ("text",), [], faults)})
    assert [(one.rule, one.severity, one.count, one.message) for one in found] == [
        ("bom", "info", 2, "2 byte order marks (2 in f.jsonl): the file begins with a UTF-8 byte order mark"),
        ("quoting", "info", 1, "1 file (1 in f.jsonl): quotes are taken as plain characters"),
    ]
    assert _taken({"text": "guri", "label": "x"}, faults=faults)[1] == []
