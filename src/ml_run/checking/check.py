"""`ml-run check-data`: the data stage alone, in a folder that is made anew each time."""

from __future__ import annotations

import csv
import logging
import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import cluster, files
from ml_run.checking.folder import CHECK, Making, locked_check, put_in_place
from ml_run.config.data_checks import RULES
from ml_run.errors import ConfigError, ExitCode, NotReadyError
from ml_run.events import emit
from ml_run.experiment import EXPERIMENTS, Experiment, write_record
from ml_run.results import SPLITS
from ml_run.runs import with_lines

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config.file import LoadedConfig
    from ml_run.results import PreparedData

_USUAL_CONFIG = "ml_config.yaml"


@dataclass(frozen=True)
class DataCheck:
    """What a check of the data found; files by their paths in `folder`."""

    prepared: PreparedData
    folder: str
    """Relative to the project folder."""
    checks: int
    """Rules that were looked for."""
    queue: str
    queue_rows: int
    rejected: str
    rejected_rows: int
    record: str
    report: str | None
    """None when it could not be written."""
    apply: str
    """The command that applies the review queue."""
    kept: tuple[str, ...] = ()
    """Files in the folder that people had changed, by the names they were kept under."""

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        return ExitCode.NOT_READY if self.prepared.readiness == "not ready" else ExitCode.OK


def check_data(loaded: LoadedConfig, project: Path) -> DataCheck:
    """Walk the data stage and leave what it finds in `experiments/check_data/`; no split is kept there.

    Raises:
        NotReadyError: a source cannot be read, or none of its rows can be used.
        ConfigError: the config contradicts the data.
        UsageError: another process is at it, or the folder cannot be written.
    """
    folder = project / EXPERIMENTS / CHECK
    with locked_check(project), files.scratch_folder(folder.parent, CHECK) as scratch:
        experiment = Making(scratch, project)
        experiment.data.mkdir()
        files.write_text(experiment.config_file, loaded.resolved_yaml)
        try:
            prepared = _prepare(loaded, experiment)
        except NotReadyError:
            put_in_place(experiment, folder)  # what was left out, and why, is told by its path
            raise
        except ConfigError as error:
            raise with_lines(error, loaded) from None
        queue_rows, has_report = _count(experiment.review_queue), experiment.report_html.is_file()
        kept = put_in_place(experiment, folder)

    def inside(path: Path) -> str:
        return path.relative_to(scratch).as_posix()

    return DataCheck(
        prepared=prepared,
        checks=len(RULES) - sum(severity == "off" for severity in loaded.config.data.checks.values()),
        folder=f"{EXPERIMENTS}/{CHECK}",
        queue=inside(experiment.review_queue),
        queue_rows=queue_rows,
        rejected=inside(experiment.rejected),
        rejected_rows=sum(split.rejected for split in prepared.splits.values()),
        record=inside(experiment.data_report),
        report=inside(experiment.report_html) if has_report else None,
        apply=_apply(loaded, experiment.relative(experiment.review_queue)),
        kept=kept,
    )


def _apply(loaded: LoadedConfig, queue: str) -> str:
    config = os.path.relpath(loaded.path)
    named = [] if config == _USUAL_CONFIG else ["--config", config]
    return shlex.join(["ml-run", "check-data", *named, "--apply", queue])


def _prepare(loaded: LoadedConfig, experiment: Experiment) -> PreparedData:
    from ml_run.stages.data import prepare_data

    emit("stage_started", "data", stage="data")
    with cluster.using(loaded.config.compute):
        prepared = prepare_data(loaded.config, experiment)
    write_record(experiment.data_report, prepared)
    _report(loaded, experiment, prepared)
    for split in SPLITS:
        experiment.split(split).unlink(missing_ok=True)
    return prepared


def _report(loaded: LoadedConfig, experiment: Experiment, prepared: PreparedData) -> None:
    from ml_run.reporting import write_data_report

    try:
        write_data_report(loaded.config, experiment, prepared)
    except Exception as error:  # noqa: BLE001 -- the findings must come out even where their page does not
        emit("warning", f"the report could not be written: {error}", level=logging.WARNING)


def _count(queue: Path) -> int:
    with queue.open(encoding="utf-8-sig", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1
