"""What watches over a training: stop on demand, stop on divergence, seal checkpoints, tell how far it is.

Imports transformers at the top, because its classes are extended: import this module inside functions only.
"""

# ruff: noqa: ARG002 -- the signatures are those of transformers

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ml_run.errors import TrainingError
from ml_run.events import emit
from ml_run.interruption import Interruption
from ml_run.modeling import checkpoints, copies
from ml_run.modeling.batches import LengthGroupedOrder
from ml_run.modeling.curve import EVALUATED, has_collapsed, patience_is_spent, read_curve
from ml_run.modeling.ranks import ALONE, Ranks
from ml_run.modeling.seeds import Part

CHECKPOINT_EVERY_SECONDS = 600.0
_PROGRESS_EVERY_SECONDS = 0.3
_TRACKED = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "eval_log_loss": "val/loss",
    "eval_macro_f1": "val/macro_f1",
    "eval_accuracy": "val/accuracy",
}


class Steering(TrainerCallback):
    """Decides when to save, log and stop, beyond the end of each epoch.

    Keeps no state of its own that a resume would have to restore: all follows from the step and the log history.
    """

    def __init__(
        self,
        order: LengthGroupedOrder,
        steps_per_epoch: int,
        patience: int,
        interruption: Interruption,
        processes: Ranks = ALONE,
    ) -> None:
        self._processes = processes
        self._order = order
        self._steps_per_epoch = steps_per_epoch
        self._patience = patience
        self._interruption = interruption
        self._saved_at = time.monotonic()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Have each process draw noise of its own; where a checkpoint holds this process's, that is taken next."""
        if not self._processes.first:
            torch.manual_seed(hash((args.seed, state.global_step, self._processes.number)))

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Put the rows in this epoch's order."""
        self._order.epoch = state.global_step // self._steps_per_epoch

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Save when a stop was asked for, or when the last checkpoint is long ago."""
        stop, save = self._processes.any(
            self._interruption.requested, time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_SECONDS
        )
        if stop:
            control.should_training_stop = True
        if stop or save:
            control.should_save = True
        if control.should_save or control.should_evaluate:
            # The loss since the last log is not in a checkpoint, and must be known to be finite before one is written.
            control.should_log = True
        return control

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Stop when patience is spent; the checkpoint of this step is still written."""
        if patience_is_spent(read_curve(state.log_history), self._patience):
            control.should_training_stop = True
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Count the time to the next checkpoint from here."""
        self._saved_at = time.monotonic()


class DivergenceGuard(TrainerCallback):
    """Ends a training whose loss, gradient or weights are no longer finite, before that is saved as a checkpoint."""

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Look at loss and gradient of each logging step, and at the validation loss of each evaluation."""
        for key in ("loss", "grad_norm", "eval_log_loss"):
            value = given["logs"].get(key, 0.0)
            if not math.isfinite(value):
                raise _diverged(f"{key.removeprefix('eval_')} became {value}", args, state)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Look at the weights; must stand before the callback that seals the checkpoint."""
        for name, weights in given["model"].named_parameters():
            if not weights.isfinite().all():
                raise _diverged(f"{name} holds values that are not finite", args, state)


class CollapseGuard(TrainerCallback):
    """Ends a training whose network gives every text the same answer, instead of walking on to its last step."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Look at all evaluations so far."""
        if has_collapsed(state.log_history, state.max_steps):
            raise collapsed(state.log_history, state.global_step, state.max_steps, args.learning_rate)


class Sealing(TrainerCallback):
    """Seals each checkpoint as soon as the Trainer has written it.

    Args:
        note: gives what is to be noted in a checkpoint written now.
        processes: the first seals; all are asked what they have to note.
    """

    def __init__(self, note: Callable[[], checkpoints.Note], processes: Ranks = ALONE) -> None:
        self._note = note
        self._processes = processes

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Seal the checkpoint of this step."""
        note = self._note()
        if self._processes.first:
            checkpoints.seal(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}", note)


class Copying(TrainerCallback):
    """Copies each sealed checkpoint to where other machines find it; must stand after `Sealing`.

    Args:
        url: where that is.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Make the copies those of the checkpoints that are kept."""
        copies.push(Path(str(args.output_dir)), self._url)


class Telling(TrainerCallback):
    """Emits `progress` a few times a second and `metrics` whenever something was measured.

    Args:
        rows_per_step: rows that one optimizer step sees.
        part: where this is one of several trainings: progress and time left are those of all of them.
    """

    def __init__(self, rows_per_step: int, part: Part | None = None) -> None:
        self._rows_per_step = rows_per_step
        self._part = part
        self._latest: dict[str, Any] = {}
        self._told_at = -math.inf
        self._first_step: int | None = None
        self._began_at = 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock of the speed at the first step of this process."""
        if self._first_step is None:
            self._first_step, self._began_at = state.global_step, time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Tell how far training is, at most a few times a second."""
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_EVERY_SECONDS and state.global_step < state.max_steps:
            return
        self._told_at = now
        steps = state.global_step - (self._first_step or 0)
        speed = steps / max(now - self._began_at, 1e-9)
        before, after = (self._part.number - 1, self._part.count - self._part.number) if self._part else (0, 0)
        left = state.max_steps * (1 + after) - state.global_step
        emit(
            "progress", f"{self._named()}step {state.global_step} of {state.max_steps}", stage="train",
            done=before * state.max_steps + state.global_step, total=state.max_steps * (before + 1 + after),
            epoch=round(state.epoch, 3), seed=self._part.seed if self._part else args.seed,
            loss=self._latest.get("loss"), learning_rate=self._latest.get("learning_rate"),
            val_macro_f1=None if self._known else self._latest.get("eval_macro_f1"),
            rows_per_second=round(speed * self._rows_per_step, 2),
            seconds_left=round(left / speed, 1) if speed else None,
        )  # fmt: skip

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Pass measured values on to whoever mirrors them."""
        self._latest |= given["logs"]
        values = {self._key(name): given["logs"][key] for key, name in _TRACKED.items() if key in given["logs"]}
        if values:
            emit(
                "metrics", f"{self._named()}measured at step {state.global_step}", stage="train",
                step=state.global_step, time_ms=int(time.time() * 1000), values=values,
            )  # fmt: skip

    @property
    def _known(self) -> bool:
        """Whether the rows it is scored on are among those it learns from."""
        return self._part is not None and self._part.kind == "final"

    def _named(self) -> str:
        return f"{self._part}, " if self._part else ""

    def _key(self, name: str) -> str:
        return self._part.metric(name) if self._part else name


def collapsed(log_history: Sequence[dict[str, Any]], step: int, max_steps: int, learning_rate: float) -> TrainingError:
    """The error of a training whose network gives every text the same answer."""
    last = next(entry for entry in reversed(log_history) if EVALUATED in entry)
    loss = read_curve(log_history)[-1].train_loss
    labels = len(last["eval_predicted"])
    said = "" if loss is None else f" and a training loss of {loss:.3f}, where guessing among {labels} classes has "
    return TrainingError(
        f"training collapsed: at step {step} of {max_steps} the model gives all {sum(last['eval_predicted'])} "
        f"validation rows the same answer (macro-F1 {last[EVALUATED]:.3f}"
        + (f"{said}{math.log(labels):.3f})" if said else ")"),
        kind="collapsed",
        remedy=f"lower training.learning_rate (it is {learning_rate:g}; 1e-5 to 5e-5 suit pre-trained models, 5e-4 to "
        "3e-3 those from scratch) and raise training.warmup_ratio",
        curable=True,
    )


def _diverged(what: str, args: TrainingArguments, state: TrainerState) -> TrainingError:
    return TrainingError(
        f"training diverged: {what} by step {state.global_step} of {state.max_steps}",
        kind="non_finite",
        where=str(args.output_dir),
        remedy=f"lower training.learning_rate (it is {args.learning_rate:g}; try {args.learning_rate / 5:g}) or raise "
        "training.warmup_ratio; if it happens at the first step, the base model itself holds such values",
        curable=state.global_step > 1,  # the loss of the first step is that of the base model
    )
