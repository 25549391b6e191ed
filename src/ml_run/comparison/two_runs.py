"""Two runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.comparison.changes import code_changes, config_changes, data_changes, model_changes
from ml_run.comparison.record import RunComparison, Side
from ml_run.comparison.shared_rows import shared_rows
from ml_run.conclusion import LONGEST_RESULT
from ml_run.errors import UsageError
from ml_run.experiment import read_record
from ml_run.results import Estimate, Evaluation, Verdict
from ml_run.wording import number_of, signed_with_interval

if TYPE_CHECKING:
    from ml_run.comparison.shared_rows import SharedRows
    from ml_run.evaluation.predictions import Predictions
    from ml_run.experiment import Experiment
    from ml_run.results import Comparison

_UNDEFINED = Estimate(value=None)


def compare_runs(a: Experiment, b: Experiment) -> RunComparison:
    """What changed from A to B, and whether their scores differ by more than noise.

    Scores are compared on the test rows that both have, found by the hash of their text, or by file and line where the
    same rows were read through other fields; where the label of such a row was changed, B's counts for both.

    Raises:
        UsageError: a run was not evaluated, or its files are not whole.
    """
    evaluations = [_evaluation(experiment) for experiment in (a, b)]
    shared = shared_rows(a, b, evaluations[1].labels)
    difference = shared.difference()
    return _shortened(
        RunComparison(
            a=_side(a, evaluations[0], shared, shared.a),
            b=_side(b, evaluations[1], shared, shared.b),
            data=data_changes(a, b),
            config=config_changes(a, b),
            model=model_changes(a, b),
            code=code_changes(a, b),
            shared=len(shared.true),
            relabelled=shared.relabelled,
            difference=difference,
            conclusion=_conclusion(difference, shared),
        )
    )


def _evaluation(experiment: Experiment) -> Evaluation:
    run = experiment.read_run()
    stage = run.stages.get("evaluate")
    if stage is None or stage.status != "finished" or not experiment.metrics.is_file():
        last = next((name for name, one in reversed(run.stages.items()) if one.status == "finished"), None)
        came = f"it came as far as {last}" if last else "no stage of it has finished"
        raise UsageError(
            f"run {experiment.id} has no evaluation to compare: {came}",
            remedy=f"take it further with ml-run --resume {experiment.id}, or name another run (ml-run list)",
        )
    return read_record(experiment.metrics, Evaluation)


def _side(experiment: Experiment, evaluation: Evaluation, shared: SharedRows, predictions: Predictions) -> Side:
    run, own = experiment.read_run(), evaluation.candidate
    on_shared = shared.scores(predictions) if shared.true else None
    verdict = read_record(experiment.verdict, Verdict).overall if experiment.verdict.is_file() else None
    return Side(
        id=run.id,
        name=run.name,
        verdict=verdict,
        n_test=evaluation.n,
        macro_f1=own.macro_f1,
        accuracy=own.accuracy,
        macro_f1_shared=on_shared.macro_f1 if on_shared else _UNDEFINED,
        accuracy_shared=on_shared.accuracy if on_shared else _UNDEFINED,
    )


def _conclusion(difference: Comparison, shared: SharedRows) -> str:
    """Whether the difference is more than noise, in one sentence."""
    macro = difference.macro_f1_difference
    on = f"on the {number_of(len(shared.true), 'test row')} that both have"
    if shared.by_line:
        on += ", found by file and line since no text is the same"
    if shared.relabelled:
        on += f" ({shared.relabelled:,} under another label in B, which counts for both)"
    if macro.value is None or macro.low is None or macro.high is None:
        return f"Whether the scores differ cannot be said: {difference.note or f'macro-F1 is undefined {on}'}."
    if (shared.a.ids == shared.b.ids).all():
        return f"A and B give the same label to each row {on}: there is no difference."
    told = f"macro-F1 of B minus A is {signed_with_interval(macro)} {on}"
    if macro.low > 0 or macro.high < 0:
        return f"B is {'better' if macro.low > 0 else 'worse'} than A by more than noise: {told}."
    return f"The difference is no more than noise: {told}, and the interval holds 0."


def _shortened(found: RunComparison) -> RunComparison:
    """Short enough to be printed whole: the last of the changed keys are left out."""
    while len(found.model_dump_json(indent=2)) > LONGEST_RESULT and found.config:
        left = found.config_omitted + 1
        found = found.model_copy(update={"config": found.config[:-1], "config_omitted": left})
    return found
