"""The end of a run, however it came: reports, `run.json`, and last of all `result.json`."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from ml_run.errors import ConfigError, ExitCode, Interrupted, MlRunError, StoreError
from ml_run.events import emit, logger
from ml_run.experiment import Experiment, read_record, write_record
from ml_run.redaction import redact
from ml_run.results import (
    Decision,
    Deployment,
    Estimate,
    Evaluation,
    ModelScores,
    PreparedData,
    Record,
    Registration,
    RunError,
    RunResult,
    Verdict,
)
from ml_run.walk import restate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TypeVar

    from ml_run.config import Config

    AnyRecord = TypeVar("AnyRecord", bound=Record)

LONGEST_RESULT = 9_500
"""Characters of the result object: agents' tools cut output at 10,000 (facts.md, 5)."""
_LONGEST_TEXT = 600
VERDICT_CODES = {"PASS": ExitCode.OK, "FAIL": ExitCode.FAIL, "INCONCLUSIVE": ExitCode.INCONCLUSIVE}
"""What a command that ends with a verdict exits with."""


def conclude(
    config: Config,
    experiment: Experiment,
    error: BaseException | None = None,
    *,
    secrets: Sequence[str] = (),
    exit_zero: bool = False,
) -> RunResult:
    """Write what a run leaves behind at its end and return its result.

    Args:
        config: the run's config.
        experiment: the run; its lock is held by the caller.
        error: what ended the run early, if anything did.
        secrets: values that must not reach the disk.
        exit_zero: verdicts FAIL and INCONCLUSIVE do not make a non-zero exit code.
    """
    code = _exit_code(experiment, error, exit_zero=exit_zero)
    _write_error(experiment, error, secrets)
    status = "interrupted" if isinstance(error, Interrupted) else "failed" if error else "finished"
    run = experiment.read_run().model_copy(update={"status": status, "exit_code": code})
    experiment.write_run(run)
    _report(config, experiment)
    result = _result(experiment)
    emit("run_finished", f"{status} with exit code {code}", exit_code=code, status=status)
    write_record(experiment.result, result)
    return result


def _report(config: Config, experiment: Experiment) -> None:
    from ml_run.reporting import write_reports

    try:
        write_reports(config, experiment)
    except Exception as error:  # noqa: BLE001 -- the verdict must come out even where its report does not
        emit("warning", f"the report could not be written: {error}", level=logging.WARNING)
        _log_trace(error)


def _log_trace(error: BaseException) -> None:
    for line in "".join(traceback.format_exception(error)).splitlines():
        logger.debug("%s", line)


def _exit_code(experiment: Experiment, error: BaseException | None, *, exit_zero: bool) -> int:
    if isinstance(error, MlRunError | Interrupted):
        return int(error.exit_code)
    if error is not None:
        return ExitCode.BUG
    decision, registration = _read(experiment.deployment, Decision), _read(experiment.registration, Registration)
    if decision is not None and decision.deployment.action == "failed":
        return ExitCode.STORE_FAILED
    if registration is not None and registration.status == "pending":
        return ExitCode.STORE_FAILED
    verdict = _read(experiment.verdict, Verdict)
    if verdict is None or exit_zero:
        return ExitCode.OK
    return VERDICT_CODES[verdict.overall]


def _write_error(experiment: Experiment, error: BaseException | None, secrets: Sequence[str]) -> None:
    if error is None:
        experiment.error_file.unlink(missing_ok=True)
        return
    if not isinstance(error, MlRunError | Interrupted):
        _log_trace(error)
    write_record(experiment.error_file, _run_error(experiment, error, secrets))


def _run_error(experiment: Experiment, error: BaseException, secrets: Sequence[str]) -> RunError:
    run = experiment.read_run()
    stage = next((name for name, s in run.stages.items() if s.status in {"running", "failed", "interrupted"}), None)
    resume = f"ml-run --resume {run.id}"
    if isinstance(error, Interrupted):
        found, where, remedy, kind = "stopped by a signal; everything up to here is saved", "", resume, "interrupted"
    elif isinstance(error, ConfigError):
        first, more = error.faults[0], len(error.faults) - 1
        found, where, remedy, kind = first.found, first.where, f"{first.remedy}; then start a new run", "config"
        found += f" (and {more} more)" if more else ""
    elif isinstance(error, MlRunError):
        found, where, remedy = error.found, error.where, error.remedy
        kind = getattr(error, "kind", type(error).__name__.removesuffix("Error").lower())
    else:
        found = f"unexpected {type(error).__name__}: {error}"
        where = experiment.relative(experiment.logs / "run.log")
        remedy, kind = f"this is a bug in ml-run: report it with that log; to go on: {resume}", "bug"
    return RunError(
        found=redact(found, secrets),
        where=redact(where, secrets),
        remedy=redact(remedy, secrets),
        stage=stage,
        kind=kind,
    )


def redeployed(config: Config, experiment: Experiment, deployment: Deployment) -> None:
    """Bring records, reports and result of a past run up to date after `ml-run deploy`."""
    decision = Decision(verdict=read_record(experiment.verdict, Verdict), deployment=deployment)
    restate(experiment, "deploy", decision, f"{deployment.action}: {deployment.reason}")
    resend(config, experiment)


def resend(config: Config, experiment: Experiment) -> Registration:
    """Send a past run to the tracking store again, and bring its reports and result up to date."""
    from ml_run.stages.registry import register_run

    _register_later(config, experiment)
    registration = register_run(config, experiment)
    if registration.status == "sent":
        restate(experiment, "registry", registration, "recorded in MLflow")
    code = _exit_code(experiment, None, exit_zero=False)
    experiment.write_run(experiment.read_run().model_copy(update={"exit_code": code}))
    _report(config, experiment)
    write_record(experiment.result, _result(experiment))
    return registration


def _register_later(config: Config, experiment: Experiment) -> None:
    from ml_run.stages.deploy import register_later

    decision = _read(experiment.deployment, Decision)
    if decision is None or decision.deployment.action != "failed":
        return
    try:
        deployment = register_later(config, experiment)
    except StoreError:
        return  # sending fails for the same reason, and says so
    restate(experiment, "deploy", decision.model_copy(update={"deployment": deployment}), deployment.reason)


# --- the result -----------------------------------------------------------------------------------------------------


def _read(path: Path, kind: type[AnyRecord]) -> AnyRecord | None:
    return read_record(path, kind) if path.is_file() else None


def _result(experiment: Experiment) -> RunResult:
    run = experiment.read_run()
    walked = {name: stage.status for name, stage in run.stages.items()}
    data = _read(experiment.data_report, PreparedData)
    evaluation, verdict = _read(experiment.metrics, Evaluation), _read(experiment.verdict, Verdict)
    decision = _read(experiment.deployment, Decision)
    error = _read(experiment.error_file, RunError)
    result = RunResult(
        id=run.id,
        name=run.name,
        status="failed" if run.status == "running" else run.status,
        exit_code=run.exit_code or 0,
        folder=experiment.relative(experiment.folder),
        readiness=data.readiness if data else None,
        findings=_count_findings(data),
        verdict=verdict.overall if verdict else None,
        reason=verdict.reason if verdict else "",
        criteria=verdict.criteria if verdict else (),
        scores=scores_by_model(evaluation),
        n_test=evaluation.n if evaluation else None,
        spread=evaluation.spread if evaluation else None,
        deployment=decision.deployment if decision else None,
        registration=_read(experiment.registration, Registration),
        report=experiment.relative(experiment.report_html),
        stages=dict(walked),
        seconds=round(sum(stage.seconds or 0.0 for stage in run.stages.values()), 1),
        error=error,
        next_step=_next_step(experiment, decision, error),
        synthetic=data.synthetic if data else False,
    )
    return shortened(result)


def _count_findings(data: PreparedData | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in data.findings if data else ():
        counts[finding.severity] = counts.get(finding.severity, 0) + 1
    return counts


def scores_by_model(evaluation: Evaluation | None) -> dict[str, dict[str, Estimate]]:
    """The scores that a result shows, by model, then metric."""
    if evaluation is None:
        return {}
    models: list[ModelScores] = [evaluation.candidate, *evaluation.baselines]
    models += [evaluation.production] if evaluation.production else []
    return {m.name: {"accuracy": m.accuracy, "macro_f1": m.macro_f1, "weighted_f1": m.weighted_f1} for m in models}


def _next_step(experiment: Experiment, decision: Decision | None, error: RunError | None) -> str:
    if error is not None:
        return error.remedy
    if decision is not None and decision.deployment.next_step:
        return decision.deployment.next_step
    return f"open {experiment.relative(experiment.report_html)}"


def shortened(result: RunResult, longest: int = LONGEST_RESULT) -> RunResult:
    """Keep the object short enough to be printed whole: long texts are cut, then criteria left out, passed ones first.

    Args:
        result: what came of a run.
        longest: characters that it may have, as indented JSON.
    """
    if _length(result) <= longest:
        return result
    order = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}
    criteria = [
        c.model_copy(update={"reason": _cut(c.reason)}) for c in sorted(result.criteria, key=lambda c: order[c.verdict])
    ]
    error = result.error
    if error is not None:
        error = error.model_copy(update={"found": _cut(error.found), "remedy": _cut(error.remedy)})
    update = {"reason": _cut(result.reason), "error": error, "next_step": _cut(result.next_step)}
    omitted = result.criteria_omitted
    while True:
        shorter = result.model_copy(update={**update, "criteria": tuple(criteria), "criteria_omitted": omitted})
        if _length(shorter) <= longest or not criteria:
            return shorter
        criteria.pop()
        omitted += 1


def _length(result: RunResult) -> int:
    return len(result.model_dump_json(indent=2))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " …"
