"""The evaluate stage: the candidate, the baselines and production on the same test rows, scored now."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files, statistics
from ml_run.config.names import LINEAR
from ml_run.errors import MlRunError, TrainingError
from ml_run.events import emit
from ml_run.results import Comparison, Estimate, Evaluation, ModelScores
from ml_run.splits import TRAIN_ROWS, SplitRows, read_split
from ml_run.statistics import FEWEST_COMPARED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.config import Config
    from ml_run.deployments import ProductionModel
    from ml_run.experiment import Experiment
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import PreparedData, TrainedModel

LATENCY_ROWS = 50


@dataclass(frozen=True)
class _Predictions:
    """What one model says of the test rows."""

    name: str
    ids: NDArray[np.int64]
    """[n]; an id of k or more is a label this run does not know."""
    probabilities: NDArray[np.float64] | None = None
    """[n, k], for models that give them."""


def evaluate_model(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    model: TrainedModel,
    production: ProductionModel | None,
) -> Evaluation:
    """Score the candidate on the test split, beside the baselines and the production model.

    Writes `evaluation/predictions.parquet`, one row a test row.

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
    from ml_run.modeling.scoring import load_scorer
    from ml_run.modeling.seed_scores import spread_of_seeds

    train, val, test = (read_split(experiment.split(name)) for name in ("train", "val", "test"))
    scorer = load_scorer(experiment.model)
    candidate = _predict(scorer, "candidate", test, data.labels)
    _write_predictions(experiment, test, candidate, data.labels)
    baselines = _baselines(config, train, val, test, data.labels)
    others = [*baselines, *_production(production, test, data.labels)]
    seed = int(files.hash_value(data.fingerprint)[:8], 16)  # of the data alone: the same wherever the run is made
    scores = {p.name: _scores(p, test.label_ids, data.labels, seed) for p in [candidate, *others]}
    excluded = _known_to(production, test)
    p50, p95 = _latency(scorer, test.texts)
    return Evaluation(
        labels=data.labels,
        n=len(test),
        candidate=scores["candidate"],
        baselines=tuple(scores[baseline.name] for baseline in baselines),
        production=scores.get("production"),
        production_version=production.version if production else None,
        comparisons=tuple(_compare(candidate, o, test, data.labels, excluded, seed) for o in others),
        latency_ms_p50=p50,
        latency_ms_p95=p95,
        model_digest=model.digest,
        candidate_without_leaks=_without_leaks(config, candidate, test, data.labels, seed),
        spread=spread_of_seeds(
            experiment,
            model,
            test.label_ids,
            len(data.labels),
            lambda other, name: _predict(other, name, test, data.labels).ids,
        ),
    )


# --- predictions ----------------------------------------------------------------------------------------------------


def _predict(scorer: Scorer, name: str, test: SplitRows, labels: tuple[str, ...]) -> _Predictions:
    """Score the rows; the model's labels are matched with the run's by name, never by position.

    Raises:
        TrainingError: a score is no number: its row would be counted for whatever class comes first.
    """
    import numpy as np

    def progress(done: int, total: int) -> None:
        emit("progress", f"scoring {name}", stage="evaluate", done=done, total=total)

    probabilities = scorer.probabilities(test.texts, progress=progress).astype(np.float64)
    lost = int((~np.isfinite(probabilities)).any(1).sum())
    if lost:
        raise TrainingError(
            f"the {name} model gives scores that are no numbers for {lost} of {len(test)} test rows",
            kind="non_finite",
            remedy="train it anew with a smaller training.learning_rate",
        )
    position = {label: number for number, label in enumerate(labels)}
    to_run = np.array([position.get(label, len(labels)) for label in scorer.labels])
    ids = to_run[probabilities.argmax(1)] if len(test) else np.zeros(0, np.int64)
    same = set(scorer.labels) == set(labels)
    ordered = probabilities[:, [scorer.labels.index(label) for label in labels]] if same else None
    return _Predictions(name, ids, ordered)


def _baselines(
    config: Config, train: SplitRows, val: SplitRows, test: SplitRows, labels: tuple[str, ...]
) -> list[_Predictions]:
    """The majority guess and, beside any other candidate, the linear model."""
    from ml_run.modeling.baselines import linear_probabilities, majority_predictions
    from ml_run.modeling.linear_tuning import Rows

    majority = _Predictions("majority", majority_predictions(train.label_ids, len(test)))
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
    return [majority, _Predictions("linear", probabilities.argmax(1), probabilities)]


def _production(production: ProductionModel | None, test: SplitRows, labels: tuple[str, ...]) -> list[_Predictions]:
    from ml_run.modeling.scoring import load_scorer

    if production is None:
        return []
    try:
        return [_predict(load_scorer(production.folder), "production", test, labels)]
    except (MlRunError, OSError, ValueError) as error:
        # The candidate can still be judged on its own; criteria against production become INCONCLUSIVE.
        why = error.found if isinstance(error, MlRunError) else error
        said = f"production version {production.version} cannot be scored: {why}"
        emit("warning", said, level=logging.WARNING, version=production.version)
        return []


def _write_predictions(
    experiment: Experiment, test: SplitRows, candidate: _Predictions, labels: tuple[str, ...]
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


# --- scores ---------------------------------------------------------------------------------------------------------


def _scores(predictions: _Predictions, true: Sequence[int], labels: tuple[str, ...], seed: int) -> ModelScores:
    from ml_run.modeling.scores import score_predictions

    return score_predictions(predictions.name, predictions.ids, predictions.probabilities, true, labels, seed=seed)


def _without_leaks(
    config: Config,
    candidate: _Predictions,
    test: SplitRows,
    labels: tuple[str, ...],
    seed: int,
) -> ModelScores | None:
    """With `data.leaks: keep`, the scores on the test rows that have no copy, exact or near, in train."""
    import numpy as np

    clean = ~np.array(test.leaked, bool)
    if config.data.leaks != "keep" or clean.all() or not clean.any():
        return None
    return _scores(_subset(candidate, clean), list(np.asarray(test.label_ids)[clean]), labels, seed)


def _subset(predictions: _Predictions, rows: NDArray[np.bool_]) -> _Predictions:
    soft = predictions.probabilities
    return _Predictions(predictions.name, predictions.ids[rows], None if soft is None else soft[rows])


# --- comparisons ----------------------------------------------------------------------------------------------------


def _known_to(production: ProductionModel | None, test: SplitRows) -> NDArray[np.bool_]:
    """Which test rows the production model was trained on; all False without a list of them."""
    import numpy as np

    path = production.folder / TRAIN_ROWS if production else None
    if path is None or not path.is_file():
        return np.zeros(len(test), bool)
    trained_on = set(path.read_text("utf-8").split())
    return np.array([row in trained_on for row in test.hashes], bool)


def _compare(
    candidate: _Predictions,
    other: _Predictions,
    test: SplitRows,
    labels: tuple[str, ...],
    known_to_production: NDArray[np.bool_],
    seed: int,
) -> Comparison:
    import numpy as np

    rows = ~known_to_production if other.name == "production" else np.ones(len(test), bool)
    true, new, old = np.asarray(test.label_ids, int)[rows], candidate.ids[rows], other.ids[rows]
    comparison = Comparison(
        against=other.name,
        n=int(rows.sum()),
        excluded=int((~rows).sum()),
        macro_f1_difference=Estimate(value=None),
        accuracy_difference=Estimate(value=None),
        note=_why_not_compared(true, int((~rows).sum()), labels),
    )
    if comparison.note:
        return comparison
    differences = {
        "macro_f1_difference": statistics.macro_f1_difference(true, new, old, len(labels), seed=seed),
        "accuracy_difference": statistics.accuracy_difference(new == true, old == true),
    }
    return comparison.model_copy(update=differences)


def _why_not_compared(true: NDArray[np.int64], excluded: int, labels: tuple[str, ...]) -> str:
    """Why rows with the labels `true` cannot tell which of two models is better; empty when they can."""
    left_out = f"; {excluded} were left out because production was trained on them" if excluded else ""
    if len(true) < FEWEST_COMPARED:
        return f"{len(true)} test rows are too few to compare two models, {FEWEST_COMPARED} are needed{left_out}"
    gone = [label for number, label in enumerate(labels) if number not in true]
    if gone:
        return f"no test rows of {', '.join(gone)} are left to compare two models on{left_out}"
    return ""


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
