"""What is known of a text in few numbers: in which bucket of each band it falls, and how alike two texts are, about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.quality.shingles import blocks, hashed_grams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.buckets import Band

BAND = 4
"""Hashes of a band."""
_FOUND = 0.992
_BLOCK = 1 << 17
"""Characters hashed at once: what stays in a processor's cache."""
_COMPARED = 1 << 22
"""Bytes of the estimates made at once."""


@dataclass(frozen=True)
class Signed:
    """Texts of which the signatures are known, as far as they are needed."""

    bands: Sequence[Band]
    """The texts that may share a bucket with another, band by band."""
    sketches: NDArray[np.uint8]
    """Low bytes of the minima of some texts (texts x hashes)."""
    places: NDArray[np.int64] | None = None
    """Where in `sketches` each text stands; None: all are there, in their order."""

    def estimates(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """About how similar the pairs are."""
        if self.places is not None:
            left, right = self.places[left], self.places[right]
        return _estimates(self.sketches, left, right)

    @property
    def hashes(self) -> int:
        """How many were made of each text."""
        return int(self.sketches.shape[1])


def sign(texts: Sequence[str], threshold: float, seed: int, told: Callable[[int], None]) -> Signed:
    """Sign texts in this process; `told` hears of how many more are signed."""
    keys, sketches = signatures(texts, threshold, seed, told)
    return Signed([(None, band) for band in keys], sketches)


def bands_for(threshold: float) -> int:
    """Bands of four hashes by which a pair of that similarity becomes a candidate with probability .992."""
    if threshold >= 1:
        return 1
    return math.ceil(math.log(1 - _FOUND) / math.log1p(-(threshold**BAND)))


def signatures(
    texts: Sequence[str], threshold: float, seed: int, told: Callable[[int], None] | None = None
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """The bucket of each text in each band (bands x texts), and the low bytes of its minima (texts x hashes)."""
    import numpy as np

    bands = bands_for(threshold)
    hashes = bands * BAND
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
        keys[:, start:stop] = _band_keys(minima.reshape(bands, BAND, stop - start))
        if told:
            told(stop - start)
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
