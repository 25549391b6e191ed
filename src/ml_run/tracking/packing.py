"""The model as the store keeps it: packed in MLflow's format, sent, and looked at once it is there."""

from __future__ import annotations

import shutil
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
from ml_run.tracking.store import asked_once, large_transfer, refuse_nonsense

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.models import ModelSignature

    from ml_run.experiment import Experiment
    from ml_run.tracking.store import Store

_LOADER = "ml_run.modeling.pyfunc_model"
_SCRATCH = "mlflow"
_PINNED = ("mlflow", "numpy", "pandas", "pydantic")
_TRANSFORMER = ("torch", "transformers", "tokenizers", "safetensors")
_LINEAR = ("scikit-learn", "scipy", "skops")
_ONNX = ("onnxruntime",)
_EXAMPLE = "text to classify"  # no row of the user's: everybody who may read the registry sees it


def logged_model(store: Store, name: str, run: Run, experiment: Experiment) -> str:
    """Id of the run's model in the store's artefacts, of which every file has arrived.

    What a killed process, or one that lost its store, had begun is gone on with.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    tags = content.origin_tags(experiment)
    begun = store.client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    same = sorted((one for one in begun if one.tags.get(DIGEST) == tags[DIGEST]), key=_age)
    logged = same[0] if same else _new_logged_model(store, name, run, tags)
    if logged.status != LoggedModelStatus.READY:
        _upload(store, logged, run, experiment)
        store.client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    store.client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def _age(model: LoggedModel) -> tuple[int, str]:
    return model.creation_timestamp, model.model_id


def _new_logged_model(store: Store, name: str, run: Run, tags: dict[str, str]) -> LoggedModel:
    with asked_once():
        logged = store.client.create_logged_model(run.info.experiment_id, name, run.info.run_id, tags=tags)
    refuse_nonsense(store, logged.source_run_id == run.info.run_id)
    return logged


def _upload(store: Store, logged: LoggedModel, run: Run, experiment: Experiment) -> None:
    files.sweep(experiment.folder)  # a copy of the model left by a killed process may fill the disk
    with files.scratch_folder(experiment.folder, _SCRATCH) as scratch:
        packed = scratch / "packed"
        pack(experiment, packed, logged.model_id, run.info.run_id)
        with large_transfer(runs.largest_file(packed)):
            store.client.log_model_artifacts(logged.model_id, str(packed))
        refuse_lost(store, logged.model_id, packed)


def refuse_lost(store: Store, model_id: str, packed: Path) -> None:
    """Raise StoreError when a file of `packed` is not in the store: a proxy may answer 200 to what it drops."""
    for folder in (packed, *(path for path in packed.rglob("*") if path.is_dir())):
        inside = folder.relative_to(packed).as_posix() if folder != packed else None
        arrived = {one.path: one.file_size for one in store.client.list_logged_model_artifacts(model_id, inside)}
        for file in (path for path in folder.iterdir() if path.is_file()):
            name, size = file.relative_to(packed).as_posix(), file.stat().st_size
            if name not in arrived or arrived[name] not in {None, size}:
                raise StoreError(
                    f"the tracking store failed: {name} was sent to it and is not there",
                    where=mask_uris(store.uri),
                    remedy="check the store's artefacts; `ml-run sync` sends it again",
                )


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
    exported = model.served is not None and model.served.format not in {None, "safetensors"}
    return *_PINNED, *(_LINEAR if model.linear else _TRANSFORMER), *(_ONNX if exported else ())


def _public_version(package: str) -> str:
    return installed_version(package).partition("+")[0]  # 2.13.0+cpu is no version that PyPI knows


def _signature(labels: tuple[str, ...]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    probabilities = [ColSpec(DataType.double, f"p_{label}") for label in labels]
    answer = Schema([ColSpec(DataType.string, "label"), *probabilities, ColSpec(DataType.boolean, "abstain")])
    return ModelSignature(Schema([ColSpec(DataType.string, "text")]), answer)
