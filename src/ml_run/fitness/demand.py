"""What a training needs: memory by formula, time by what was measured. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.modeling.plan import Plan

if TYPE_CHECKING:
    from ml_run.config import TrainingConfig
    from ml_run.fitness.shapes import ModelShape

_BYTES_A_PARAMETER = 16
"""Weights, gradients and AdamW's two moments, in float32."""
_BYTES_A_VALUE = 68
"""Kept of a layer for its backward pass, for each token and unit of width: 34 in two-byte arithmetic without the scores
of attention, twice that in float32. Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer
Models", section 4.1."""
_BYTES_A_SCORE = 10
"""The same for each pair of tokens and head."""
_PROCESS = 1_000_000_000
"""Python with torch, transformers and MLflow loaded, and the rows."""
_AT_ONCE = 4_096
"""Tokens of a step that are held at once on a CPU (docs/training.md, out of memory)."""
_EVALUATION = 1 / 3
"""Of the time of training on a row: forward alone."""


@dataclass(frozen=True)
class Work:
    """What there is to learn from."""

    train_rows: int
    val_rows: int
    tokens: float
    """Mean tokens that the model reads of a text."""
    exact: bool
    """False where the rows were counted by a sample."""


@dataclass(frozen=True)
class Speed:
    """What was measured on this machine."""

    seconds_a_token: float
    """Forward and backward through the whole model."""
    seconds_a_parameter: float
    """One step of the optimizer."""
    busy: float = 1.0
    """How many times as long it took, because other programs wanted the processor as well."""


def memory_need(shape: ModelShape, rows: int, length: int, *, cpu: bool) -> int:
    """Bytes that training `rows` of `length` tokens at once takes at its peak; an upper bound, held to by measurement.

    Of multilingual-e5-small with 16 rows of 128 tokens it says 3.9 GB whole and 2.5 GB trimmed; measured were 4.0 and
    2.8 GB, of which loading took the difference.
    """
    tokens = min(rows * length, max(_AT_ONCE, length)) if cpu else rows * length
    a_layer = _BYTES_A_VALUE * shape.hidden * tokens + _BYTES_A_SCORE * shape.heads * length * tokens
    return _PROCESS + _BYTES_A_PARAMETER * shape.parameters + shape.layers * a_layer


def training_steps(work: Work, training: TrainingConfig) -> int:
    """Optimizer steps of all trainings of a run, at the most: of every seed, or every fold and the last one."""
    rows, folds = work.train_rows, training.folds
    if folds:
        rows += work.val_rows
        return folds * Plan(rows - rows // folds, training).max_steps + Plan(rows, training).max_steps
    return len(training.seeds or (0,)) * Plan(rows, training).max_steps


def training_seconds(work: Work, training: TrainingConfig, speed: Speed, parameters: int) -> float:
    """Seconds that these steps take, validation after each epoch included."""
    steps = training_steps(work, training)
    plan = Plan(work.train_rows, training)
    tokens = steps * min(plan.rows_per_step, work.train_rows) * work.tokens
    epochs = steps / max(1, plan.steps_per_epoch)
    judged = epochs * work.val_rows * work.tokens * _EVALUATION
    return (tokens + judged) * speed.seconds_a_token + steps * parameters * speed.seconds_a_parameter
