"""What can be counted: labels by predictions, and the scores that follow from the counts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ids = Sequence[int] | NDArray[np.signedinteger]
    Flags = Sequence[bool] | NDArray[np.bool_]


def confusion_matrix(true: Ids, predicted: Ids, k: int) -> NDArray[np.int64]:
    """Counts [k, k + 1]: true label by predicted label; the last column holds labels this run does not know."""
    import numpy as np

    cells = np.asarray(true, int) * (k + 1) + np.minimum(np.asarray(predicted, int), k)
    return np.bincount(cells, minlength=k * (k + 1)).reshape(k, k + 1)


def f1_by_class(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each class from counts [..., k, k + 1]: 2 TP / (support + predicted); 0 where both are 0."""
    import numpy as np

    k = matrix.shape[-2]
    hits = np.diagonal(matrix[..., :k], axis1=-2, axis2=-1)
    return f1_of_counts(hits, matrix.sum(-1), matrix[..., :k].sum(-2))


def f1_of_counts(
    hits: NDArray[np.number], support: NDArray[np.number], predicted: NDArray[np.number]
) -> NDArray[np.float64]:
    """F1 of each class from its right rows, its rows and its predictions, arrays of one shape."""
    import numpy as np

    total = support + predicted
    result: NDArray[np.float64] = np.divide(2.0 * hits, total, out=np.zeros(total.shape), where=total > 0)
    return result


def matthews(matrix: NDArray[np.int64]) -> float | None:
    """Matthews' correlation coefficient of counts [k, k + 1], -1 to 1.

    0 where all predictions are one class: they tell nothing. None where fewer than two classes have rows: there is
    nothing to tell.

    Source: J. Gorodkin, Computational Biology and Chemistry 28 (2004), 367-374 (R_K, for k classes).
    """
    import numpy as np

    support = matrix.sum(1)
    if np.count_nonzero(support) < 2:  # noqa: PLR2004 -- a correlation needs two values
        return None
    k = len(matrix)
    return float(matthews_of_counts(matrix.diagonal().sum(), support, matrix[:, :k].sum(0)))


def matthews_of_counts(
    hits: NDArray[np.number] | np.number, support: NDArray[np.number], predicted: NDArray[np.number]
) -> NDArray[np.float64]:
    """`matthews` [...] from all right rows [...], the rows of each class [k] and their predictions [..., k].

    Rows of which `predicted` does not tell were given labels this run does not know, all the same one.
    """
    import numpy as np

    n = float(support.sum())
    known = predicted.astype(float)
    unknown = n - known.sum(-1)
    together = np.asarray(hits, float) * n - known @ support.astype(float)
    of_truth = n**2 - float((support.astype(float) ** 2).sum())
    of_predictions = n**2 - (known**2).sum(-1) - unknown**2
    scale = np.sqrt(np.maximum(of_truth * of_predictions, 0.0))
    result: NDArray[np.float64] = np.divide(together, scale, out=np.zeros(np.shape(together)), where=scale > 0)
    return result
