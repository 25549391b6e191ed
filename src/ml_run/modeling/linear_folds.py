"""Cross-validation of the linear model: the setting is tuned as ever, and what follows needs no validation split."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_run import statistics
from ml_run.modeling.folds import HeldOut, fold_run, summary, tell_all, tell_fold
from ml_run.modeling.linear import LinearScorer
from ml_run.modeling.linear_tuning import Rows, Setting, expected_error, fewest_rows, fit_svm, training_rows
from ml_run.modeling.ngrams import learn_vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.linear_tuning import Step
    from ml_run.results import Folds, LinearTrial, LinearTuning


def refit(
    rows: Rows, places: Sequence[int], labels: tuple[str, ...], tuned: LinearTuning, *, seed: int, step: Step
) -> tuple[LinearScorer, LinearTuning, Folds, NDArray[np.float64]]:
    """Fit the setting that was chosen once a fold, and on all rows; calibrate on what the folds held out.

    The setting was chosen by the rows of the validation split, which are among those held out: one of a few settings,
    so it flatters the scores a little.

    Args:
        rows: of train and val.
        places: the fold of each row, from 0 [n].
        labels: the label names, by id.
        tuned: how the setting was chosen.
        seed: of every random choice.
        step: told of progress; may raise to stop.

    Returns:
        The model of all rows, how it was found, the scores of the folds, and the out-of-fold probabilities [n, k].
    """
    import numpy as np

    count, ids, where = max(places) + 1, np.asarray(rows.ids), np.asarray(places)
    raw, seconds = np.zeros((len(ids), len(labels))), []
    for fold in range(count):
        step(fold, count + 1)
        began = time.monotonic()
        scorer = fit_chosen(_take(rows, where != fold), labels, tuned.chosen, seed)
        raw[where == fold] = scorer.logits(_take(rows, where == fold).texts)
        seconds.append(round(time.monotonic() - began, 3))
    step(count, count + 1)
    final = fit_chosen(rows, labels, tuned.chosen, seed)
    temperature = statistics.fit_temperature(raw, rows.ids, np.isin(np.arange(len(labels)), ids))
    found = [
        _held_out(fold, ids[where == fold - 1].tolist(), raw[where == fold - 1] / temperature, seconds[fold - 1])
        for fold in range(1, count + 1)
    ]
    folds, probabilities = summary(labels, rows.ids, places, found, seed)
    for held in found:
        tell_fold(held.run, count)
    tell_all(folds)
    tuning = tuned.model_copy(
        update={
            "features": len(final.vocabulary.terms),
            "training_rows": len(training_rows(rows, tuned.chosen.words, seed).ids),
            "temperature": temperature,
            "val_ece_uncalibrated": expected_error(raw, rows.ids),
            "val_ece": expected_error(raw / temperature, rows.ids),
        }
    )
    return replace(final, temperature=temperature), tuning, folds, probabilities


def _take(rows: Rows, wanted: NDArray[np.bool_]) -> Rows:
    numbers = wanted.nonzero()[0].tolist()
    return Rows([rows.texts[number] for number in numbers], [rows.ids[number] for number in numbers])


def fit_chosen(rows: Rows, labels: tuple[str, ...], chosen: LinearTrial, seed: int) -> LinearScorer:
    """Fit the setting that tuning has chosen on `rows`; the model is not calibrated."""
    learnt = training_rows(rows, chosen.words, seed)
    vocabulary, features = learn_vocabulary(learnt.texts, chosen.words, fewest_rows(len(learnt.ids)))
    setting = Setting(chosen.words, chosen.c, chosen.balanced)
    return LinearScorer(labels, vocabulary, *fit_svm(features, learnt.ids, len(labels), setting, seed))


def _held_out(fold: int, ids: list[int], logits: NDArray[np.float64], seconds: float) -> HeldOut:
    return HeldOut(fold_run(fold, None, ids, logits, seconds), logits.tolist())
