"""The parts of the report about the run itself: training, deployment, what was asked, how to repeat it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_run.characters import visible_lines
from ml_run.config.names import LINEAR
from ml_run.modeling import windows
from ml_run.reporting.attempts import attempt_rows
from ml_run.reporting.document import Block, Code, Content, Folded, Loose, Section, User, paragraph, rich, table
from ml_run.reporting.fold_sections import epochs, fold_content
from ml_run.reporting.linear_sections import linear_training
from ml_run.reporting.training_figures import training_curve
from ml_run.wording import UNDEFINED, duration, score, sentence

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.reporting.records import Facts
    from ml_run.results import Deployment, Registration, TrainedModel

_CURVE_ROWS = 30
_NOT_SET = "–"


def training(facts: Facts, model: TrainedModel) -> Section:
    """How the candidate was trained, and the training curve or what else was tried."""
    if model.linear:
        section = linear_training(model, model.linear)
        return replace(section, content=(*section.content, *_folds(model)))
    rows: list[list[Loose]] = [
        ["Base model", User(facts.shown(model.base))],
        ["Revision", Code(model.base_revision) if model.base_revision else "none: trained from scratch"],
        ["Parameters", f"{model.parameters:,}"],
        ["Tokens read of a text", windows.told(facts.config.model.long_text, model.max_length or 0)],
        ["Steps", f"{model.global_step:,} of {model.max_steps:,}{', stopped early' if model.stopped_early else ''}"],
        _epoch(model),
        *attempt_rows(model.attempts, facts.config.training),
        ["Class weights", _weights(model)],
        ["Seed", str(model.seed)],
        ["Device", model.device],
        ["Time", duration(model.seconds)],
        ["Peak memory", UNDEFINED if model.peak_memory_mb is None else f"{model.peak_memory_mb:,.0f} MB"],
    ]
    content: list[Content] = [table("The model and its training", ["", ""], rows)]
    content += _folds(model)
    if model.curve:
        content += [_losses(model)] if model.folds else [training_curve(model), _curve(model)]
    return Section("training", "Training", tuple(content))


def _folds(model: TrainedModel) -> list[Content]:
    return fold_content(model.folds) if model.folds else []


def _epoch(model: TrainedModel) -> list[Loose]:
    if model.folds:
        return [
            "Epochs",
            f"{epochs(model.folds)}, as the folds have found; their mean macro-F1 is {score(model.best_val_macro_f1)}",
        ]
    return ["Best epoch", f"{model.best_epoch:g}, validation macro-F1 {score(model.best_val_macro_f1)}"]


def _losses(model: TrainedModel) -> Content:
    """The training curve of a model that no row was left to score."""
    shown = model.curve[-_CURVE_ROWS:]
    rows: list[list[Loose]] = [[f"{epoch.epoch:g}", f"{epoch.step:,}", score(epoch.train_loss)] for epoch in shown]
    return table("The training of the final model", ["Epoch", "Step", "Training loss"], rows, numeric="nnn")


def _weights(model: TrainedModel) -> Loose:
    pieces: list[Loose] = []
    for label, weight in zip(model.labels, model.class_weights or (), strict=False):
        pieces += [", " if pieces else "", User(label), f" {weight:.2f}"]
    return rich(*pieces) if pieces else "none"


def _curve(model: TrainedModel) -> Content:
    columns: list[Loose] = [
        "Epoch",
        "Step",
        "Training loss",
        "Validation loss",
        "Validation macro-F1",
        "Validation accuracy",
    ]
    shown = model.curve[-_CURVE_ROWS:]
    rows: list[list[Loose]] = [
        [
            f"{epoch.epoch:g}{' (kept)' if epoch.epoch == model.best_epoch else ''}",
            f"{epoch.step:,}",
            *(score(v) for v in (epoch.train_loss, epoch.val_loss, epoch.val_macro_f1, epoch.val_accuracy)),
        ]
        for epoch in shown
    ]
    caption = "The training curve" + (f", last {_CURVE_ROWS} rows" if len(shown) < len(model.curve) else "")
    return Folded(table(caption, columns, rows, numeric=" nnnnn"))


# --- deployment and registry ----------------------------------------------------------------------------------------


def deployment(facts: Facts) -> Section:
    """What was done with the candidate and where it is recorded."""
    rows: list[list[Loose]] = []
    if facts.deployment:
        rows += _deployment_rows(facts.deployment)
    if facts.registration:
        rows += _registration_rows(facts, facts.registration)
    return Section("deployment", "Deployment and registry", (table("What was done with the model", ["", ""], rows),))


def _deployment_rows(done: Deployment) -> list[list[Loose]]:
    rows: list[list[Loose]] = [["Action", rich(done.action, ": ", sentence(done.reason))]]
    rows += [["Version", done.version]] if done.version else []
    rows += [["Served from", Code(done.folder)]] if done.folder else []
    rows += [["Production before", f"version {done.previous}"]] if done.previous else []
    rows += [["Override", done.override]] if done.override else []
    if done.verification:
        same = "the same labels" if done.verification.same_labels else "NOT the same labels"
        rows.append(
            [
                "Verified",
                rich(
                    f"loaded in a fresh process without network: {same} on {done.verification.rows} rows, ",
                    f"largest difference of a logit {done.verification.largest_difference:.2g} ",
                    f"({duration(done.verification.seconds)})",
                ),
            ]
        )
    return rows


def _registration_rows(facts: Facts, known: Registration) -> list[list[Loose]]:
    rows: list[list[Loose]] = [["Tracking store", rich(Code(facts.shown(known.tracking_uri)), f" ({known.status})")]]
    rows.append(
        ["Registered model", rich(User(known.model_name), f", version {known.version}" if known.version else "")]
    )
    rows += [["Aliases", ", ".join(known.aliases)]] if known.aliases else []
    rows += [["MLflow run", Code(known.run_id)]] if known.run_id else []
    if known.status == "pending":
        rows.append(["Still to be sent", rich(sentence(known.reason), " Send it with ", Code("ml-run sync"), ".")])
    return rows


# --- what was asked, and how to ask it again ------------------------------------------------------------------------


def asked(facts: Facts) -> Section:
    """Data, model and thresholds of the config."""
    config = facts.config
    paths = (("train", config.data.train_path), ("val", config.data.val_path), ("test", config.data.test_path))
    rows: list[list[Loose]] = [
        [f"Data: {name}", User(facts.shown(path)) if path else "taken from the training file"] for name, path in paths
    ]
    if facts.data:
        fields = ", ".join((*facts.data.text_fields, facts.data.label_field))
        rows.append(["Fields: text, label", User(fields)])
    rows += [
        ["Model", User(facts.shown(config.model.name))],
        ["Training", _training_words(config)],
        *_criteria_rows(config),
        ["Decide on", config.gate.decide_on],
        ["Deploy", "when the verdict is PASS" if config.deployment.auto_deploy else "only by ml-run deploy"],
    ]
    return Section("asked", "What was asked", (table("What the configuration asks for", ["", ""], rows),))


def _training_words(config: Config) -> str:
    t = config.training
    if config.model.name == LINEAR:
        tried = "balanced" if t.class_weights == "balanced" else "whichever are better on the validation split"
        return f"tuned on the validation split, seed {t.seed}, class weights {tried}"
    passes = "until the validation score stops rising" if t.epochs == "auto" else f"at most {t.epochs} epochs"
    return (
        f"{passes}, batches of {t.batch_size}, learning rate {t.learning_rate:g}, seed {t.seed}, "
        f"class weights {t.class_weights}" + (f", {t.folds} folds" if t.folds else "")
    )


def _criteria_rows(config: Config) -> list[list[Loose]]:
    gate, deploy = config.gate, config.deployment
    values: list[tuple[str, float | None, str]] = [
        ("min_accuracy", deploy.min_accuracy, "≥ {:g}"),
        ("min_f1 (macro-F1)", deploy.min_f1, "≥ {:g}"),
        ("min_class_f1", gate.min_class_f1, "≥ {:g} in each class"),
        ("min_class_recall", gate.min_class_recall, "≥ {:g} in each class"),
        ("max_regression", gate.max_regression, "macro-F1 at most {:g} below production"),
        ("min_improvement", gate.min_improvement, "macro-F1 at least {:g} above production"),
        ("max_ece", gate.max_ece, "≤ {:g}"),
        ("max_latency_ms", gate.max_latency_ms, "≤ {:g} ms"),
    ]
    found: list[list[Loose]] = [
        [f"Criterion: {name}", form.format(value)] for name, value, form in values if value is not None
    ]
    if gate.must_beat_baseline:
        found.append(["Criterion: must_beat_baseline", "better than every baseline, beyond chance"])
    return found or [["Criteria", "none: without a criterion nothing can pass"]]


def reproduce(facts: Facts) -> Section:
    """All that is needed to walk this run again."""
    run = facts.run
    rows: list[list[Loose]] = [
        ["Run", rich(Code(run.id), f", begun {run.created[:19].replace('T', ' ')} UTC")],
        ["Config file", Code(facts.shown(run.config_path))],
        ["Set on the command line", Code(" ".join(run.overrides)) if run.overrides else "nothing"],
        ["Seed", str(facts.config.training.seed)],
        ["Git commit", Code(run.git_commit) if run.git_commit else "not in a git repository"],
        ["Versions", ", ".join(f"{name} {number}" for name, number in run.versions.items()) or _NOT_SET],
        ["Machine", ", ".join(f"{name} {value}" for name, value in run.host.items()) or _NOT_SET],
    ]
    rows += [["Data fingerprint", Code(facts.data.fingerprint)]] if facts.data else []
    rows += [["Model digest", Code(facts.model.digest)]] if facts.model else []
    content: list[Content] = [
        paragraph("The command that was typed:"),
        Block(facts.shown(run.command), "sh"),
        table("What it ran on", ["", ""], rows),
    ]
    content += [_stages(facts)] if run.stages else []
    return Section("reproduce", "How to reproduce this run", (*content, *_config(facts)))


def _stages(facts: Facts) -> Content:
    rows: list[list[Loose]] = [
        [
            name,
            stage.status,
            _NOT_SET if stage.seconds is None else duration(stage.seconds),
            sentence(facts.shown(stage.message)) or _NOT_SET,
        ]
        for name, stage in facts.run.stages.items()
    ]
    return table("The stages", ["Stage", "Status", "Time", "Message"], rows, numeric="  n")


def _config(facts: Facts) -> list[Content]:
    path = facts.experiment.config_file
    if not path.exists():
        return []
    # Read leniently: the file was written by this run, but a report must not fail over one byte of it.
    lines = visible_lines(facts.shown(path.read_text("utf-8", "replace").rstrip()))
    where = Code(facts.experiment.relative(path))
    return [paragraph("The resolved configuration, also in ", where, ":"), Block(lines, "yaml")]
