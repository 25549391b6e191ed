"""`--dry-run`: everything that can be checked before a run, without leaving a trace in the project."""

import tempfile
from pathlib import Path
from typing import Any

from ml_run.config import Config
from ml_run.config.names import LINEAR
from ml_run.events import emit
from ml_run.experiment import Experiment
from ml_run.modeling.plan import Plan
from ml_run.pipeline import require_ready
from ml_run.results import PreparedData
from ml_run.splits import read_split


def rehearse(config: Config, project: Path) -> dict[str, Any]:
    """Check data and model as a run would, in a temporary folder, and say what the run would do.

    Args:
        config: the config of the run.
        project: the folder the run would be made in; only looked at.

    Returns:
        The plan: data readiness, rows, model, training steps (None for a linear model), criteria, tracking store.

    Raises:
        NotReadyError: the data is not ready.
        MlRunError: the model cannot be had.
    """
    from ml_run.stages.data import prepare_data
    from ml_run.tracking import shown_uri

    with tempfile.TemporaryDirectory() as name:
        experiment = Experiment(Path(name) / "exp_dry_run", project)
        experiment.data.mkdir(parents=True)
        data = prepare_data(config, experiment)
        require_ready(data, report="ml-run NAME --until data writes the full report")
        if config.model.name != LINEAR:
            _load_base(config, experiment, data)
    return {
        "data": data.readiness,
        "findings": [f"{f.severity}: {f.message}" for f in data.findings if f.severity != "info"],
        "rows": {name: split.rows for name, split in data.splits.items()},
        "labels": list(data.labels),
        "model": config.model.name,
        "training_steps": _steps(config, data),
        "criteria": _criteria(config),
        "auto_deploy": config.deployment.auto_deploy,
        "tracking": shown_uri(config, project),
    }


def _load_base(config: Config, experiment: Experiment, data: PreparedData) -> None:
    from ml_run.modeling.loading import load_base
    from ml_run.modeling.scoring import quiet_libraries

    emit("note", f"loading {config.model.name}")
    with quiet_libraries():
        texts = read_split(experiment.split("train")).texts
        unlabelled = Path(path) if (path := config.data.unlabelled_path) else None
        load_base(config.model, data.labels, texts, config.training.seed, unlabelled)


def _steps(config: Config, data: PreparedData) -> int | None:
    if config.model.name == LINEAR:
        return None
    rows, folds = data.splits["train"].rows, config.training.folds
    if folds:
        rows += data.splits["val"].rows
        return folds * Plan(rows - rows // folds, config.training).max_steps + Plan(rows, config.training).max_steps
    return Plan(rows, config.training).max_steps


def _criteria(config: Config) -> dict[str, float | bool]:
    values = {
        "min_accuracy": config.deployment.min_accuracy,
        "min_f1": config.deployment.min_f1,
        **config.gate.model_dump(exclude={"decide_on", "min_support"}),
    }
    return {name: value for name, value in values.items() if value not in (None, False)}
