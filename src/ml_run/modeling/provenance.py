"""What a model folder tells of its making: `provenance.json`, and a bill of materials in the CycloneDX format.

Both depend on the model and the packages alone, no time and no place: the same training gives the same files.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ml_run import files

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.results import PreparedData, TrainedModel

PROVENANCE = "provenance.json"
MATERIALS = "sbom.cdx.json"
_TRANSFORMER = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
_LINEAR = ("scikit-learn", "scipy", "skops", "numpy")
_COMMIT_LENGTH = 40
_ONNX = ("onnx", "onnxruntime", "onnxscript")


def write_provenance(folder: Path, data: PreparedData, model: TrainedModel, *, exported: bool) -> None:
    """Write both files into `folder`, which is sealed after it.

    Args:
        folder: of the model.
        data: what it was trained on.
        model: its record; digest and times are not looked at.
        exported: it serves in a format of ONNX Runtime.
    """
    needed = (*(_LINEAR if model.linear else _TRANSFORMER), *(_ONNX if exported else ()))
    found = {"ml-run": _version("ml-run"), **{package: _version(package) for package in needed}}
    files.write_json(
        folder / PROVENANCE,
        {
            "base_model": _named(model),
            "base_revision": model.base_revision,
            "labels": model.labels,
            "data_fingerprint": data.fingerprint,
            "splits": {name: split.fingerprint for name, split in data.splits.items()},
            "synthetic": data.synthetic,
            "seed": model.seed,
            "steps": model.global_step,
            "python": platform.python_version(),
            "packages": found,
        },
    )
    files.write_json(folder / MATERIALS, _materials(found, model))


def _materials(packages: dict[str, str], model: TrainedModel) -> dict[str, Any]:
    """A CycloneDX document: https://cyclonedx.org/docs/1.6/json/."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "machine-learning-model", "name": "classifier", "bom-ref": "model"}},
        "components": [
            *(
                {"type": "library", "name": name, "version": number, "purl": f"pkg:pypi/{name}@{number}"}
                for name, number in packages.items()
            ),
            *_base(model),
        ],
    }


def _base(model: TrainedModel) -> list[dict[str, Any]]:
    if model.base_revision is None:
        return []
    return [{"type": "machine-learning-model", "name": _named(model), "version": model.base_revision}]


def _named(model: TrainedModel) -> str:
    """Of a local folder only the name: its place is nobody's business. Its revision is the SHA-256 of its weights."""
    on_hub = model.base_revision is None or len(model.base_revision) == _COMMIT_LENGTH
    return model.base if on_hub else PurePath(model.base).name


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "unknown"
