"""A finished run as records, written to an experiment folder as the pipeline does: what report tests start from."""

from pathlib import Path

from ml_run import files
from ml_run.config import Config
from ml_run.experiment import Experiment, write_record
from ml_run.results import (
    STAGES,
    Advice,
    ClassScores,
    Comparison,
    CriterionResult,
    Deployment,
    EpochScores,
    Estimate,
    Evaluation,
    Example,
    Finding,
    LanguageGuess,
    Lengths,
    ModelScores,
    PreparedData,
    Registration,
    RunRecord,
    SplitSummary,
    StageRecord,
    TrainedModel,
    Verdict,
    Verification,
)

LABELS = ("Northern", "Central", "Southern")
HOSTILE = (
    "<script>document.title='run'</script>",
    "</style><b>x",
    "[/foo]|`*_cell_*`",
    "=HYPERLINK('http://x.example')",
    "\x1b]8;;http://x.example\x1b\\",
    "\u202eturned",
    "[a](javascript:alert)",
    "ሰሜን ቋንቋ",
    "شمالي",
    "a very long label that goes on and on beyond anything a chart has room for, and then some more",
)


def spread(value: float, half: float = 0.04) -> Estimate:
    return Estimate(value=value, low=max(0, round(value - half, 3)), high=min(1, round(value + half, 3)))


def make_config(project: Path, **sections) -> Config:
    values = {
        "data": {f"{name}_path": f"{project}/data/{name}.jsonl" for name in ("train", "val", "test")},
        "model": {"name": "xlm-roberta-base", "num_labels": 3, "max_length": 256},
        "deployment": {"auto_deploy": True, "min_accuracy": 0.8, "min_f1": 0.78},
    }
    for name, changed in sections.items():
        values[name] = values.get(name, {}) | changed
    return Config.model_validate(values)


def make_data(labels=LABELS, **changed) -> PreparedData:
    lengths = Lengths(minimum=3, median=41, mean=60.2, p95=190, maximum=612)

    def split(name, size):
        classes = {label: max(1, round(size / (place + 1.5))) for place, label in enumerate(labels)}
        return SplitSummary(
            name=name,
            source=f"data/{name}.jsonl",
            rows=sum(classes.values()),
            rejected=4 if name == "train" else 0,
            classes=classes,
            characters=lengths,
            words=lengths,
            fingerprint=name * 4,
        )

    values = {
        "labels": labels,
        "splits": {name: split(name, size) for name, size in (("train", 600), ("val", 90), ("test", 180))},
        "text_fields": ("text",),
        "label_field": "label",
        "findings": (
            Finding(
                rule="labels_imbalanced",
                severity="info",
                message="the largest class has 2.3 times the smallest",
                count=3,
                remedy="nothing need be done",
            ),
            Finding(
                rule="leak_exact",
                severity="warning",
                message="4 training rows have a copy in the test split",
                count=4,
                share=0.0049,
                remedy="they were left out of training; look where they come from",
                examples=(
                    Example(file="data/train.jsonl", line=17, text="Waxaa la sheegay in dowladda", label=labels[0]),
                    Example(file="data/train.jsonl", line=240, text="Madaxweynaha ayaa", label=labels[1]),
                ),
            ),
        ),
        "readiness": "ready with warnings",
        "fingerprint": "f00d" * 16,
        "language": LanguageGuess(
            code="so", name="Somali", how="recognised", evidence="412 of 500 rows hold frequent words"
        ),
        "advice": (
            Advice(
                topic="Apostrophes",
                text="fold ’ and ' before comparing words: the glyph marks the source",
                source="BBC Somali, 1,463 texts",
                dated="2026-08",
            ),
        ),
    }
    return PreparedData(**(values | changed))


def make_model(labels=LABELS, **changed) -> TrainedModel:
    curve = tuple(
        EpochScores(
            epoch=e,
            step=50 * e,
            train_loss=1.1 / e,
            val_loss=0.5 + 0.5 / e,
            val_macro_f1=0.85 - 0.4 / e,
            val_accuracy=0.9 - 0.4 / e,
        )
        for e in range(1, 6)
    )
    values = {
        "base": "xlm-roberta-base",
        "base_revision": "c" * 40,
        "labels": labels,
        "max_length": 256,
        "parameters": 278045186,
        "digest": "d1" * 32,
        "best_epoch": 4.0,
        "best_val_macro_f1": 0.75,
        "global_step": 250,
        "max_steps": 250,
        "stopped_early": False,
        "curve": curve,
        "class_weights": None,
        "seed": 42,
        "device": "cpu",
        "seconds": 812.4,
        "peak_memory_mb": 3021.5,
    }
    return TrainedModel(**(values | changed))


def make_scores(name, level, labels=LABELS, rows=60) -> ModelScores:
    right = round(rows * level)
    classes = tuple(
        ClassScores(
            label=label,
            support=rows,
            precision=spread(level - 0.01 * i),
            recall=spread(level),
            f1=spread(level - 0.02 * i, 0.07),
        )
        for i, label in enumerate(labels)
    )
    confusion = [[0] * len(labels) for _ in labels]
    for i, line in enumerate(confusion):
        line[i] = right
        line[(i + 1) % len(labels)] += rows - right
    return ModelScores(
        name=name,
        n=rows * len(labels),
        accuracy=spread(level),
        macro_f1=spread(level - 0.01),
        weighted_f1=spread(level),
        log_loss=0.52,
        ece=0.061,
        classes=classes,
        confusion=confusion,
    )


def make_evaluation(labels=LABELS, level=0.85, linear=0.75, production=None, rows=60) -> Evaluation:
    difference = level - linear
    comparisons = [
        Comparison(
            against="linear",
            n=rows * len(labels),
            excluded=0,
            macro_f1_difference=signed_spread(difference),
            accuracy_difference=signed_spread(difference),
        )
    ]
    if production is not None:
        gap = signed_spread(level - production)
        comparisons.append(
            Comparison(
                against="production",
                n=rows * len(labels) - 7,
                excluded=7,
                macro_f1_difference=gap,
                accuracy_difference=gap,
            )
        )
    return Evaluation(
        labels=labels,
        n=rows * len(labels),
        candidate=make_scores("candidate", level, labels, rows),
        baselines=(make_scores("majority", 0.34, labels, rows), make_scores("linear", linear, labels, rows)),
        production=None if production is None else make_scores("production", production, labels, rows),
        production_version=None if production is None else "2",
        comparisons=tuple(comparisons),
        latency_ms_p50=21.0,
        latency_ms_p95=34.5,
    )


def signed_spread(value: float) -> Estimate:
    return Estimate(value=round(value, 3), low=round(value - 0.05, 3), high=round(value + 0.05, 3))


def make_criterion(name="min_accuracy", verdict="PASS", **changed) -> CriterionResult:
    values = {
        "name": name,
        "metric": "accuracy",
        "direction": ">=",
        "threshold": 0.8,
        "value": 0.85,
        "low": 0.81,
        "high": 0.89,
        "n": 180,
        "verdict": verdict,
        "reason": "accuracy 0.850 reaches >= 0.8, and so does its whole 95 % interval",
        "straddles": False,
    }
    return CriterionResult(**(values | changed))


def make_verdict(overall="PASS", criteria=None, reason="all 2 criteria are met") -> Verdict:
    if criteria is None:
        doubtful = make_criterion(
            "min_f1",
            overall,
            metric="macro_f1",
            threshold=0.82,
            value=0.84,
            low=0.8,
            high=0.88,
            straddles=True,
            rows_to_settle=960,
            reason="macro_f1 0.840 reaches >= 0.82 on the value alone",
        )
        criteria = (make_criterion(), doubtful)
    return Verdict(overall=overall, reason=reason, decide_on="point", criteria=criteria)


DEPLOYED = Deployment(
    action="deployed",
    reason="the verdict is PASS and auto_deploy is true",
    version="3",
    folder="experiments/deployments/3",
    next_step="ml-run serve",
    verification=Verification(rows=32, largest_difference=1.2e-6, same_labels=True, seconds=6.4),
)
REGISTERED = Registration(
    status="sent",
    tracking_uri="sqlite:///experiments/mlflow.db",
    model_name="dialects",
    run_id="ab12",
    version="3",
    aliases=("production",),
)


def make_run(identity="exp_20261123_051530", **changed) -> RunRecord:
    values = {
        "id": identity,
        "name": "first try",
        "status": "finished",
        "created": "2026-11-23T05:15:30.000+00:00",
        "command": "ml-run 'first try'",
        "config_path": "ml_config.yaml",
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "git_commit": "e" * 40,
        "host": {"system": "Linux", "cores": "2"},
        "stages": {s: StageRecord(status="finished", started="2026-11-23T05:15:31+00:00", seconds=3.2) for s in STAGES},
    }
    return RunRecord(**(values | changed))


def make_experiment(project: Path, run=None, **records) -> Experiment:
    """An experiment folder with `run.json` and the records given by name: data, model, evaluation, verdict, …"""
    run = run or make_run()
    experiment = Experiment(project / "experiments" / run.id)
    experiment.write_run(run)
    places = {
        "data": experiment.data_report,
        "model": experiment.training_record,
        "evaluation": experiment.metrics,
        "verdict": experiment.verdict,
        "registration": experiment.registration,
        "error": experiment.error_file,
    }
    for name, record in records.items():
        if name == "deployment":
            both = {"verdict": records["verdict"].model_dump(mode="json"), "deployment": record.model_dump(mode="json")}
            files.write_json(experiment.deployment, both)
        else:
            write_record(places[name], record)
    return experiment


def make_finished(project: Path, run=None, **changed) -> Experiment:
    """A run that passed and was deployed; `changed` replaces single records."""
    records = {
        "data": make_data(),
        "model": make_model(),
        "evaluation": make_evaluation(),
        "verdict": make_verdict(),
        "deployment": DEPLOYED,
        "registration": REGISTERED,
    }
    return make_experiment(project, run, **(records | changed))
