"""Predictions that a run of ours wrote: judged again, they are the same model and get the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import UsageError
from ml_run.experiment import Experiment, read_record
from ml_run.results import Evaluation, PreparedData

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The run that predictions come from."""

    model: str
    """Digest of its model: to judge it again is no further look at the test set."""
    seed: int
    """Of the resampling in its evaluate stage."""


def find_origin(path: Path, digest: str) -> Origin | None:
    """The run that wrote the file at `path`; None where there is none, or where the file has changed since.

    Args:
        path: absolute path of the predictions.
        digest: their SHA-256.
    """
    experiment = Experiment(path.parent.parent)
    if experiment.predictions != path or not experiment.run_file.is_file():
        return None
    try:
        stage = experiment.read_run().stages.get("evaluate")
        evaluation = read_record(experiment.metrics, Evaluation)
        data = read_record(experiment.data_report, PreparedData)
    except UsageError:
        return None
    written = stage.outputs.get(path.relative_to(experiment.folder).as_posix()) if stage else None
    if written != digest or evaluation.model_digest is None:
        return None
    return Origin(evaluation.model_digest, files.seed_of(data.fingerprint))
