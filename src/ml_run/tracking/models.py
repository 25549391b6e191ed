"""The model registry: versions, their tags, the aliases `candidate`, `production` and `previous`."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import StoreError
from ml_run.experiment import read_record
from ml_run.redaction import mask_uris
from ml_run.results import TrainedModel
from ml_run.tracking import content, runs
from ml_run.tracking.content import DIGEST
from ml_run.tracking.store import connect, large_transfer, store_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.tracking.store import Store

_LOADER = "ml_run.modeling.pyfunc_model"
_SCRATCH = "mlflow"
_MODEL_IN_ARTEFACTS = "data/model"
_PINNED = ("mlflow", "numpy", "pandas", "pydantic")
_TRANSFORMER = ("torch", "transformers", "tokenizers", "safetensors")
_LINEAR = ("scikit-learn", "scipy", "skops")
_OVERRIDE = "ml_run.override"
_EXAMPLE = "text to classify"  # no row of the user's: everybody who may read the registry sees it
CANDIDATE, PRODUCTION, PREVIOUS = "candidate", "production", "previous"


def registered_name(config: Config, project: Path) -> str:
    """Name of the registered model: `registry.name`, else the project folder's name in characters MLflow takes."""
    if config.registry.name:
        return config.registry.name
    return re.sub(r"[^\w-]+", "-", project.absolute().name).strip("-") or "ml-run"


def aliases(config: Config, project: Path) -> dict[str, str]:
    """Which version each alias points at; empty while nothing is registered. Raises StoreError."""
    from mlflow.exceptions import MlflowException

    store = connect(config, project)
    with store_faults(store.uri):
        try:
            model = store.client.get_registered_model(registered_name(config, project))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
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
        return dict(found.tags)


def download_model(config: Config, project: Path, version: str, folder: Path) -> None:
    """Fetch the model folder of a registered version into `folder`, sealed, with the content it was registered with.

    Raises:
        StoreError: it cannot be fetched, or is not what was registered.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    store, name = connect(config, project), registered_name(config, project)
    with files.atomic_folder(folder) as temporary, files.scratch_folder(folder.parent, _SCRATCH) as scratch:
        with store_faults(store.uri), large_transfer():
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
        version = find_version(store, name, run.info.run_id, digest) or _create_version(store, name, run, experiment)
        if override is not None:
            store.client.set_model_version_tag(name, version, _OVERRIDE, override)
    return version


def find_version(store: Store, name: str, run_id: str, digest: str) -> str | None:
    """The version that was registered from an MLflow run with this very model, or None."""
    found = store.client.search_model_versions(f"run_id = '{run_id}'")
    versions = [v.version for v in found if v.name == name and v.tags.get(DIGEST) == digest]
    return str(max(versions, key=int)) if versions else None


def _create_version(store: Store, name: str, run: Run, experiment: Experiment) -> str:
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = _logged_model(store, name, run, experiment)
    with _global_uri(store.uri):
        version: ModelVersion = store.client.create_model_version(
            name,
            f"models:/{model_id}",
            run.info.run_id,
            tags=content.origin_tags(experiment),
            model_id=model_id,
        )
    return str(version.version)


def _logged_model(store: Store, name: str, run: Run, experiment: Experiment) -> str:
    """Id of the run's model in the store's artefacts; uploaded unless a killed process had just done so."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    tags = content.origin_tags(experiment)
    for output in run.outputs.model_outputs if run.outputs else []:
        if store.client.get_logged_model(output.model_id).tags.get(DIGEST) == tags[DIGEST]:
            return str(output.model_id)
    files.sweep(experiment.folder)  # a copy of the model left by a killed process may fill the disk
    logged = store.client.create_logged_model(run.info.experiment_id, name, run.info.run_id, tags=tags)
    with files.scratch_folder(experiment.folder, _SCRATCH) as scratch:
        packed = scratch / "packed"
        pack(experiment, packed, logged.model_id, run.info.run_id)
        with large_transfer():
            store.client.log_model_artifacts(logged.model_id, str(packed))
    store.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    store.client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def pack(experiment: Experiment, target: Path, model_id: str, run_id: str) -> None:
    """Write the model in MLflow's format to the folder `target`: the sealed model, our code, pins, signature.

    MLflow neither loads the model nor guesses its requirements; no pickle is written.
    """
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model

    import ml_run

    record = read_record(experiment.training_record, TrainedModel)
    mlflow.pyfunc.save_model(
        str(target),
        loader_module=_LOADER,
        data_path=str(experiment.model),
        code_paths=[str(Path(ml_run.__file__).parent)],
        mlflow_model=Model(artifact_path="model", run_id=run_id, model_uuid=model_id, model_id=model_id),
        signature=_signature(record.labels),
        input_example=pd.DataFrame({"text": [_EXAMPLE]}),
        pip_requirements=[f"{package}=={_public_version(package)}" for package in _needed(record)],
        metadata={"synthetic": record.synthetic, "model_digest": record.digest},
    )
    for cached in target.rglob("__pycache__"):
        shutil.rmtree(cached)


def _needed(model: TrainedModel) -> tuple[str, ...]:
    return *_PINNED, *(_LINEAR if model.linear else _TRANSFORMER)


def _public_version(package: str) -> str:
    return installed_version(package).partition("+")[0]  # 2.13.0+cpu is no version that PyPI knows


def _signature(labels: tuple[str, ...]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    probabilities = [ColSpec(DataType.double, f"p_{label}") for label in labels]
    answer = Schema([ColSpec(DataType.string, "label"), *probabilities])
    return ModelSignature(Schema([ColSpec(DataType.string, "text")]), answer)


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
