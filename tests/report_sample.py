"""A finished run as records, written to an experiment folder as the pipeline does: what report tests start from."""

from pathlib import Path

from ml_run import files
from ml_run.config import Config
from ml_run.experiment import Experiment, write_record
from ml_run.reporting import data_sections, markdown
from ml_run.reporting.records import Place
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
    Feasibility,
    Finding,
    LabelErrors,
    LanguageCheck,
    LanguageGuess,
    LanguageShare,
    LeakCount,
    Lengths,
    ModelScores,
    PreparedData,
    Registration,
    RunRecord,
    ShortcutProbe,
    SplitSummary,
    StageRecord,
    TokenCheck,
    TokenStats,
    TrainedModel,
    TruncationPoint,
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


def make_checked_data(labels=LABELS, **changed) -> PreparedData:
    """`make_data` with a record of every check, as the data stage leaves them on a few hundred dirty rows."""
    values = {
        "findings": CHECKED_FINDINGS,
        "leaks": (
            LeakCount(split="train", into="train", exact=9, near=3, rows=815),
            LeakCount(split="train", into="val", exact=0, near=1, rows=122),
            LeakCount(split="val", into="train", exact=0, near=1, rows=815),
            LeakCount(split="train", into="test", exact=4, near=2, rows=243),
            LeakCount(split="test", into="train", exact=4, near=3, rows=815),
        ),
        "language_check": make_language_check(labels),
        "label_errors": LabelErrors(
            rows=1176, accuracy=0.792, flagged=81, shown=50, planted=59, recall=0.644, precision=0.7
        ),
        "shortcuts": (
            ShortcutProbe(name="length", macro_f1=0.281, guess=0.333, text=0.747, rows=1176),
            ShortcutProbe(name="punctuation", macro_f1=0.402, guess=0.333, text=0.747, rows=1176),
            ShortcutProbe(name="source", macro_f1=0.691, guess=0.333, text=0.747, rows=1176),
        ),
        "tokens": make_tokens(labels),
        "feasibility": make_feasibility(labels),
    }
    return make_data(labels, **(values | changed))


def make_place(project=Path("/work/project")) -> Place:
    return Place(make_config(project), Experiment(project / "experiments" / "check_data"))


def data_part(data: PreparedData, name: str) -> str | None:
    """One part of the report on the data as Markdown; None when the report has no such part."""
    parts = {part.name: part for part in data_sections.data_parts(make_place(), data)}
    return "\n\n".join(map(markdown.content, parts[name].content)) if name in parts else None


CHECKED_FINDINGS = (
    Finding(
        rule="leak_exact",
        severity="warning",
        message="4 training rows have a copy in the test split",
        count=4,
        share=0.0049,
        remedy="find out how the splits were made",
        examples=(Example(file="data/train.jsonl", line=17, text="Waxaa la sheegay in dowladda", label="Northern"),),
    ),
    Finding(
        rule="shortcut",
        severity="warning",
        message="the field source tells the label: macro-F1 0.691, where guessing gives 0.333",
        count=1176,
        remedy="collect the classes from the same sources",
    ),
    Finding(
        rule="conflict",
        severity="warning",
        message="2 texts stand there with different labels",
        count=4,
        share=0.0034,
        remedy="decide on one label each",
    ),
    Finding(
        rule="gate_undecidable",
        severity="warning",
        message="51 test rows of Southern cannot decide min_class_recall[Southern]",
        count=1,
        remedy="label 69 more test rows of Southern",
    ),
    Finding(
        rule="label_error",
        severity="info",
        message="the 50 most suspicious labels of 1,176 are in the review queue",
        count=50,
        share=0.0425,
        remedy="have a native speaker look at them",
        examples=(
            Example(file="data/train.jsonl", line=240, text="Madaxweynaha ayaa", label="Central"),
            Example(file="data/val.jsonl", line=12, text="Kooxda kubadda cagta", label="Southern"),
        ),
    ),
)


def make_language_check(labels=LABELS) -> LanguageCheck:
    sizes = {"train": 815, "val": 122, "test": 243}
    shares = [
        LanguageShare(
            split=split,
            label=label,
            rows=size // len(labels),
            wrong=3 if (split, place) == ("train", 1) else 0,
            unknown=2 + place if split == "train" else 1,
        )
        for split, size in sizes.items()
        for place, label in enumerate(labels)
    ]
    return LanguageCheck(
        expected="so",
        how="held against data.language: so, which py3langid and pycld2 both know",
        shares=tuple(shares),
        others={"en": 2, "sw": 1},
        scripts={"Latin": 1178, "Arabic": 2},
    )


def make_tokens(labels=LABELS) -> TokenCheck:
    def stats(name, rows, cut):
        lengths = Lengths(minimum=6, median=88, mean=121.5, p95=402, maximum=1311)
        return TokenStats(
            name=name, rows=rows, tokens=lengths, tokens_per_word=2.19, unknown=0.0004, cut=cut, lost=cut / 3
        )

    return TokenCheck(
        tokenizer="xlm-roberta-base",
        max_length=256,
        splits=(stats("train", 811, 0.123), stats("val", 122, 0.115), stats("test", 243, 0.128)),
        classes=tuple(stats(label, 270, round(0.2 - 0.005 * place, 3)) for place, label in enumerate(labels)),
        histogram=(96, 310, 142, 87, 76, 41, 22, 14, 9, 6, 5, 3),
        edges=(0, 48, 96, 144, 192, 240, 288, 336, 384, 432, 480, 528, 1312),
        ablation=(
            TruncationPoint(words=32, macro_f1=0.741, standard_error=0.021),
            TruncationPoint(words=64, macro_f1=0.804, standard_error=0.019),
            TruncationPoint(words=None, macro_f1=0.749, standard_error=0.02),
        ),
        advice="keep max_length at 256: the part that is cut off does not help a linear model",
    )


def make_feasibility(labels=LABELS) -> tuple[Feasibility, ...]:
    overall = Feasibility(
        criterion="min_accuracy",
        n=243,
        threshold=0.8,
        decidable=True,
        needed=0.848,
        message="243 test rows can decide it",
    )
    classes = [
        Feasibility(
            criterion=f"min_class_recall[{label}]",
            label=label,
            n=120 - place,
            threshold=0.7,
            decidable=place != 2,
            needed=0.783 if place != 2 else None,
            n_needed=None if place != 2 else 187,
            message="the rows can decide it" if place != 2 else "too few rows of the class, however good the model is",
        )
        for place, label in enumerate(labels)
    ]
    return (overall, *classes)


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
