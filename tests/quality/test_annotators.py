import json

import pytest

from ml_run.quality.annotators import check_annotators, is_annotator_field, krippendorff_alpha
from ml_run.quality.review import DISAGREEMENT
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks


def splits_of(raws, label="a", **more):
    """One training row for each of `raws`; val and test are empty, with some labels for the others to be known."""
    rows = [Row("train.csv", n, f"text {n}", raw.get("label", label), None, raw, f"hash {n}")
            for n, raw in enumerate(raws, start=2)]  # fmt: skip
    known = [Row("val.csv", n, f"known {n}", name, None, {}, f"known {n}") for n, name in enumerate("abc", start=2)]
    return {"train": rows, "val": known, "test": []} | more


def test_alpha_of_the_published_example():
    """Krippendorff (2011), section C: four observers, twelve units, missing values: alpha is .743."""
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[str(value) for value in unit if value is not None] for unit in zip(*observers, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_two_observers_and_two_values():
    """Krippendorff (2011), section A: binary data, ten units, no missing values: alpha is .095."""
    first, second = "0100000000", "1110010010"
    assert krippendorff_alpha(list(zip(first, second, strict=True))) == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize(
    ("units", "alpha"),
    [
        (["ab", "ab"], 1 - 3 * 4 / 8),  # never the same: n = 4, both units differ wholly, 16 - 8 pairs by chance
        (["aa", "bb"], 1.0),
        (["aa", "bb", "ab"], 1 - 5 * 2 / 18),  # n = 6, one unit differs, 36 - 18 pairs by chance
        (["aa", "aa"], None),
        (["a", "b", ""], None),
        ([], None),
    ],
)
def test_alpha_by_hand(units, alpha):
    """Full agreement is 1, worse than chance is below 0, one label or no pair is undefined."""
    assert krippendorff_alpha(units) == (None if alpha is None else pytest.approx(alpha))


AB, AA = ["a", "b"], ["a", "a"]


@pytest.mark.parametrize(
    ("differing", "agreeing", "source"),
    [
        ({"annotations": AB}, {"annotations": AA}, "the field annotations"),
        ({"annotator_labels": "a|b"}, {"annotator_labels": "a|a"}, "the field annotator_labels"),
        ({"annotator_labels": json.dumps(AB)}, {"annotator_labels": json.dumps(AA)}, "the field annotator_labels"),
        ({"annotations": [{"annotator": "x", "label": "a"}, {"annotator": "y", "label": "b"}]},
         {"annotations": [{"annotator": "x", "label": "a"}, {"annotator": "y", "label": "a"}]},
         "the field annotations"),
        ({"annotations": {"x": "a", "y": "b"}}, {"annotations": {"x": "a", "y": "a"}}, "the field annotations"),
        ({"votes": {"a": 1, "b": 1}}, {"votes": {"a": 2, "b": 0}}, "the field votes"),
        ({"label_1": "a", "label_2": "b"}, {"label_1": "a", "label_2": "a "}, "the fields label_1 and label_2"),
        ({"Annotator A": "a", "Annotator B": "b"}, {"Annotator A": "a", "Annotator B": "a"},
         "the fields Annotator A and Annotator B"),
    ],
)  # fmt: skip
def test_each_known_shape_is_read(differing, agreeing, source):
    """Every documented shape gives the same answer: one row of two differs, and the field read is named."""
    check = check_annotators(splits_of([differing, agreeing]), Checks())
    (found,) = check.findings
    assert (found.rule, found.severity, found.count, found.share) == ("annotator_disagreement", "info", 1, 0.5)
    assert found.message == (
        "annotators differ on 1 of 2 texts that two or more of them labelled (Krippendorff's alpha 0.00: 1 is full "
        f"agreement, 0 is chance), by {source}; too few to judge by"
    )
    assert [(example.file, example.line) for example in found.examples] == [("train.csv", 2)]
    (review,) = check.reviews
    assert (review.split, review.row.line, review.value) == ("train", 2, DISAGREEMENT + 0.5)
    assert review.why == "annotator_disagreement: annotators said a (1), b (1)"


def test_several_rows_of_one_text():
    """Rows of one text by different annotators are compared; an annotator who repeats himself is one."""
    labels = {"x": "a", "y": "b", "z": "b"}
    rows = [Row("train.csv", n, "the same", label, None, {"annotator_id": who}, "one") for n, (who, label)
            in enumerate(labels.items(), start=2)]  # fmt: skip
    rows += [Row("train.csv", 9, "other", "a", None, {"annotator_id": "x"}, "two") for _ in range(2)]
    check = check_annotators({"train": rows, "val": [], "test": []}, Checks())
    (found,) = check.findings
    assert (found.count, found.message[:34]) == (1, "annotators differ on 1 of 1 text t")
    assert "by rows of one text with different annotator_id" in found.message
    assert [review.row.line for review in check.reviews] == [2, 3, 4]
    assert {round(review.value - DISAGREEMENT, 3) for review in check.reviews} == {0.333}


def test_low_agreement_is_a_warning_by_its_limit():
    """Below alpha 0.667 on 30 texts or more it is a warning; the limit can be moved."""
    raws = [{"annotations": AB}] * 10 + [{"annotations": AA}] * 12 + [{"annotations": ["b", "b"]}] * 12
    (found,) = check_annotators(splits_of(raws), Checks()).findings
    assert (found.severity, found.count) == ("warning", 10)
    assert "Krippendorff's alpha 0.42:" in found.message
    (found,) = check_annotators(splits_of(raws), Checks(limits={"annotator_disagreement.agreement": 0.4})).findings
    assert found.severity == "info"


@pytest.mark.parametrize(
    ("name", "unsure", "sure"),
    [
        ("confidence", 0.2, 0.5), ("confidence", "0.2", "1"), ("annotator_confidence", 2, 3), ("Confidence", "2", "5"),
        ("confidence", "Low", "medium"), ("label_confidence", "low", "high"),
    ],
)  # fmt: skip
def test_low_confidence_is_for_review(name, unsure, sure):
    """Below half of the scale (0 to 1, 1 to 5, low to high) a row is worth a second look; no value is no doubt."""
    check = check_annotators(splits_of([{name: unsure}, {name: sure}, {name: None}, {}]), Checks())
    (found,) = check.findings
    assert found.message == f"annotators were not sure of 1 of 7 rows, by the field {name}"
    assert (found.severity, found.count, found.examples[0].line) == ("info", 1, 2)
    (review,) = check.reviews
    assert DISAGREEMENT < review.value <= DISAGREEMENT + 1
    assert review.why == f"annotator_disagreement: the annotator was not sure ({name} {unsure})"


@pytest.mark.parametrize(
    "raws",
    [
        [{"annotations": AA}, {"annotations": ["b"]}, {"annotations": []}, {"annotations": None}],
        [{"annotator_1": "Hodan", "annotator_2": "Warsame"}] * 40,
        [{"annotator_ids": ["x", "y"], "confidence": 0.9}] * 40,
        [{"confidence": 73}, {"confidence": 12}],
        [{"confidence": "rather"}, {"confidence": "low"}],
        [{"annotations": '{"broken'}, {"annotations": "one annotator"}, {"annotations": 7}],
        [{"label_1": "a", "text": "x"}, {"source": "b"}],
        [{"votes": 3}, {"votes": 9}],
        [],
    ],
)
def test_agreement_and_what_is_not_known_give_nothing(raws):
    """Full agreement, names instead of labels, unknown scales and broken cells are no findings."""
    check = check_annotators(splits_of(raws), Checks())
    assert (check.findings, check.reviews) == ((), ())


def test_the_label_field_is_no_annotator():
    """A label field called label_1 is not compared with label_2 ... unless there are two others."""
    raws = [{"label_1": "a", "label_2": "b"}]
    assert check_annotators(splits_of(raws), Checks(), label_field="label_1").findings == ()


def test_a_rule_that_is_off_is_not_looked_for():
    """`annotator_disagreement: off` gives neither finding nor review."""
    check = check_annotators(splits_of([{"annotations": AB}]), Checks({"annotator_disagreement": "off"}))
    assert (check.findings, check.reviews) == ((), ())


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("annotator_id", True), ("label_2", True), ("Annotations", True), ("confidence", True), ("source", False),
     ("label", False), ("annotated", False), ("label_2x", False)],
)  # fmt: skip
def test_names_of_annotator_fields(name, is_one):
    """Known names are known in any case; nothing is guessed from a part of a name."""
    assert is_annotator_field(name) is is_one


@pytest.mark.parametrize("cell", ["[" * 100_000, '{"a":' * 100_000])
def test_brackets_without_end_are_no_labels(cell):
    """A cell of more brackets than can be read holds nothing, and stops nothing."""
    assert not check_annotators(splits_of([{"annotations": cell}] * 3), Checks()).findings
