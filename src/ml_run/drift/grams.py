"""Texts as sequences of four characters: which of them training has seen, and where a text's point lies."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from ml_run.quality.shingles import blocks, hashed_grams

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SIZE = 4
LONGEST = 2000
"""Characters of a text that are looked at."""
_SEEN_BITS = 20
_BUCKET_BITS = 13
BUCKETS = 1 << _BUCKET_BITS
_AT_ONCE = 1 << 20


def learn_seen(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Which sequences of characters occur in `texts`, as 2^20 bits, one for all sequences of the same hash."""
    import numpy as np

    seen = np.zeros(1 << _SEEN_BITS, bool)
    for hashes, _ in _hashed(texts):
        seen[hashes >> np.uint64(64 - _SEEN_BITS)] = True
    return np.packbits(seen)


def unseen_shares(texts: Sequence[str], seen: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of each text [n] the share of its sequences of four characters that training has not seen."""
    import numpy as np

    known = np.unpackbits(seen).astype(bool)
    parts = [np.zeros(0)]
    for hashes, counts in _hashed(texts):
        new = ~known[hashes >> np.uint64(64 - _SEEN_BITS)]
        parts.append(np.add.reduceat(new, np.cumsum(counts) - counts, dtype=np.float64) / counts)
    return np.concatenate(parts)


def bucket_counts(texts: Sequence[str]) -> csr_matrix:
    """How often the sequences of each bucket occur in each text, sparse [n, 8192]."""
    import numpy as np
    from scipy.sparse import csr_matrix, vstack

    parts = [csr_matrix((0, BUCKETS))]
    for hashes, counts in _hashed(texts):
        columns = (hashes & np.uint64(BUCKETS - 1)).astype(np.int32)
        bounds = np.insert(np.cumsum(counts), 0, 0)
        part = csr_matrix((np.ones(len(columns)), columns, bounds), shape=(len(counts), BUCKETS))
        part.sum_duplicates()
        parts.append(part)
    return vstack(parts, format="csr")


def _hashed(texts: Sequence[str]) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Hashes of the sequences of some texts after others, and how many each text has: one at least."""
    import numpy as np

    lengths = np.fromiter((min(len(text), LONGEST) for text in texts), np.int64, len(texts))
    for start, stop in blocks(lengths, _AT_ONCE):
        yield hashed_grams([_prepared(text) for text in texts[start:stop]], SIZE)


def _prepared(text: str) -> str:
    """Composed, in small letters, blanks collapsed, two of them at either end: no text is too short, then."""
    folded = unicodedata.normalize("NFC", text[:LONGEST]).casefold()
    return f"  {' '.join(folded.split())}  "
