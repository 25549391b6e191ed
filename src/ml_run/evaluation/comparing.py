"""Two models on the same rows: the difference, and whether these rows can tell it at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.evaluation.paired import paired_scores
from ml_run.results import Comparison, Estimate
from ml_run.statistics import FEWEST_COMPARED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.predictions import Predictions
    from ml_run.results import Look


def compare(
    candidate: Predictions,
    other: Predictions,
    true: Sequence[int],
    labels: tuple[str, ...],
    *,
    known_to_other: NDArray[np.bool_] | None = None,
    is_same: bool = False,
    look: Look | None = None,
    seed: int,
) -> Comparison:
    """Candidate minus `other`, on the rows that `other` was not trained on.

    Args:
        candidate: predictions of n rows.
        other: predictions of the same rows.
        true: label ids [n].
        labels: the k label names.
        known_to_other: [n], true where `other` was trained on the row; None: nowhere.
        is_same: `other` is the candidate itself: the difference is 0, whatever rows there are.
        look: which look at these rows it is; None: looks are not counted, and the level is 95 %.
        seed: of the resampling.

    Returns:
        The differences with their intervals; without them, and with the reason as `note`, where the rows cannot tell.
    """
    import numpy as np

    rows = np.ones(len(true), bool) if known_to_other is None else ~known_to_other
    y, new, old = np.asarray(true, int)[rows], candidate.ids[rows], other.ids[rows]
    excluded = int((~rows).sum())
    comparison = Comparison(
        against=other.name,
        n=int(rows.sum()),
        excluded=excluded,
        macro_f1_difference=Estimate(value=None),
        accuracy_difference=Estimate(value=None),
        note=_why_not_compared(y, excluded, other.name, labels),
    )
    if comparison.note:
        return comparison
    scores = paired_scores(
        y,
        new,
        old,
        labels,
        seed=seed,
        look=look,
        new_probabilities=candidate.subset(rows).probabilities,
        old_probabilities=other.subset(rows).probabilities,
    )
    if is_same:
        nothing = Estimate(value=0.0, low=0.0, high=0.0)
        scores |= {"macro_f1_difference": nothing, "accuracy_difference": nothing}
    return comparison.model_copy(update=scores)


def _why_not_compared(true: NDArray[np.int64], excluded: int, other: str, labels: tuple[str, ...]) -> str:
    """Why rows with the labels `true` cannot tell which of two models is better; empty when they can."""
    left_out = f"; {excluded} were left out because {other} was trained on them" if excluded else ""
    if len(true) < FEWEST_COMPARED:
        return f"{len(true)} test rows are too few to compare two models, {FEWEST_COMPARED} are needed{left_out}"
    gone = [label for number, label in enumerate(labels) if number not in true]
    if gone:
        return f"no test rows of {', '.join(gone)} are left to compare two models on{left_out}"
    return ""
