"""Which pairs of texts to look at: those that share a bucket in some band, without going quadratic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.shingles import Pairs

_PENDING = 4_000_000
"""Candidates gathered before they are verified."""
_SMALL = 32
"""Members up to which all pairs of a bucket are candidates."""
_NEIGHBOURS = 2
_PARTNERS = 8
"""Near copies after which a text of a large bucket is held against no more neighbours."""

_Candidates = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
Band = tuple["NDArray[np.int64] | None", "NDArray[np.uint32]"]
"""Some texts, and the bucket of each in one band; None for all texts in their order. Who is alone may be left out."""


@dataclass
class Met:
    """What is known of each text so far, so that large buckets are searched only for what is still wanted."""

    kinds: NDArray[np.uint8]
    partners: NDArray[np.int64]
    """Near copies found."""
    of_kinds: NDArray[np.uint8]
    """Kinds that they are of."""

    @classmethod
    def nobody(cls, kinds: NDArray[np.uint8]) -> Met:
        """Nothing is known yet of texts of these kinds (one bit a kind)."""
        import numpy as np

        return cls(kinds, np.zeros(len(kinds), np.int64), np.zeros(len(kinds), np.uint8))

    def add(self, pairs: Pairs) -> None:
        """Take note of verified pairs."""
        import numpy as np

        for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
            np.add.at(self.partners, one, 1)
            np.bitwise_or.at(self.of_kinds, one, self.kinds[other])


def candidates(bands: Sequence[Band], met: Met, seed: int) -> Iterator[_Candidates]:
    """Pairs that share a bucket, in portions; a pair may come again in another portion."""
    import numpy as np

    chance = np.random.default_rng(seed)
    size = len(met.kinds)
    pending: list[NDArray[np.int64]] = []
    for number, (texts, keys) in enumerate(bands, start=1):
        order, buckets, large = _shared_buckets(*_shuffled(chance.permutation(size), texts, keys))
        pending += [_code(pair, size) for pair in _all_pairs(order[~large], buckets[~large])]
        if pending and (number == len(bands) or sum(map(len, pending)) > _PENDING):
            yield _decoded(pending, size)
            pending = []
        if found := [_code(pair, size) for pair in _chosen_pairs(order[large], buckets[large], met)]:
            yield _decoded(found, size)


def _code(pair: _Candidates, size: int) -> NDArray[np.int64]:
    import numpy as np

    return np.minimum(*pair) * size + np.maximum(*pair)


def _decoded(codes: list[NDArray[np.int64]], size: int) -> _Candidates:
    import numpy as np

    once = np.unique(np.concatenate(codes))
    return once // size, once % size


def _shuffled(
    permutation: NDArray[np.int64], texts: NDArray[np.int64] | None, keys: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """The texts of a band and their buckets, in the order of a permutation of all texts."""
    import numpy as np

    if texts is None:
        return permutation, keys[permutation]
    rank = np.empty_like(permutation)
    rank[permutation] = np.arange(len(permutation))
    order = np.argsort(rank[texts])
    return texts[order], keys[order]


def _shared_buckets(
    shuffled: NDArray[np.int64], keys: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.bool_]]:
    """The texts that share a bucket, bucket by bucket; the bucket of each; whether it has many members."""
    import numpy as np

    by_bucket = np.argsort(keys, kind="stable")
    order, buckets = shuffled[by_bucket], keys[by_bucket]
    same = buckets[1:] == buckets[:-1]
    shared = (np.append(same, False) | np.insert(same, 0, False))[: len(order)]
    order, buckets = order[shared], buckets[shared]
    starts = np.flatnonzero(np.insert(buckets[1:] != buckets[:-1], 0, True)) if len(order) else order
    sizes = np.diff(np.append(starts, len(order)))
    return order, buckets, np.repeat(sizes > _SMALL, sizes)


def _all_pairs(order: NDArray[np.int64], buckets: NDArray[np.uint32]) -> Iterator[_Candidates]:
    for offset in range(1, _SMALL):
        hit = buckets[offset:] == buckets[:-offset]
        if not hit.any():
            break
        yield order[:-offset][hit], order[offset:][hit]


def _chosen_pairs(order: NDArray[np.int64], buckets: NDArray[np.uint32], met: Met) -> Iterator[_Candidates]:
    """Neighbours in large buckets while one has few partners, and the nearest of each kind not yet met."""
    import numpy as np

    if not len(order):
        return
    few = met.partners[order] < _PARTNERS
    for offset in range(1, _NEIGHBOURS + 1):
        hit = (buckets[offset:] == buckets[:-offset]) & (few[offset:] | few[:-offset])
        yield order[:-offset][hit], order[offset:][hit]
    for kind in np.uint8(1) << np.arange(8, dtype=np.uint8):
        of_kind = np.flatnonzero(met.kinds[order] & kind)
        wanting = np.flatnonzero((met.of_kinds[order] & kind) == 0)
        after = np.searchsorted(of_kind, wanting, side="right")
        for at in (after, np.searchsorted(of_kind, wanting) - 1):
            there = (at >= 0) & (at < len(of_kind))
            one, other = wanting[there], of_kind[at[there]]
            hit = buckets[one] == buckets[other]
            yield order[one[hit]], order[other[hit]]
