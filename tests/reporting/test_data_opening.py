"""The first lines about the data: ready or not, why, and what to do first."""

import pytest

from ml_run.reporting.data_opening import data_opening, first_actions, readiness_line
from ml_run.reporting.markdown import inline
from ml_run.results import Finding
from report_sample import data_part, make_checked_data, make_data, make_place


def found(rule, severity="warning", count=3):
    return Finding(rule=rule, severity=severity, message=f"{rule} was seen", count=count, remedy=f"mend {rule}")


def actions(*findings):
    return [inline(action) for action in first_actions(make_place(), make_data(findings=findings))]


@pytest.mark.parametrize(
    ("readiness", "mark", "tone", "headline"),
    [
        (
            "ready",
            "READY",
            "good",
            "The data is ready: nothing was found that stands against training and judging a model with it.",
        ),
        (
            "ready with warnings",
            "READY WITH WARNINGS",
            "doubt",
            "The data is ready with warnings: it can be used, and the warnings below say what to look at.",
        ),
        (
            "not ready",
            "NOT READY",
            "bad",
            "The data is not ready: it cannot carry a verdict before the errors below are mended.",
        ),
    ],
)
def test_the_answer_stands_first_in_plain_words(readiness, mark, tone, headline):
    """A reader of one line knows whether the data can be used."""
    opening = data_opening(make_data(findings=(), readiness=readiness))
    assert (opening.mark.text, opening.mark.tone, opening.headline) == (mark, tone, headline)
    assert opening.points == ()


def test_the_reasons_are_the_findings_that_decided():
    """Errors are why data is not ready, warnings why it is ready with warnings; the others are no reason."""
    findings = (found("encoding", "error"), found("imbalance"), found("bom", "info"))
    not_ready = data_opening(make_data(findings=findings, readiness="not ready"))
    assert [inline(point) for point in not_ready.points] == ["Encoding was seen. (`encoding`)"]
    warned = data_opening(make_data(findings=findings[1:], readiness="ready with warnings"))
    assert [inline(point) for point in warned.points] == ["Imbalance was seen. (`imbalance`)"]


def test_many_reasons_are_summed_up():
    """Five reasons are read; the rest is counted."""
    findings = [found(rule, "error") for rule in ("bom", "encoding", "quoting", "mojibake", "conflict", "imbalance")]
    opening = data_opening(make_data(findings=findings, readiness="not ready"))
    assert len(opening.points) == 6
    assert inline(opening.points[-1]) == "And 1 error more, under the findings."


def test_a_reason_that_names_many_classes_is_cut():
    """The first lines stay short; the findings have the whole sentence."""
    names = ", ".join(f"class {number}" for number in range(99))
    long = found("class_small").model_copy(update={"message": f"too few rows of {names}"})
    data = make_data(findings=(long,))
    (point,) = data_opening(data).points
    assert inline(point).startswith("Too few rows of class 0, ")
    assert inline(point).endswith("class 22 … (`class_small`)")
    assert f"Too few rows of {names}." in data_part(data, "findings")


def test_errors_are_mended_first_and_three_things_at_most():
    """What blocks comes before what warns, in the order of the findings; what only informs is nothing to do."""
    findings = [found("bom", "info"), found("leak_group"), *(found(r, "error") for r in ("encoding", "single_label"))]
    assert actions(*findings) == [
        "Mend encoding. (`encoding`)",
        "Mend single_label. (`single_label`)",
        "Mend leak_group. (`leak_group`)",
    ]
    assert len(actions(*findings, found("missing_field", "error"), found("wrong_type", "error"))) == 3


def test_warnings_come_by_what_they_are_worth():
    """Leaks make a score a lie, so they come before a mere imbalance, however many rows that has."""
    assert actions(found("imbalance", count=900), found("class_small"), found("leak_near"), found("leak_exact")) == [
        "Mend leak_near. (`leak_near`)",
        "Mend class_small. (`class_small`)",
        "Mend imbalance. (`imbalance`)",
    ]


def test_the_review_queue_is_one_thing_to_do():
    """All rules whose rows stand in it are named together, with what they mean and their counts."""
    queue = "experiments/check_data/data/review_queue.csv"
    assert actions(found("label_error", "info", 50), found("conflict", count=4), found("shortcut")) == [
        (
            f"Have somebody who speaks the language go through `{queue}`, from the top, and write the right label into "
            "its last column. It holds the same text with different labels (4); rows whose label a model trained on "
            f"all the others finds least likely (50). Then, with the same --config if you gave one: "
            f"`ml-run check-data --apply {queue}`."
        ),
        "Mend shortcut. (`shortcut`)",
    ]


def test_a_mere_list_of_suspects_comes_last_but_is_not_left_out():
    """Likely label errors are no defect yet: warnings come before, but one of the three places is theirs."""
    warned = [found("leak_exact"), found("shortcut"), found("class_small")]
    heads = [action.split(" ")[:2] for action in actions(*warned, found("label_error", "info"))]
    assert heads == [["Mend", "leak_exact."], ["Mend", "shortcut."], ["Have", "somebody"]]
    blocked = [found(rule, "error") for rule in ("encoding", "single_label", "missing_field")]
    assert all(action.startswith("Mend") for action in actions(*blocked, found("label_error", "info")))


def test_conflicts_that_block_bring_the_queue_to_the_top():
    """When going through the queue is what makes the data ready, it stands with the errors."""
    assert actions(found("leak_exact"), found("conflict", "error"))[0].startswith("Have somebody who speaks")


def test_where_nothing_need_be_done_nothing_is_asked():
    """Clean data has no list of things to do."""
    assert actions(found("bom", "info")) == []
    assert data_part(make_data(findings=()), "first") is None
    assert data_part(make_checked_data(), "first").startswith(
        "1. Find out how the splits were made. (`leak_exact`)\n2. "
    )


@pytest.mark.parametrize(
    ("severities", "line"),
    [
        ((), "The data is **ready**."),
        (("info",), "The data is **ready**."),
        (("warning",), "The data is **ready**: 1 warning, under The data."),
        (("error", "warning", "warning"), "The data is **ready**: 1 error and 2 warnings, under The data."),
    ],
)
def test_readiness_is_told_in_one_line(severities, line):
    """A run's report says in its first lines what the data was, and where to read more."""
    data = make_data(findings=tuple(found("bom", severity) for severity in severities), readiness="ready")
    assert inline(readiness_line(data)) == line
