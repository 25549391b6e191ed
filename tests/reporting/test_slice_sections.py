"""What the report says of slices and of sources, and what it keeps quiet about."""

import xml.etree.ElementTree as ET
from pathlib import Path

from ml_run.reporting import slice_sections
from ml_run.reporting.document import Document, Folded, Mark, Opening, Paragraph
from ml_run.reporting.markdown import render
from ml_run.reporting.slice_figures import slice_accuracy
from ml_run.results import Estimate, HeldOutRows, HeldOutScores, SliceScores, SourceDependence, SourceScores
from report_sample import HOSTILE, make_config, make_data, make_evaluation, make_scores, signed_spread, spread


def one(name="village", value=0.5, worse=True, kind="group", n=60, **changed):
    return SliceScores(
        kind=kind,
        name=name,
        n=n,
        accuracy=spread(value),
        macro_f1=spread(value - 0.1),
        classes=3,
        difference=signed_spread(value - 0.9),
        expected=0.88,
        p_value=None if worse is None else 0.001,
        p_adjusted=None if worse is None else 0.01,
        worse=worse,
        **changed,
    )


def evaluation(*slices, **changed):
    return make_evaluation().model_copy(update={"slices": slices, **changed})


def sections(found, **known):
    return slice_sections.weaker(found, **known)


def written(found, **known):
    page = Document(
        "Report", "name", ("about",), "", Opening(Mark("PASS"), "headline", ()), tuple(sections(found, **known))
    )
    return render(page, figures="")


def test_the_weak_slices_are_named_first_with_their_numbers():
    """The answer stands before the evidence: which texts, how many of them right, against all rows."""
    text = written(evaluation(one(), one("over 500 characters", 0.6, kind="length"), one("paper", 0.95, worse=False)))
    said = "It is weaker on texts of the source village (50.0 % right); of over 500 characters (60.0 % right)."
    assert said in text
    assert "The test rows were divided by source and length: 3 slices" in text
    assert "| village | source | 60 | 0.500 [0.460, 0.540] |" in text
    assert "| no |" in text


def test_without_a_weak_slice_the_report_does_not_promise_that_there_is_none():
    """Nothing found is said as what it is."""
    text = written(evaluation(one(value=0.89, worse=False)))
    assert "No slice is weaker beyond chance. That does not make it equally good on all" in text
    assert "| not beyond chance |" in text


def test_slices_of_few_rows_are_counted_and_not_judged():
    """They stand below the table, with what was right, and never in it."""
    found = evaluation(one(), one("tiny", 0.25, worse=None, n=8))
    assert "Too few rows, in them or beside them, to judge: tiny (2 of 8 right)." in written(found)
    tables = [part.content for part in sections(found)[0].content if isinstance(part, Folded)]
    assert [row[0][0].text for row in tables[0].rows] == ["village"]


def test_many_slices_are_cut_off_and_counted():
    """At most twelve are shown unless more are weaker; the rest is counted and found elsewhere."""
    many = [one(f"s{n:02}", 0.8, worse=False) for n in range(40)]
    text = written(evaluation(*many))
    assert "28 further slices are in the record of the evaluation; none of them is weaker beyond chance." in text
    assert "s11" in text
    assert "s12" not in text


def test_who_should_not_rely_on_it_is_said_for_each_weak_slice():
    """A slice that is weaker beyond chance becomes a limit of use; one that is not does not."""
    found = evaluation(one(), one("longer than is read", 0.7, kind="cut"), one("paper", 0.8, worse=False))
    said = ["".join(p if isinstance(p, str) else p.text for p in line) for line in slice_sections.not_for(found)]
    numbers = "{} % of them got the right label, {} points fewer than of the others, and more than chance explains."
    assert said == [
        f"Do not rely on it for texts of the source village: {numbers.format('50.0', '40.0')}",
        f"Do not rely on it for texts longer than is read: {numbers.format('70.0', '20.0')}",
    ]


def test_the_chart_states_its_numbers_and_marks_by_shape():
    """Who does not see it gets every number; a weaker slice is a square, so that grey paper shows it too."""
    figure = slice_accuracy([one(HOSTILE[0]), one("paper", 0.9, worse=False)], Estimate(value=0.85))
    assert "paper 0.900 [0.860, 0.940] on 60 rows" in figure.description
    assert "0.500 [0.460, 0.540] on 60 rows, weaker beyond chance" in figure.description
    assert "All rows 85.0 %." in figure.description
    shapes = [part.get("class") for part in ET.fromstring(figure.file).iter() if "m-" in part.get("class", "")]
    assert shapes == ["m-square", "m-dot"]


def source_scores(**changed):
    each = SourceScores(
        group="radio", n=80, classes=3, accuracy_known=0.9, accuracy_unseen=0.7, macro_f1_known=0.85,
        macro_f1_unseen=0.6, difference=signed_spread(-0.2),
    )  # fmt: skip
    whole = {
        "rows": 500, "of": 500, "groups": 4, "accuracy_known": spread(0.9), "accuracy_unseen": spread(0.7),
        "difference": signed_spread(-0.2), "sources": (each,),
    }  # fmt: skip
    return SourceDependence(**(whole | changed))


def test_what_sources_are_worth_is_said_in_one_sentence():
    """Known against unseen on the same rows, and what to expect of a new source; a sample is called one."""
    text = written(evaluation(sources=source_scores(rows=400)))
    assert "(a sample of 400 of 500 rows of all splits) and asked about 80 rows of 1 source." in text
    assert "got 90.0 % right; those that had never seen it, and learnt from as many rows, 70.0 %" in text
    assert "expect less on texts of a new source" in text
    assert "| radio | 80 | 3 | 0.900 | 0.700 |" in text
    unknown = written(evaluation(sources=source_scores(difference=Estimate(value=-0.01, low=-0.05, high=0.03))))
    assert "A loss beyond chance is not to be seen." in unknown


def test_a_source_effect_that_could_not_be_measured_says_why():
    """The reason takes the place of the numbers."""
    nothing = Estimate(value=None)
    found = source_scores(
        note="all rows are of one source",
        accuracy_known=nothing,
        accuracy_unseen=nothing,
        difference=nothing,
        sources=(),
    )
    assert "This could not be measured: all rows are of one source." in written(evaluation(sources=found))


def test_a_source_held_out_stands_beside_the_others():
    """Both macro-F1, both numbers of rows, the difference, and the copies that were left out."""
    found = HeldOutScores(
        group="village",
        scores=make_scores("candidate", 0.6),
        elsewhere=make_scores("candidate", 0.8),
        difference=signed_spread(-0.2),
    )
    held = HeldOutRows(group="village", rows=58, in_test=2, copies=3)
    text = written(evaluation(holdout=found), data=make_data().model_copy(update={"holdout": held}))
    assert "On village, a source it never saw, its macro-F1 is" in text
    assert "classes from other sources: −0.200" in text
    assert "3 rows of it stayed out of the score" in text
    alone = written(evaluation(holdout=found.model_copy(update={"elsewhere": None})))
    assert "lack one of its classes" in alone


def test_what_was_not_looked_at_is_said():
    """Without a group field, and without a language to hold texts against, the report says so."""
    known = {"config": make_config(Path("/work/project")), "data": make_data()}
    text = written(evaluation(one("1 to 9 characters", kind="length")), **known)
    assert "Sources were not looked at: `data.group_field` is not set." in text
    assert "Languages were not looked at: " in text


def test_without_slices_there_is_no_section():
    """Predictions without texts and sources get no empty heading."""
    assert sections(evaluation()) == []
    assert all(not isinstance(part, Paragraph) or part.text for part in sections(evaluation(one()))[0].content)
