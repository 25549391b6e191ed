"""What the report says of confidence and of more training rows."""

import xml.etree.ElementTree as ET

import pytest

from ml_run.config import Config
from ml_run.reporting import trust_figures
from ml_run.reporting.document import Figure, Paragraph
from ml_run.reporting.trust_sections import learning, trust
from ml_run.results import (
    Calibration,
    CoveragePoint,
    Estimate,
    LearningCurve,
    LearningPoint,
    ReliabilityBin,
    RiskCoverage,
)
from report_sample import LABELS, make_evaluation

CONFIG = Config.model_validate(
    {"data": {"train_path": "a.jsonl"}, "model": {"name": "linear"}, "deployment": {"min_accuracy": 0.9}}
)
BINS = (
    ReliabilityBin(low=0.4, high=0.5, n=20, confidence=0.47, accuracy=Estimate(value=0.5, low=0.3, high=0.7)),
    ReliabilityBin(low=0.9, high=1.0, n=80, confidence=0.97, accuracy=Estimate(value=0.9, low=0.81, high=0.95)),
)
CURVE = RiskCoverage(
    points=(
        CoveragePoint(confidence=0.99, coverage=0.5, accuracy=0.96),
        CoveragePoint(confidence=0.4, coverage=1.0, accuracy=0.82),
    ),
    area=0.1,
)


def evaluated(*, ece=0.06, temperature=1.0):
    found = make_evaluation(LABELS)
    calibration = Calibration(
        n=100,
        bins=BINS,
        temperature=temperature,
        ece=ece,
        ece_without_temperature=0.031,
        log_loss=0.55,
        log_loss_without_temperature=0.41,
    )
    candidate = found.candidate.model_copy(update={"ece": ece, "ece_floor": 0.05, "ece_ceiling": 0.08})
    return found.model_copy(update={"calibration": calibration, "risk_coverage": CURVE, "candidate": candidate})


def paragraphs(section):
    return " ".join("".join(map(str, c.text)) for c in section.content if isinstance(c, Paragraph))


def test_a_calibration_error_that_chance_explains_is_no_reproach():
    """Below what a perfectly calibrated model may show on so few rows, nothing is said against the confidence."""
    [section] = trust(CONFIG, evaluated(ece=0.06))
    assert "So nothing here speaks against its confidence." in paragraphs(section)
    [section] = trust(CONFIG, evaluated(ece=0.12))
    assert "It is above that: the confidence is not to be taken at its word." in paragraphs(section)


@pytest.mark.parametrize(("temperature", "said"), [(2.0, "too sure"), (0.6, "not sure enough"), (1.02, None)])
def test_a_temperature_is_mentioned_where_it_matters(temperature, said):
    """Too sure and not sure enough are told apart; next to 1 there is nothing to tell."""
    [section] = trust(CONFIG, evaluated(temperature=temperature))
    text = paragraphs(section)
    assert ("(the temperature)" in text) == (said is not None)
    assert said is None or f"its bare scores are {said}; that" in text


def test_a_model_without_confidence_has_no_such_section():
    """Where no probabilities are known the report claims nothing about them."""
    bare = evaluated().model_copy(update={"calibration": None, "risk_coverage": None})
    assert trust(CONFIG, bare) == []
    assert learning(None) == []


def test_figures_parse_and_say_their_numbers():
    """Each chart is well-formed as a file and gives its numbers to those who cannot see it."""
    curve = LearningCurve(
        points=(
            LearningPoint(rows=100, mean=0.5, sd=0.02, repetitions=3),
            LearningPoint(rows=1000, mean=0.8, sd=None, repetitions=1),
        ),
        training_rows=1000,
        threshold=0.85,
        a=0.9,
        b=2.0,
        c=0.4,
        outcome="within_reach",
        rows_to_reach=2500,
        sentence="About 2,500 more.",
    )
    [learnt] = learning(curve)
    [trusted] = trust(CONFIG, evaluated())
    figures = {c.name: c for c in (*learnt.content, *trusted.content) if isinstance(c, Figure)}
    assert set(figures) == {"learning-curve", "reliability", "risk-coverage"}
    for figure in figures.values():
        ET.fromstring(figure.file)
    assert figures["reliability"].description.startswith("confidence 47.0 %: 0.50 [0.30–0.70] right of 20 rows; ")
    assert figures["risk-coverage"].description == "50.0 % answered: 96.0 % right; 100.0 % answered: 82.0 % right."
    assert figures["learning-curve"].description == "100 rows: 0.500; 1,000 rows: 0.800. About 2,500 more."
    assert "min_accuracy 0.9" in figures["risk-coverage"].file
    assert "4,000" in figures["learning-curve"].file  # room up to where the threshold is reached


def test_a_coverage_is_listed_once():
    """Few distinct confidences give few points, each shown once."""
    assert trust_figures.spread_out(CURVE) == list(CURVE.points)


@pytest.mark.parametrize("threshold", [0.8, 0.81, 0.9])
def test_the_name_of_a_threshold_never_stands_on_the_numbers_of_the_axis(threshold):
    """A threshold at the foot of the chart is named above its line; the axis is numbered below."""
    figure = trust_figures.risk_coverage(CURVE, threshold)
    heights = {text.text: float(text.get("y")) for text in ET.fromstring(figure.file).iter() if text.get("y")}
    assert abs(heights[f"min_accuracy {threshold:g}"] - heights["0 %"]) > 15
