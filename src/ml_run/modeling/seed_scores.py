"""The spread of training: how the models of several seeds score on the test rows."""

from __future__ import annotations

import json
import logging
import shutil
from typing import TYPE_CHECKING

from ml_run import files, statistics
from ml_run.events import emit
from ml_run.modeling.seeds import mean_and_sd
from ml_run.results import SeedScore, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.experiment import Experiment
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import SeedRun, TrainedModel

    Predict = Callable[[Scorer, str], NDArray[np.int64]]


def spread_of_seeds(
    experiment: Experiment, model: TrainedModel, true: Sequence[int], labels: int, predict: Predict
) -> Spread | None:
    """Score the model of every seed, then remove all but the candidate, which is `model/`.

    What was scored is kept in `evaluation/seeds.json`, so that an evaluation can be repeated without them.

    Args:
        experiment: holds `models/seed_<n>/`.
        model: the train stage's answer.
        true: label ids of the test rows.
        labels: number of labels of the run.
        predict: the label ids that a scorer gives the test rows; told a name for its progress.

    Returns:
        None where there is but one seed, or where the models are gone and were never scored.
    """
    if not model.seeds:
        return None
    known = _read(experiment)
    for run in model.seeds:
        if run.digest not in known:
            scores = _score(experiment, run, true, labels, predict)
            if scores is None:
                said = f"the spread over seeds is not known: the model of seed {run.seed} is gone or was changed"
                emit("warning", said, level=logging.WARNING, seed=run.seed)
                return None
            known[run.digest] = scores
    files.write_json(experiment.seed_scores, {run.digest: known[run.digest] for run in model.seeds})
    shutil.rmtree(experiment.seed_models, ignore_errors=True)
    return _spread([_seed_score(run, known[run.digest]) for run in model.seeds])


def _read(experiment: Experiment) -> dict[str, list[float]]:
    try:
        known = json.loads(experiment.seed_scores.read_text("utf-8"))
        return {digest: [float(macro_f1), float(accuracy)] for digest, (macro_f1, accuracy) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _score(
    experiment: Experiment, run: SeedRun, true: Sequence[int], labels: int, predict: Predict
) -> list[float] | None:
    """Macro-F1 over the classes that occur, and accuracy."""
    from ml_run.modeling.scoring import load_scorer

    folder = experiment.seed_model(run.seed)
    if files.manifest_fault(folder) is not None or files.folder_digest(folder) != run.digest:
        return None
    ids = predict(load_scorer(folder, verified=True), f"seed {run.seed}")
    confusion = statistics.confusion_matrix(true, ids, labels)
    macro_f1 = statistics.f1_by_class(confusion)[confusion.sum(axis=1) > 0].mean()
    return [float(macro_f1), float(confusion.diagonal().sum() / len(true))]


def _seed_score(run: SeedRun, scores: list[float]) -> SeedScore:
    return SeedScore(seed=run.seed, best_val_macro_f1=run.best_val_macro_f1, macro_f1=scores[0], accuracy=scores[1])


def _spread(scores: list[SeedScore]) -> Spread | None:
    f1 = mean_and_sd([score.macro_f1 for score in scores])
    accuracy = mean_and_sd([score.accuracy for score in scores])
    if f1 is None or accuracy is None:
        return None
    return Spread(
        seeds=tuple(scores), macro_f1_mean=f1[0], macro_f1_sd=f1[1], accuracy_mean=accuracy[0], accuracy_sd=accuracy[1]
    )
