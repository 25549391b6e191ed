"""Signatures of more texts than one processor should make: workers sign portions, and buckets meet in a shuffle.

The same signatures, and so the same pairs, as `signatures.sign` gives. What comes back is what is needed of texts that
share a bucket; of the others, which are most, nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_run.quality.signatures import Signed, bands_for, signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.cluster import Engine

FROM = 1_000_000
"""Texts from which on they are worth being carried elsewhere: so many of 100 characters take one processor 10 s."""
_PARTS = 64
"""Into which the buckets are dealt."""
_COLUMNS = ("bucket", "text")
_KEY = 32
"""Bits of a bucket's number within its band."""


class Portion(NamedTuple):
    """Some of the texts."""

    places: NDArray[np.int64]
    texts: list[str]


@dataclass(frozen=True)
class Banding:
    """`signatures.sign`, by an engine."""

    engine: Engine
    portion: int = 2_000_000
    """Characters signed at once."""

    def __call__(self, texts: Sequence[str], threshold: float, seed: int, told: Callable[[int], None]) -> Signed:
        """Sign texts wherever the engine says."""
        import numpy as np

        everyone = np.arange(len(texts), dtype=np.int64)
        dealt = partial(_buckets, threshold, seed)
        found = self.engine.shuffle(list(self._portions(texts, everyone)), dealt, shared, _PARTS)
        told(len(texts))
        buckets, members = (np.concatenate([np.empty(0, np.int64), *(one[name] for one in found)]) for name in _COLUMNS)
        bands = [
            (members[inside], (buckets[inside] & ((1 << _KEY) - 1)).astype(np.uint32))
            for band in range(bands_for(threshold))
            for inside in [np.flatnonzero(buckets >> _KEY == band)]
        ]
        return self._sketched(texts, threshold, seed, np.unique(members), bands)

    def _sketched(
        self, texts: Sequence[str], threshold: float, seed: int, wanted: NDArray[np.int64], bands: Any
    ) -> Signed:
        import numpy as np

        found = self.engine.each(partial(_sketches, threshold, seed), list(self._portions(texts, wanted)))
        places = np.zeros(len(texts), np.int64)
        places[wanted] = np.arange(len(wanted))
        nothing = np.empty((0, bands_for(threshold) * 4), np.uint8)
        return Signed(bands, np.concatenate([nothing, *found]), places)

    def _portions(self, texts: Sequence[str], places: NDArray[np.int64]) -> Iterator[Portion]:
        import numpy as np

        lengths = np.fromiter((len(texts[place]) for place in places.tolist()), np.int64, len(places))
        cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // self.portion)) + 1
        for some in np.split(places, cuts):
            if len(some):
                yield Portion(some, [texts[place] for place in some.tolist()])


def _buckets(threshold: float, seed: int, portion: Portion) -> dict[str, NDArray[np.int64]]:
    """The bucket of each text in each band, and the part that each bucket is dealt to."""
    import numpy as np

    keys, _ = signatures(portion.texts, threshold, seed)
    bands = np.arange(len(keys), dtype=np.int64)[:, None]
    buckets = ((bands << _KEY) | keys).ravel()
    return {"part": buckets % _PARTS, "bucket": buckets, "text": np.tile(portion.places, len(keys))}


def shared(columns: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """The members of buckets that have more than one; all members of a bucket must be there."""
    import numpy as np

    order = np.lexsort((columns["text"], columns["bucket"]))
    buckets = columns["bucket"][order]
    same = buckets[1:] == buckets[:-1]
    kept = (np.append(same, False) | np.insert(same, 0, False))[: len(order)]
    return {"bucket": buckets[kept], "text": columns["text"][order][kept]}


def _sketches(threshold: float, seed: int, portion: Portion) -> NDArray[np.uint8]:
    return signatures(portion.texts, threshold, seed)[1]
