"""The MLflow run that mirrors an experiment: making, filling, closing it. Every step may be repeated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeVar

from ml_run.events import one_line
from ml_run.experiment import is_locked, list_experiments, read_record
from ml_run.results import PreparedData
from ml_run.tracking import content
from ml_run.tracking.store import asked_once, large_transfer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mlflow.entities import DatasetInput, Run

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.results import SplitSummary
    from ml_run.tracking.content import Point
    from ml_run.tracking.store import Store

EndStatus = Literal["FINISHED", "FAILED", "KILLED"]
_STATUS_OF: dict[str, EndStatus] = {"finished": "FINISHED", "failed": "FAILED"}
_METRICS_A_CALL = 1000
_VALUES_A_CALL = 100
_DIGEST_CHARACTERS = 36
_TRIES = 3
Item = TypeVar("Item")


def mlflow_experiment(store: Store, config: Config, project: Path) -> str:
    """Id of the MLflow experiment that the project's runs go to; made if it is new.

    Raises:
        StoreError: the experiment was deleted in MLflow. (Other failures come as MLflow raises them.)
    """
    from mlflow.exceptions import MlflowException

    name = one_line(config.tracking.experiment or project.absolute().name or "ml-run")
    if (found := store.client.get_experiment_by_name(name)) is None:
        location = (store.artifacts / _folder_name(name)).as_uri() if store.artifacts else None
        try:
            return str(store.client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = store.client.get_experiment_by_name(name)  # another process made it just now
            if found is None:
                raise
    return str(found.experiment_id)


def _folder_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


def find_run(store: Store, experiment_id: str, experiment: Experiment) -> Run | None:
    """The MLflow run that mirrors `experiment`, or None.

    One that a store made twice, since its answer was lost on the way, is left once: the first.
    """
    key = content.run_key(experiment.read_run())
    filtered = f"tags.`{content.KEY}` = '{key}'"
    found = store.client.search_runs([experiment_id], filtered, order_by=["attributes.start_time ASC"])
    for twin in found[1:]:
        store.client.delete_run(twin.info.run_id)
    return found[0] if found else None


def open_run(store: Store, experiment_id: str, experiment: Experiment) -> Run:
    """Find or make the run, bring its tags and parameters up to date, and return it."""
    run = find_run(store, experiment_id, experiment)
    tags = content.run_tags(experiment)
    if run is None:
        with asked_once():
            run = store.client.create_run(experiment_id, tags=tags, run_name=experiment.read_run().name)
    log_values(store, run, tags, content.parameters(experiment))
    return run


def log_values(store: Store, run: Run, tags: dict[str, str], parameters: dict[str, str]) -> None:
    """Set the tags that differ and the parameters that are new; MLflow never lets a parameter change."""
    from mlflow.entities import Param, RunTag

    new_tags = [RunTag(k, v) for k, v in tags.items() if run.data.tags.get(k) != v]
    new_parameters = [Param(k, v) for k, v in parameters.items() if k not in run.data.params]
    for chunk in _chunks(new_tags, _VALUES_A_CALL):
        store.client.log_batch(run.info.run_id, tags=chunk)
    for part in _chunks(new_parameters, _VALUES_A_CALL):
        store.client.log_batch(run.info.run_id, params=part)


def log_points(store: Store, run_id: str, points: Sequence[Point]) -> None:
    """Send metric values."""
    from mlflow.entities import Metric

    metrics = [Metric(p.name, p.value, p.time_ms, p.step) for p in points]
    for chunk in _chunks(metrics, _METRICS_A_CALL):
        store.client.log_batch(run_id, metrics=chunk)


def log_missing_points(store: Store, run: Run, points: Sequence[Point]) -> None:
    """Send the metric values that the run does not have yet, so that sending twice leaves no duplicates."""
    known = set()
    for name in {p.name for p in points} & set(run.data.metrics):
        known |= {(m.key, m.timestamp, m.step) for m in store.client.get_metric_history(run.info.run_id, name)}
    log_points(store, run.info.run_id, [p for p in points if (p.name, p.time_ms, p.step) not in known])


def log_datasets(store: Store, run: Run, experiment: Experiment) -> None:
    """Record the three splits as inputs of the run, each with its fingerprint."""
    from mlflow.exceptions import MlflowException

    if not experiment.data_report.is_file() or (run.inputs and run.inputs.dataset_inputs):
        return
    data = read_record(experiment.data_report, PreparedData)
    inputs = [_dataset(split, data.fingerprint) for split in data.splits.values()]
    for tries_left in reversed(range(_TRIES)):
        try:
            store.client.log_inputs(run.info.run_id, datasets=inputs)
            break
        except MlflowException:  # two runs on the same data may race to be the first to name it
            if not tries_left:
                raise


def _dataset(split: SplitSummary, data_fingerprint: str) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = {"rows": split.rows, "rejected": split.rejected, "classes": split.classes}
    dataset = Dataset(
        name=split.name,
        digest=split.fingerprint[:_DIGEST_CHARACTERS],
        source_type="local",
        source=json.dumps({"uri": split.source, "fingerprint": split.fingerprint, "data": data_fingerprint}),
        profile=json.dumps(profile, ensure_ascii=False),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", split.name)])


def log_artefacts(store: Store, run_id: str, experiment: Experiment) -> None:
    """Copy reports, config and evaluation into the store."""
    for path, folder in content.artefacts(experiment):
        with large_transfer(largest_file(path)):
            store.client.log_artifact(run_id, str(path), folder)


def largest_file(path: Path) -> int:
    """Bytes of a file, or of the largest file in a folder."""
    return max((file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file()), default=0)


def close_killed_runs(store: Store, experiment_id: str, project: Path) -> None:
    """End the runs of this project that MLflow shows as running although no process walks them.

    A killed process cannot say that it ended. Whether it did is read from the lock of its folder, which the kernel
    gives back; runs whose folder is not here (another machine shares the store) are left alone.
    """
    here = {e.id: e for e in list_experiments(project)}
    running = store.client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=1000)
    for run in running:
        experiment = here.get(run.data.tags.get(content.EXPERIMENT_ID, ""))
        if experiment is None or is_locked(experiment):
            continue
        record = experiment.read_run()
        if run.data.tags.get(content.KEY) == content.run_key(record):
            store.client.set_terminated(run.info.run_id, _STATUS_OF.get(record.status, "KILLED"))


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
