"""The gate: does the evaluation meet the criteria? Pure and fail-closed.

Value criteria follow `gate.decide_on`. With `point`, the value itself decides; with `lower_bound`, the end of its
95 % interval nearer to failing does, and an interval that holds the threshold is INCONCLUSIVE. Criteria that compare
the candidate with another model (`max_regression`, `min_improvement`, `must_beat_baseline`) are tests on the same rows
and always decided by their interval; to beat a baseline, all of it must lie above 0. What is missing, undefined or
without test rows never passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.results import CriterionResult, Estimate, Verdict
from ml_run.statistics import rows_to_settle_proportion, rows_to_settle_scaled

if TYPE_CHECKING:
    from ml_run.config import DeploymentConfig, GateConfig
    from ml_run.results import ClassScores, Comparison, Direction, Evaluation, VerdictWord

_WORST_FIRST: tuple[VerdictWord, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
_TOLERANCE = 1e-12  # 0.85 reached as 17/20 must not fail for the last bit


@dataclass(frozen=True)
class _Criterion:
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


def decide(evaluation: Evaluation, gate: GateConfig, deployment: DeploymentConfig) -> Verdict:
    """Judge each criterion and the whole.

    Args:
        evaluation: the evaluate stage's answer.
        gate: criteria and `decide_on`.
        deployment: `min_accuracy` and `min_f1`.

    Returns:
        The verdict; overall is the worst of the criteria, INCONCLUSIVE when there is none or a class has no test rows.
    """
    criteria = [
        *_value_criteria(evaluation, deployment, gate),
        *_class_criteria(evaluation, gate),
        *_comparison_criteria(evaluation, gate),
    ]
    results = tuple(_judge(criterion, gate.decide_on) for criterion in criteria)
    overall = _worst(results)
    absent = [c.label for c in evaluation.candidate.classes if c.support == 0]
    if absent and overall == "PASS":
        overall = "INCONCLUSIVE"
    return Verdict(
        overall=overall,
        reason=_overall_reason(overall, results, absent, evaluation, gate),
        decide_on=gate.decide_on,
        criteria=results,
    )


def _worst(results: tuple[CriterionResult, ...]) -> VerdictWord:
    verdicts = {result.verdict for result in results}
    return next((word for word in _WORST_FIRST if word in verdicts), "INCONCLUSIVE")


# --- the criteria ---------------------------------------------------------------------------------------------------


def _value_criteria(evaluation: Evaluation, deployment: DeploymentConfig, gate: GateConfig) -> list[_Criterion]:
    scores, n = evaluation.candidate, evaluation.n
    found = []
    if deployment.min_accuracy is not None:
        found.append(
            _Criterion("min_accuracy", "accuracy", deployment.min_accuracy, scores.accuracy, n, proportion=True)
        )
    if deployment.min_f1 is not None:
        found.append(_Criterion("min_f1", "macro_f1", deployment.min_f1, scores.macro_f1, n))
    if gate.max_ece is not None:
        found.append(_Criterion("max_ece", "ece", gate.max_ece, Estimate(value=scores.ece), n, "<="))
    if gate.max_latency_ms is not None:
        latency = Estimate(value=evaluation.latency_ms_p95)
        found.append(_Criterion("max_latency_ms", "latency_ms_p95", gate.max_latency_ms, latency, n, "<="))
    return found


def _class_criteria(evaluation: Evaluation, gate: GateConfig) -> list[_Criterion]:
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
) -> _Criterion:
    few = f"only {scores.support} test rows of {scores.label}, {min_support} are needed (gate.min_support)"
    return _Criterion(
        name=f"{key}[{scores.label}]",
        metric=f"{metric}[{scores.label}]",
        threshold=threshold,
        estimate=estimate,
        n=scores.support,
        proportion=metric == "recall",
        undecided=few if scores.support < min_support else "",
        label=scores.label,
        fewest=min_support,
    )


def _comparison_criteria(evaluation: Evaluation, gate: GateConfig) -> list[_Criterion]:
    found = []
    if gate.must_beat_baseline:
        found += [
            _difference(f"must_beat_baseline[{c.against}]", 0.0, c, ">")
            for c in evaluation.comparisons
            if c.against != "production"
        ]
    if evaluation.production_version is not None:
        against = [c for c in evaluation.comparisons if c.against == "production"]
        for key, threshold in (
            ("max_regression", None if gate.max_regression is None else -gate.max_regression),
            ("min_improvement", gate.min_improvement),
        ):
            if threshold is not None:
                found.append(_difference(key, threshold, against[0] if against else None))
    return found


def _difference(name: str, threshold: float, comparison: Comparison | None, direction: Direction = ">=") -> _Criterion:
    if comparison is None:
        unscored = "the production model could not be scored on these rows"
        nothing = Estimate(value=None)
        return _Criterion(name, "macro_f1_difference", threshold, nothing, 0, direction, undecided=unscored)
    return _Criterion(
        name=name,
        metric=f"macro_f1_difference[{comparison.against}]",
        threshold=threshold,
        estimate=comparison.macro_f1_difference,
        n=comparison.n,
        by_interval=True,
        undecided=comparison.note,
        direction=direction,
    )


# --- judging --------------------------------------------------------------------------------------------------------


def _judge(criterion: _Criterion, decide_on: str) -> CriterionResult:
    estimate = criterion.estimate
    if estimate.value is None or criterion.undecided:
        verdict: VerdictWord = "INCONCLUSIVE"
        reason = criterion.undecided or f"{criterion.metric} is undefined on these {criterion.n} test rows"
        straddles = False
    else:
        verdict, straddles = _decide(criterion, decide_on)
        reason = _reason(criterion, verdict, straddles)
    settle = _rows_to_settle(criterion) if straddles or verdict == "INCONCLUSIVE" else None
    if settle is not None:
        of_class = f" of {criterion.label}" if criterion.label else ""
        reason += f"; about {settle:,} test rows{of_class} would settle it"
    return CriterionResult(
        name=criterion.name,
        metric=criterion.metric,
        direction=criterion.direction,
        threshold=criterion.threshold,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=criterion.n,
        verdict=verdict,
        reason=reason,
        straddles=straddles,
        rows_to_settle=settle,
    )


def _decide(criterion: _Criterion, decide_on: str) -> tuple[VerdictWord, bool]:
    """The verdict on a defined value, and whether the interval holds the threshold."""
    value, low, high = criterion.estimate.value, criterion.estimate.low, criterion.estimate.high
    assert value is not None, "undefined values are settled before"
    reached = _reaches(value, criterion)
    if low is None or high is None:  # no sampling interval: latency, calibration error
        return ("PASS" if reached else "FAIL"), False
    worse, better = (high, low) if criterion.direction == "<=" else (low, high)
    sure, hopeless = _reaches(worse, criterion), not _reaches(better, criterion)
    straddles = not sure and not hopeless
    if decide_on == "lower_bound" or criterion.by_interval:
        return ("INCONCLUSIVE" if straddles else "PASS" if sure else "FAIL"), straddles
    return ("PASS" if reached else "FAIL"), straddles


def _reaches(value: float, criterion: _Criterion) -> bool:
    if criterion.direction == ">":
        return value > criterion.threshold + _TOLERANCE
    if criterion.direction == ">=":
        return value >= criterion.threshold - _TOLERANCE
    return value <= criterion.threshold + _TOLERANCE


def _reason(criterion: _Criterion, verdict: VerdictWord, straddles: bool) -> str:
    estimate, threshold = criterion.estimate, criterion.threshold
    assert estimate.value is not None, "undefined values are settled before"
    what = f"{criterion.metric} {estimate.value:.3f}"
    relation = "reaches" if _reaches(estimate.value, criterion) else "misses"
    sentence = f"{what} {relation} {criterion.direction} {threshold:g}"
    if estimate.low is None or estimate.high is None:
        return f"{sentence} (no interval: decided on the value)"
    interval = f"[{estimate.low:.3f}, {estimate.high:.3f}]"
    if not straddles:
        return f"{sentence}, and so does its whole 95 % interval {interval}"
    if verdict == "INCONCLUSIVE":
        return f"{what}, but its 95 % interval {interval} holds the threshold {threshold:g}"
    doubt = f"its 95 % interval {interval} holds the threshold, another test set could differ"
    return f"{sentence} on the value alone: {doubt}"


def _rows_to_settle(criterion: _Criterion) -> int | None:
    value = criterion.estimate.value
    if value is None:
        return None
    if criterion.proportion:
        rows = rows_to_settle_proportion(value, criterion.threshold)
    else:
        rows = rows_to_settle_scaled(criterion.estimate, criterion.threshold, criterion.n)
    return None if rows is None else max(rows, criterion.fewest)


def _overall_reason(
    overall: VerdictWord,
    results: tuple[CriterionResult, ...],
    absent: list[str],
    evaluation: Evaluation,
    gate: GateConfig,
) -> str:
    if not results:
        return "there are no criteria: set deployment.min_accuracy or deployment.min_f1"
    if absent and overall != "FAIL":
        return f"no test rows of {', '.join(absent)}: nothing is known of the model there"
    deciding = [r for r in results if r.verdict == overall]
    if overall != "PASS":
        return "; ".join(r.reason for r in deciding)
    passed = f"all {len(results)} criteria are met" if len(results) > 1 else "the criterion is met"
    unsure = [r.name for r in results if r.straddles]
    if unsure:
        passed += f", but a test set of {evaluation.n} rows cannot be sure of {' and '.join(unsure)}"
    if evaluation.production_version is None and (gate.max_regression, gate.min_improvement) != (None, None):
        passed += "; there is no production model yet to compare with"
    return passed
