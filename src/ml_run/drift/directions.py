"""The directions in which the training texts differ most; a text becomes a point along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.drift.grams import BUCKETS, bucket_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

DIMENSIONS = 32
_FINEST = 127


@dataclass(frozen=True)
class Directions:
    """Weights of the buckets of character sequences; d is at most 32."""

    weights: NDArray[np.int8]
    """[8192, d]"""
    scale: NDArray[np.float32]
    """What a weight of 1 stands for [d]."""

    def points(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A point of length 1 for each text [n, d]; 0 for one that has nothing in common with the training texts."""
        import numpy as np

        found = _damped(bucket_counts(texts)) @ (self.weights * self.scale)
        lengths = np.sqrt((found * found).sum(1, keepdims=True))
        unit: NDArray[np.float32] = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0)
        return unit.astype(np.float32)


def learn_directions(texts: Sequence[str]) -> Directions | None:
    """Latent semantic analysis of `texts`; None for too few of them, or where all are the same.

    Source: S. Deerwester et al., Indexing by Latent Semantic Analysis, JASIS 41 (1990), 391-407.
    """
    import numpy as np
    from scipy.sparse import diags
    from scipy.sparse.linalg import ArpackError, svds

    most = min(DIMENSIONS, len(texts) - 1)
    if most < 1:
        return None
    counts = bucket_counts(texts)
    rarity = 1 + np.log((1 + len(texts)) / (1 + counts.getnnz(axis=0)))
    weighed = _damped(counts) @ diags(rarity)
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    weighed = diags(1 / lengths) @ weighed
    try:
        _, _, found = svds(weighed, k=most, v0=np.ones(min(len(texts), BUCKETS)))
    except ArpackError:
        return None
    weights = rarity[:, None] * found.T
    scale = np.maximum(np.abs(weights).max(0), np.finfo(np.float32).tiny) / _FINEST
    return Directions(np.round(weights / scale).astype(np.int8), scale.astype(np.float32))


def _damped(counts: csr_matrix) -> csr_matrix:
    import numpy as np

    damped = counts.copy()
    damped.data = 1 + np.log(damped.data)
    return damped
