"""The train stage: prepared rows in, a sealed model folder out."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import events, files
from ml_run.config import Config
from ml_run.config.names import LINEAR
from ml_run.experiment import Experiment
from ml_run.interruption import Interruption
from ml_run.modeling import checkpoints, copies, failures, folds, linear_training, scoring, several
from ml_run.modeling.checkpoints import Checkpoint
from ml_run.modeling.finishing import finish_model
from ml_run.modeling.fitting import (
    UNTOLD,
    Fitted,
    Task,
    fit,
    kept_epoch,
    kept_folder,
    predicted_rows,
    stopped_early,
    unlabelled_file,
)
from ml_run.modeling.seeds import Part, mean_and_sd, median, runs
from ml_run.modeling.unlabelled import digest_of
from ml_run.modeling.verify import write_reference
from ml_run.quality.fold_units import fold_units
from ml_run.results import EpochScores, Folds, PreparedData, TrainedModel
from ml_run.splits import TRAIN_ROWS, SplitRows, read_split
from ml_run.wording import UNDEFINED, listed, number_of, score

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def train_inputs(config: Config, data: PreparedData) -> str:
    """SHA-256 over all that the trained model depends on."""
    unlabelled = unlabelled_file(config)
    return files.hash_value(
        {
            "data": data.fingerprint,
            "labels": data.labels,
            "model": config.model.model_dump(mode="json"),
            "training": config.training.model_dump(mode="json"),
            "unlabelled": unlabelled and digest_of(unlabelled),
        }
    )


def train_model(config: Config, experiment: Experiment, data: PreparedData, interruption: Interruption) -> TrainedModel:
    """Fine-tune the configured model on the training split and write the one of the best epoch.

    Evaluates on the validation split after each epoch. Goes on from the newest verified checkpoint of the same data
    and configuration, to the same weights as an undisturbed run (on a CPU, to the bit). A training that diverges,
    collapses or runs out of memory is mended as `modeling.attempts` says.

    Args:
        config: its `model` and `training` sections decide.
        experiment: holds the prepared splits; receives `checkpoints/` (removed again at the end), `reference.json`
            and `model/`: safetensors, tokenizer, label names and the hashes of the training rows, sealed. With
            `training.seeds` also `models/seed_<n>/`, one of which `model/` is a copy of; with `training.folds` also
            `out_of_fold.parquet`.
        data: the data stage's answer.
        interruption: once requested, a checkpoint is written and `Interrupted` raised.

    Raises:
        UsageError: the model cannot be loaded, or reads fewer tokens than configured.
        TrainingError: training diverged, collapsed, or ran out of memory or disk.
        Interrupted: a stop was asked for; the state is saved.
    """
    inputs = train_inputs(config, data)
    trained = _standing_model(experiment.checkpoints, experiment.model, inputs)
    if trained is not None and experiment.reference.exists():
        events.logger.info("the model is trained already and as it was written")
        return trained
    files.sweep(experiment.folder)
    train, val = (read_split(experiment.split(name)) for name in ("train", "val"))
    if config.model.name == LINEAR:
        count = config.training.folds
        places = _places(config, data, train + val, count) if count else None
        trained = linear_training.train_linear(config, experiment, data, train, val, interruption, places)
        trained = finish_model(config, experiment, data, trained, val, interruption)
        checkpoints.mark_finished(experiment.checkpoints, inputs, trained)
        return trained
    away = copies.place(config.compute, experiment.id, inputs)
    task = Task(config, data, inputs, train, val, experiment.checkpoints, copies=away)
    with scoring.quiet_libraries():
        if config.training.seeds:
            trained = _train_seeds(task, config.training.seeds, experiment, interruption)
        elif config.training.folds:
            trained = _train_folds(task, config.training.folds, experiment, interruption)
        else:
            trained = _train_one(task, experiment.model, interruption)
        with failures.explained(config, experiment.checkpoints, trained.parameters):
            trained = finish_model(config, experiment, data, trained, val, interruption)
        write_reference(experiment.reference, scoring.load_scorer(experiment.model, verified=True), val.texts)
    checkpoints.mark_finished(experiment.checkpoints, inputs, trained)
    return trained


def _standing_model(folder: Path, model: Path, inputs: str) -> TrainedModel | None:
    """The model of a training that was killed before the stage could be marked as done."""
    trained = checkpoints.finished(folder, inputs)
    if trained is None or files.manifest_fault(model):
        return None
    return trained if files.folder_digest(model) == trained.digest else None


def _train_seeds(
    task: Task, seeds: tuple[int, ...], experiment: Experiment, interruption: Interruption
) -> TrainedModel:
    """Train one model a seed; the median of them by validation becomes the candidate."""
    kind = several.Kind(
        standing=lambda one: _standing_model(one.folder, experiment.seed_model(_seed(one)), one.inputs),
        work=_train_aside,
        keep=lambda one, trained: _keep_seed(one, experiment.seed_model(_seed(one)), trained),
        tell=_tell_seed,
    )
    tasks = [_of_seed(task, number, len(seeds), seed) for number, seed in enumerate(seeds, start=1)]
    models = several.each(kind, tasks, interruption)
    chosen = median(models)
    _copy_model(experiment.seed_model(chosen.seed), experiment.model)
    _tell_choice(models, chosen)
    peaks = [model.peak_memory_mb for model in models if model.peak_memory_mb is not None]
    return chosen.model_copy(
        update={
            "seeds": runs(models),
            "seconds": round(sum(model.seconds for model in models), 3),
            "peak_memory_mb": max(peaks, default=None),
        }
    )


def _of_seed(task: Task, number: int, count: int, seed: int) -> Task:
    training = task.config.training.model_copy(update={"seed": seed})
    return replace(
        task,
        config=task.config.model_copy(update={"training": training}),
        inputs=files.hash_value([task.inputs, seed]),
        folder=task.folder / f"seed_{seed}",
        part=Part(number, count, seed),
        copies=task.copies and f"{task.copies}-seed_{seed}",
    )


def _seed(task: Task) -> int:
    return task.config.training.seed


def _train_aside(task: Task, interruption: Interruption) -> TrainedModel:
    return _train_one(task, task.folder / several.MODEL, interruption)


def _keep_seed(task: Task, model: Path, trained: TrainedModel) -> None:
    model.parent.mkdir(exist_ok=True)
    files.replace_folder(task.folder / several.MODEL, model)
    checkpoints.mark_finished(task.folder, task.inputs, trained)


def _train_folds(task: Task, count: int, experiment: Experiment, interruption: Interruption) -> TrainedModel:
    """Cross-validate over the rows of train and val, then train on all of them: no row chooses an epoch."""
    rows = task.train + task.val
    places = _places(task.config, task.data, rows, count)
    found, probabilities = folds.cross_validate(replace(task, train=rows), places, interruption)
    folds.write_out_of_fold(experiment.out_of_fold, rows, task.data.labels, places, probabilities)
    trained = _train_one(_final(task, rows, found), experiment.model, interruption)
    return trained.model_copy(
        update={
            "folds": found,
            "curve": tuple(epoch.model_copy(update=UNTOLD) for epoch in trained.curve),
            "seconds": round(trained.seconds + sum(run.seconds for run in found.runs), 3),
        }
    )


def _places(config: Config, data: PreparedData, rows: SplitRows, count: int) -> list[int]:
    """The fold of each row."""
    units = fold_units(rows, config, data, count)
    folds.warn_of_lone_classes(units, rows)
    return folds.assign(units, rows.label_ids, count, config.training.seed)


def _final(task: Task, rows: SplitRows, found: Folds) -> Task:
    """The training on all rows, for as many epochs as the folds have found; its validation rows choose nothing."""
    training = task.config.training.model_copy(update={"epochs": found.epochs, "early_stopping_patience": 0})
    return replace(
        task,
        config=task.config.model_copy(update={"training": training}),
        inputs=files.hash_value([task.inputs, "final", found.epochs]),
        train=rows,
        folder=task.folder / "final",
        part=Part(len(found.runs) + 1, len(found.runs) + 1, training.seed, "final"),
        copies=task.copies and f"{task.copies}-final",
        folds=found,
    )


def _tell_seed(task: Task, trained: TrainedModel) -> None:
    events.emit(
        "note",
        f"{task.part}: validation macro-F1 {score(trained.best_val_macro_f1)} in epoch {trained.best_epoch:g}",
        seed=trained.seed,
        val_macro_f1=trained.best_val_macro_f1,
    )


def _tell_choice(models: list[TrainedModel], chosen: TrainedModel) -> None:
    spread = mean_and_sd([model.best_val_macro_f1 for model in models])
    told = f"{spread[0]:.3f} ± {spread[1]:.3f}" if spread else UNDEFINED
    events.emit(
        "note",
        f"validation macro-F1 over {len(models)} seeds: {told}; the candidate is the median, seed {chosen.seed}",
        seed=chosen.seed,
    )


def _copy_model(source: Path, target: Path) -> None:
    """Put the sealed model in `source` to `target`, too."""
    with files.atomic_folder(target) as folder:
        for file in source.iterdir():
            if file.name != files.MANIFEST:
                shutil.copyfile(file, folder / file.name)


def _train_one(task: Task, folder: Path, interruption: Interruption) -> TrainedModel:
    """Train once and write the model of the best epoch to `folder`, sealed."""
    fitted = fit(task, interruption)
    last = fitted.last
    kept = kept_epoch(task, last)
    if task.folds:
        kept = kept.model_copy(update={"val_macro_f1": task.folds.macro_f1_mean})
    scorer = scoring.load_transformer(kept_folder(task, last), verified=True)  # by newest_verified, with `last`
    with failures.explained(task.config, task.folder, scorer.model.num_parameters()):
        _write_model(task, folder, scorer, _card(task, fitted, kept, scorer.model))
    return TrainedModel(
        base=task.config.model.name,
        base_revision=last.note.base_revision,
        labels=task.data.labels,
        max_length=task.config.model.max_length,
        parameters=scorer.model.num_parameters(),
        digest=files.folder_digest(folder),
        best_epoch=kept.epoch,
        best_val_macro_f1=kept.val_macro_f1,
        global_step=last.step,
        max_steps=last.max_steps,
        stopped_early=stopped_early(last, task.config),
        curve=last.curve,
        class_weights=last.note.class_weights,
        seed=task.config.training.seed,
        device=last.note.device,
        seconds=fitted.seconds,
        peak_memory_mb=last.note.peak_memory_mb,
        synthetic=task.data.synthetic,
        attempts=fitted.attempts,
        never_predicted=_never_predicted(task, last),
        vocabulary=scorer.model.config.vocab_size,
        whole_vocabulary=last.note.whole_vocabulary,
        compute=last.note.compute,
    )


def _never_predicted(task: Task, last: Checkpoint) -> tuple[str, ...]:
    """Labels given to no row that was not learnt from: of the validation split, or held out by the folds."""
    if task.folds:
        judged, predicted = task.train, [sum(given) for given in zip(*task.folds.pooled.confusion, strict=True)]
    else:
        judged, predicted = task.val, predicted_rows(task, last)
    present = set(judged.label_ids)
    labels = [label for number, label in enumerate(task.data.labels) if number in present and not predicted[number]]
    if labels:
        rows = sum(judged.labels.count(label) for label in labels)
        events.emit(
            "warning",
            f"the model gives {listed(labels)} to no {'row held out' if task.folds else 'validation row'}, and "
            f"{number_of(rows, 'row')} should have it: "
            "training.class_weights: balanced, more rows of it, or more epochs may help",
            labels=labels,
        )
    return tuple(labels)


def _card(task: Task, fitted: Fitted, best: EpochScores, model: "PreTrainedModel") -> str:
    from ml_run.reporting import ModelFacts, render_model_card

    facts = ModelFacts(
        base=task.config.model.name,
        base_revision=fitted.last.note.base_revision,
        labels=task.data.labels,
        max_length=task.config.model.max_length,
        parameters=model.num_parameters(),
        seed=task.config.training.seed,
        best_epoch=best.epoch,
        best_val_macro_f1=best.val_macro_f1,
        vocabulary=model.config.vocab_size,
        whole_vocabulary=fitted.last.note.whole_vocabulary,
        attempts=fitted.attempts,
    )
    return render_model_card(task.config, task.data, facts)


def _write_model(task: Task, model: Path, scorer: scoring.TransformerScorer, card: str) -> None:
    with files.atomic_folder(model) as folder:
        scorer.model.save_pretrained(folder)
        scorer.tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(card, "utf-8")
        (folder / TRAIN_ROWS).write_text("".join(f"{row}\n" for row in sorted(set(task.train.hashes))), "ascii")
