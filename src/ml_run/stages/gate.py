"""The gate: does the evaluation meet the criteria? Pure and fail-closed.

Value criteria follow `gate.decide_on`. With `point`, the value itself decides; with `lower_bound`, the end of its
95 % interval nearer to failing does, and an interval that holds the threshold is INCONCLUSIVE. Criteria that compare
the candidate with another model are tests on the same rows and always decided by their interval, at the level that the
comparison says, which grows with every look at the test set: `max_regression` asks that all of it lies above minus the
margin (non-inferiority), `min_improvement` and `must_beat_baseline` that all of it lies above the margin and above 0
(superiority). What is missing, undefined or without test rows never passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.evaluation.criteria import criteria, value_criteria
from ml_run.results import CriterionResult, Verdict
from ml_run.statistics import rows_to_settle_proportion, rows_to_settle_scaled, usual_margin

if TYPE_CHECKING:
    from ml_run.config import DeploymentConfig, GateConfig
    from ml_run.evaluation.criteria import Criterion
    from ml_run.results import Evaluation, VerdictWord

_WORST_FIRST: tuple[VerdictWord, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
_TOLERANCE = 1e-12  # 0.85 reached as 17/20 must not fail for the last bit


def decide(evaluation: Evaluation, gate: GateConfig, deployment: DeploymentConfig) -> Verdict:
    """Judge each criterion and the whole.

    Args:
        evaluation: the evaluate stage's answer.
        gate: criteria and `decide_on`.
        deployment: `min_accuracy` and `min_f1`.

    Returns:
        The verdict; overall is the worst of the criteria. INCONCLUSIVE when there is none, when a class has no test
        rows, or when the criteria are met only with the help of test rows that have a copy in train.
    """
    results = tuple(_judge(criterion, gate.decide_on) for criterion in criteria(evaluation, gate, deployment))
    overall = _worst(results)
    absent = [c.label for c in evaluation.candidate.classes if c.support == 0]
    leaked = _without_leaks(evaluation, gate, deployment) if overall == "PASS" else ""
    if overall == "PASS" and (absent or leaked):
        overall = "INCONCLUSIVE"
    return Verdict(
        overall=overall,
        reason=leaked or _overall_reason(overall, results, absent, evaluation, gate),
        decide_on=gate.decide_on,
        criteria=results,
    )


def _worst(results: tuple[CriterionResult, ...]) -> VerdictWord:
    verdicts = {result.verdict for result in results}
    return next((word for word in _WORST_FIRST if word in verdicts), "INCONCLUSIVE")


def _without_leaks(evaluation: Evaluation, gate: GateConfig, deployment: DeploymentConfig) -> str:
    """Why the rows without a copy in train do not bear out a PASS; empty where they do, or where all rows are such."""
    clean = evaluation.candidate_without_leaks
    if clean is None:
        return ""
    judged = evaluation.model_copy(update={"candidate": clean, "n": clean.n, "comparisons": ()})
    results = [_judge(criterion, gate.decide_on) for criterion in value_criteria(judged, gate, deployment)]
    missed = [result.reason for result in results if result.verdict != "PASS"]
    if not missed:
        return ""
    kept = evaluation.n - clean.n
    return (
        f"it passes only with the {kept} of {evaluation.n} test rows that have a copy in train (data.leaks: keep; they "
        f"are marked in data/test.parquet): without them, {'; '.join(missed)}"
    )


# --- judging --------------------------------------------------------------------------------------------------------


def _judge(criterion: Criterion, decide_on: str) -> CriterionResult:
    estimate = criterion.estimate
    if estimate.value is None or criterion.undecided:
        verdict: VerdictWord = "INCONCLUSIVE"
        reason = criterion.undecided or f"{criterion.metric} is undefined on these {criterion.n} test rows"
        straddles = False
    else:
        verdict, straddles = _decide(criterion, decide_on)
        reason = _reason(criterion, verdict, straddles)
    open_question = straddles or verdict == "INCONCLUSIVE"
    settle = _rows_to_settle(criterion) if open_question else None
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
        reason="; ".join([reason, *_remarks(criterion, verdict, settle)]),
        straddles=straddles,
        rows_to_settle=settle,
        level=criterion.level,
        label_first=criterion.label_first if open_question else None,
    )


def _decide(criterion: Criterion, decide_on: str) -> tuple[VerdictWord, bool]:
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


def _reaches(value: float, criterion: Criterion) -> bool:
    if criterion.direction == ">":
        return value > criterion.threshold + _TOLERANCE
    if criterion.direction == ">=":
        return value >= criterion.threshold - _TOLERANCE
    return value <= criterion.threshold + _TOLERANCE


def _reason(criterion: Criterion, verdict: VerdictWord, straddles: bool) -> str:
    estimate, threshold = criterion.estimate, criterion.threshold
    assert estimate.value is not None, "undefined values are settled before"
    what = f"{criterion.metric} {estimate.value:.3f}"
    relation = "reaches" if _reaches(estimate.value, criterion) else "misses"
    sentence = f"{what} {relation} {criterion.direction} {threshold:g}"
    if estimate.low is None or estimate.high is None:
        return f"{sentence} (no interval: decided on the value)"
    interval = f"{100 * criterion.level:.4g} % interval [{estimate.low:.3f}, {estimate.high:.3f}]"
    if not straddles:
        return f"{sentence}, and so does its whole {interval}"
    if verdict == "INCONCLUSIVE":
        return f"{what}, but its {interval} holds the threshold {threshold:g}"
    doubt = f"its {interval} holds the threshold, another test set could differ"
    return f"{sentence} on the value alone: {doubt}"


def _remarks(criterion: Criterion, verdict: VerdictWord, settle: int | None) -> list[str]:
    """What is to be said after the verdict on one criterion: the look, what would settle it, what cannot be told."""
    remarks = []
    if criterion.look is not None and criterion.estimate.value is not None:
        level = f"{criterion.level:.4f}".lstrip("0")
        remarks.append(
            f"at the {_ordinal(criterion.look)} look at this test set a difference is judged at level {level}"
        )
    if settle is not None:
        remarks.append(_settling(criterion, settle))
    if criterion.name == "max_regression" and verdict != "PASS" and (wide := _too_wide(criterion)):
        remarks.append(wide)
    return remarks


def _settling(criterion: Criterion, settle: int) -> str:
    of_class = f" of {criterion.label}" if criterion.label else ""
    said = f"about {settle:,} test rows{of_class} ({settle - criterion.n:,} more) would settle it four times in five"
    if criterion.estimate.value is not None:
        said += f", if {criterion.estimate.value:.3f} is the true value"
    if criterion.label_first and not criterion.label:
        said += f"; rows of {criterion.label_first} would narrow the interval most"
    return said


def _too_wide(criterion: Criterion) -> str:
    """Where not even a model as good as production could pass: why; else empty."""
    value, low, margin = criterion.estimate.value, criterion.estimate.low, -criterion.threshold
    if value is None or low is None or value - low <= margin:
        return ""
    return (
        f"an equally good model would not pass either: on {criterion.n:,} rows the interval reaches {value - low:.3f} "
        f"below the difference, and gate.max_regression is {margin:g} (usual for so many rows: "
        f"{usual_margin(criterion.n):g})"
    )


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _rows_to_settle(criterion: Criterion) -> int | None:
    value = criterion.estimate.value
    if value is None:
        return None
    if criterion.proportion:
        rows = rows_to_settle_proportion(value, criterion.threshold)
    else:
        rows = rows_to_settle_scaled(criterion.estimate, criterion.threshold, criterion.n, level=criterion.level)
    return None if rows is None else max(rows, criterion.fewest, criterion.n + 1)


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
