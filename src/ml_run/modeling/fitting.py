"""One training, from its first attempt to the checkpoint that it ends with."""

import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import events
from ml_run.config import Config
from ml_run.errors import TrainingError, UsageError
from ml_run.interruption import Interruption
from ml_run.modeling import attempts, checkpoints, compute, failures, parallel, ranks, scoring, spread
from ml_run.modeling.checkpoints import Checkpoint, Note
from ml_run.modeling.curve import EVALUATED, best_epoch, is_dead, patience_is_spent
from ml_run.modeling.plan import Plan
from ml_run.modeling.seeds import Part
from ml_run.results import Attempt, EpochScores, Folds, PreparedData
from ml_run.splits import SplitRows

if TYPE_CHECKING:
    from ml_run.modeling.loading import BaseModel

UNTOLD = {"val_loss": None, "val_macro_f1": None, "val_accuracy": None}
"""What is put in place of scores on rows that were learnt from."""
_FLAT = 0.98


@dataclass(frozen=True)
class Task:
    """One training, as its steps see it."""

    config: Config
    """Its `training.seed` is the one to train with."""
    data: PreparedData
    inputs: str
    """SHA-256 of all that the training depends on."""
    train: SplitRows
    val: SplitRows
    folder: Path
    """Of its checkpoints."""
    part: Part | None = None
    """Which of several trainings it is."""
    copies: str | None = None
    """Where each sealed checkpoint is copied to, for all machines that train; None: its folder is seen by all."""
    folds: Folds | None = None
    """The cross-validation that has found the number of epochs; the validation rows are then among those of train."""


@dataclass(frozen=True)
class Fitted:
    """A training that has ended well."""

    last: Checkpoint
    attempts: tuple[Attempt, ...]
    """The last one is that of `last`."""

    @property
    def seconds(self) -> float:
        """Wall time, summed over resumes and attempts."""
        return round(self.last.note.seconds + sum(attempt.seconds for attempt in self.attempts[:-1]), 3)


def unlabelled_file(config: Config) -> Path | None:
    """The file of further texts, where the training depends on it."""
    path = None if config.model.trim_vocabulary == "off" else config.data.unlabelled_path
    return Path(path) if path else None


def fit(task: Task, interruption: Interruption) -> Fitted:
    """Train to the end, in as many attempts as may help; go on from the newest verified checkpoint of the last one.

    Raises:
        UsageError: the model cannot be loaded.
        TrainingError: it cannot be trained.
        Interrupted: a stop was asked for; the state is saved.
    """
    while True:
        tries = attempts.read(task.folder, task.inputs, task.config.training)
        last = checkpoints.newest_verified(task.folder, task.inputs, len(tries))
        began = time.monotonic() - (last.note.seconds if last else 0.0)
        failure = None if last and is_complete(last, task.config) else _attempt(task, tries, last, interruption)
        if failure is None:
            ended = _finished_checkpoint(task, len(tries))
            failure = _uselessness(task, ended, tries[-1])
            if failure is None:
                return Fitted(ended, tries)
        further = attempts.after(failure, tries, task.config.training, time.monotonic() - began)
        attempts.write(task.folder, task.inputs, further)
        if len(further) > len(tries):
            checkpoints.clear(task.folder)
        interruption.check()


def _attempt(
    task: Task, tries: tuple[Attempt, ...], last: Checkpoint | None, interruption: Interruption
) -> TrainingError | None:
    """Train from the verified checkpoint `last`, if there is one; return why it failed, with nothing held in memory."""
    training = attempts.settings(tries[-1], task.config.training)
    config = task.config.model_copy(update={"training": training})
    failure = None
    try:
        job = parallel.Job(task, config, len(tries), last)
        if config.compute.engine == "ray":
            spread.train(job, interruption)
        elif config.compute.processes > 1:
            parallel.train(job, interruption)
        else:
            train(task, config, len(tries), last, interruption)
    except TrainingError as error:
        failure = failures.bare(error)
    failures.release_memory()
    return failure


def train(task: Task, config: Config, attempt: int, last: Checkpoint | None, interruption: Interruption) -> None:
    """Train in this process, alone or as one of those that `parallel.train` or `spread.train` has started.

    Args:
        task: what to train, and on what.
        config: its `training` section is that of the attempt.
        attempt: its number, from 1.
        last: verified checkpoint to go on from.
        interruption: once requested, a checkpoint is written and `Interrupted` raised.

    Raises:
        UsageError: the model cannot be loaded.
        TrainingError: it cannot be trained.
        Interrupted: a stop was asked for; the state is saved.
    """
    from ml_run.modeling import trainer
    from ml_run.modeling.batches import EncodedRows
    from ml_run.modeling.callbacks import Copying
    from ml_run.modeling.loading import load_base

    failures.release_memory()  # what the stage before has left
    with failures.loading(config):
        base = load_base(
            config.model, task.data.labels, task.train.texts, config.training.seed, unlabelled_file(config)
        )
    _refuse_other_base(config, base.revision, last)
    parameters = base.model.num_parameters()
    failures.check_disk_space(task.folder, parameters, task.part.models if task.part else 1)
    note = last.note if last else ranks.current().decided(lambda: _first_note(task, base, attempt))
    _tell_start(task, config, parameters, note, last)
    with failures.explained(config, task.folder, parameters):
        train, val = (
            EncodedRows(rows.texts, rows.label_ids, base.tokenizer, config.model.long_text)
            for rows in (task.train, task.val)
        )
        job = trainer.build_trainer(
            base, train, val, config.training, folder=task.folder, note=note, interruption=interruption, part=task.part
        )
        if task.copies and ranks.current().first:
            job.add_callback(Copying(task.copies))  # after the one that seals
        with interruption.deferred():
            job.train(resume_from_checkpoint=None if last is None else str(last.folder))


def _refuse_other_base(config: Config, revision: str | None, last: Checkpoint | None) -> None:
    """A checkpoint goes on with the tokenizer of its own base model, or every piece could mean another."""
    began = last.note.base_revision if last else None
    if last is None or began is None or revision is None or began == revision:
        return
    raise UsageError(
        f"{config.model.name} is another model than the one that was trained up to step {last.step}: it was "
        f"{began[:12]}, now it is {revision[:12]}",
        where="model.name",
        remedy="put the model back that the run began with, or start a new run",
    )


def _first_note(task: Task, base: "BaseModel", attempt: int) -> Note:
    from ml_run.modeling import trainer

    balanced = task.config.training.class_weights == "balanced"
    device = scoring.choose_device()
    return Note(
        inputs=task.inputs,
        seconds=0.0,
        base_revision=base.revision,
        device=str(device),
        compute=compute.settle(task.config, base.model, device),
        class_weights=trainer.balanced_weights(task.train.label_ids, len(task.data.labels)) if balanced else None,
        peak_memory_mb=None,
        attempt=attempt,
        whole_vocabulary=base.whole_vocabulary,
    )


def _tell_start(task: Task, config: Config, parameters: int, note: Note, last: Checkpoint | None) -> None:
    named = f"{task.part}: " if task.part else ""
    arithmetic = note.compute.precision if note.compute else "float32"
    shares = config.compute.shares
    shared = f" on {shares} workers" if config.compute.engine == "ray" else f" in {shares} processes"
    together = shared if shares > 1 else ""
    events.logger.info(
        f"{named}training {config.model.name} ({parameters:,} parameters, {arithmetic}) on {note.device}{together}: "
        f"{len(task.train):,} rows, {_epochs(task, config)} epochs, learning rate {config.training.learning_rate:g}"
        + (f", from step {last.step} of {last.max_steps}" if last else "")
    )


def _epochs(task: Task, config: Config) -> str:
    planned = Plan(len(task.train), config.training).epochs
    return f"at most {planned}" if config.training.epochs == "auto" else f"{planned}"


def is_complete(last: Checkpoint, config: Config) -> bool:
    """True when training ended by itself: all steps done, or stopped early."""
    return last.step == last.max_steps or stopped_early(last, config)


def stopped_early(last: Checkpoint, config: Config) -> bool:
    """True when training ended because further epochs brought no better score."""
    return last.step < last.max_steps and patience_is_spent(last.curve, config.training.early_stopping_patience)


def _finished_checkpoint(task: Task, attempt: int) -> Checkpoint:
    # The Trainer returns normally from a training that was cut short, so its return proves nothing.
    last = checkpoints.newest_verified(task.folder, task.inputs, attempt)
    if last is None or not is_complete(last, task.config):
        reached = "no checkpoint was kept" if last is None else f"it stopped at step {last.step} of {last.max_steps}"
        raise TrainingError(
            f"training did not end: {reached}",
            kind="incomplete",
            where=str(task.folder),
            remedy="go on with ml-run --resume",
        )
    return last


def kept_epoch(task: Task, last: Checkpoint) -> EpochScores:
    """The epoch whose model is kept: the best by validation, or the last one where folds have found how many it takes.

    Of rows that the model has learnt from no score is told.
    """
    if task.folds:
        return last.curve[-1].model_copy(update=UNTOLD)
    best = best_epoch(last.curve)
    assert best is not None, "a complete training has evaluated at least once"
    return best


def kept_folder(task: Task, last: Checkpoint) -> Path:
    """The checkpoint of `kept_epoch`; verified with `last` where that was."""
    folder = last.folder if task.folds else last.best
    assert folder is not None, "a complete training has evaluated at least once"
    return folder


def predicted_rows(task: Task, last: Checkpoint) -> list[int]:
    """How many validation rows the model that is kept gave each class to."""
    kept = kept_epoch(task, last)
    entry = next(entry for entry in last.history if EVALUATED in entry and entry["step"] == kept.step)
    return list(entry["eval_predicted"])


def _uselessness(task: Task, last: Checkpoint, attempt: Attempt) -> TrainingError | None:
    """What is wrong with a training that ended, when even its best epoch gives every validation row one class."""
    from ml_run.modeling.callbacks import collapsed

    evaluation = next(entry for entry in reversed(last.history) if EVALUATED in entry)
    if sum(map(bool, predicted_rows(task, last))) > 1 or len(set(task.val.label_ids)) == 1:
        _warn(task, last, evaluation)
        return None
    if is_dead(evaluation):
        return collapsed(last.history, last.step, last.max_steps, attempt.learning_rate)
    return TrainingError(
        f"the model has learnt nothing: after {last.step} steps it predicts one class for all {len(task.val)} "
        f"validation rows (macro-F1 {evaluation[EVALUATED]:.3f})",
        kind="collapsed",
        remedy=f"raise training.learning_rate (it is {attempt.learning_rate:g}; 1e-5 to 5e-5 suit pre-trained models, "
        "5e-4 to 3e-3 those from scratch) or training.epochs, or set training.class_weights to balanced",
    )


def _warn(task: Task, last: Checkpoint, evaluation: dict[str, object]) -> None:
    """Say what is odd about a training that ended with a model."""
    best, loss, guess = best_epoch(last.curve), last.curve[-1].train_loss, _loss_of_guessing(task)
    assert best is not None
    if is_dead(evaluation):
        events.emit(
            "warning",
            f"training collapsed after epoch {best.epoch:g}, whose model is kept: a lower training.learning_rate may "
            "give a better one",
        )
    elif loss is not None and loss > _FLAT * guess:
        events.emit(
            "warning",
            f"the training loss ended at {loss:.3f}, and guessing has {guess:.3f}: the model has hardly learnt; raise "
            "training.learning_rate or training.epochs",
        )


def _loss_of_guessing(task: Task) -> float:
    """Cross-entropy of always answering the shares of the classes, in nats; log K where each weighs the same."""
    counts = Counter(task.train.label_ids)
    if task.config.training.class_weights == "balanced":
        return math.log(len(counts))
    return -sum(count / len(task.train) * math.log(count / len(task.train)) for count in counts.values())
