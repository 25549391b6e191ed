"""Several trainings that differ in their seed alone: which is the candidate, and how far apart they are. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml_run.results import SeedRun, TrainedModel


@dataclass(frozen=True)
class Part:
    """Which of several trainings of like length one is."""

    number: int
    """1 for the first."""
    count: int
    seed: int
    kind: Literal["seed", "fold", "final"] = "seed"
    """fold: one of a cross-validation; final: the one after it, on all rows."""

    def __str__(self) -> str:
        if self.kind == "final":
            return "final model"
        if self.kind == "fold":
            return f"fold {self.number} of {self.count - 1}"
        return f"seed {self.number} of {self.count} ({self.seed})"

    @property
    def models(self) -> int:
        """Models of all parts that are on disk in the end."""
        return self.count if self.kind == "seed" else 1

    def metric(self, name: str) -> str:
        """The name of a measured value in the tracking store, which knows a point by its name and step alone."""
        if self.kind == "final":  # the rows it is scored on are among those it learns from
            return name.replace("val/", "known_rows/")
        return f"seed_{self.seed}/{name}" if self.kind == "seed" else f"fold_{self.number}/{name}"


def median(models: Sequence[TrainedModel]) -> TrainedModel:
    """The model in the middle by validation macro-F1, the worse of two middle ones; of equals the smaller seed first.

    The best of several by their test scores would promise too much: its lead is chance that was picked.
    """
    ordered = sorted(models, key=lambda model: (model.best_val_macro_f1 or 0.0, model.seed))
    return ordered[(len(ordered) - 1) // 2]


def runs(models: Sequence[TrainedModel]) -> tuple[SeedRun, ...]:
    """What is kept of each training."""
    return tuple(
        SeedRun(
            seed=model.seed,
            best_epoch=model.best_epoch,
            best_val_macro_f1=model.best_val_macro_f1,
            seconds=model.seconds,
            digest=model.digest,
        )
        for model in models
    )


def mean_and_sd(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Mean and standard deviation (n - 1) of at least two numbers; None where one is undefined or missing."""
    known = [value for value in values if value is not None]
    if len(known) < max(2, len(values)):
        return None
    return statistics.mean(known), statistics.stdev(known)
