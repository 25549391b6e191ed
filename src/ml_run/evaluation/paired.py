"""All that is said of two models on the same rows, and what a person should know beside the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_run import statistics
from ml_run.statistics.unpaired import holm
from ml_run.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.results import Look

FEWEST_OF_A_CLASS = 30
"""Rows of a class below which its recall is not compared (reliability.md, 3b)."""
_ALPHA = 0.05


def paired_scores(
    true: NDArray[np.int64],
    new: NDArray[np.int64],
    old: NDArray[np.int64],
    labels: tuple[str, ...],
    *,
    seed: int,
    look: Look | None = None,
    new_probabilities: NDArray[np.float64] | None = None,
    old_probabilities: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The fields of a `Comparison` that the rows decide: differences at the level of the look, test, warnings.

    Args:
        true: label ids [n], of every label at least one.
        new: what the candidate says [n].
        old: what the other model says [n].
        labels: the k labels.
        seed: of the resampling.
        look: which look at these rows it is; None: looks are not counted, and the level is 95 %.
        new_probabilities: of the candidate [n, k], if it gives them.
        old_probabilities: of the other model [n, k].
    """
    k, level = len(labels), look.level if look else statistics.LEVEL
    apart = statistics.discordant(new == true, old == true)
    first = statistics.class_to_label_first_to_compare(true, new, old, k)
    return {
        "macro_f1_difference": statistics.macro_f1_difference(true, new, old, k, seed=seed, level=level),
        "accuracy_difference": statistics.accuracy_difference(new == true, old == true, level),
        "level": level,
        "look": look.number if look else None,
        "p_value": statistics.mcnemar(apart.only_new, apart.only_old).mid_p,
        "discordant": apart.rows,
        "label_first": None if first is None else labels[first],
        "warnings": (
            *_lost_recall(true, new == true, old == true, labels),
            *_lost_trust(true, new_probabilities, old_probabilities),
        ),
    }


def _lost_recall(
    true: NDArray[np.int64], new_right: NDArray[np.bool_], old_right: NDArray[np.bool_], labels: tuple[str, ...]
) -> Iterator[str]:
    """A warning where the recall of classes is lower than the other's by more than twice the usual margin."""
    margin = 2 * statistics.usual_margin(len(true))
    judged = [c for c in range(len(labels)) if (true == c).sum() >= FEWEST_OF_A_CLASS]
    pairs = [(new_right[true == c], old_right[true == c]) for c in judged]
    p_values = holm([statistics.accuracy_lower_p_value(new, old, margin) for new, old in pairs])
    lost = [
        f"{labels[c]} (by {old.mean() - new.mean():.3f})"
        for c, (new, old), p in zip(judged, pairs, p_values, strict=True)
        if p <= _ALPHA
    ]
    if lost:
        yield f"recall is lower by more than {margin:g}, beyond chance, in {listed(lost)}"


def _lost_trust(
    true: NDArray[np.int64], new: NDArray[np.float64] | None, old: NDArray[np.float64] | None
) -> Iterator[str]:
    """A warning for each score of the probabilities that is worse than the other's beyond chance."""
    if new is None or old is None:
        return
    for what, of_rows in (("Brier score", statistics.brier_scores), ("log loss", statistics.log_losses)):
        mine, others = of_rows(new, true), of_rows(old, true)
        if mine is None or others is None:
            continue
        worse = statistics.mean_interval(mine - others, 1 - 2 * _ALPHA)
        if worse.value is not None and worse.low is not None and worse.low > 0:
            yield f"the {what} is worse by {worse.value:.3f}, beyond chance: the probabilities are less to be trusted"
