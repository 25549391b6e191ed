"""The train stage: prepared rows in, a sealed model folder out."""

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import events, files
from ml_run.config import Config
from ml_run.config.names import LINEAR
from ml_run.errors import TrainingError
from ml_run.experiment import Experiment
from ml_run.interruption import Interruption
from ml_run.modeling import checkpoints, linear_training, scoring
from ml_run.modeling.checkpoints import Checkpoint, Note
from ml_run.modeling.curve import best_epoch, patience_is_spent
from ml_run.modeling.unlabelled import digest_of
from ml_run.modeling.verify import write_reference
from ml_run.results import EpochScores, PreparedData, TrainedModel
from ml_run.splits import TRAIN_ROWS, SplitRows, read_split

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ml_run.modeling.loading import BaseModel


@dataclass(frozen=True)
class _Task:
    """One training, as its steps below see it."""

    config: Config
    experiment: Experiment
    data: PreparedData
    inputs: str
    train: SplitRows
    val: SplitRows


def train_inputs(config: Config, data: PreparedData) -> str:
    """SHA-256 over all that the trained model depends on."""
    unlabelled = _unlabelled(config)
    return files.hash_value(
        {
            "data": data.fingerprint,
            "labels": data.labels,
            "model": config.model.model_dump(mode="json"),
            "training": config.training.model_dump(mode="json"),
            "unlabelled": unlabelled and digest_of(unlabelled),
        }
    )


def _unlabelled(config: Config) -> Path | None:
    """The file of further texts, where the training depends on it."""
    path = None if config.model.trim_vocabulary == "off" else config.data.unlabelled_path
    return Path(path) if path else None


def train_model(config: Config, experiment: Experiment, data: PreparedData, interruption: Interruption) -> TrainedModel:
    """Fine-tune the configured model on the training split and write the one of the best epoch.

    Evaluates on the validation split after each epoch. Goes on from the newest verified checkpoint of the same data
    and configuration, to the same weights as an undisturbed run (on a CPU, to the bit).

    Args:
        config: its `model` and `training` sections decide.
        experiment: holds the prepared splits; receives `checkpoints/` (removed again at the end), `reference.json`
            and `model/`: safetensors, tokenizer, label names and the hashes of the training rows, sealed.
        data: the data stage's answer.
        interruption: once requested, a checkpoint is written and `Interrupted` raised.

    Raises:
        UsageError: the model cannot be loaded, or reads fewer tokens than configured.
        TrainingError: training diverged, collapsed, or ran out of memory or disk.
        Interrupted: a stop was asked for; the state is saved.
    """
    inputs = train_inputs(config, data)
    trained = _standing_model(experiment, inputs)
    if trained is not None:
        events.logger.info("the model is trained already and as it was written")
        return trained
    files.sweep(experiment.folder)
    train, val = (read_split(experiment.split(name)) for name in ("train", "val"))
    if config.model.name == LINEAR:
        trained = linear_training.train_linear(config, experiment, data, train, val, interruption)
        checkpoints.mark_finished(experiment.checkpoints, inputs, trained)
        return trained
    task = _Task(config, experiment, data, inputs, train, val)
    with scoring.quiet_libraries():
        last = checkpoints.newest_verified(experiment.checkpoints, inputs)
        if last is None or not _is_complete(last, config):
            last = _fit(task, last, interruption)
        trained = _keep_best(task, last)
    checkpoints.mark_finished(experiment.checkpoints, inputs, trained)
    return trained


def _standing_model(experiment: Experiment, inputs: str) -> TrainedModel | None:
    """The model of an earlier attempt that was killed before the stage could be marked as done."""
    trained = checkpoints.finished(experiment.checkpoints, inputs)
    if trained is None or not experiment.reference.exists() or files.manifest_fault(experiment.model):
        return None
    return trained if files.folder_digest(experiment.model) == trained.digest else None


def _fit(task: _Task, last: Checkpoint | None, interruption: Interruption) -> Checkpoint:
    """Train to the end, from the verified checkpoint `last` if there is one; return the final checkpoint, verified."""
    from ml_run.modeling import failures, trainer
    from ml_run.modeling.batches import EncodedRows
    from ml_run.modeling.loading import load_base

    training, folder = task.config.training, task.experiment.checkpoints
    unlabelled = _unlabelled(task.config)
    base = load_base(task.config.model, task.data.labels, task.train.texts, training.seed, unlabelled)
    parameters = base.model.num_parameters()
    failures.check_disk_space(folder, parameters)
    note = _first_note(task, base) if last is None else last.note
    _tell_start(task, parameters, note, last)
    with failures.explained(task.config, folder, parameters):
        train, val = (EncodedRows(rows.texts, rows.label_ids, base.tokenizer) for rows in (task.train, task.val))
        job = trainer.build_trainer(base, train, val, training, folder=folder, note=note, interruption=interruption)
        with interruption.deferred():
            job.train(resume_from_checkpoint=None if last is None else str(last.folder))
    del job, base  # the Trainer and its callbacks hold each other; two models at once would need not be
    gc.collect()
    return _finished_checkpoint(task)


def _first_note(task: _Task, base: "BaseModel") -> Note:
    from ml_run.modeling import trainer

    balanced = task.config.training.class_weights == "balanced"
    return Note(
        inputs=task.inputs,
        seconds=0.0,
        base_revision=base.revision,
        device=str(scoring.choose_device()),
        class_weights=trainer.balanced_weights(task.train.label_ids, len(task.data.labels)) if balanced else None,
        peak_memory_mb=None,
        whole_vocabulary=base.whole_vocabulary,
    )


def _tell_start(task: _Task, parameters: int, note: Note, last: Checkpoint | None) -> None:
    events.logger.info(
        f"training {task.config.model.name} ({parameters:,} parameters, float32) on {note.device}: "
        f"{len(task.train):,} rows, {task.config.training.epochs} epochs"
        + (f", from step {last.step} of {last.max_steps}" if last else "")
    )


def _is_complete(last: Checkpoint, config: Config) -> bool:
    """True when training ended by itself: all steps done, or stopped early."""
    return last.step == last.max_steps or _stopped_early(last, config)


def _stopped_early(last: Checkpoint, config: Config) -> bool:
    return last.step < last.max_steps and patience_is_spent(last.curve, config.training.early_stopping_patience)


def _finished_checkpoint(task: _Task) -> Checkpoint:
    # The Trainer returns normally from a training that was cut short, so its return proves nothing.
    last = checkpoints.newest_verified(task.experiment.checkpoints, task.inputs)
    if last is None or not _is_complete(last, task.config):
        reached = "no checkpoint was kept" if last is None else f"it stopped at step {last.step} of {last.max_steps}"
        raise TrainingError(
            f"training did not end: {reached}",
            kind="incomplete",
            where=str(task.experiment.checkpoints),
            remedy="go on with ml-run --resume",
        )
    return last


def _keep_best(task: _Task, last: Checkpoint) -> TrainedModel:
    """Write the model of the best epoch, its reference logits and its facts."""
    best = best_epoch(last.curve)
    assert best is not None, "a complete training has evaluated at least once"
    assert last.best is not None
    _refuse_collapse(task, last, best.step)
    scorer = scoring.load_transformer(last.best, verified=True)  # by newest_verified, with `last`
    _write_model(task, scorer, _card(task, last, best, scorer.model))
    write_reference(task.experiment.reference, scorer, task.val.texts)
    return TrainedModel(
        base=task.config.model.name,
        base_revision=last.note.base_revision,
        labels=task.data.labels,
        max_length=task.config.model.max_length,
        parameters=scorer.model.num_parameters(),
        digest=files.folder_digest(task.experiment.model),
        best_epoch=best.epoch,
        best_val_macro_f1=best.val_macro_f1,
        global_step=last.step,
        max_steps=last.max_steps,
        stopped_early=_stopped_early(last, task.config),
        curve=last.curve,
        class_weights=last.note.class_weights,
        seed=task.config.training.seed,
        device=last.note.device,
        seconds=last.note.seconds,
        peak_memory_mb=last.note.peak_memory_mb,
        synthetic=task.data.synthetic,
        vocabulary=scorer.model.config.vocab_size,
        whole_vocabulary=last.note.whole_vocabulary,
    )


def _refuse_collapse(task: _Task, last: Checkpoint, best_step: int) -> None:
    """Raise TrainingError when even the best epoch answers the same class for every validation row."""
    entry = next(e for e in last.history if e["step"] == best_step and "eval_predicted_classes" in e)
    if entry["eval_predicted_classes"] > 1 or len(set(task.val.label_ids)) == 1:
        return
    training = task.config.training
    raise TrainingError(
        f"the model collapsed: after {last.step} steps it predicts one class for all {len(task.val)} validation rows "
        f"(macro-F1 {entry['eval_macro_f1']:.3f})",
        kind="collapsed",
        remedy=f"it learnt nothing yet or its steps were too large: change training.learning_rate (it is "
        f"{training.learning_rate:g}; 1e-5 to 5e-5 suit pre-trained models, 5e-4 to 3e-3 those from scratch), give "
        "more training.epochs, or set training.class_weights to balanced",
    )


def _card(task: _Task, last: Checkpoint, best: EpochScores, model: "PreTrainedModel") -> str:
    from ml_run.reporting import ModelFacts, render_model_card

    facts = ModelFacts(
        base=task.config.model.name,
        base_revision=last.note.base_revision,
        labels=task.data.labels,
        max_length=task.config.model.max_length,
        parameters=model.num_parameters(),
        seed=task.config.training.seed,
        best_epoch=best.epoch,
        best_val_macro_f1=best.val_macro_f1,
        vocabulary=model.config.vocab_size,
        whole_vocabulary=last.note.whole_vocabulary,
    )
    return render_model_card(task.config, task.data, facts)


def _write_model(task: _Task, scorer: scoring.TransformerScorer, card: str) -> None:
    with files.atomic_folder(task.experiment.model) as folder:
        scorer.model.save_pretrained(folder)
        scorer.tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(card, "utf-8")
        (folder / TRAIN_ROWS).write_text("".join(f"{row}\n" for row in sorted(set(task.train.hashes))), "ascii")
