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
from ml_run.quality.shingles import Pairs, verified
from ml_run.quality.signatures import Signed, sign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONG = 1_000
"""Characters from which a text counts as long."""
SHORTEST = 20
"""Characters below which a text has no near copies: one ending more, and two words would be one."""
_SLACK = 3.0
"""Standard errors by which an estimate may fall short of the threshold before a pair is dropped unverified."""
Progress = Callable[[int, int], None]
Signer = Callable[[Sequence[str], float, int, Callable[[int], None]], Signed]
"""As `signatures.sign`."""


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
    signer: Signer | None = None,
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
        signer: makes the signatures, elsewhere perhaps; without it this process does.
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
    search = _Search(likeness, seed, signer or sign, told)
    found = [
        Pairs(chosen[pairs.left], chosen[pairs.right], pairs.jaccard)
        for chosen, threshold in passes
        if len(chosen) > 1
        for pairs in _one_pass([texts[i] for i in chosen.tolist()], threshold, kinds[chosen], search)
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


@dataclass(frozen=True)
class _Search:
    """What all passes have in common."""

    likeness: Likeness
    seed: int
    signer: Signer
    told: _Told


def _one_pass(texts: list[str], threshold: float, kinds: NDArray[np.uint8], search: _Search) -> Iterator[Pairs]:
    import numpy as np

    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    signed = search.signer(texts, threshold, search.seed, search.told.add)
    margin = _SLACK * math.sqrt(threshold * (1 - threshold) / signed.hashes)
    met = Met.nobody(kinds)
    for left, right in candidates(signed.bands, met, search.seed):
        likely = signed.estimates(left, right) > threshold - margin
        for pairs in verified(texts, lengths, left[likely], right[likely]):
            near = pairs.jaccard >= search.likeness.threshold(np.minimum(lengths[pairs.left], lengths[pairs.right]))
            found = Pairs(pairs.left[near], pairs.right[near], pairs.jaccard[near])
            met.add(found)
            yield found
