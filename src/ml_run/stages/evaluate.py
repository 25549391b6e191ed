"""The evaluate stage: the candidate, the baselines and production on the same test rows, scored now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.evaluation.judging import Other, judge
from ml_run.evaluation.looks import take_look
from ml_run.evaluation.peers import score_production, train_baselines
from ml_run.evaluation.predictions import Predictions, predict, write_predictions
from ml_run.evaluation.slicing import Traits
from ml_run.splits import SplitRows, read_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.config import Config
    from ml_run.deployments import ProductionModel
    from ml_run.evaluation.train_copies import Copy
    from ml_run.experiment import Experiment
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import Evaluation, Mistakes, PreparedData, TrainedModel

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
    compared_with = production.version if production else None
    # Before the first score is known: a look that was taken counts, whatever becomes of the run.
    look = take_look(experiment.project, test.hashes, model=model.digest, run=experiment.id, against=compared_with)
    candidate = predict(scorer, "candidate", test.texts, data.labels)
    write_predictions(experiment.predictions, test, candidate, data.labels)
    baselines, curve = train_baselines(config, model, train, val, test, data.labels)
    seed = files.seed_of(data.fingerprint)  # of the data alone: the same wherever the run is made
    others = [*map(Other, baselines), *score_production(production, model.digest, test, data.labels)]
    copies = _copies_of_mistakes(config, experiment, data, train, test, candidate)
    traits = _traits(config, data, scorer, test)
    judged = judge(
        test,
        data.labels,
        candidate,
        others,
        seed=seed,
        copies=copies,
        traits=traits,
        temperature=model.served.temperature if model.served else None,
        look=look,
    )
    p50, p95 = _latency(scorer, test.texts)
    return judged.model_copy(
        update={
            "production_version": compared_with,
            "latency_ms_p50": p50,
            "latency_ms_p95": p95,
            "model_digest": model.digest,
            "learning_curve": curve,
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
