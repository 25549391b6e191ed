"""The part of the report about the training of a linear model: what was tried, what was kept, how sure it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import Content, Loose, Section, paragraph, table
from ml_run.wording import UNDEFINED, duration, number_of, score

if TYPE_CHECKING:
    from ml_run.results import LinearTrial, LinearTuning, TrainedModel


def linear_training(model: TrainedModel, tuning: LinearTuning) -> Section:
    """How the linear model was tuned and calibrated."""
    rows: list[list[Loose]] = [
        ["Model", "linear, on character n-grams"],
        ["Parameters", f"{model.parameters:,}: {number_of(tuning.features, 'n-gram')} for each class"],
        ["Words read of a text", _words(tuning.chosen)],
        ["C, class weights", f"{tuning.chosen.c:g}, {_weights(tuning.chosen)}"],
        ["Validation macro-F1", score(tuning.chosen.val_macro_f1)],
        ["Temperature", _calibration(model, tuning)],
        ["Trained on", number_of(tuning.training_rows, "row")],
        ["Seed", str(model.seed)],
        ["Time", duration(model.seconds)],
        ["Peak memory", UNDEFINED if model.peak_memory_mb is None else f"{model.peak_memory_mb:,.0f} MB"],
    ]
    said = (
        "The first setting is the best known from other data. Another takes its place only where it is better on the "
        "validation split by more than one standard error: the best of several is often the best by chance."
    )
    content = (table("The model and its training", ["", ""], rows), paragraph(said), _trials(tuning))
    return Section("training", "Training", content)


def _calibration(model: TrainedModel, tuning: LinearTuning) -> str:
    where = "rows that the folds held out" if model.folds else "the validation split"
    before, after = score(tuning.val_ece_uncalibrated), score(tuning.val_ece)
    return (
        f"{tuning.temperature:.3g}, found on {where}: expected calibration error there {before} without "
        f"it, {after} with it"
    )


def _trials(tuning: LinearTuning) -> Content:
    rows: list[list[Loose]] = [
        [
            f"{_words(trial)}{' (kept)' if trial == tuning.chosen else ''}",
            f"{trial.c:g}",
            _weights(trial),
            score(trial.val_macro_f1),
            score(trial.val_accuracy),
        ]
        for trial in tuning.trials
    ]
    columns: list[Loose] = ["Words read", "C", "Class weights", "Validation macro-F1", "Validation accuracy"]
    caption = f"Settings tried, on {number_of(tuning.tuning_rows, 'training row')}"
    return table(caption, columns, rows, numeric=" n nn")


def _words(trial: LinearTrial) -> str:
    return "all" if trial.words is None else f"the first {trial.words}"


def _weights(trial: LinearTrial) -> str:
    return "balanced" if trial.balanced else "none"
