"""Which deployed model is watched, and what was handed over with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import deployments, runs
from ml_run.errors import UsageError
from ml_run.experiment import EXPERIMENTS, Experiment, find_experiment, read_record
from ml_run.monitoring import Handoff
from ml_run.results import PreparedData

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config import Config


@dataclass(frozen=True)
class Watched:
    """A deployed model."""

    experiment: Experiment
    handoff: Handoff
    folder: Path
    """Of the model."""
    version: str | None
    config: Config
    """Of the run that made it."""
    data: PreparedData
    """Of the same run."""

    @property
    def floor(self) -> float | None:
        """Accuracy below which the model is to be trained again: what the config says, else what it had to reach."""
        if self.config.monitoring.min_accuracy is not None:
            return self.config.monitoring.min_accuracy
        return next((one.threshold for one in self.handoff.criteria if one.metric == "accuracy"), None)


def find_watched(project: Path, reference: str | None) -> Watched:
    """The model in production, or that of a run.

    Args:
        project: the project folder.
        reference: ID of a run; None: the model in production.

    Raises:
        UsageError: there is none, or what was handed over with it is missing or of an older version.
    """
    if reference is None:
        experiment, folder, version = _in_production(project)
    else:
        experiment = find_experiment(project, reference)
        folder, version = experiment.model, None
    handoff = _handoff(experiment)
    if version is not None and handoff.version != version:
        raise UsageError(
            f"{experiment.id} handed over version {handoff.version}, and version {version} is in production",
            where=experiment.relative(experiment.handoff),
            remedy=f"ml-run deploy {experiment.id} writes it anew",
        )
    return Watched(
        experiment=experiment,
        handoff=handoff,
        folder=folder,
        version=version or handoff.version,
        config=runs.reload(experiment, sources=False).config,
        data=read_record(experiment.data_report, PreparedData),
    )


def _in_production(project: Path) -> tuple[Experiment, Path, str]:
    version = deployments.deployed_version(project, otherwise="name a run: --run ID")
    deployments.verified_digest(project, version)
    known = deployments.made_by(project, version)
    experiment = Experiment(project / EXPERIMENTS / known) if known else None
    if experiment is None or not experiment.run_file.is_file():
        raise UsageError(
            f"the run that made version {version} is not here" + (f": {known}" if known else ""),
            where=f"{EXPERIMENTS}/deployments/history.jsonl",
            remedy="name the run that holds its handoff.json: --run ID",
        )
    return experiment, deployments.version_folder(project, version), version


def _handoff(experiment: Experiment) -> Handoff:
    if not experiment.handoff.is_file():
        raise UsageError(
            f"run {experiment.id} has no handoff.json: its model was never registered",
            where=experiment.relative(experiment.folder),
            remedy=f"ml-run deploy {experiment.id} writes one",
        )
    handoff = read_record(experiment.handoff, Handoff)
    if handoff.texts is None or handoff.trust is None:
        raise UsageError(
            f"the handoff of run {experiment.id} does not say how the texts looked: "
            + ("an older version of ml-run wrote it" if handoff.format == 1 else "they could not be read"),
            where=experiment.relative(experiment.handoff),
            remedy=f"deploy the run again, which writes it anew: ml-run deploy {experiment.id}",
        )
    return handoff
