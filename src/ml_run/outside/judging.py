"""`ml-run evaluate`: predictions of any model through the metrics, tests and gate of a run."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.conclusion import VERDICT_CODES, scores_by_model, shortened
from ml_run.errors import ExitCode, UsageError
from ml_run.evaluation.judging import Other, judge
from ml_run.evaluation.looks import take_look
from ml_run.evaluation.slicing import Traits
from ml_run.events import emit
from ml_run.experiment import EXPERIMENTS, Experiment, write_record
from ml_run.outside.cases import Case, read_case
from ml_run.outside.origin import find_origin
from ml_run.outside.record import OutsideResult
from ml_run.results import Calibration, Comparison, Estimate
from ml_run.stages.gate import decide

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_run.config import Config
    from ml_run.config.file import LoadedConfig
    from ml_run.results import Evaluation, Verdict

_LONGEST_STEM = 60
_PATIENCE_SECONDS = 30.0
_NO_THRESHOLD = "set a threshold, e.g. --set deployment.min_f1=0.8"


def judge_predictions(
    path: Path, against: Path | None, loaded: LoadedConfig, project: Path, *, exit_zero: bool = False
) -> OutsideResult:
    """Judge the predictions of any model, and leave what came of it in `experiments/evaluate_<name>/`.

    Args:
        path: the file of predictions.
        against: predictions for the same rows by the model to compare with, as with production.
        loaded: thresholds, names of fields, the test file.
        project: the folder that holds `experiments/`.
        exit_zero: verdicts FAIL and INCONCLUSIVE do not make a non-zero exit code.

    Raises:
        UsageError: a file is not there, or nothing can be written.
        ConfigError: the config contradicts the predictions.
        NotReadyError: the predictions cannot carry a verdict; names file and line.
    """
    case = read_case(path, against, loaded, project)
    name = _folder_name(path, against)
    evaluation = _evaluate(case, loaded.config.data.language, project, name)
    verdict = decide(_with_missing_baselines(evaluation), loaded.config.gate, loaded.config.deployment)
    result = OutsideResult(
        id=name,
        name=name,
        status="finished",
        exit_code=ExitCode.OK if exit_zero else VERDICT_CODES[verdict.overall],
        folder=f"{EXPERIMENTS}/{name}",
        verdict=verdict.overall,
        reason=verdict.reason,
        criteria=verdict.criteria,
        scores=scores_by_model(evaluation),
        n_test=evaluation.n,
        next_step="" if verdict.criteria else _NO_THRESHOLD,
        synthetic=case.synthetic,
        predictions=case.given.name,
        against=case.against.name if case.against else None,
        labels=len(case.labels),
        matched=case.matched,
        notes=(*case.notes, *_due(evaluation)),
        comparisons=evaluation.comparisons,
    )
    return _leave(result, case, evaluation, verdict, loaded.config, project)


def _evaluate(case: Case, language: str | None, project: Path, run: str) -> Evaluation:
    others = [Other(case.predictions(case.against, "production"))] if case.against else []
    origin = find_origin(case.given.path, case.given.digest)
    model, against = origin.model if origin else case.given.digest, case.against.name if case.against else None
    # Of the rows alone, so that the same predictions are judged the same wherever they lie.
    rows = sorted(zip(case.rows.hashes, case.rows.labels, strict=True))
    seed = origin.seed if origin else files.seed_of(rows)
    with _writing(project / EXPERIMENTS):
        look = take_look(project, case.rows.hashes, model=model, run=run, against=against)
    candidate, traits = case.predictions(case.given, "candidate"), Traits(language=language)
    judged = judge(case.rows, case.labels, candidate, others, seed=seed, traits=traits, look=look)
    judged = judged.model_copy(update={"model_digest": model, "production_version": against})
    return _with_confidence(judged, case, seed)


def _due(evaluation: Evaluation) -> tuple[str, ...]:
    """What is wrong with the ledger of looks, or that a fresh test set is due."""
    return (evaluation.look.warning,) if evaluation.look and evaluation.look.warning else ()


def _with_confidence(evaluation: Evaluation, case: Case, seed: int) -> Evaluation:
    """What can be said of a model that tells only how sure it is of the label it gave."""
    import numpy as np

    from ml_run import statistics

    confidence = case.given.confidence
    if confidence is None:
        return evaluation
    right = np.array([said == true for said, true in zip(case.given.predicted, case.rows.labels, strict=True)])
    ece = statistics.expected_calibration_error(confidence, right)
    chance = statistics.ece_of_calibrated(confidence, seed=seed)
    scores = {"ece": ece, "ece_floor": chance[0] if chance else None, "ece_ceiling": chance[1] if chance else None}
    calibration = Calibration(
        n=len(right),
        bins=statistics.reliability_bins(confidence, right),
        temperature=None,
        ece=ece,
        log_loss=None,
    )
    return evaluation.model_copy(
        update={
            "candidate": evaluation.candidate.model_copy(update=scores),
            "calibration": calibration,
            "risk_coverage": statistics.risk_coverage(confidence, right),
        }
    )


def _with_missing_baselines(evaluation: Evaluation) -> Evaluation:
    """What is not there cannot be beaten: `must_beat_baseline` stays undecided."""
    missing = Comparison(
        against="baselines",
        n=evaluation.n,
        excluded=0,
        macro_f1_difference=Estimate(value=None),
        accuracy_difference=Estimate(value=None),
        note="no baseline was scored on these rows: ml-run evaluate trains none",
    )
    return evaluation.model_copy(update={"comparisons": (*evaluation.comparisons, missing)})


# --- what is left behind ----------------------------------------------------------------------------------------------


def _folder_name(path: Path, against: Path | None) -> str:
    """The same for the same files: judging them again replaces what was left before."""
    stem = re.sub(r"[^\w.-]+", "_", path.name.partition(".")[0])[:_LONGEST_STEM]
    named = [os.path.realpath(one) for one in (path, against) if one is not None]
    return f"evaluate_{stem}_{hashlib.sha256(os.fsencode(chr(0).join(named))).hexdigest()[:6]}"


def _leave(
    result: OutsideResult, case: Case, evaluation: Evaluation, verdict: Verdict, config: Config, project: Path
) -> OutsideResult:
    """Write the folder, whole or not at all."""
    root = project / EXPERIMENTS

    def refusal(_note: str) -> UsageError:
        return UsageError("another process is judging predictions in this project", remedy="wait for it to end")

    with _writing(root):
        root.mkdir(parents=True, exist_ok=True)
        with files.locked(root / ".evaluate.lock", wait=_PATIENCE_SECONDS, refusal=refusal):
            files.sweep(root)
            with files.atomic_folder(project / result.folder) as folder:
                made = Experiment(folder, project)
                write_record(made.metrics, evaluation)
                write_record(made.verdict, verdict)
                if _report(folder, case, evaluation, verdict, config):
                    result = result.model_copy(update={"report": f"{result.folder}/report.html"})
                result = result.model_copy(update=dict(shortened(result)))
                files.write_json(made.result, result.told())
    return result


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "start ml-run in a folder you may write to"
        raise UsageError(f"cannot write here: {error.strerror}", where=str(root), remedy=remedy) from None


def _report(folder: Path, case: Case, evaluation: Evaluation, verdict: Verdict, config: Config) -> bool:
    from ml_run.reporting import Judged, write_predictions_report

    sources = [("candidate", case.given)] + ([("production", case.against)] if case.against else [])
    named = tuple((what, given.name, given.digest) for what, given in sources)
    try:
        write_predictions_report(Judged(config, evaluation, verdict, named, case.notes, case.synthetic), folder)
    except Exception as error:  # noqa: BLE001 -- the verdict must come out even where its report does not
        emit("warning", f"the report could not be written: {error}", level=logging.WARNING)
        return False
    return True
