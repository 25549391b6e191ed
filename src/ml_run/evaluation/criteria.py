"""The criteria of a gate, each with what the evaluation says of it. Pure; `stages.gate` judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.results import Estimate
from ml_run.statistics import class_to_label_first

if TYPE_CHECKING:
    from ml_run.config import DeploymentConfig, GateConfig
    from ml_run.results import ClassScores, Comparison, Direction, Evaluation, ModelScores


@dataclass(frozen=True)
class Criterion:
    """One line of the gate, before it is judged."""

    name: str
    metric: str
    threshold: float
    estimate: Estimate
    n: int
    direction: Direction = ">="
    proportion: bool = False
    """The interval is Wilson's, so the rows needed can be computed rather than projected."""
    by_interval: bool = False
    """Decided by the interval whatever `decide_on` says."""
    undecided: str = ""
    """Why nothing can be said, if so."""
    label: str = ""
    """The class it is about: `n` counts rows of that class only."""
    fewest: int = 0
    """Rows below which nothing is said."""
    level: float = 0.95
    """Of the interval, two-sided."""
    look: int | None = None
    """Number of the look at the test set, where looks are counted."""
    label_first: str | None = None
    """The class whose further rows would narrow the interval most."""


def criteria(evaluation: Evaluation, gate: GateConfig, deployment: DeploymentConfig) -> list[Criterion]:
    """All criteria that the config sets: on values, on each class, and against other models.

    Args:
        evaluation: the evaluate stage's answer.
        gate: the criteria beyond the two of `deployment`.
        deployment: `min_accuracy` and `min_f1`.
    """
    return [*value_criteria(evaluation, gate, deployment), *_comparison_criteria(evaluation, gate)]


def value_criteria(evaluation: Evaluation, gate: GateConfig, deployment: DeploymentConfig) -> list[Criterion]:
    """Those criteria that ask nothing of another model; arguments as of `criteria`."""
    return [*_score_criteria(evaluation, deployment, gate), *_class_criteria(evaluation, gate)]


def _score_criteria(evaluation: Evaluation, deployment: DeploymentConfig, gate: GateConfig) -> list[Criterion]:
    scores, n = evaluation.candidate, evaluation.n
    found = []
    if deployment.min_accuracy is not None:
        found.append(
            Criterion("min_accuracy", "accuracy", deployment.min_accuracy, scores.accuracy, n, proportion=True)
        )
    if deployment.min_f1 is not None:
        first = _label_first(scores)
        found.append(Criterion("min_f1", "macro_f1", deployment.min_f1, scores.macro_f1, n, label_first=first))
    if gate.max_ece is not None:
        found.append(Criterion("max_ece", "ece", gate.max_ece, Estimate(value=scores.ece), n, "<="))
    if gate.max_latency_ms is not None:
        latency = Estimate(value=evaluation.latency_ms_p95)
        found.append(Criterion("max_latency_ms", "latency_ms_p95", gate.max_latency_ms, latency, n, "<="))
    return found


def _label_first(scores: ModelScores) -> str | None:
    """The class to label first; rows that were given labels this run does not know are those missing in `confusion`."""
    matrix = [[*row, of.support - sum(row)] for row, of in zip(scores.confusion, scores.classes, strict=True)]
    first = class_to_label_first(matrix) if matrix else None
    return None if first is None else scores.classes[first].label


def _class_criteria(evaluation: Evaluation, gate: GateConfig) -> list[Criterion]:
    found = []
    for scores in evaluation.candidate.classes:
        if gate.min_class_f1 is not None:
            found.append(_class_criterion("min_class_f1", "f1", gate.min_class_f1, scores, scores.f1, gate.min_support))
        if gate.min_class_recall is not None:
            found.append(
                _class_criterion(
                    "min_class_recall", "recall", gate.min_class_recall, scores, scores.recall, gate.min_support
                )
            )
    return found


def _class_criterion(
    key: str, metric: str, threshold: float, scores: ClassScores, estimate: Estimate, min_support: int
) -> Criterion:
    few = f"only {scores.support} test rows of {scores.label}, {min_support} are needed (gate.min_support)"
    return Criterion(
        name=f"{key}[{scores.label}]",
        metric=f"{metric}[{scores.label}]",
        threshold=threshold,
        estimate=estimate,
        n=scores.support,
        proportion=metric == "recall",
        undecided=few if scores.support < min_support else "",
        label=scores.label,
        fewest=min_support,
        label_first=scores.label,
    )


def _comparison_criteria(evaluation: Evaluation, gate: GateConfig) -> list[Criterion]:
    found = []
    if gate.must_beat_baseline:
        found += [
            _difference(f"must_beat_baseline[{c.against}]", 0.0, c, ">")
            for c in evaluation.comparisons
            if c.against != "production"
        ]
    if evaluation.production_version is not None:
        against = [c for c in evaluation.comparisons if c.against == "production"]
        comparison = against[0] if against else None
        if gate.max_regression is not None:
            found.append(_difference("max_regression", -gate.max_regression, comparison))
        if gate.min_improvement is not None:
            found.append(_difference("min_improvement", gate.min_improvement, comparison, ">"))
    return found


def _difference(name: str, threshold: float, comparison: Comparison | None, direction: Direction = ">=") -> Criterion:
    if comparison is None:
        unscored = "the production model could not be scored on these rows"
        nothing = Estimate(value=None)
        return Criterion(name, "macro_f1_difference", threshold, nothing, 0, direction, undecided=unscored)
    return Criterion(
        name=name,
        metric=f"macro_f1_difference[{comparison.against}]",
        threshold=threshold,
        estimate=comparison.macro_f1_difference,
        n=comparison.n,
        by_interval=True,
        undecided=comparison.note,
        direction=direction,
        level=comparison.level,
        look=comparison.look,
        label_first=comparison.label_first,
    )
