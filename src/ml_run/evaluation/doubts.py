"""Mistakes that look mislabelled rather than misread: more than one thing speaks against the label.

A model that is sure and wrong is most often just wrong. So a label is doubted only where the candidate is confident
and something else says the same: a model of another kind that is confident too, or copies of the text in the training
data that have the predicted label and never the row's own. Confident means: at least as sure of a label as the model
is on average on the rows that carry it, the threshold of confident learning (Northcutt, Jiang and Chuang, JAIR 70,
2021, section 3.1), and surer than not. All of them may share a prejudice of the training data: these are suspicions.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ml_run.results import Suspicion
from ml_run.wording import listed, number_of, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.predictions import Predictions
    from ml_run.evaluation.train_copies import Copy
    from ml_run.splits import SplitRows

_LEAST = 0.5
_ROUNDING = 1e-9
"""A mean of equal numbers may come out a little above them."""


def confident(predictions: Predictions, true: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows [n] whose predicted label has at least the probability that it has on average where it is the label.

    Args:
        predictions: of n rows; without probabilities no row is confident.
        true: label ids [n].
    """
    import numpy as np

    soft = predictions.probabilities
    if soft is None or not len(true):
        return np.zeros(len(true), bool)
    means = np.array([soft[true == c, c].mean() if (true == c).any() else np.inf for c in range(soft.shape[1])])
    told = np.minimum(predictions.ids, soft.shape[1] - 1)
    sure = soft[np.arange(len(true)), told]
    found: NDArray[np.bool_] = (sure >= np.maximum(means[told] - _ROUNDING, _LEAST)) & (predictions.ids == told)
    return found


def doubtful(
    rows: SplitRows,
    labels: tuple[str, ...],
    candidate: Predictions,
    others: Sequence[Predictions],
    copies: Mapping[int, Sequence[Copy]],
) -> list[Suspicion]:
    """The mistakes whose label is doubted, those with most against it first, then by how sure the candidate is.

    Args:
        rows: the n test rows.
        labels: the k labels.
        candidate: its predictions.
        others: those of other models.
        copies: of test rows that have any in the training data, by row.
    """
    import numpy as np

    soft, true = candidate.probabilities, np.asarray(rows.label_ids, np.int64)
    if soft is None:
        return []
    agree = {o.name: confident(o, true) & (o.ids == candidate.ids) for o in others}
    found = []
    for row in np.flatnonzero(confident(candidate, true) & (candidate.ids != true)).tolist():
        said, sure = labels[candidate.ids[row]], float(soft[row, candidate.ids[row]])
        models = [name for name, agreeing in agree.items() if agreeing[row]]
        there = [copy for copy in copies.get(row, ()) if copy.label == said]
        against = Counter(copy.label for copy in copies.get(row, ()))[rows.labels[row]]
        same = there if not against else []
        if models or same:
            why = f"the model is sure of {said} ({percent(sure)}, this label {percent(float(soft[row, true[row]]))})"
            found.append((len(models) + bool(same), sure, Suspicion(row=row, why=why + _agreeing(models, same))))
    return [suspicion for *_, suspicion in sorted(found, key=lambda one: (-one[0], -one[1], one[2].row))]


def _agreeing(models: list[str], copies: Sequence[Copy]) -> str:
    said = f", and so {'is' if len(models) == 1 else 'are'} the {listed(models)} model" if models else ""
    said += "s" if models[1:] else ""
    if not copies:
        return said
    places = f"{copies[0].file}, line {copies[0].line}" + (" and others" if copies[1:] else "")
    say, have = ("says", "has") if len(copies) == 1 else ("say", "have")
    return f"{said}; {number_of(len(copies), 'training text')} that {say} nearly the same {have} that label ({places})"
