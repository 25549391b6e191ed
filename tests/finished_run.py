"""Builds what a run leaves behind up to its verdict, with a real (untrained) model, in a fraction of a second."""

import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conftest import LABELS, make_rows
from ml_run import files
from ml_run.config import Config
from ml_run.events import JournalHandler
from ml_run.experiment import Experiment, create_experiment, write_record
from ml_run.results import (
    ClassScores,
    CriterionResult,
    Estimate,
    Evaluation,
    Lengths,
    ModelScores,
    PreparedData,
    SplitSummary,
    TrainedModel,
    Verdict,
)

TEXTS = [row["text"] for row in make_rows(120)]


@dataclass(frozen=True)
class FinishedRun:
    config: Config
    experiment: Experiment
    data: PreparedData
    model: TrainedModel
    evaluation: Evaluation
    verdict: Verdict

    @property
    def records(self):
        """What the deploy stage takes after config and experiment."""
        return self.data, self.model, self.evaluation, self.verdict


def finished_run(project: Path, *, verdict="PASS", production=None, seed=0, **sections) -> FinishedRun:
    """A run in `project` that was decided; `sections` are sections of the config."""
    import yaml

    values = {
        "data": {"train_path": "train.jsonl"},
        "model": {"name": "scratch:tiny"},
        "deployment": {"auto_deploy": True, "min_f1": 0.5},
    }
    config = Config.model_validate(values | sections)
    experiment = create_experiment(
        project, f"run {seed}", config_text="", command="ml-run", config_path=project / "ml_config.yaml"
    )
    files.write_text(experiment.config_file, yaml.safe_dump(config.model_dump(mode="json")))
    _write_model(experiment, seed)
    model = _model(experiment)
    run = FinishedRun(config, experiment, _data(), model, _evaluation(production, model.digest), _verdict(verdict))
    _write_predictions(experiment)
    for path, record in (
        (experiment.data_report, run.data),
        (experiment.training_record, run.model),
        (experiment.metrics, run.evaluation),
        (experiment.verdict, run.verdict),
    ):
        write_record(path, record)
    return run


def started_store(project: Path) -> Path:
    """Give `project` a sqlite store as our first start makes it; return the project."""
    (project / "experiments").mkdir(parents=True, exist_ok=True)
    shutil.copy(_database(), project / "experiments/mlflow.db")
    return project


@cache
def _database() -> Path:
    import tempfile

    from ml_run.tracking.store import connect

    project = Path(tempfile.mkdtemp(prefix="ml-run-test-store-"))
    connect(Config.model_validate({"data": {"train_path": "x"}, "model": {"name": "scratch:tiny"}}), project)
    return project / "experiments/mlflow.db"


def write_metrics(experiment: Experiment, steps: int) -> None:
    """Note `steps` training steps of two metrics each in the journal."""
    import logging

    (experiment.logs).mkdir(exist_ok=True)
    journal = JournalHandler(experiment.logs / "events.jsonl")
    for step in range(steps):
        record = logging.makeLogRecord({"msg": "metrics", "event": "metrics", "data": metrics_event(step)})
        journal.handle(record)
    journal.close()


def metrics_event(step: int) -> dict:
    return {
        "step": step,
        "time_ms": 1_700_000_000_000 + step,
        "values": {"loss": 1 / (step + 1), "lr": None, "gn": 2.0},
    }


@cache
def _model_files(seed: int) -> Path:
    import tempfile

    import torch

    from ml_run.modeling.scratch import build_model, train_tokenizer

    scratch = Path(tempfile.mkdtemp(prefix="ml-run-test-model-"))
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(TEXTS, pieces=300, max_length=32)
    model = build_model("scratch:tiny", tokenizer, 32, num_labels=3, id2label=dict(enumerate(LABELS)))
    model.save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    return scratch


def _write_model(experiment: Experiment, seed: int) -> None:
    from ml_run.modeling.scoring import load_scorer

    kept = _model_files(seed)
    with files.atomic_folder(experiment.model) as folder:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        (folder / "train_rows.txt").write_text("0123abcd\n")
    logits = load_scorer(experiment.model, device="cpu").logits(TEXTS[:32])
    files.write_json(experiment.reference, {"labels": LABELS, "texts": TEXTS[:32], "logits": logits.tolist()})


def _data() -> PreparedData:
    lengths = Lengths(minimum=1, median=2, mean=2, p95=3, maximum=4)

    def split(name: str) -> SplitSummary:
        return SplitSummary(
            name=name, source=f"{name}.jsonl", rows=60, rejected=0, classes=dict.fromkeys(LABELS, 20),
            characters=lengths, words=lengths, fingerprint=files.hash_value(name),
        )  # fmt: skip

    return PreparedData(
        labels=LABELS, splits={name: split(name) for name in ("train", "val", "test")}, text_fields=("text",),
        label_field="label", findings=(), readiness="ready", fingerprint="f" * 64,
    )  # fmt: skip


def _model(experiment: Experiment) -> TrainedModel:
    return TrainedModel(
        base="scratch:tiny", base_revision=None, labels=LABELS, max_length=32, parameters=1000,
        digest=files.folder_digest(experiment.model), best_epoch=2, best_val_macro_f1=0.9, global_step=20,
        max_steps=20, stopped_early=False, curve=(), class_weights=None, seed=7, device="cpu", seconds=1.5,
        peak_memory_mb=100,
    )  # fmt: skip


def _evaluation(production: str | None, digest: str) -> Evaluation:
    half = Estimate(value=0.75, low=0.6, high=0.85)
    scores = ModelScores(
        name="candidate", n=60, accuracy=half, macro_f1=half, weighted_f1=half, log_loss=0.5, ece=None,
        classes=tuple(ClassScores(label=c, support=20, precision=half, recall=half, f1=half) for c in LABELS),
        confusion=((15, 5, 0), (0, 15, 5), (5, 0, 15)),
    )  # fmt: skip
    return Evaluation(
        labels=LABELS, n=60, candidate=scores, baselines=(scores.model_copy(update={"name": "majority"}),),
        production=None, production_version=production, comparisons=(), latency_ms_p50=1.0, latency_ms_p95=2.0,
        model_digest=digest,
    )  # fmt: skip


def _verdict(overall: str) -> Verdict:
    criterion = CriterionResult(
        name="min_f1", metric="macro_f1", direction=">=", threshold=0.5, value=0.75, low=0.6, high=0.85, n=60,
        verdict=overall, reason="macro_f1 0.75 against 0.5", straddles=False,
    )  # fmt: skip
    return Verdict(overall=overall, reason=f"it is {overall}", decide_on="point", criteria=(criterion,))


def _write_predictions(experiment: Experiment) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = [LABELS[i % 3] for i in range(60)]
    predicted = [LABELS[(i + (i % 4 == 0)) % 3] for i in range(60)]
    columns = {
        "row": list(range(60)), "label": label, "predicted": predicted,
        "correct": [a == b for a, b in zip(label, predicted, strict=True)],
        "confidence": [0.4 + i / 100 for i in range(60)], "characters": [50 + i for i in range(60)],
    }  # fmt: skip
    experiment.evaluation.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), experiment.predictions)


def events_of(experiment: Experiment) -> list[dict]:
    return [json.loads(line) for line in (experiment.logs / "events.jsonl").read_text().splitlines()]
