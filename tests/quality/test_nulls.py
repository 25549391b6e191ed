import pytest

from ml_run.quality.nulls import null_findings
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks


def _found(pairs, raw_labels=None):
    labels = raw_labels or [label for _, label in pairs]
    rows = [
        Row("f.csv", number, text, label, None, {"kind": raw})
        for number, ((text, label), raw) in enumerate(zip(pairs, labels, strict=True), start=1)
    ]
    return null_findings({"train": rows}, "kind", Checks())


def test_texts_and_labels_for_nothing_are_one_finding():
    """What programs write for nothing is kept as text, and said once with all its rows."""
    [found] = _found(
        [("NA", "so"), (" nan ", "so"), ("waa NA", "so"), ("guri", "None"), ("guri", "None"), ("NA", "NA")]
    )
    assert found.message == (
        "3 texts of nothing but 'NA' (2) and 'nan' (1) and 3 rows with the label 'None' (2) and 'NA' (1): "
        "words, or what a program made of them"
    )
    assert (found.rule, found.severity, found.count) == ("null_like", "warning", 5)
    assert [example.line for example in found.examples] == [1, 2, 6, 4, 5]


@pytest.mark.parametrize(
    ("label", "others"), [("False", ["en", "so"]), ("TRUE", ["En", "So"]), ("FALSE", ["1", "2"]), ("True", ["1"])]
)
def test_a_label_that_a_program_turned_into_a_boolean_is_found(label, others):
    """`no` beside `en` and `so` becomes False in YAML and pandas, FALSE in a spreadsheet."""
    [found] = _found([("guri", one) for one in [label, *others]])
    assert [example.label for example in found.examples] == [label]
    assert f"1 row with the label '{label}' (1) beside" in found.message


def test_a_boolean_of_json_beside_words_is_found():
    """In JSON lines a label may be the value false, whatever the others are written like."""
    pairs = [("guri", "false"), ("guri", "en"), ("guri", "so")]
    assert _found(pairs) == []
    [found] = _found(pairs, raw_labels=[False, "en", "so"])
    assert (
        found.message == "1 row with the label 'false' (1) beside 'en' and 'so': words, or what a program made of them"
    )


@pytest.mark.parametrize(
    "labels",
    [
        ["true", "false"],
        ["True", "False"],
        ["true", "false", "half-true"],
        ["True", "False", "Mixed"],
        ["TRUE", "FALSE", "MIXED"],
        ["none", "hate", "no", "yes"],
        ["Na", "na", "nil desperandum"],
    ],
)
def test_words_are_left_alone(labels):
    """True and false as classes, as people write them, and words such as none and no are what they say."""
    assert _found([("guri", label) for label in labels]) == []
    assert _found([(label, "x") for label in labels]) == []
