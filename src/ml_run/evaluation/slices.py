"""Which texts the model is worse on than on the others, and whether that is more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run import statistics
from ml_run.evaluation.slicing import Traits, cut_up
from ml_run.results import Estimate, SliceScores
from ml_run.statistics.unpaired import holm, proportion_difference, proportions_p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.predictions import Predictions
    from ml_run.evaluation.slicing import Part
    from ml_run.splits import SplitRows

FEWEST_ROWS = 20
"""Rows that a slice, and the rest, must have to be judged; with fewer even a model that fails on half is not found."""
_ALPHA = 0.05
_RESAMPLES = 2_000  # a slice's macro-F1 decides nothing; there may be forty of them
_NOTHING = Traits()


def score_slices(
    rows: SplitRows, candidate: Predictions, k: int, *, seed: int, traits: Traits = _NOTHING
) -> tuple[SliceScores, ...]:
    """Score the candidate on slices of the test rows, each beside all other rows.

    A slice is worse when Fisher's test (mid-p, two-sided) says so after Holm's correction for the number of slices that
    are judged: where the model is equally good on all of them, the chance that any is called worse is at most 5 %.

    Args:
        rows: the n test rows.
        candidate: what the model says of them.
        k: number of labels.
        seed: of the resampling behind the intervals of macro-F1.
        traits: what else is known of the rows.

    Returns:
        First the slices that are worse, then the others judged, then those too small to be judged; within these, by
        the difference to the other rows.
    """
    import numpy as np

    true = np.asarray(rows.label_ids, int)
    found = [_score(part, true, candidate.ids, k, seed) for part in cut_up(rows, traits)]
    judged = [number for number, one in enumerate(found) if one.p_value is not None]
    adjusted = holm([p for one in found if (p := one.p_value) is not None])
    for number, p in zip(judged, adjusted, strict=True):
        worse = p < _ALPHA and (found[number].difference.value or 0.0) < 0
        found[number] = found[number].model_copy(update={"p_adjusted": p, "worse": worse})
    return tuple(sorted(found, key=_order))


def _order(one: SliceScores) -> tuple[int, float, str, str]:
    rank = {True: 0, False: 1, None: 2}[one.worse]
    return rank, one.difference.value or 0.0, one.kind, one.name


def _score(part: Part, true: NDArray[np.int64], predicted: NDArray[np.int64], k: int, seed: int) -> SliceScores:
    inside, right = part.rows, predicted == true
    n, others = int(inside.sum()), int((~inside).sum())
    hits, other_hits = int(right[inside].sum()), int(right[~inside].sum())
    classes, y, said = among_occurring(true[inside], predicted[inside], k)
    enough = min(n, others) >= FEWEST_ROWS
    return SliceScores(
        kind=part.kind,
        name=part.name,
        n=n,
        accuracy=statistics.wilson(hits, n),
        macro_f1=_macro_f1(y, said, len(classes), seed),
        classes=len(classes),
        difference=proportion_difference(hits, n, other_hits, others),
        expected=_expected(true, right, inside),
        p_value=proportions_p_value(hits, n, other_hits, others) if enough else None,
    )


def among_occurring(
    true: Sequence[int] | NDArray[np.int64], predicted: NDArray[np.int64], k: int
) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Number anew the classes that occur, so that scores over them alone are defined.

    Args:
        true: label ids [n].
        predicted: label ids [n]; an id of k or more is a label this run does not know.
        k: number of labels.

    Returns:
        The ids of the c classes in `true`; `true` [n] and `predicted` [n] as positions among them, where a prediction
        of any other label is c: wrong, and of no class.
    """
    import numpy as np

    classes = np.unique(np.asarray(true, int))
    position = np.full(k + 1, len(classes))
    position[classes] = np.arange(len(classes))
    return classes.tolist(), position[np.asarray(true, int)], position[np.minimum(predicted, k)]


def _macro_f1(true: NDArray[np.int64], predicted: NDArray[np.int64], k: int, seed: int) -> Estimate:
    matrix = statistics.confusion_matrix(true, predicted, k)
    return statistics.f1_intervals(matrix, seed=seed, resamples=_RESAMPLES)[0]


def _expected(true: NDArray[np.int64], right: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float | None:
    """Accuracy inside if each class were recognised as it is outside; None where a class is inside only.

    Direct standardisation: J. Fleiss, B. Levin and M. C. Paik, Statistical Methods for Rates and Proportions, 3rd ed.
    (2003), chapter 19.
    """
    import numpy as np

    wanted = np.bincount(true[inside], minlength=int(true.max()) + 1)
    there = np.bincount(true[~inside], minlength=len(wanted))
    if (there[wanted > 0] == 0).any():
        return None
    recall = np.bincount(true[~inside], weights=right[~inside], minlength=len(wanted)) / np.maximum(there, 1)
    return float(wanted @ recall / wanted.sum())
