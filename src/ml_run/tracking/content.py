"""What of a run goes into the tracking store: plain values read from the experiment folder, MLflow not needed."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_run import files
from ml_run.experiment import read_record
from ml_run.results import Evaluation, PreparedData, TrainedModel, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_run.experiment import Experiment
    from ml_run.results import Estimate, ModelScores, RunRecord

KEY = "ml_run.key"
EXPERIMENT_ID = "ml_run.experiment_id"
STAGE = "ml_run.stage"
DIGEST = "ml_run.model_digest"
_LONGEST_VALUE = 5000
_LONGEST_NAME = 250


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    value: float
    time_ms: int
    step: int


def run_key(run: RunRecord) -> str:
    """Names a run in a store that others share: two machines may start `exp_…` folders in the same second."""
    return files.hash_value([run.id, run.created])[:32]


def parameters(experiment: Experiment) -> dict[str, str]:
    """The resolved config as `section.key: value`, from `config.yaml`, where secrets are already masked."""
    import yaml

    if not experiment.config_file.is_file():
        return {}
    return dict(_flatten(yaml.safe_load(experiment.config_file.read_text("utf-8"))))


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    elif value is not None:
        yield _name(prefix), (json.dumps(value) if isinstance(value, list) else str(value))[:_LONGEST_VALUE]


def run_tags(experiment: Experiment) -> dict[str, str]:
    """Tags of the MLflow run: where it came from and, as far as it got, what it found."""
    run = experiment.read_run()
    tags = {KEY: run_key(run), EXPERIMENT_ID: run.id, "mlflow.source.name": "ml-run"}
    tags |= {f"ml_run.host.{name}": value for name, value in run.host.items()}
    tags |= {f"ml_run.version.{name}": value for name, value in run.versions.items()}
    if run.git_commit:
        tags["mlflow.source.git.commit"] = run.git_commit
    return tags | origin_tags(experiment)


def origin_tags(experiment: Experiment) -> dict[str, str]:
    """Tags shared by the run and its model version: verdict, experiment, data, base model, commit."""
    run = experiment.read_run()
    found: dict[str, str | None] = {EXPERIMENT_ID: run.id, "ml_run.git_commit": run.git_commit}
    if experiment.data_report.is_file():
        data = read_record(experiment.data_report, PreparedData)
        found |= {"ml_run.data_fingerprint": data.fingerprint, "ml_run.synthetic": str(data.synthetic).lower()}
    if experiment.training_record.is_file():
        model = read_record(experiment.training_record, TrainedModel)
        found |= {
            "ml_run.base_model": model.base,
            "ml_run.base_revision": model.base_revision,
            DIGEST: model.digest,
        }
    if experiment.verdict.is_file():
        verdict = read_record(experiment.verdict, Verdict)
        found |= {"ml_run.verdict": verdict.overall, "ml_run.verdict_reason": verdict.reason[:_LONGEST_VALUE]}
    return {name: value for name, value in found.items() if value}


def curve(experiment: Experiment) -> list[Point]:
    """Every metric the run told while it went: `events.jsonl` is the source of truth, the store a mirror."""
    journal = experiment.logs / "events.jsonl"
    if not journal.is_file():
        return []
    found: list[Point] = []
    for line in journal.read_text("utf-8", "replace").splitlines():
        if '"metrics"' not in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off by a crash
        if event.get("event") == "metrics":
            found += event_points(event)
    return found


def event_points(event: dict[str, Any]) -> list[Point]:
    """The points of one `metrics` event; undefined values are left out."""
    step, time_ms = int(event["step"]), int(event["time_ms"])
    values = event["values"].items()
    return [Point(_name(name), float(value), time_ms, step) for name, value in values if value is not None]


def scores(experiment: Experiment) -> list[Point]:
    """The numbers known once a stage is over, at step 0 and at a time that is the same whenever they are sent."""
    run = experiment.read_run()
    stage = run.stages.get("evaluate")
    time_ms = round(datetime.fromisoformat(stage.started if stage else run.created).timestamp() * 1000)
    values: dict[str, float | None] = {}
    if experiment.training_record.is_file():
        model = read_record(experiment.training_record, TrainedModel)
        values |= {
            "training/seconds": model.seconds,
            "training/best_epoch": model.best_epoch,
            "training/best_val_macro_f1": model.best_val_macro_f1,
            "training/peak_memory_mb": model.peak_memory_mb,
            "training/parameters": model.parameters,
        }
    if experiment.metrics.is_file():
        values |= _evaluation(read_record(experiment.metrics, Evaluation))
    return [Point(_name(name), value, time_ms, 0) for name, value in values.items() if value is not None]


def _evaluation(evaluation: Evaluation) -> dict[str, float | None]:
    values = _model("test", evaluation.candidate)
    for baseline in evaluation.baselines:
        values |= _model(f"baseline/{baseline.name}", baseline)
    if evaluation.production:
        values |= _model("production", evaluation.production)
    for other in evaluation.comparisons:
        values |= _estimate(f"difference/{other.against}/macro_f1", other.macro_f1_difference)
    values |= {"test/latency_ms_p50": evaluation.latency_ms_p50, "test/latency_ms_p95": evaluation.latency_ms_p95}
    return values | {f"test/f1/{_part(c.label)}": c.f1.value for c in evaluation.candidate.classes}


def _model(prefix: str, model: ModelScores) -> dict[str, float | None]:
    values: dict[str, float | None] = {f"{prefix}/log_loss": model.log_loss, f"{prefix}/ece": model.ece}
    for name in ("accuracy", "macro_f1", "weighted_f1"):
        values |= _estimate(f"{prefix}/{name}", getattr(model, name))
    return values | {f"{prefix}/n": model.n}


def _estimate(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def artefacts(experiment: Experiment) -> list[tuple[Path, str | None]]:
    """Files and folders to keep in the store, each with the folder it goes to there; never the checkpoints."""
    wanted: list[tuple[Path, str | None]] = [
        (experiment.report_md, None),
        (experiment.report_html, None),
        (experiment.config_file, None),
        (experiment.data_report, "data"),
        (experiment.evaluation, None),
    ]
    return [(path, folder) for path, folder in wanted if path.exists()]


def _part(label: str) -> str:
    """A label as part of a metric name, which may hold no / and no `..`; labels that differ stay different."""
    clean = re.sub(r"[^\w\-]", "_", label)
    return clean if clean == label else f"{clean}_{files.hash_value(label)[:8]}"


def _name(name: str) -> str:
    # MLflow takes letters of any script, digits and _ - . / : blank in the name of a metric or parameter.
    return re.sub(r"[^\w\-. :/]", "_", name)[:_LONGEST_NAME]
