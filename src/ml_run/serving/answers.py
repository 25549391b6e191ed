"""What `/predict` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ml_run.modeling.scoring import softmax

if TYPE_CHECKING:
    from ml_run.serving.batching import Answer

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)
_DIGITS = 6


class Prediction(BaseModel):
    """What the model says of one text."""

    model_config = _DOCUMENTED

    label: str
    confidence: float
    """Probability of `label`."""
    probabilities: dict[str, float]
    abstain: bool
    """The model is not sure enough to be asked, by what it was deployed with."""
    truncated: bool
    """The text goes on where the model stopped reading."""


class Predictions(BaseModel):
    """Answer of `/predict`: one prediction a text, in the order of the texts."""

    model_config = _DOCUMENTED

    version: str
    """Of the model that answered."""
    predictions: list[Prediction]


class Problem(BaseModel):
    """Answer to a request that cannot be answered."""

    error: str


def predictions_of(answer: Answer) -> list[dict[str, Any]]:
    """One object a text, as `Prediction` describes it."""
    import numpy as np

    scorer = answer.model.scorer
    labels = scorer.labels
    shares = softmax(answer.logits.astype(np.float64))
    best = answer.logits.argmax(axis=1).tolist()
    return [
        {
            "label": labels[first],
            "confidence": round(row[first], _DIGITS),
            "probabilities": {label: round(share, _DIGITS) for label, share in zip(labels, row, strict=True)},
            "abstain": unsure,
            "truncated": cut,
        }
        for first, row, unsure, cut in zip(
            best, shares.tolist(), scorer.abstains(shares).tolist(), answer.cut, strict=True
        )
    ]
