"""Near copies: pairs of texts that share most of their character 5-grams, found without comparing each with each.

MinHash (Broder, On the resemblance and containment of documents, 1997) with banding (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, 3.4) proposes pairs; each is then verified, so no pair is reported that is none. Bands are
as many as find a pair at the threshold with probability .992; pairs above it are missed still less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.quality.buckets import Met, candidates
from ml_run.quality.shingles import Pairs, blocks, hashed_grams, verified

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONG = 1_000
"""Characters from which a text counts as long."""
SHORTEST = 20
"""Characters below which a text has no near copies: one ending more, and two words would be one."""
_BAND = 4
_FOUND = 0.992
_SLACK = 3.0
"""Standard errors by which an estimate may fall short of the threshold before a pair is dropped unverified."""
_BLOCK = 1 << 17
"""Characters hashed at once: what stays in a processor's cache."""
_COMPARED = 1 << 22
"""Bytes of the estimates made at once."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Likeness:
    """From which Jaccard similarity on two texts are near copies."""

    short: float = 0.7
    long: float = 0.5
    """When both have 1,000 characters or more: long texts hardly share anything by chance."""

    def threshold(self, shorter: NDArray[np.int64]) -> NDArray[np.float64]:
        """The similarity asked of pairs, by the characters of the shorter text of each."""
        import numpy as np

        return np.where(shorter >= LONG, self.long, self.short)


def similar_pairs(
    texts: Sequence[str],
    likeness: Likeness,
    *,
    kinds: NDArray[np.uint8] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Pairs:
    """Find the near copies among `texts`.

    Time and memory grow linearly. Where more than 32 texts fall into one bucket, not all pairs of them are compared:
    each is held against neighbours in random order, other in every band, until it has 8 near copies, and against the
    nearest texts of each kind until it has a near copy of that kind. So which texts hang together, and which have a
    copy of another kind, comes out; which of many copies is the most alike does not.

    Args:
        texts: distinct texts, in the form that is to be compared.
        likeness: from which similarity on two texts are near copies.
        kinds: one bit for each kind (split) a text is of; without it all are of one.
        seed: of hashes and random order.
        progress: told how many texts of how many are hashed.
    """
    import numpy as np

    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    long = np.flatnonzero(lengths >= LONG)
    usable = np.flatnonzero(lengths >= SHORTEST)
    passes = [(long, likeness.long)]
    if len(long) < len(usable):  # a short text may be a copy of a long one, so this pass sees both
        passes.append((usable, likeness.short))
    kinds = np.ones(len(texts), np.uint8) if kinds is None else kinds
    told = _Told(progress, sum(len(chosen) for chosen, _ in passes))
    found = [
        Pairs(chosen[pairs.left], chosen[pairs.right], pairs.jaccard)
        for chosen, threshold in passes
        if len(chosen) > 1
        for pairs in _one_pass([texts[i] for i in chosen.tolist()], threshold, likeness, kinds[chosen], seed, told)
    ]
    return _each_once(found, len(texts))


def _each_once(found: list[Pairs], size: int) -> Pairs:
    import numpy as np

    if not found:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    left, right, jaccard = (np.concatenate(column) for column in zip(*found, strict=True))
    _, first = np.unique(left * size + right, return_index=True)
    return Pairs(left[first], right[first], jaccard[first])


@dataclass
class _Told:
    """Adds up what has been hashed over all passes."""

    progress: Progress | None
    total: int
    done: int = 0

    def add(self, count: int) -> None:
        self.done += count
        if self.progress:
            self.progress(self.done, self.total)


def _one_pass(
    texts: list[str], threshold: float, likeness: Likeness, kinds: NDArray[np.uint8], seed: int, told: _Told
) -> Iterator[Pairs]:
    import numpy as np

    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    keys, sketches = _signatures(texts, threshold, seed, told)
    margin = _SLACK * math.sqrt(threshold * (1 - threshold) / sketches.shape[1])
    met = Met.nobody(kinds)
    for left, right in candidates(keys, met, seed):
        likely = _estimates(sketches, left, right) > threshold - margin
        for pairs in verified(texts, lengths, left[likely], right[likely]):
            near = pairs.jaccard >= likeness.threshold(np.minimum(lengths[pairs.left], lengths[pairs.right]))
            found = Pairs(pairs.left[near], pairs.right[near], pairs.jaccard[near])
            met.add(found)
            yield found


# --- signatures -----------------------------------------------------------------------------------------------------


def bands_for(threshold: float) -> int:
    """Bands of four hashes by which a pair of that similarity becomes a candidate with probability .992."""
    if threshold >= 1:
        return 1
    return math.ceil(math.log(1 - _FOUND) / math.log1p(-(threshold**_BAND)))


def _signatures(
    texts: list[str], threshold: float, seed: int, told: _Told
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """The bucket of each text in each band (bands x texts), and the low bytes of its minima (texts x hashes)."""
    import numpy as np

    bands = bands_for(threshold)
    hashes = bands * _BAND
    chance = np.random.default_rng(seed)
    shifts = chance.integers(0, 1 << 32, hashes, np.uint32)
    factors = chance.integers(0, 1 << 32, hashes, np.uint32) | np.uint32(1)
    keys = np.empty((bands, len(texts)), np.uint32)
    sketches = np.empty((len(texts), hashes), np.uint8)
    for start, stop in blocks(np.fromiter(map(len, texts), np.int64, len(texts)), _BLOCK):
        grams, counts = hashed_grams(texts[start:stop])
        high = (grams >> np.uint64(32)).astype(np.uint32)
        minima = _minima(high, np.cumsum(counts) - counts, shifts, factors)
        sketches[start:stop] = minima.T.astype(np.uint8)
        keys[:, start:stop] = _band_keys(minima.reshape(bands, _BAND, stop - start))
        told.add(stop - start)
    return keys, sketches


def _minima(
    grams: NDArray[np.uint32], starts: NDArray[np.int64], shifts: NDArray[np.uint32], factors: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Smallest value of each hash function over the grams of each text, (hashes x texts)."""
    import numpy as np

    minima = np.empty((len(shifts), len(starts)), np.uint32)
    shuffled = np.empty_like(grams)
    for number, (shift, factor) in enumerate(zip(shifts, factors, strict=True)):
        np.bitwise_xor(grams, shift, out=shuffled)
        np.multiply(shuffled, factor, out=shuffled)
        np.minimum.reduceat(shuffled, starts, out=minima[number])
    return minima


def _band_keys(minima: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """One number for the minima of each band (bands x hashes of a band x texts)."""
    import numpy as np

    keys = np.zeros((minima.shape[0], minima.shape[2]), np.uint32)
    for number in range(minima.shape[1]):
        keys = (keys ^ minima[:, number]) * np.uint32(0x9E3779B1)
        keys ^= keys >> np.uint32(15)
    return keys


def _estimates(sketches: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Similarity by the share of equal low bytes (b-bit minwise hashing, Li and Koenig, 2010), slightly too high."""
    import numpy as np

    estimates = np.empty(len(left))
    rows = max(1, _COMPARED // sketches.shape[1])
    for start in range(0, len(left), rows):
        part = slice(start, start + rows)
        estimates[part] = (sketches[left[part]] == sketches[right[part]]).mean(axis=1)
    return estimates
