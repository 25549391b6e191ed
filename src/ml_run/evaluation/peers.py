"""What stands beside the candidate: a guess, the linear model, what more rows would bring it, and production."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.config.names import LINEAR
from ml_run.errors import MlRunError
from ml_run.evaluation.judging import Other
from ml_run.evaluation.predictions import Predictions, predict
from ml_run.events import emit
from ml_run.splits import TRAIN_ROWS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.config import Config
    from ml_run.deployments import ProductionModel
    from ml_run.results import LearningCurve, TrainedModel
    from ml_run.splits import SplitRows


def train_baselines(
    config: Config, model: TrainedModel, train: SplitRows, val: SplitRows, test: SplitRows, labels: tuple[str, ...]
) -> tuple[list[Predictions], LearningCurve]:
    """The majority guess and, beside any other candidate, the linear model; and how the linear model grows with rows.

    The linear model learns from the rows that the candidate has learnt from: with `training.folds`, those of the
    validation split among them, which has chosen its setting before.
    """
    from ml_run.modeling.baselines import linear_baseline, majority_predictions
    from ml_run.modeling.learning_curve import learning_curve
    from ml_run.modeling.linear_tuning import Rows

    found = [Predictions("majority", majority_predictions(train.label_ids, len(test)))]
    learnt, judged = (Rows(split.texts, split.label_ids) for split in (train, val))
    balanced, seed = config.training.class_weights == "balanced", config.training.seed
    chosen = model.linear.chosen if model.linear else None
    if config.model.name != LINEAR:
        emit("progress", "training the baselines", stage="evaluate", done=0, total=2)
        whole = model.folds is not None
        scorer, tuning = linear_baseline(learnt, judged, labels, balanced=balanced, seed=seed, learn_val=whole)
        probabilities = scorer.probabilities(test.texts)
        found.append(Predictions("linear", probabilities.argmax(1), probabilities))
        chosen = tuning.chosen
    emit("progress", "measuring what more rows bring", stage="evaluate", done=1, total=2)
    threshold = config.deployment.min_f1
    curve = learning_curve(learnt, judged, labels, threshold=threshold, balanced=balanced, seed=seed, chosen=chosen)
    return found, curve


def score_production(
    production: ProductionModel | None, candidate_digest: str, test: SplitRows, labels: tuple[str, ...]
) -> list[Other]:
    """Production on the test rows; nothing where there is none, or where it cannot be scored, which is a warning."""
    from ml_run.modeling.scoring import load_scorer

    if production is None:
        return []
    try:
        predictions = predict(load_scorer(production.folder), "production", test.texts, labels)
        is_candidate = files.folder_digest(production.folder) == candidate_digest
    except (MlRunError, OSError, ValueError) as error:
        # The candidate can still be judged on its own; criteria against production become INCONCLUSIVE.
        why = error.found if isinstance(error, MlRunError) else error
        said = f"production version {production.version} cannot be scored: {why}"
        emit("warning", said, level=logging.WARNING, version=production.version)
        return []
    return [Other(predictions, _known_to(production, test), is_candidate)]


def _known_to(production: ProductionModel, test: SplitRows) -> NDArray[np.bool_]:
    """Which test rows the production model was trained on; all False without a list of them."""
    import numpy as np

    path = production.folder / TRAIN_ROWS
    if not path.is_file():
        return np.zeros(len(test), bool)
    trained_on = set(path.read_text("utf-8").split())
    return np.array([row in trained_on for row in test.hashes], bool)
