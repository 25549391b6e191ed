"""The parts of the report about confidence, and about what more training rows would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting import trust_figures
from ml_run.reporting.document import Content, Folded, Loose, Section, paragraph, table
from ml_run.wording import number_of, percent, score

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.results import Calibration, Evaluation, LearningCurve, ModelScores, RiskCoverage

_NEARLY_ONE = 0.1
"""How far a temperature may be from 1 before it is worth a word."""


def trust(config: Config, evaluation: Evaluation) -> list[Section]:
    """How far the model's confidence can be believed; nothing for a model that gives none."""
    calibration, curve = evaluation.calibration, evaluation.risk_coverage
    if calibration is None or not calibration.bins:
        return []
    content: list[Content] = [
        paragraph(
            "Beside each label the model gives a confidence. In the chart a mark on the dotted line means that it is "
            "right as often as it says; below the line it promises too much. The larger a mark, the more test rows."
        ),
        trust_figures.reliability(calibration),
        paragraph(_calibrated(evaluation.candidate), _temperature(calibration)),
    ]
    if curve is not None and curve.points:
        content += _coverage(curve, config.deployment.min_accuracy)
    return [Section("trust", "How far its confidence can be trusted", tuple(content))]


def _calibrated(scores: ModelScores) -> str:
    """The calibration error beside what chance alone would give on so few rows."""
    known = f"Its calibration error (ECE) is {score(scores.ece)}"
    if scores.ece is None or scores.ece_floor is None or scores.ece_ceiling is None:
        return f"{known}."
    chance = (
        f"a model whose confidence is exactly right would show {score(scores.ece_floor)} on average on "
        f"{number_of(scores.n, 'test row')}, and up to {score(scores.ece_ceiling)} by chance"
    )
    if scores.ece <= scores.ece_ceiling:
        return f"{known}; {chance}. So nothing here speaks against its confidence."
    return f"{known}; {chance}. It is above that: the confidence is not to be taken at its word."


def _temperature(calibration: Calibration) -> str:
    if calibration.temperature is None or abs(calibration.temperature - 1) < _NEARLY_ONE:
        return ""
    side = "too sure" if calibration.temperature > 1 else "not sure enough"
    return (
        f" Its scores are divided by {calibration.temperature:.2f} (the temperature), for by the validation split its "
        f"bare scores are {side}; that changes no label. Without it the test split's calibration error would be "
        f"{score(calibration.ece_without_temperature)} and its log loss "
        f"{score(calibration.log_loss_without_temperature)} in place of {score(calibration.log_loss)}."
    )


def _coverage(curve: RiskCoverage, threshold: float | None) -> list[Content]:
    points = trust_figures.spread_out(curve)
    columns: list[Loose] = ["Texts answered", "Confidence at least", "Right, of those answered"]
    rows: list[list[Loose]] = [
        [percent(point.coverage), score(point.confidence), percent(point.accuracy)] for point in reversed(points)
    ]
    said = (
        "What if the model answers only what it is sure of, and a person reads the rest? These are values on the test "
        "rows, without intervals: choose a limit with some room."
    )
    return [
        paragraph(said),
        trust_figures.risk_coverage(curve, threshold),
        Folded(table("Answering only the surest texts, in numbers", columns, rows, numeric="nnn")),
    ]


def learning(curve: LearningCurve | None) -> list[Section]:
    """What more training rows would bring; nothing where too few sizes could be measured."""
    if curve is None or not curve.points:
        return []
    how = (
        "The linear model was trained on growing parts of the training rows and scored on the validation split; the "
        "line continues its growth. It is the linear model's curve, not the candidate's, and growth need not go "
        "on as it went."
    )
    content = (paragraph(curve.sentence), trust_figures.learning_curve(curve), paragraph(how))
    return [Section("learning", "What more training rows would bring", content)]
