"""The section `training` of a new config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config import TrainingConfig
from ml_run.modeling.plan import Plan
from ml_run.starting.choice import VAL_SHARE, Choice, kept_share, largest_class, smallest_class
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.starting.facts import Facts

_BATCH, _SEED, _RATE = 16, 42, "2e-5"
_IMBALANCED = 3
_FOLDS, _FEWEST_VAL_ROWS = 5, 100


def training_keys(facts: Facts, share: float | None) -> Iterator[Choice]:
    """The keys of the section; `share` of the training file is taken for the test, None where there is a test file."""
    plan = Plan(round(facts.rows["train"] * kept_share(facts, share)), TrainingConfig(batch_size=_BATCH, epochs="auto"))
    steps = number_of(plan.steps_per_epoch, "step")
    yield Choice(
        "training.batch_size",
        _BATCH,
        f"{steps} an epoch; where memory runs out, a step is taken in portions and stays the same",
    )
    yield Choice(
        "training.learning_rate",
        _RATE,
        "what encoders like xlm-roberta-base are fine-tuned with; multilingual-e5-small takes 2e-4 with a "
        "layer_decay of 0.9",
    )
    yield Choice(
        "training.epochs",
        "auto",
        f"up to {plan.epochs} epochs ({number_of(plan.max_steps, 'step')}): ends when the validation score has not "
        "risen for three",
    )
    yield Choice("training.seed", _SEED, "every random choice follows from it")
    yield from _balance(facts)
    yield from _folds(facts)


def _balance(facts: Facts) -> Iterator[Choice]:
    (largest, most), (smallest, fewest) = largest_class(facts, "train"), smallest_class(facts)
    if most >= _IMBALANCED * fewest:
        said = f"{largest} has {number_of(most, 'row')}, {smallest} {fewest:,}: {most / fewest:.1f} times as many"
        yield Choice("training.class_weights", "balanced", said)


def _folds(facts: Facts) -> Iterator[Choice]:
    """Cross-validation, where a validation split is too small to choose by."""
    rows = facts.rows.get("val", round(VAL_SHARE * facts.rows["train"]))
    if rows < _FEWEST_VAL_ROWS:
        yield Choice(
            "training.folds",
            _FOLDS,
            f"val would have {number_of(rows, 'row')}, too few to choose an epoch by",
            f"{_FOLDS} models are each scored on rows that they did not learn from, then one learns from all rows of "
            "train and val; about six times the time",
        )
