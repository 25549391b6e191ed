"""Which model predicts: the one in production, or that of a run; verified file by file before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import deployments, files
from ml_run.errors import StoreError, UsageError
from ml_run.experiment import EXPERIMENTS, Experiment, find_experiment, read_record
from ml_run.modeling.scoring_file import read_scoring
from ml_run.results import PreparedData

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTION = "production"


@dataclass(frozen=True)
class Chosen:
    """A model whose files are those of its manifest."""

    version: str
    """Of the registered model, for the one in production; else the run's ID."""
    folder: Path
    digest: str
    """`files.folder_digest` of the folder."""
    text_fields: tuple[str, ...]
    """What its run read of a row; empty where the run's records are gone."""
    synthetic: bool
    """Its run was on SYNTHETIC data."""
    abstain_below: float | None = None
    """Confidence below which it abstains, by what it was trained with; None: never."""

    def below(self, asked: float | None) -> float | None:
        """Confidence below which a row abstains, where a job asks for `asked`."""
        return self.abstain_below if asked is None else asked


def choose_model(project: Path, reference: str) -> Chosen:
    """Find the model that `reference` names, `production` or the ID of a run, and compare it with its manifest.

    Raises:
        UsageError: there is none.
        StoreError: a file of it is not what was written.
    """
    return _production(project) if reference == PRODUCTION else _of_run(find_experiment(project, reference))


def _production(project: Path) -> Chosen:
    version = deployments.deployed_version(project, otherwise="name a run: --model ID")
    digest = deployments.verified_digest(project, version)
    run = deployments.made_by(project, version)
    experiment = Experiment(project / EXPERIMENTS / run) if run else None
    return _chosen(version, deployments.version_folder(project, version), digest, experiment)


def _of_run(experiment: Experiment) -> Chosen:
    if not (experiment.model / files.MANIFEST).is_file():
        raise UsageError(
            f"run {experiment.id} has no trained model", remedy=f"let it train first: ml-run --resume {experiment.id}"
        )
    if fault := files.manifest_fault(experiment.model):
        raise StoreError(
            f"the model of run {experiment.id} is not what was trained: {fault}",
            where=str(experiment.model),
            remedy="do not use it; name another run, or train it again in a new one",
        )
    return _chosen(experiment.id, experiment.model, files.folder_digest(experiment.model), experiment)


def _chosen(version: str, folder: Path, digest: str, experiment: Experiment | None) -> Chosen:
    data = None
    if experiment is not None and experiment.data_report.is_file():
        data = read_record(experiment.data_report, PreparedData)
    return Chosen(
        version=version,
        folder=folder,
        digest=digest,
        text_fields=data.text_fields if data else (),
        synthetic=data.synthetic if data else False,
        abstain_below=_abstain_below(folder),
    )


def _abstain_below(folder: Path) -> float | None:
    try:
        return read_scoring(folder).abstain_below
    except ValueError:
        return None  # whoever loads the model says what is wrong with it
