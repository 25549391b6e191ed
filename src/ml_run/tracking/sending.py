"""Sending a run to the tracking store: everything it should hold, once, however often it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.experiment import read_record
from ml_run.results import Registration, TrainedModel, Verdict
from ml_run.tracking import content, models, runs
from ml_run.tracking.store import connect, shown_uri, store_faults

if TYPE_CHECKING:
    from mlflow.entities import Run

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.tracking.store import Store


def send(config: Config, experiment: Experiment) -> Registration:
    """Bring the store to what the experiment folder holds: run, metrics, tags, data, artefacts, model version, status.

    Idempotent: what is there already is neither repeated nor changed. A model that passed and has no version yet (the
    store was away when it was to be deployed) gets one, with the alias `candidate`.

    Raises:
        StoreError: the store failed; what was sent stays sent, and another call completes it.
    """
    store = connect(config, experiment.project)
    name = models.registered_name(config, experiment.project)
    with store_faults(store.uri):
        folder = runs.mlflow_experiment(store, config, experiment.project)
        run = runs.open_run(store, folder, experiment)
        run_id = run.info.run_id
        runs.log_missing_points(store, run, [*content.curve(experiment), *content.scores(experiment)])
        runs.log_datasets(store, run, experiment)
        runs.log_artefacts(store, run_id, experiment)
        version = _version(config, store, name, run, experiment)
        store.client.set_terminated(run_id, "FINISHED")
    pointing = models.aliases(config, experiment.project)
    return Registration(
        status="sent",
        tracking_uri=shown_uri(config, experiment.project),
        model_name=name,
        run_id=run_id,
        version=version,
        aliases=tuple(sorted(alias for alias, v in pointing.items() if v == version)),
    )


def _version(config: Config, store: Store, name: str, run: Run, experiment: Experiment) -> str | None:
    if not experiment.verdict.is_file():
        return None
    digest = read_record(experiment.training_record, TrainedModel).digest
    found = models.find_version(store, name, run, digest)
    if found or read_record(experiment.verdict, Verdict).overall != "PASS":
        return found
    version = models.register_version(config, experiment)
    models.point_alias(config, experiment.project, models.CANDIDATE, version)
    return version
