"""Sets of character 5-grams: hashed fast, and compared exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

_SIZE = 5
_AT_ONCE = 1 << 22
"""Characters of the pairs verified at once."""


class Pairs(NamedTuple):
    """Verified pairs of texts, by index."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    jaccard: NDArray[np.float64]


def hashed_grams(texts: Sequence[str], size: int = _SIZE) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """A 64-bit hash of each n-gram of each text, one after the other, and how many each has (`size` characters up)."""
    import numpy as np

    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    hashed = points[: len(points) - size + 1].copy()
    for offset in range(1, size):
        hashed *= np.uint64(0x9E3779B97F4A7C15)
        hashed += points[offset : len(points) - size + 1 + offset]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    inside = np.ones(len(points), bool)
    for offset in range(1, size):
        inside[np.cumsum(lengths) - offset] = False  # grams that would begin in one text and end in the next
    return _mixed(hashed[inside[: len(hashed)]]), lengths - size + 1


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on every other."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def blocks(sizes: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges whose sizes add up to about `most`, each of one element at least."""
    import numpy as np

    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield start, stop
        start = stop


def verified(
    texts: Sequence[str], lengths: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> Iterator[Pairs]:
    """The pairs with the exact Jaccard similarity of their sets of 5-grams, in portions."""
    for start, stop in blocks(lengths[left] + lengths[right], _AT_ONCE):
        part = slice(start, stop)
        yield Pairs(left[part], right[part], _jaccard(texts, left[part], right[part]))


def _jaccard(texts: Sequence[str], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    import numpy as np
    from scipy.sparse import csr_array

    used, where = np.unique(np.concatenate([left, right]), return_inverse=True)
    grams, counts = hashed_grams([texts[i] for i in used])
    columns = (grams >> np.uint64(1)).astype(np.int64)
    bounds = np.insert(np.cumsum(counts), 0, 0)
    sets = csr_array((np.ones(len(columns), np.int32), columns, bounds), shape=(len(used), np.iinfo(np.int64).max))
    sets.sum_duplicates()
    sets.data[:] = 1
    one, other = where[: len(left)], where[len(left) :]
    common = sets[one].multiply(sets[other]).sum(axis=1)
    sizes = np.diff(sets.indptr)
    return np.asarray(common / (sizes[one] + sizes[other] - common), np.float64)
