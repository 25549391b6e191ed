"""The model registry: versions, their tags, the aliases `candidate`, `production` and `previous`."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import StoreError
from ml_run.experiment import read_record
from ml_run.modeling.foreign import refuse_foreign
from ml_run.redaction import mask_uris
from ml_run.results import TrainedModel
from ml_run.tracking import content, runs
from ml_run.tracking.content import DIGEST
from ml_run.tracking.packing import logged_model
from ml_run.tracking.store import asked_once, connect, large_transfer, refuse_nonsense, store_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.tracking.store import Store

_SCRATCH = "mlflow"
_MODEL_IN_ARTEFACTS = "data/model"
_OVERRIDE = "ml_run.override"
_LARGEST = 1_200_000_000
"""Bytes of a model of which nothing is known yet: xlm-roberta-base."""
CANDIDATE, PRODUCTION, PREVIOUS = "candidate", "production", "previous"


def registered_name(config: Config, project: Path) -> str:
    """Name of the registered model: `registry.name`, else the project folder's name in characters MLflow takes."""
    if config.registry.name:
        return config.registry.name
    return re.sub(r"[^\w-]+", "-", project.absolute().name).strip("-") or "ml-run"


def aliases(config: Config, project: Path) -> dict[str, str]:
    """Which version each alias points at; empty while nothing is registered. Raises StoreError."""
    from mlflow.exceptions import MlflowException

    store, name = connect(config, project), registered_name(config, project)
    with store_faults(store.uri):
        try:
            model = store.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        refuse_nonsense(store, model.name == name)
        return {alias: str(version) for alias, version in model.aliases.items()}


def point_alias(config: Config, project: Path, alias: str, version: str | None) -> None:
    """Point `alias` at `version`, or remove it where `version` is None. Raises StoreError."""
    store, name = connect(config, project), registered_name(config, project)
    with store_faults(store.uri):
        if version is None:
            store.client.delete_registered_model_alias(name, alias)
        else:
            store.client.set_registered_model_alias(name, alias, version)


def version_tags(config: Config, project: Path, version: str) -> dict[str, str]:
    """Tags of one registered version. Raises StoreError."""
    store = connect(config, project)
    with store_faults(store.uri):
        found = store.client.get_model_version(registered_name(config, project), version)
        refuse_nonsense(store, str(found.version) == version)
        return dict(found.tags)


def download_model(config: Config, project: Path, version: str, folder: Path) -> None:
    """Fetch the model folder of a registered version into `folder`, sealed, with the content it was registered with.

    Raises:
        StoreError: it cannot be fetched, is not what was registered, or could bring code.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    store, name = connect(config, project), registered_name(config, project)
    with files.atomic_folder(folder) as temporary, files.scratch_folder(folder.parent, _SCRATCH) as scratch:
        with store_faults(store.uri), large_transfer(_LARGEST):
            tags = store.client.get_model_version(name, version).tags
            source = store.client.get_model_version_download_uri(name, version)
            repository = get_artifact_repository(source, store.uri, store.uri)
            fetched = Path(repository.download_artifacts(_MODEL_IN_ARTEFACTS, str(scratch)))  # type: ignore[no-untyped-call]
        fault = files.manifest_fault(fetched)
        if fault or files.folder_digest(fetched) != tags.get(DIGEST):
            raise StoreError(
                f"version {version} of {name} is not the model that was registered: {fault or 'its manifest differs'}",
                where=mask_uris(store.uri),
                remedy="somebody changed it in the store; deploy another version",
            )
        refuse_foreign(fetched)
        shutil.copytree(fetched, temporary, dirs_exist_ok=True, copy_function=shutil.copyfile)


# --- registering ------------------------------------------------------------------------------------------------------


def register_version(config: Config, experiment: Experiment, override: str | None = None) -> str:
    """Register the experiment's model, once: a version that the experiment already has is returned as it is.

    Args:
        config: the run's config.
        experiment: holds the sealed model and the records that become tags.
        override: the reason a person gave for deploying a model that did not pass.

    Returns:
        The version.

    Raises:
        StoreError: the store failed.
    """
    store = connect(config, experiment.project)
    with store_faults(store.uri):
        folder = runs.mlflow_experiment(store, config, experiment.project)
        run = runs.find_run(store, folder, experiment) or runs.open_run(store, folder, experiment)
        name = registered_name(config, experiment.project)
        digest = read_record(experiment.training_record, TrainedModel).digest
        version = find_version(store, name, run, digest) or _create_version(store, name, run, experiment)
        if override is not None:
            store.client.set_model_version_tag(name, version, _OVERRIDE, override)
    return version


def find_version(store: Store, name: str, run: Run, digest: str) -> str | None:
    """The version that was registered from an MLflow run with this very model, or None.

    One that a store made twice, since its answer was lost on the way, is left once: the first.
    """
    found = store.client.search_model_versions(f"run_id = '{run.info.run_id}'")
    versions = sorted((v for v in found if v.name == name and v.tags.get(DIGEST) == digest), key=_number)
    for twin in versions[1:]:
        if not twin.aliases:
            store.client.delete_model_version(name, str(twin.version))
    return str(versions[0].version) if versions else None


def _number(version: ModelVersion) -> int:
    return int(version.version)


def _create_version(store: Store, name: str, run: Run, experiment: Experiment) -> str:
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = logged_model(store, name, run, experiment)
    with _global_uri(store.uri), asked_once():
        version: ModelVersion = store.client.create_model_version(
            name,
            f"models:/{model_id}",
            run.info.run_id,
            tags=content.origin_tags(experiment),
            model_id=model_id,
        )
    refuse_nonsense(store, version.name == name)
    return str(version.version)


@contextmanager
def _global_uri(uri: str) -> Iterator[None]:
    """Make `uri` MLflow's global address within the block: resolving `models:/m-…` looks nowhere else."""
    import mlflow

    name = "MLFLOW_TRACKING_URI"
    before = os.environ.get(name)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # how MLflow itself resets it
        if before is not None:
            os.environ[name] = before
