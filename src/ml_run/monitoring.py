"""The handoff: what monitoring needs to know of a deployment, measured on rows the model has never seen.

All of it comes from the test split: scores on training rows are inflated and would hide drift (data-quality.md, 4.1),
and validation rows chose the epoch. No text is in it, and its size is bounded (under a megabyte).
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.drift.distribution import Distribution, distribution
from ml_run.drift.reliance import Trust, learn_trust
from ml_run.drift.traits import TextReference, learn_texts
from ml_run.events import emit, utc_now
from ml_run.results import (
    Deployment,
    Direction,
    Evaluation,
    PreparedData,
    Record,
    TrainedModel,
    Verdict,
)

if TYPE_CHECKING:
    from ml_run.experiment import Experiment

__all__ = ["Criterion", "Distribution", "Handoff", "build_handoff", "distribution"]

FORMAT = 2
MINIMUM_WINDOW = 50
"""Rows below which a window of traffic is not judged (data-quality.md, 4.2)."""
ALPHA = 0.05
"""False-alarm rate of one window, over all tests together."""


class Criterion(Record):
    """A threshold that the model met when it was deployed."""

    metric: str
    direction: Direction
    threshold: float


class Handoff(Record):
    """`handoff.json`."""

    format: int = FORMAT
    created: str
    experiment: str
    version: str | None
    """Version of the registered model."""
    model_digest: str
    base_model: str
    base_revision: str | None
    tokenizer_sha256: str | None
    labels: tuple[str, ...]
    """In the order of the model's outputs."""
    max_length: int | None
    """Tokens read of a text; None for a linear model."""
    data_fingerprint: str
    config_sha256: str
    synthetic: bool
    n: int
    """Test rows; every number below was measured on them."""
    label_prior: dict[str, float]
    """Share of each true label."""
    label_counts: dict[str, int]
    predicted_counts: dict[str, int]
    """Raw counts, not shares: tests of drift need them."""
    confusion: tuple[tuple[int, ...], ...]
    """Counts; rows: true label, columns: predicted label, in the order of `labels`."""
    confidence: Distribution
    """The largest probability of each row."""
    characters: Distribution
    criteria: tuple[Criterion, ...]
    minimum_window: int = MINIMUM_WINDOW
    alpha: float = ALPHA
    trust: Trust | None = None
    """What the model's confidence is worth; None where an older version wrote this."""
    texts: TextReference | None = None
    """How the test texts look; None where an older version wrote this, or where they could not be read."""


def build_handoff(
    experiment: Experiment,
    data: PreparedData,
    model: TrainedModel,
    evaluation: Evaluation,
    verdict: Verdict,
    deployment: Deployment,
) -> Handoff:
    """Collect what monitoring needs from the records and from `evaluation/predictions.parquet`."""
    import pyarrow.parquet as pq

    rows = pq.read_table(experiment.predictions).to_pydict()
    tokenizer = experiment.model / "tokenizer.json"
    n = len(rows["label"])
    true, predicted = Counter(rows["label"]), Counter(rows["predicted"])
    return Handoff(
        created=utc_now(),
        experiment=experiment.id,
        version=deployment.version,
        model_digest=model.digest,
        base_model=model.base,
        base_revision=model.base_revision,
        tokenizer_sha256=files.hash_file(tokenizer) if tokenizer.is_file() else None,
        labels=model.labels,
        max_length=model.max_length,
        data_fingerprint=data.fingerprint,
        config_sha256=files.hash_file(experiment.config_file),
        synthetic=data.synthetic,
        n=n,
        label_prior={label: true[label] / n for label in evaluation.labels},
        label_counts={label: true[label] for label in evaluation.labels},
        predicted_counts={label: predicted[label] for label in evaluation.labels},
        confusion=evaluation.candidate.confusion,
        confidence=distribution(rows["confidence"]),
        characters=distribution(rows["characters"]),
        criteria=tuple(
            Criterion(metric=c.metric, direction=c.direction, threshold=c.threshold) for c in verdict.criteria
        ),
        trust=_trust(rows, evaluation.labels),
        texts=_texts(experiment, data, model, rows),
    )


def _trust(rows: dict[str, list[Any]], labels: tuple[str, ...]) -> Trust | None:
    """What confidence is worth as the model gives it: its temperature, fitted on other rows, is in it."""
    import numpy as np

    columns = [f"p_{label}" for label in labels]
    if any(column not in rows for column in columns):
        return None
    confidence = np.array([rows[column] for column in columns], np.float64).max(0)
    return learn_trust(confidence, np.array(rows["correct"], bool), temperature=1.0)


def _texts(
    experiment: Experiment, data: PreparedData, model: TrainedModel, rows: dict[str, list[Any]]
) -> TextReference | None:
    """How the test texts look. Whatever goes wrong with it, the model is deployed by now, and stays so."""
    from ml_run.drift.tokens import tokens_of
    from ml_run.splits import read_split

    learnt = ("train", "val") if model.folds else ("train",)
    if "text" not in rows or not all(experiment.split(name).is_file() for name in learnt):
        return None
    train = [text for name in learnt for text in read_split(experiment.split(name)).texts]
    language = data.language_check.expected if data.language_check else None
    seed = files.seed_of(data.fingerprint)
    try:
        return learn_texts(train, rows["text"], language, tokens_of(experiment.model), seed=seed)
    except Exception as error:  # noqa: BLE001 -- a deployment must not fail for what only monitoring needs
        emit("warning", f"the handoff knows nothing of the texts: {error}", level=logging.WARNING)
        return None
