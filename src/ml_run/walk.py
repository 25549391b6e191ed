"""Walking one stage of a run: skip it when its result stands, mark how it ends, keep its record."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ml_run import files
from ml_run.errors import Interrupted, MlRunError
from ml_run.events import emit, utc_now
from ml_run.experiment import Experiment, read_record, stage_is_done, write_record
from ml_run.redaction import redact
from ml_run.results import STAGES, Record, StageName, StageRecord

AnyRecord = TypeVar("AnyRecord", bound=Record)


def walk_stage(
    experiment: Experiment,
    stage: StageName,
    *,
    kind: type[AnyRecord],
    inputs: str,
    work: Callable[[], AnyRecord],
    outputs: tuple[Path, ...] = (),
    done: Callable[[AnyRecord], bool] = lambda _: True,
    summary: Callable[[AnyRecord], str] = lambda _: "",
) -> AnyRecord:
    """Do the work of one stage, or read its record when the stage is already done.

    The stage counts as finished only when `run.json` says so, which is written after the record and all outputs; a
    process killed before that walks the stage again. As a stage begins, its record and those of all later stages go:
    what they say was found on other inputs.

    Args:
        experiment: the run.
        stage: the stage's name.
        kind: type of the record.
        inputs: hash of all that the result depends on.
        work: does the stage and returns its record.
        outputs: further files, or folders of files, whose content the result stands on.
        done: False for a record that says the stage has to be walked again on resume (a store was away).
        summary: one line for people about the record.
    """
    record = record_file(experiment, stage)
    reason = stage_is_done(experiment, stage, inputs)
    if reason is None:
        result = read_record(record, kind)
        emit("stage_skipped", f"{stage}: done before, {summary(result)}", stage=stage, reason="its result stands")
        return result
    emit("stage_started", stage, stage=stage, reason=reason)
    started, clock = utc_now(), time.monotonic()
    _forget_from(experiment, stage)
    _mark(experiment, stage, StageRecord(status="running", started=started, inputs=inputs))

    def ended(status: str, message: str, hashes: dict[str, str] | None = None) -> float:
        seconds = round(time.monotonic() - clock, 3)
        values = {"status": status, "started": started, "seconds": seconds, "inputs": inputs, "message": message}
        _mark(experiment, stage, StageRecord.model_validate({**values, "outputs": hashes or {}}))
        return seconds

    try:
        result = work()
        write_record(record, result)
    except Interrupted:
        ended("interrupted", "stopped by a signal")
        raise
    except BaseException as error:
        seconds = ended("failed", redact(error.found, ()) if isinstance(error, MlRunError) else type(error).__name__)
        emit("stage_failed", f"{stage} failed", stage=stage, seconds=seconds)
        raise
    finished = done(result)
    seconds = ended("finished" if finished else "failed", summary(result), _hashes(experiment, record, outputs))
    event = "stage_finished" if finished else "stage_failed"
    emit(event, f"{stage}: {summary(result)}", stage=stage, seconds=seconds)
    return result


def record_file(experiment: Experiment, stage: StageName) -> Path:
    """The file that holds the record of a stage."""
    return {
        "data": experiment.data_report,
        "train": experiment.training_record,
        "evaluate": experiment.metrics,
        "gate": experiment.verdict,
        "deploy": experiment.deployment,
        "registry": experiment.registration,
    }[stage]


def restate(experiment: Experiment, stage: StageName, value: Record, summary: str) -> None:
    """Replace the record of a stage that was walked before, e.g. when a waiting model is deployed later."""
    record = record_file(experiment, stage)
    write_record(record, value)
    before = experiment.read_run().stages.get(stage) or StageRecord(status="finished", started=utc_now())
    outputs = {**before.outputs, **_hashes(experiment, record, ())}
    _mark(experiment, stage, before.model_copy(update={"status": "finished", "outputs": outputs, "message": summary}))


def _forget_from(experiment: Experiment, stage: StageName) -> None:
    gone = STAGES[STAGES.index(stage) :]
    run = experiment.read_run()
    kept = {name: record for name, record in run.stages.items() if name not in gone}
    experiment.write_run(run.model_copy(update={"stages": kept}))
    for name in gone:
        record_file(experiment, name).unlink(missing_ok=True)


def _mark(experiment: Experiment, stage: StageName, record: StageRecord) -> None:
    run = experiment.read_run()
    experiment.write_run(run.model_copy(update={"stages": {**run.stages, stage: record}}))


def _hashes(experiment: Experiment, record: Path, outputs: tuple[Path, ...]) -> dict[str, str]:
    found = [record]
    for output in outputs:
        found += [f for f in output.rglob("*") if f.is_file()] if output.is_dir() else [output]
    return {f.relative_to(experiment.folder).as_posix(): files.hash_file(f) for f in sorted(set(found))}
