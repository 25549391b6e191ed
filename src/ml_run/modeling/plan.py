"""How many steps a training takes, and at most. Pure."""

import math
from dataclasses import dataclass

from ml_run.config import TrainingConfig

AUTO_STEPS, AUTO_EPOCHS = 2_000, (3, 30)
"""With `training.epochs: auto`: as many epochs as make so many steps, but not fewer or more than these."""
_WARMUP_EPOCHS = 5
"""With `auto`, warm-up is a share of these: a share of the bound, which is hardly reached, would outlast patience."""


@dataclass(frozen=True)
class Plan:
    """How many steps a training takes."""

    rows: int
    config: TrainingConfig

    @property
    def rows_per_step(self) -> int:
        """Rows that one optimizer step sees."""
        return self.config.batch_size * self.config.gradient_accumulation_steps

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one pass over the rows; the last one may see fewer rows."""
        batches = math.ceil(self.rows / self.config.batch_size)
        return math.ceil(batches / self.config.gradient_accumulation_steps)

    @property
    def epochs(self) -> int:
        """Passes over the rows, unless training stops early; the learning rate falls to zero over them."""
        if self.config.epochs != "auto":
            return self.config.epochs
        fewest, most = AUTO_EPOCHS
        return min(most, max(fewest, math.ceil(AUTO_STEPS / self.steps_per_epoch)))

    @property
    def max_steps(self) -> int:
        """Optimizer steps of the whole training, unless it stops early."""
        return self.steps_per_epoch * self.epochs

    @property
    def warmup_steps(self) -> int:
        """Optimizer steps over which the learning rate rises."""
        epochs = min(self.epochs, _WARMUP_EPOCHS) if self.config.epochs == "auto" else self.epochs
        return math.ceil(self.steps_per_epoch * epochs * self.config.warmup_ratio)
