"""Metric modules for the `evaluate` library that live in the package.

`evaluate.load("accuracy")` downloads and runs a script from a hub; these need neither network nor trust. They are
instantiated directly, with a cache folder and an id of their own, so parallel runs never wait for each other's lock.
"""

from pathlib import Path
from typing import Any
from uuid import uuid4

import datasets
import evaluate

from ml_run import statistics


class LabelScores(evaluate.Metric):
    """Point scores of predicted label ids: accuracy, macro-F1, weighted F1, per-class precision, recall, F1, support.

    Config: `labels`, the number of labels k. A predicted id of k or more is a label the run does not know. All by
    scikit-learn over the labels 0..k-1; a score without a denominator is 0, as there.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy and F1 scores of label ids.",
            citation="",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: Any, references: Any, labels: int) -> dict[str, Any]:
        from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

        known = list(range(labels))
        precision, recall, f1, support = precision_recall_fscore_support(
            references, predictions, labels=known, zero_division=0
        )
        return {
            "accuracy": float(accuracy_score(references, predictions)),
            "macro_f1": float(f1.mean()),
            "weighted_f1": float((f1 * support).sum() / max(support.sum(), 1)),
            "precision": precision.tolist(),
            "recall": recall.tolist(),
            "f1": f1.tolist(),
            "support": support.tolist(),
            "confusion": confusion_matrix(references, predictions, labels=[*known, labels]).tolist(),
        }


class ProbabilityScores(evaluate.Metric):
    """Log loss in nats and expected calibration error of predicted probabilities; None where undefined."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Log loss and calibration of probabilities.",
            citation="",
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("float64")),
                    "references": datasets.Value("int64"),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        import numpy as np

        probabilities = np.asarray(predictions, float)
        right = probabilities.argmax(1) == np.asarray(references)
        return {
            "log_loss": statistics.log_loss(probabilities, references),
            "ece": statistics.expected_calibration_error(probabilities.max(1), right),
        }


def compute(metric: type[evaluate.Metric], cache: Path, **values: Any) -> dict[str, Any]:
    """Compute one metric module.

    Args:
        metric: the module's class.
        cache: a writable folder for the library's buffers; made if missing.
        values: `predictions`, `references` (equal length, at least one row) and the module's own arguments.
    """
    instance = metric(cache_dir=str(cache), experiment_id=uuid4().hex)
    scores: dict[str, Any] = instance.compute(**values)
    return scores
