"""All scores of one model on one set of rows: values by the metric modules, intervals by `statistics`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import statistics
from ml_run.modeling.light_imports import without
from ml_run.results import ClassScores, Estimate, ModelScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_AGREEMENT = 1e-9


def score_predictions(
    name: str,
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64] | None,
    true: Sequence[int],
    labels: tuple[str, ...],
    *,
    seed: int,
) -> ModelScores:
    """Score the predictions of one model.

    Args:
        name: of the model.
        predicted: label ids [n]; an id of k or more is a label this run does not know.
        probabilities: of the labels [n, k], for models that give them: without, log loss and ECE are undefined.
        true: label ids [n].
        labels: the k label names.
        seed: of the intervals' resampling.

    Raises:
        ArithmeticError: a metric module and `statistics` compute different values for the same score.
    """
    k = len(labels)
    if not len(true):
        return _without_rows(name, labels)
    points, soft = _points(predicted, probabilities, true, k)
    matrix = statistics.confusion_matrix(true, predicted, k)
    if points["confusion"][:k] != matrix.tolist():
        raise ArithmeticError(f"two confusion matrices of {name} differ: {points['confusion']}, {matrix.tolist()}")
    macro, weighted, by_class = statistics.f1_intervals(matrix, seed=seed)
    floor, ceiling = _ece_by_chance(probabilities, seed)
    return ModelScores(
        name=name,
        n=len(true),
        accuracy=around(points["accuracy"], statistics.wilson(int(matrix.diagonal().sum()), len(true)), "accuracy"),
        macro_f1=around(points["macro_f1"], macro, "macro-F1"),
        weighted_f1=around(points["weighted_f1"], weighted, "weighted F1"),
        log_loss=soft["log_loss"],
        ece=soft["ece"],
        classes=tuple(_class_scores(labels, c, points, matrix, by_class[c]) for c in range(k)),
        confusion=tuple(tuple(row[:k]) for row in points["confusion"][:k]),
        mcc=statistics.matthews_interval(matrix, seed=seed),
        brier=None if probabilities is None else statistics.brier_score(probabilities, true),
        ece_floor=floor,
        ece_ceiling=ceiling,
    )


def _without_rows(name: str, labels: tuple[str, ...]) -> ModelScores:
    """Nothing is known of a model on no rows."""
    unknown = Estimate(value=None)
    return ModelScores(
        name=name,
        n=0,
        accuracy=unknown,
        macro_f1=unknown,
        weighted_f1=unknown,
        log_loss=None,
        ece=None,
        classes=tuple(ClassScores(label=x, support=0, precision=unknown, recall=unknown, f1=unknown) for x in labels),
        confusion=((0,) * len(labels),) * len(labels),
    )


def _ece_by_chance(probabilities: NDArray[np.float64] | None, seed: int) -> tuple[float | None, float | None]:
    """The calibration error that a model of these confidences has by chance: on average, and in 95 of 100 cases."""
    found = None if probabilities is None or not len(probabilities) else probabilities.max(1)
    by_chance = None if found is None else statistics.ece_of_calibrated(found, seed=seed)
    return by_chance or (None, None)


def around(point: float, estimate: Estimate, what: str) -> Estimate:
    """The interval of `estimate` around the value `point`, which must be its own; undefined stays undefined.

    Raises:
        ArithmeticError: the two values differ by more than 1e-9, so one of them is wrong.
    """
    if estimate.value is None:
        return estimate
    if not abs(point - estimate.value) <= _AGREEMENT:
        raise ArithmeticError(f"{what} computed twice gives {point!r} and {estimate.value!r}")
    low, high = estimate.low, estimate.high
    return Estimate(
        value=point, low=None if low is None else min(low, point), high=None if high is None else max(high, point)
    )


def _points(
    predicted: NDArray[np.int64], probabilities: NDArray[np.float64] | None, true: Sequence[int], k: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    with without("transformers"):  # of which evaluate would load the pipelines
        from ml_run.modeling.metric_modules import LabelScores, ProbabilityScores, compute

    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        points = compute(LabelScores, cache, predictions=predicted, references=true, labels=k)
        if probabilities is None:
            return points, {"log_loss": None, "ece": None}
        return points, compute(ProbabilityScores, cache, predictions=probabilities.tolist(), references=true)


def _class_scores(
    labels: tuple[str, ...], number: int, points: dict[str, Any], matrix: NDArray[np.int64], f1: Estimate
) -> ClassScores:
    label, hits = labels[number], int(matrix[number, number])
    precision = statistics.wilson(hits, int(matrix[:, number].sum()))
    recall = statistics.wilson(hits, int(matrix[number].sum()))
    return ClassScores(
        label=label,
        support=int(points["support"][number]),
        precision=around(points["precision"][number], precision, f"precision of {label}"),
        recall=around(points["recall"][number], recall, f"recall of {label}"),
        f1=around(points["f1"][number], f1, f"F1 of {label}"),
    )
