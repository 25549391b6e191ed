"""Whether texts are about other things: maximum mean discrepancy between points that stand for texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 999
"""The smallest p-value is 1 / 1000: below .05 shared among nine tests. With 99 draws no alarm could ever be raised."""
MOST_POINTS = 500


class Discrepancy(NamedTuple):
    """How far two clouds of points are from one another."""

    mmd: float
    """Maximum mean discrepancy: 0 for the same cloud, at most the square root of 2."""
    p_value: float


def bandwidth(points: NDArray[np.float32]) -> float:
    """Median of the squared distances between different points [n, d], the width of the kernel; 1 where all are one."""
    import numpy as np

    squared = _squared_distances(points)[np.triu_indices(len(points), 1)]
    apart = squared[squared > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def some(points: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """At most 500 of the points [n, d], drawn with `seed`."""
    import numpy as np

    if len(points) <= MOST_POINTS:
        return points
    return points[np.random.default_rng(seed).permutation(len(points))[:MOST_POINTS]]


def discrepancy(
    reference: NDArray[np.float32], new: NDArray[np.float32], width: float, *, seed: int, draws: int = DRAWS
) -> Discrepancy:
    """Maximum mean discrepancy with a Gaussian kernel, its p-value by permuting which points are new.

    Args:
        reference: [m, d], m > 1.
        new: [n, d], n > 1.
        width: what squared distances are divided by.
        seed: of the permutations.
        draws: permutations.

    Source: A. Gretton et al., A Kernel Two-Sample Test, JMLR 13 (2012), 723-773 (the unbiased estimate, section 2;
    the median as width, section 8).
    """
    import numpy as np

    points = np.concatenate([reference, new])
    kernel = np.exp(-_squared_distances(points) / width).astype(np.float32)
    m, n = len(reference), len(new)
    is_new = np.zeros((m + n, draws + 1), np.float32)
    is_new[m:] = 1
    is_new[:, 1:] = np.random.default_rng(seed).permuted(is_new[:, 1:], axis=0)
    with_new = kernel @ is_new
    inside = (is_new * with_new).sum(0, dtype=np.float64)
    across = with_new.sum(0, dtype=np.float64) - inside
    rest = float(kernel.sum(dtype=np.float64)) - inside - 2 * across
    # Each point is at distance 0 of itself, which tells nothing.
    squared = (inside - n) / (n * (n - 1)) + (rest - m) / (m * (m - 1)) - 2 * across / (n * m)
    at_least = int((squared[1:] >= squared[0]).sum())
    return Discrepancy(float(max(squared[0], 0.0) ** 0.5), (at_least + 1) / (draws + 1))


def _squared_distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    lengths = (points * points).sum(1)
    squared: NDArray[np.float32] = np.maximum(lengths[:, None] + lengths[None, :] - 2 * (points @ points.T), 0)
    return squared
