import re
import xml.etree.ElementTree as ET

import pytest

from ml_run.reporting import data_figures, score_figures, svg, training_figures
from ml_run.results import EpochScores, Estimate
from report_sample import (
    HOSTILE,
    LABELS,
    make_checked_data,
    make_data,
    make_evaluation,
    make_model,
    make_scores,
    make_tokens,
)

NAMESPACE = "{http://www.w3.org/2000/svg}"


def every_figure(labels):
    evaluation = make_evaluation(labels, production=0.8)
    return [
        data_figures.class_balance(make_data(labels)),
        data_figures.token_lengths(make_tokens(labels)),
        data_figures.leak_matrix(make_checked_data(labels)),
        data_figures.shortcut_scores(make_checked_data(labels).shortcuts),
        training_figures.training_curve(make_model(labels)),
        score_figures.class_scores(evaluation.candidate.classes, 0.7),
        score_figures.model_comparison(evaluation, {"macro_f1": 0.78, "accuracy": None}),
        score_figures.confusion_matrix(labels, evaluation.candidate.confusion),
    ]


@pytest.mark.parametrize("labels", [LABELS[:2], LABELS, HOSTILE, tuple(f"class {i}" for i in range(20))], ids=len)
def test_every_figure_is_well_formed_and_says_what_it_shows(labels):
    """As page and as file each chart parses as XML, has a title and a description, and names each class in words."""
    for figure in every_figure(labels):
        root = ET.fromstring(figure.file)
        assert root.tag == f"{NAMESPACE}svg"
        assert root.find(f"{NAMESPACE}title").text == figure.title
        assert root.find(f"{NAMESPACE}desc").text == figure.description
        assert ET.fromstring(figure.svg).get("role") == "img"
    curve = score_figures.class_scores(make_evaluation(labels).candidate.classes, None).description
    assert all(re.sub(r"[\x1b\u202e]", "", label)[-4:] in curve for label in labels)


def test_descriptions_state_the_facts():
    """Who cannot see a chart gets its numbers."""
    evaluation = make_evaluation(production=0.8)
    comparison = score_figures.model_comparison(evaluation, {"macro_f1": 0.78})
    assert "Macro-F1: candidate 0.840 [0.800, 0.880], production 0.790 [0.750, 0.830]" in comparison.description
    assert "threshold 0.780" in comparison.description
    matrix = score_figures.confusion_matrix(LABELS, ((50, 8, 2), (0, 60, 0), (1, 0, 59)))
    assert matrix.description == (
        "Northern: 50 of 60 right, 8 read as Central, 2 read as Southern; Central: 60 of 60 right; "
        "Southern: 59 of 60 right, 1 read as Northern."
    )
    curve = training_figures.training_curve(make_model())
    assert curve.description.endswith(
        "best validation macro-F1 0.750 at epoch 4 (dotted line), the model that was kept."
    )


def test_no_mark_lies_outside_its_chart():
    """Positions are 0-100 per cent, heights within the chart, also for values at the ends of the axis."""
    edges = [Estimate(value=v, low=max(0, v - 0.5), high=min(1, v + 0.5)) for v in (0.0, 1.0)]
    classes = [c.model_copy(update={"f1": e}) for c, e in zip(make_scores("x", 0.5).classes, edges, strict=False)]
    for figure in [score_figures.class_scores(classes, 1.0), *every_figure(HOSTILE)]:
        root = ET.fromstring(figure.file)
        height = float(root.get("height"))
        for node in root.iter():
            for name in ("x", "x1", "x2"):
                value = node.get(name, "0%")
                assert not value.endswith("%") or 0 <= float(value[:-1]) <= 100
        for node in root:
            for name in ("y", "y1", "y2"):
                assert 0 <= float(node.get(name, 0)) <= height


def test_long_labels_are_cut_to_their_place():
    """No label runs into the numbers beside it; scripts with wide letters are given more room."""
    assert svg.shorten("Northern", 180) == "Northern"
    assert svg.shorten("a label that is much too long for its place", 100).endswith("…")
    for label in HOSTILE:
        assert svg.width_of(svg.shorten(label, 100)) <= 100
    assert svg.width_of("ሰሜን") > svg.width_of("abc")


def test_undefined_scores_are_drawn_as_nothing():
    """A missing value gets no mark at 0; its row says undefined."""
    blank = make_scores("x", 0.5).classes[0].model_copy(update={"f1": Estimate(value=None)})
    figure = score_figures.class_scores([blank], None)
    assert "undefined" in figure.svg
    assert "m-dot" not in figure.svg


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_the_training_curve_draws_any_number_of_epochs(epochs):
    """One epoch is a point; hundreds are lines with few ticks; gaps in the losses are left out."""
    curve = tuple(
        EpochScores(
            epoch=e, step=e, train_loss=None if e == 1 else 0.5, val_loss=0.6, val_macro_f1=0.5, val_accuracy=None
        )
        for e in range(1, epochs + 1)
    )
    figure = training_figures.training_curve(make_model(curve=curve, best_epoch=1.0))
    assert figure.svg.count('y2="370"') <= 7
    assert len(figure.svg) < 250_000
    ET.fromstring(figure.file)


def test_a_curve_of_unknown_values_is_still_a_chart():
    """Nothing known: axes and an honest text."""
    curve = (EpochScores(epoch=1, step=1, train_loss=None, val_loss=None, val_macro_f1=None, val_accuracy=None),)
    figure = training_figures.training_curve(make_model(curve=curve, best_epoch=1.0, best_val_macro_f1=None))
    assert figure.description == "best validation macro-F1 undefined at epoch 1 (dotted line), the model that was kept."
