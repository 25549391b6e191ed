"""A run from the outside: begin one, go on with one, walk it to its end, tell its state."""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_run import files
from ml_run.config.file import LoadedConfig, load_config
from ml_run.errors import ConfigError, Interrupted, MlRunError, UsageError
from ml_run.events import emit, recording
from ml_run.experiment import (
    Experiment,
    create_experiment,
    find_experiment,
    is_locked,
    list_experiments,
    locked,
    read_record,
)
from ml_run.interruption import Interruption
from ml_run.redaction import redact
from ml_run.results import STAGES, Registration, RunResult, StageName


def begin(
    name: str | None, loaded: LoadedConfig, arguments: Sequence[str], *, overrides: Sequence[str], until: StageName
) -> Experiment:
    """Make the folder of a new run in the current folder.

    Args:
        name: a checked name, or None for one made from the time.
        loaded: the config of the run.
        arguments: the command line after `ml-run`; secrets in it are masked.
        overrides: the `--set` values.
        until: the last stage to walk.
    """
    return create_experiment(
        Path.cwd(),
        name,
        config_text=loaded.resolved_yaml,
        command=redact(shlex.join(["ml-run", *arguments]), loaded.secrets),
        config_path=Path(os.path.relpath(loaded.path)),
        overrides=tuple(redact(value, loaded.secrets) for value in overrides),
        until=until,
    )


def reopen(reference: str | None, until: StageName | None) -> tuple[Experiment, LoadedConfig, StageName]:
    """Find a run to go on with, and the config it was started with.

    Args:
        reference: ID of the run, or None for the newest that is not done.
        until: the last stage to walk; None: as the run was started, or to the end when it got that far.

    Raises:
        UsageError: there is no such run, or another process walks it.
    """
    experiment = _newest_unfinished() if reference is None else find_experiment(Path.cwd(), reference)
    if is_locked(experiment):
        with locked(experiment):  # raises with the holder's name, before anything is loaded
            pass
    run = experiment.read_run()
    return (
        experiment,
        reload(experiment, sources=True),
        until or (STAGES[-1] if run.status == "finished" else run.until),
    )


def reload(experiment: Experiment, *, sources: bool) -> LoadedConfig:
    """The config that a run was started with; `sources`: its data and base model have to be there, too."""
    return load_config(experiment.config_file, base=experiment.project, sources=sources)


def _newest_unfinished() -> Experiment:
    for experiment in reversed(list_experiments(Path.cwd())):
        stages = experiment.read_run().stages
        if any(stage not in stages or stages[stage].status != "finished" for stage in STAGES):
            return experiment
    raise UsageError("no run is unfinished", remedy="ml-run list shows the runs; name one to go on with: --resume ID")


def walk(
    experiment: Experiment, loaded: LoadedConfig, until: StageName, *, exit_zero: bool = False
) -> tuple[RunResult, MlRunError | None]:
    """Walk the stages with all that surrounds them: lock, logs, signals, tracking, and an orderly end in any case.

    Returns:
        The result, and what ended the run early in words for people, if anything did.

    Raises:
        UsageError: another process walks this run.
    """
    from ml_run.conclusion import conclude

    with (
        locked(experiment),
        recording(experiment.logs, loaded.secrets),
        Interruption().installed() as interruption,
    ):
        run = experiment.read_run().model_copy(update={"status": "running", "until": until, "exit_code": None})
        experiment.write_run(run)
        experiment.result.unlink(missing_ok=True)
        files.sweep(experiment.folder)
        emit("run_started", f"{run.id}  {run.name}", id=run.id, name=run.name, until=until)
        error: BaseException | None = None
        try:
            _walk_tracked(experiment, loaded, until, interruption)
        except (Exception, Interrupted) as caught:  # noqa: BLE001 -- the one place that turns any end into a result
            error = with_lines(caught, loaded)
        with interruption.shielded():  # the end of a run is short, and must be whole
            result = conclude(loaded.config, experiment, error, secrets=loaded.secrets, exit_zero=exit_zero)
    if result.registration is not None and result.registration.status == "sent":
        send_pending(experiment.project)  # the store is there: what it missed of other runs can follow
    return result, _in_words(error, result)


def _walk_tracked(experiment: Experiment, loaded: LoadedConfig, until: StageName, interruption: Interruption) -> None:
    from ml_run import tracking
    from ml_run.pipeline import run_pipeline

    with tracking.live(loaded.config, experiment):
        run_pipeline(loaded.config, experiment, interruption, until)


def with_lines(error: BaseException, loaded: LoadedConfig) -> BaseException:
    """A fault that only the data showed, with the line of the config it is about."""
    if not isinstance(error, ConfigError):
        return error
    return ConfigError([UsageError(f.found, where=loaded.where(f.where), remedy=f.remedy) for f in error.faults])


def _in_words(error: BaseException | None, result: RunResult) -> MlRunError | None:
    if error is None or isinstance(error, MlRunError):
        return error
    assert result.error is not None, "a run that ended early says why"
    return MlRunError(result.error.found, where=result.error.where, remedy=result.error.remedy)


# --- the tracking store ----------------------------------------------------------------------------------------------


def send_pending(project: Path) -> list[dict[str, str]]:
    """Send to the tracking store the runs it missed while it was away.

    Returns:
        Of each run id, status (`sent`, or `pending` when it failed again) and reason. A run that cannot be read or sent
        keeps no other from being sent.
    """
    waiting = [experiment for experiment in list_experiments(project) if _is_pending(experiment)]
    return [_resend(experiment) for experiment in waiting]


def _is_pending(experiment: Experiment) -> bool:
    if not experiment.registration.is_file() or is_locked(experiment):
        return False
    return read_record(experiment.registration, Registration).status == "pending"


def _resend(experiment: Experiment) -> dict[str, str]:
    from ml_run.conclusion import resend

    try:
        loaded = reload(experiment, sources=False)
        with locked(experiment), recording(experiment.logs, loaded.secrets):
            registration = resend(loaded.config, experiment)
    except MlRunError as error:
        return {"id": experiment.id, "status": "pending", "reason": str(error)}
    emit("note", f"{experiment.id}: {registration.status}")
    return {"id": experiment.id, "status": registration.status, "reason": registration.reason}


# --- past runs ------------------------------------------------------------------------------------------------------


def read_result(experiment: Experiment) -> RunResult | None:
    """The result of a run, or None when it has not come to an end or its file cannot be read."""
    try:
        return read_record(experiment.result, RunResult)
    except UsageError:
        return None


def true_status(experiment: Experiment) -> str:
    """The status of a run; one that says it is running but whose lock is free was killed."""
    status = experiment.read_run().status
    return "killed" if status == "running" and not is_locked(experiment) else status


def told(experiment: Experiment) -> dict[str, Any]:
    """One run as the object of `ml-run show --json`; hashes of files stay in `run.json`."""
    from ml_run.conclusion import LONGEST_RESULT, shortened

    run, result = experiment.read_run(), read_result(experiment)
    state = run.model_dump(mode="json", exclude={"stages": {"__all__": {"outputs", "inputs"}}, "versions": True})
    state["status"] = true_status(experiment)
    if result is not None:
        room = LONGEST_RESULT - len(json.dumps(state, indent=4))
        result = shortened(result, room * 9 // 10)  # each of its lines is indented once more
    return {"run": state, "result": result.model_dump(mode="json", exclude={"stages"}) if result else None}


def summary(experiment: Experiment) -> dict[str, Any]:
    """One run as a line of `ml-run list`."""
    run, result = experiment.read_run(), read_result(experiment)
    score = result.scores.get("candidate", {}).get("macro_f1") if result else None
    return {
        "id": run.id,
        "name": run.name,
        "created": run.created,
        "status": true_status(experiment),
        "verdict": result.verdict if result else None,
        "macro_f1": score.value if score else None,
        "exit_code": run.exit_code,
    }
