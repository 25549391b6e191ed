"""Cheap models trained beside the candidate: the bar it has to clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.modeling.linear_tuning import WORDS, Rows, tune

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

WORDS_READ = WORDS[0]
"""Words of a text that the linear model reads where nothing speaks for more."""


def majority_predictions(train_ids: Sequence[int], count: int) -> NDArray[np.int64]:
    """Predict the most frequent training label (the smaller id on a tie) `count` times."""
    import numpy as np

    return np.full(count, np.bincount(np.asarray(train_ids, int)).argmax(), dtype=np.int64)


def linear_probabilities(
    train: Rows, val: Rows, texts: Sequence[str], labels: tuple[str, ...], *, balanced: bool, seed: int
) -> NDArray[np.float64]:
    """What the model that `model.name: linear` stands for says of `texts`, array [texts, labels].

    Tuned and calibrated on `val` as it would be as a candidate: whoever is told to deploy it gets these very scores.
    """
    scorer, _ = tune(train, val, labels, balanced=balanced, seed=seed)
    return scorer.probabilities(texts)
