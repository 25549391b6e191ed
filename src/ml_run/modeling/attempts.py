"""What is tried, and tried again: the settings of a training, and what follows when it fails.

A training that diverged or collapsed is tried once more, with a fifth of the learning rate. One that ran out of memory
goes on from its last checkpoint in smaller portions, whose gradients are summed to the same step. Both are noted
beside the checkpoints before anything is removed, so a killed training goes on in the right attempt.
"""

import json
import logging
from pathlib import Path

from ml_run import files
from ml_run.config import TrainingConfig
from ml_run.errors import TrainingError
from ml_run.events import emit
from ml_run.results import Attempt

_FILE = "attempts.json"
_LOWER = 5
_LONGEST_WARMUP = 0.5
_SHORTEST_WARMUP = 0.1


def first(training: TrainingConfig) -> Attempt:
    """The attempt that the config asks for."""
    return Attempt(
        learning_rate=training.learning_rate,
        warmup_ratio=training.warmup_ratio,
        micro_batch=training.batch_size,
        accumulation=training.gradient_accumulation_steps,
    )


def settings(attempt: Attempt, training: TrainingConfig) -> TrainingConfig:
    """`training` as `attempt` has it."""
    return training.model_copy(
        update={
            "learning_rate": attempt.learning_rate,
            "warmup_ratio": attempt.warmup_ratio,
            "batch_size": attempt.micro_batch,
            "gradient_accumulation_steps": attempt.accumulation,
        }
    )


def read(folder: Path, inputs: str, training: TrainingConfig) -> tuple[Attempt, ...]:
    """The attempts so far of the training whose checkpoints are in `folder`; the last one is under way."""
    try:
        note = json.loads((folder / _FILE).read_text("utf-8"))
        if note["inputs"] == inputs and note["attempts"]:
            return tuple(Attempt.model_validate(attempt) for attempt in note["attempts"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none was given up, or the note is of no use
    return (first(training),)


def write(folder: Path, inputs: str, tries: tuple[Attempt, ...]) -> None:
    """Note the attempts beside the checkpoints in `folder`."""
    attempts = [attempt.model_dump(mode="json") for attempt in tries]
    files.write_json(folder / _FILE, {"inputs": inputs, "attempts": attempts})


def forget(folder: Path) -> None:
    """Remove the note in `folder`."""
    (folder / _FILE).unlink(missing_ok=True)


def after(
    failure: TrainingError, tries: tuple[Attempt, ...], training: TrainingConfig, seconds: float
) -> tuple[Attempt, ...]:
    """The attempts to go on with after the last of `tries` failed; says on the way what is done.

    Args:
        failure: why it failed.
        tries: the attempts so far.
        training: the config's `training` section.
        seconds: wall time of the last of them.

    Raises:
        TrainingError: `failure`, where nothing can be done about it, or has been done in vain.
    """
    now = tries[-1]
    if not failure.curable:
        raise failure
    if failure.kind == "out_of_memory":
        if not training.auto_batch:
            raise failure
        return (*tries[:-1], _smaller(now))
    if training.on_collapse == "stop":
        raise failure
    if len(tries) > 1:
        raise _twice(tries, failure)
    given_up = now.model_copy(update={"failure": failure.found, "seconds": round(seconds, 3)})
    return given_up, _gentler(now, failure)


def _smaller(attempt: Attempt) -> Attempt:
    """The same step in portions of at most half as many rows: the largest such size that divides the present one."""
    rows = next(size for size in range(attempt.micro_batch // 2, 0, -1) if attempt.micro_batch % size == 0)
    portions = attempt.accumulation * (attempt.micro_batch // rows)
    emit(
        "warning",
        f"memory ran out with {attempt.micro_batch} rows at once: going on with {rows}, {portions} times a step, which "
        "stays the same step",
        level=logging.WARNING,
        micro_batch=rows,
        accumulation=portions,
    )
    return attempt.model_copy(update={"micro_batch": rows, "accumulation": portions})


def _gentler(attempt: Attempt, failure: TrainingError) -> Attempt:
    warmup = attempt.warmup_ratio
    if failure.kind == "collapsed":
        warmup = max(warmup, min(_LONGEST_WARMUP, max(_SHORTEST_WARMUP, 2 * warmup)))
    rate = attempt.learning_rate / _LOWER
    longer = f" and a warm-up of {warmup:.0%} of all steps" if warmup > attempt.warmup_ratio else ""
    emit(
        "warning",
        f"{failure.found}; once more from the start, with learning rate {rate:g} in place of "
        f"{attempt.learning_rate:g}{longer}",
        level=logging.WARNING,
        kind=failure.kind,
        attempt=2,
        learning_rate=rate,
        warmup_ratio=warmup,
    )
    return attempt.model_copy(update={"learning_rate": rate, "warmup_ratio": warmup})


def _twice(tries: tuple[Attempt, ...], failure: TrainingError) -> TrainingError:
    before, now = tries[0], tries[-1]
    return TrainingError(
        f"two attempts failed: with learning rate {before.learning_rate:g}, {before.failure}; with learning rate "
        f"{now.learning_rate:g}, {failure.found}",
        kind=failure.kind,
        where=failure.where,
        remedy=f"set training.learning_rate well below {now.learning_rate:g} (1e-5 to 5e-5 suit pre-trained models, "
        "5e-4 to 3e-3 those from scratch), raise training.warmup_ratio, or take another model.name: this one may be "
        "damaged",
    )
