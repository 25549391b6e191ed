"""The handoff: what monitoring needs to know of a deployment, measured on rows the model has never seen.

All of it comes from the test split; scores on training rows are inflated and would hide drift (data-quality.md, 4.1).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from ml_run import files
from ml_run.events import utc_now
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
    from collections.abc import Sequence

    from ml_run.experiment import Experiment

FORMAT = 1
MINIMUM_WINDOW = 50
"""Rows below which a window of traffic is not judged (data-quality.md, 4.2)."""
ALPHA = 0.05
"""False-alarm rate of one window, over all tests together."""
MOST_RAW_VALUES = 2000
QUANTILES = 201


class Distribution(Record):
    """How one number is distributed over the test rows."""

    kind: Literal["values", "quantiles"]
    """`values`: all of them, sorted; `quantiles`: 201 equally spaced ones, from the least to the greatest."""
    n: int
    """Rows they were taken from."""
    values: tuple[float, ...]


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

    columns = ["label", "predicted", "confidence", "characters"]
    rows = pq.read_table(experiment.predictions, columns=columns).to_pydict()
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
    )


def distribution(values: Sequence[float]) -> Distribution:
    """All `values`, sorted, or 201 quantiles where there are more than 2,000.

    Up to 2,000 the raw values are kept because the quantiles alone raise the false-alarm rate of a KS test from .050 to
    .063 (data-quality.md, 4.1).
    """
    import numpy as np

    ordered = np.sort(np.asarray(values, np.float64))
    if len(ordered) <= MOST_RAW_VALUES:
        return Distribution(kind="values", n=len(ordered), values=tuple(ordered.tolist()))
    quantiles = np.quantile(ordered, np.linspace(0, 1, QUANTILES))
    return Distribution(kind="quantiles", n=len(ordered), values=tuple(quantiles.tolist()))
