"""The first lines of a report: what was decided, why, what was done, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config.names import LINEAR
from ml_run.reporting.data_opening import readiness_line
from ml_run.reporting.document import Code, Loose, Mark, Opening, Rich, Strong, rich
from ml_run.reporting.reliance_sections import weaknesses
from ml_run.wording import interval, number_of, percent, score, sentence, signed_with_interval, with_interval

if TYPE_CHECKING:
    from ml_run.reporting.records import Facts
    from ml_run.results import Comparison, Deployment, Evaluation, ModelScores, Verdict

CHEAP_MODEL = "the linear baseline (a linear classifier on character n-grams, which trains in seconds)"
_DEPLOY_CHEAPER: tuple[Loose, ...] = (
    " The one to deploy is the cheaper model, if it passes the gate: ",
    Code(f"model.name: {LINEAR}"),
    ".",
)
_ERRORS_SHOWN = 5
MEANING = {
    "PASS": "the model meets every criterion that was set for it",
    "FAIL": "the model does not meet the criteria that were set for it",
    "INCONCLUSIVE": "the test rows cannot tell whether the model meets the criteria",
}
_DONE = {
    "deployed": "it is deployed",
    "awaiting": "it is not deployed yet: it waits for a person to deploy it",
    "stopped": "nothing was deployed",
    "failed": "but it could not be deployed, and production is unchanged",
}


def opening(facts: Facts) -> Opening:
    """Say what came of the run, for a reader who reads nothing else."""
    if facts.verdict:
        return _judged(facts, facts.verdict)
    if facts.data and facts.data.readiness == "not ready":
        return _not_ready(facts)
    if facts.error and facts.error.kind != "interrupted":
        return _failed(facts)
    return _unfinished(facts)


# --- with a verdict -------------------------------------------------------------------------------------------------


def _judged(facts: Facts, verdict: Verdict) -> Opening:
    done = facts.deployment
    headline = f"{MEANING[verdict.overall]}; {_done_words(done)}" if done else MEANING[verdict.overall]
    points: list[Rich] = []
    if facts.evaluation:
        cheaper, reached = _against_linear(facts), _reached(facts.evaluation)
        points += [reached, *cheaper] if beats_linear(facts) else [*cheaper, reached]
    points += weaknesses(facts.evaluation) if facts.evaluation else []
    points.append(rich(Strong("Why: "), sentence(verdict.reason)))
    points += [_in_doubt(verdict)] if any(c.straddles for c in verdict.criteria) else []
    if facts.evaluation and facts.evaluation.production:
        points.append(_against_production(facts.evaluation))
    points += [readiness_line(facts.data)] if facts.data else []
    points += [_what_was_done(done)] if done else []
    points += [_not_recorded(facts)] if facts.registration and facts.registration.status == "pending" else []
    points += [_ended_badly(facts)] if facts.error else []
    return Opening(Mark(verdict.overall), sentence(headline), tuple(points), _next_command(facts, verdict))


def _done_words(done: Deployment) -> str:
    if done.action == "deployed" and done.version:
        return f"it is deployed as version {done.version}"
    return _DONE[done.action]


def _reached(evaluation: Evaluation) -> Rich:
    scores = evaluation.candidate
    right = sum(row[i] for i, row in enumerate(scores.confusion))
    return rich(
        f"Of {number_of(evaluation.n, 'test text')} that it had never seen, the model named the right label for "
        f"{right:,} (accuracy {percent(scores.accuracy.value)}, 95 % interval {_percent_range(scores)}). "
        f"Its macro-F1, in which a rare class counts as much as a common one, is {with_interval(scores.macro_f1)}."
    )


def _percent_range(scores: ModelScores) -> str:
    low, high = scores.accuracy.low, scores.accuracy.high
    return "unknown" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def _against_linear(facts: Facts) -> list[Rich]:
    evaluation, linear = facts.evaluation, facts.linear
    if evaluation is None or linear is None:
        return []
    ours, theirs = evaluation.candidate.macro_f1.value, linear.macro_f1.value
    comparison = compared_with(evaluation, "linear")
    if ours is None or theirs is None:
        return [rich(Strong(f"It cannot be compared with {CHEAP_MODEL}: "), "a macro-F1 is undefined.")]
    if ours <= theirs:
        claim = f"Not better than {CHEAP_MODEL}: "
        return [rich(Strong(claim), _both(ours, theirs, comparison), *_DEPLOY_CHEAPER)]
    if not beats_linear(facts):
        claim = f"Not shown to be better than {CHEAP_MODEL}: "
        return [rich(Strong(claim), _both(ours, theirs, comparison), " That can be chance.", *_DEPLOY_CHEAPER)]
    return [rich(f"It is better than {CHEAP_MODEL}: ", _both(ours, theirs, comparison))]


def beats_linear(facts: Facts) -> bool:
    """True when the candidate is better than the linear baseline, beyond chance."""
    comparison = compared_with(facts.evaluation, "linear") if facts.evaluation else None
    low = comparison.macro_f1_difference.low if comparison else None
    return low is not None and low > 0


def _both(ours: float, theirs: float, comparison: Comparison | None) -> str:
    difference = f", difference {signed_with_interval(comparison.macro_f1_difference)}" if comparison else ""
    return f"macro-F1 {score(ours)} against {score(theirs)}{difference}."


def compared_with(evaluation: Evaluation, name: str) -> Comparison | None:
    """The paired comparison of the candidate with the model of that name, when there is one."""
    return next((c for c in evaluation.comparisons if c.against == name), None)


def _in_doubt(verdict: Verdict) -> Rich:
    pieces: list[Loose] = [Strong("Not beyond doubt: "), "another test set of this size could decide otherwise on "]
    doubtful = [c for c in verdict.criteria if c.straddles]
    for number, criterion in enumerate(doubtful):
        settle = criterion.rows_to_settle
        rows = f" (about {number_of(settle, 'test row')} would settle it)" if settle else ""
        pieces += [", " if number else "", Code(criterion.name), rows]
    return rich(*pieces, ".")


def _against_production(evaluation: Evaluation) -> Rich:
    assert evaluation.production is not None, "called only with a production model"
    comparison = compared_with(evaluation, "production")
    name = f"production (version {evaluation.production_version})" if evaluation.production_version else "production"
    if comparison is None or comparison.macro_f1_difference.value is None:
        why = comparison.note if comparison and comparison.note else "no difference could be computed"
        return rich(f"It could not be compared with {name}: {why}.")
    left_out = f", {number_of(comparison.excluded, 'row')} that production was trained on left out"
    rows = f"on {number_of(comparison.n, 'row')} that both scored now{left_out if comparison.excluded else ''}"
    return rich(f"Macro-F1 against {name}: {signed_with_interval(comparison.macro_f1_difference)} {rows}.")


def _what_was_done(done: Deployment) -> Rich:
    label = {"deployed": "Deployed: ", "failed": "Deployment failed: "}.get(done.action, "Not deployed: ")
    pieces: list[Loose] = [Strong(label), sentence(done.reason)]
    if done.override:
        pieces.append(f" A person overrode the verdict, giving as the reason: {sentence(done.override)}")
    if done.action == "deployed" and done.previous:
        pieces.append(f" Production before was version {done.previous}.")
    return rich(*pieces)


def _not_recorded(facts: Facts) -> Rich:
    assert facts.registration is not None, "called only with a registration"
    reason = sentence(facts.shown(facts.registration.reason))
    return rich(Strong("Not recorded in the tracking store yet: "), reason, " To send it: ", Code("ml-run sync"), ".")


def _ended_badly(facts: Facts) -> Rich:
    assert facts.error is not None, "called only with an error"
    stage = f" in the stage {facts.stopped_in}" if facts.stopped_in else ""
    return rich(
        Strong(f"The run ended with an error{stage}: "),
        sentence(facts.shown(facts.error.found)),
        *_remedy(facts.shown(facts.error.remedy)),
    )


def _next_command(facts: Facts, verdict: Verdict) -> str:
    if facts.deployment:
        step = facts.deployment.next_step
        return step if step.startswith("ml-run ") else ""
    return f"ml-run deploy {facts.run.id}" if verdict.overall == "PASS" else ""


# --- without one ----------------------------------------------------------------------------------------------------


def _not_ready(facts: Facts) -> Opening:
    assert facts.data is not None, "called only with a data report"
    errors = [finding for finding in facts.data.findings if finding.severity == "error"]
    points = [rich(Code(f.rule), ": ", sentence(f.message), *_remedy(f.remedy)) for f in errors[:_ERRORS_SHOWN]]
    if len(errors) > _ERRORS_SHOWN:
        points.append(rich(f"And {number_of(len(errors) - _ERRORS_SHOWN, 'error')} more, under The data."))
    headline = "The data cannot carry a verdict, so no model was trained. Mend the errors below, then run it again."
    return Opening(Mark("NOT READY"), headline, tuple(points), facts.shown(facts.run.command))


def _remedy(remedy: str) -> list[Loose]:
    return [" ", Strong("What to do: "), sentence(remedy)] if remedy else []


def _failed(facts: Facts) -> Opening:
    assert facts.error is not None, "called only with an error"
    stage = f"the stage {facts.stopped_in}" if facts.stopped_in else "the run"
    where = f"{facts.shown(facts.error.where)}: " if facts.error.where else ""
    points = [rich(Strong("What happened: "), where, sentence(facts.shown(facts.error.found)))]
    if facts.error.remedy:
        points.append(rich(Strong("What to do: "), sentence(facts.shown(facts.error.remedy))))
    points += [readiness_line(facts.data)] if facts.data else []
    headline = f"There is no verdict, because {stage} failed. Nothing was deployed."
    return Opening(Mark("ERROR"), headline, tuple(points), _resume(facts))


def _unfinished(facts: Facts) -> Opening:
    until = facts.run.stages.get(facts.run.until)
    if facts.run.status == "interrupted" or facts.error:
        where = f" in the stage {facts.stopped_in}" if facts.stopped_in else ""
        headline = f"There is no verdict yet: the run was interrupted{where}. What it had done is saved."
        return Opening(Mark("INTERRUPTED"), headline, tuple(_so_far(facts)), _resume(facts))
    if facts.run.until != "registry" and (facts.run.status == "finished" or (until and until.status == "finished")):
        headline = f"No verdict was asked for: the run stopped after the stage {facts.run.until}, as it was told to."
        return Opening(Mark("NO VERDICT"), headline, tuple(_so_far(facts)))
    headline = "There is no verdict yet: the run had not ended when this report was written."
    return Opening(Mark("NO VERDICT"), headline, tuple(_so_far(facts)), _resume(facts))


def _so_far(facts: Facts) -> list[Rich]:
    found: list[Rich] = []
    if facts.data:
        found.append(readiness_line(facts.data))
    if facts.model:
        best = score(facts.model.best_val_macro_f1)
        where = "best macro-F1 on the validation split" if facts.model.folds is None else "mean macro-F1 over the folds"
        found.append(rich(f"A model was trained; its {where} is {best}."))
    if facts.evaluation:
        found.append(_reached(facts.evaluation))
    return found


def _resume(facts: Facts) -> str:
    return f"ml-run --resume {facts.run.id}"


def summary_line(facts: Facts) -> str:
    """The run in one line: for the registry of reports."""
    words = f"{facts.run.name}: {opening(facts).headline}"
    if facts.evaluation:
        scores = facts.evaluation.candidate
        words += (
            f" Macro-F1 {score(scores.macro_f1.value)} {interval(scores.macro_f1)}, "
            f"accuracy {score(scores.accuracy.value)} on {number_of(facts.evaluation.n, 'test row')}."
        )
    synthetic = "SYNTHETIC data. " if facts.synthetic else ""
    return f"{synthetic}{words} ({facts.run.id})"
