"""Which texts are near copies of one another: the likeness that duplicates, conflicts, leaks and splits look at."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ml_run import cluster
from ml_run.events import emit
from ml_run.languages import Profile, normalise
from ml_run.quality import banding
from ml_run.quality.minhash import Likeness, Signer, similar_pairs
from ml_run.quality.rows import Row, Splits
from ml_run.quality.rules import Checks
from ml_run.quality.shingles import Pairs

_ADDRESS = re.compile(r"https?://\S+|www\.\S+|@\w+")
_NO_WORD = re.compile(r"[^\w\s']+")
_TOLD_FROM = 50_000
"""Texts from which progress is told."""


@dataclass(frozen=True)
class NearCopies:
    """Verified pairs of texts that are nearly, but not exactly, the same."""

    partners: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By the hash of a row: the hashes of its near copies, each with the similarity."""

    def of(self, row: Row) -> Mapping[str, float]:
        """Hashes of the near copies of `row`, each with the similarity."""
        return self.partners.get(row.hash, {})

    def pairs(self) -> Iterator[tuple[str, str, float]]:
        """Each pair once, the most alike first."""
        found = [(one, other, alike) for one, near in self.partners.items() for other, alike in near.items()]
        return iter(sorted((pair for pair in found if pair[0] < pair[1]), key=lambda pair: (-pair[2], pair[:2])))


def find_near_copies(splits: Splits, checks: Checks, profile: Profile | None) -> NearCopies:
    """Compare all rows, each text once.

    Args:
        splits: rows with their hashes.
        checks: gives the similarity from which on texts are near copies.
        profile: folds spelling for comparison.
    """
    import numpy as np

    kinds: dict[str, int] = defaultdict(int)
    texts: dict[str, str] = {}
    for number, rows in enumerate(splits.values()):
        for row in rows:
            kinds[row.hash] |= 1 << number
            if row.hash not in texts:
                texts[row.hash] = comparable(row.text, profile)
    likeness = Likeness(checks.limit("duplicate_near.similarity"), checks.limit("duplicate_near.similarity_long"))
    masks = np.fromiter(kinds.values(), np.uint8, len(kinds))
    with _signer(len(texts)) as signer:
        pairs = similar_pairs(list(texts.values()), likeness, kinds=masks, progress=_Teller(), signer=signer)
    return _by_hash(list(texts), pairs)


@contextmanager
def _signer(count: int) -> Iterator[Signer | None]:
    """Who signs the texts: workers elsewhere, if there are any and the texts are many."""
    place = cluster.elsewhere() if count >= banding.FROM else None
    if place is None:
        yield None
        return
    with cluster.engine(place) as engine:
        yield banding.Banding(engine)


def comparable(text: str, profile: Profile | None) -> str:
    """`text` normalised, without web addresses, @names, punctuation and symbols: what near copies may differ in."""
    bare = _ADDRESS.sub(" ", normalise(text, profile))
    return " ".join(_NO_WORD.sub(_blank, bare).split())


def _blank(match: re.Match[str]) -> str:
    """A blank, but for marks, which in many scripts are vowels."""
    found = match.group()
    if found.isascii():
        return " "
    return "".join(one if unicodedata.category(one).startswith("M") else " " for one in found)


def _by_hash(hashes: list[str], pairs: Pairs) -> NearCopies:
    partners: dict[str, dict[str, float]] = defaultdict(dict)
    for one, other, alike in zip(*(column.tolist() for column in pairs), strict=True):
        partners[hashes[one]][hashes[other]] = alike
        partners[hashes[other]][hashes[one]] = alike
    return NearCopies(dict(partners))


class _Teller:
    """Tells progress of long searches, each per cent once."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // total
        if total >= _TOLD_FROM and percent > self._told:
            self._told = percent
            emit("progress", f"looking for near copies: {percent} %", stage="data", done=done, total=total)
