"""The evaluate stage: the candidate, the baselines and production on the same test rows, scored now."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.config.names import LINEAR
from ml_run.errors import MlRunError
from ml_run.evaluation.judging import Other, judge
from ml_run.evaluation.predictions import Predictions, predict
from ml_run.evaluation.slicing import Traits
from ml_run.evaluation.trust import temperature_of
from ml_run.events import emit
from ml_run.splits import TRAIN_ROWS, SplitRows, read_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.config import Config
    from ml_run.deployments import ProductionModel
    from ml_run.evaluation.train_copies import Copy
    from ml_run.experiment import Experiment
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import Evaluation, LearningCurve, Mistakes, PreparedData, TrainedModel

LATENCY_ROWS = 50


def evaluate_model(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    model: TrainedModel,
    production: ProductionModel | None,
) -> Evaluation:
    """Score the candidate on the test split, beside the baselines and the production model.

    Writes `evaluation/predictions.parquet`, one row a test row, and adds doubtful labels to `data/review_queue.csv`.

    Args:
        config: the run's config.
        experiment: holds the prepared splits and the sealed model.
        data: the data stage's answer.
        model: the train stage's answer.
        production: what the alias `production` points at now, or None.

    Raises:
        StoreError: the sealed model is damaged.
        TrainingError: the candidate gives scores that are no numbers.
    """
    from ml_run.evaluation.holdout import score_holdout
    from ml_run.evaluation.sources import measure_sources
    from ml_run.modeling.scoring import load_scorer
    from ml_run.modeling.seed_scores import spread_of_seeds

    train, val, test = (read_split(experiment.split(name)) for name in ("train", "val", "test"))
    scorer = load_scorer(experiment.model)
    candidate = predict(scorer, "candidate", test.texts, data.labels)
    _write_predictions(experiment, test, candidate, data.labels)
    baselines = [Other(baseline) for baseline in _baselines(config, train, val, test, data.labels)]
    seed = int(files.hash_value(data.fingerprint)[:8], 16)  # of the data alone: the same wherever the run is made
    others = [*baselines, *_production(production, test, data.labels)]
    copies = _copies_of_mistakes(config, experiment, data, train, test, candidate)
    traits = _traits(config, data, scorer, test)
    temperature = _temperature(scorer, model, val, data.labels)
    judged = judge(
        test, data.labels, candidate, others, seed=seed, copies=copies, traits=traits, temperature=temperature
    )
    p50, p95 = _latency(scorer, test.texts)
    return judged.model_copy(
        update={
            "production_version": production.version if production else None,
            "latency_ms_p50": p50,
            "latency_ms_p95": p95,
            "model_digest": model.digest,
            "learning_curve": _learning_curve(config, model, train, val, data.labels),
            "sources": measure_sources(config, experiment, data, seed=seed),
            "holdout": score_holdout(config, experiment, data.labels, test, candidate, scorer, seed=seed),
            "mistakes": _explained(experiment, test, judged.mistakes, scorer),
            # Rows of train were dropped for the sake of their copies in test, unless they were to be kept.
            "candidate_without_leaks": judged.candidate_without_leaks if config.data.leaks == "keep" else None,
            "spread": spread_of_seeds(
                experiment,
                model,
                test.label_ids,
                len(data.labels),
                lambda other, name: predict(other, name, test.texts, data.labels).ids,
            ),
        }
    )


# --- predictions ----------------------------------------------------------------------------------------------------


def _baselines(
    config: Config, train: SplitRows, val: SplitRows, test: SplitRows, labels: tuple[str, ...]
) -> list[Predictions]:
    """The majority guess and, beside any other candidate, the linear model."""
    from ml_run.modeling.baselines import linear_probabilities, majority_predictions
    from ml_run.modeling.linear_tuning import Rows

    majority = Predictions("majority", majority_predictions(train.label_ids, len(test)))
    if config.model.name == LINEAR:
        return [majority]
    emit("progress", "training the baselines", stage="evaluate", done=0, total=2)
    probabilities = linear_probabilities(
        Rows(train.texts, train.label_ids),
        Rows(val.texts, val.label_ids),
        test.texts,
        labels,
        balanced=config.training.class_weights == "balanced",
        seed=config.training.seed,
    )
    return [majority, Predictions("linear", probabilities.argmax(1), probabilities)]


def _temperature(scorer: Scorer, model: TrainedModel, val: SplitRows, labels: tuple[str, ...]) -> float | None:
    """Fitted on the validation split; None where the model has learnt from it."""
    if model.folds:
        return None
    return temperature_of(predict(scorer, "candidate", val.texts, labels), val.label_ids)


def _learning_curve(
    config: Config, model: TrainedModel, train: SplitRows, val: SplitRows, labels: tuple[str, ...]
) -> LearningCurve:
    from ml_run.modeling.learning_curve import learning_curve
    from ml_run.modeling.linear_tuning import Rows

    emit("progress", "measuring what more rows bring", stage="evaluate", done=0, total=1)
    return learning_curve(
        Rows(train.texts, train.label_ids),
        Rows(val.texts, val.label_ids),
        labels,
        threshold=config.deployment.min_f1,
        balanced=config.training.class_weights == "balanced",
        seed=config.training.seed,
        chosen=model.linear.chosen if model.linear else None,
    )


def _production(production: ProductionModel | None, test: SplitRows, labels: tuple[str, ...]) -> list[Other]:
    from ml_run.modeling.scoring import load_scorer

    if production is None:
        return []
    try:
        predictions = predict(load_scorer(production.folder), "production", test.texts, labels)
    except (MlRunError, OSError, ValueError) as error:
        # The candidate can still be judged on its own; criteria against production become INCONCLUSIVE.
        why = error.found if isinstance(error, MlRunError) else error
        said = f"production version {production.version} cannot be scored: {why}"
        emit("warning", said, level=logging.WARNING, version=production.version)
        return []
    return [Other(predictions, _known_to(production, test))]


def _write_predictions(
    experiment: Experiment, test: SplitRows, candidate: Predictions, labels: tuple[str, ...]
) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert candidate.probabilities is not None, "the candidate was trained on these labels"
    columns = {
        "row": np.arange(len(test)),
        "file": test.files,
        "line": test.lines,
        "text": test.texts,
        "label": test.labels,
        "predicted": [labels[i] for i in candidate.ids],
        "correct": candidate.ids == np.asarray(test.label_ids),
        "confidence": candidate.probabilities.max(1),
        "characters": [len(text) for text in test.texts],
        "row_hash": test.hashes,
    }
    columns |= {f"p_{label}": candidate.probabilities[:, i] for i, label in enumerate(labels)}
    with files.atomic_path(experiment.predictions) as temporary:
        pq.write_table(pa.table(columns), temporary)


# --- mistakes -------------------------------------------------------------------------------------------------------


def _copies_of_mistakes(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    train: SplitRows,
    test: SplitRows,
    candidate: Predictions,
) -> dict[int, list[Copy]]:
    """What the training data calls the texts that the candidate gets wrong, where it has copies of them."""
    from ml_run.evaluation.train_copies import copies_in_train

    wrong = [row for row, true in enumerate(test.label_ids) if candidate.ids[row] != true]
    return copies_in_train(config, experiment, data, {"train": train, "test": test}, wrong)


def _explained(experiment: Experiment, test: SplitRows, mistakes: Mistakes | None, scorer: Scorer) -> Mistakes | None:
    """The mistakes with the words that spoke for them; doubtful labels are added to the review queue."""
    from ml_run.evaluation.influence import explain
    from ml_run.evaluation.queueing import queue_suspects

    if mistakes is None:
        return None
    queue = queue_suspects(experiment, test, mistakes.suspected)
    return explain(mistakes, test.texts, scorer).model_copy(update={"queue": queue})


# --- beside the predictions -----------------------------------------------------------------------------------------


def _traits(config: Config, data: PreparedData, scorer: Scorer, test: SplitRows) -> Traits:
    from ml_run.evaluation.reach import cut_texts

    language = data.language_check.expected if data.language_check else None
    return Traits(cut_texts(scorer, test.texts), language, copies_kept=config.data.leaks == "keep")


def _known_to(production: ProductionModel, test: SplitRows) -> NDArray[np.bool_]:
    """Which test rows the production model was trained on; all False without a list of them."""
    import numpy as np

    path = production.folder / TRAIN_ROWS
    if not path.is_file():
        return np.zeros(len(test), bool)
    trained_on = set(path.read_text("utf-8").split())
    return np.array([row in trained_on for row in test.hashes], bool)


def _latency(scorer: Scorer, texts: Sequence[str]) -> tuple[float | None, float | None]:
    """Median and 95th percentile of the time to score one text, in milliseconds, after one warm-up."""
    import numpy as np

    if not texts:
        return None, None
    scorer.logits(texts[:1])
    times = []
    for text in texts[:LATENCY_ROWS]:
        start = time.perf_counter()
        scorer.logits([text])
        times.append((time.perf_counter() - start) * 1000)
    p50, p95 = np.quantile(times, [0.5, 0.95])
    return float(p50), float(p95)
