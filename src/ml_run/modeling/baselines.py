"""Cheap models trained beside the candidate: the bar it has to clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml_run.modeling.linear_folds import fit_chosen
from ml_run.modeling.linear_tuning import WORDS, Rows, tune

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.linear import LinearScorer
    from ml_run.results import LinearTuning

WORDS_READ = WORDS[0]
"""Words of a text that the linear model reads where nothing speaks for more."""


def majority_predictions(train_ids: Sequence[int], count: int) -> NDArray[np.int64]:
    """Predict the most frequent training label (the smaller id on a tie) `count` times."""
    import numpy as np

    return np.full(count, np.bincount(np.asarray(train_ids, int)).argmax(), dtype=np.int64)


def linear_baseline(
    train: Rows, val: Rows, labels: tuple[str, ...], *, balanced: bool, seed: int, learn_val: bool = False
) -> tuple[LinearScorer, LinearTuning]:
    """The model that `model.name: linear` stands for, tuned and calibrated on `val`; and how it was tuned.

    Whoever is told to deploy it gets these very scores.

    Args:
        train: what to learn from.
        val: what to choose and calibrate on.
        labels: the label names, by id.
        balanced: weigh the loss of each class by the inverse of its share, without trying otherwise.
        seed: of every random choice.
        learn_val: learn from the rows of `val`, too, once they have chosen the setting: as beside a candidate that did.
    """
    scorer, tuning = tune(train, val, labels, balanced=balanced, seed=seed)
    if learn_val:
        both = Rows([*train.texts, *val.texts], [*train.ids, *val.ids])
        scorer = replace(fit_chosen(both, labels, tuning.chosen, seed), temperature=tuning.temperature)
    return scorer, tuning
