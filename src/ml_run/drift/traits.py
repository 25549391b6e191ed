"""What texts look like in numbers, whatever they mean: measured the same way at deployment and in new traffic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.config.language_codes import find_language
from ml_run.drift.content import bandwidth, some
from ml_run.drift.directions import Directions, learn_directions
from ml_run.drift.distribution import Distribution, distribution
from ml_run.drift.grams import learn_seen, unseen_shares
from ml_run.drift.packing import Packed, pack, unpack
from ml_run.quality.identifiers import voter
from ml_run.results import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.drift.tokens import CountTokens

LEARNT_FROM = 20_000
"""Training texts that are looked at."""
_DIRECTIONS_FROM = 4_000
_MOST_CHARACTERS = 100
_SHOWN_CHARACTERS = 10_000
"""Characters of a text that are counted one by one."""


class TextReference(Record):
    """How the reference rows look, and what is needed to look at others in the same way; no text is in it."""

    n: int
    language: str | None
    """Code of the language that texts should be in; None: it is not known, or no identifier knows it."""
    foreign: int | None
    """Rows that identifiers take for another language."""
    unseen: Distribution
    """Share of the sequences of four characters of a text that no training text has."""
    pieces: Distribution | None
    """Pieces of a word, on average over a text; None for a model without a tokenizer."""
    unknown: int | None
    """Rows with a piece that the tokenizer does not know."""
    frequencies: dict[str, float]
    """Share of each of the 100 most frequent characters among all."""
    seen: Packed
    """Sequences of characters that occur in the training texts; see `grams`."""
    weights: Packed | None
    """Of `directions`; None where there were too few training texts."""
    scale: Packed | None
    points: Packed | None
    """Of at most 500 reference rows."""
    width: float | None
    """Of the kernel that points are compared with."""


@dataclass(frozen=True)
class Traits:
    """What n texts look like; arrays in their order."""

    characters: NDArray[np.float64]
    unseen: NDArray[np.float64]
    pieces: NDArray[np.float64] | None
    unknown: NDArray[np.bool_] | None
    foreign: NDArray[np.bool_] | None
    points: NDArray[np.float32] | None
    """[n, d]"""
    frequencies: dict[str, float]


def learn_texts(
    train: Sequence[str], reference: Sequence[str], language: str | None, count: CountTokens | None, *, seed: int
) -> TextReference:
    """What is to be remembered of the reference texts.

    Args:
        train: the training texts; at most 20,000 of them are looked at.
        reference: texts that the model has not learnt from, at least one.
        language: code of the language they should be in, if it is known.
        count: the model's tokenizer, if it has one.
        seed: of the choice of points.
    """
    train = spread(train, LEARNT_FROM)
    seen = pack(learn_seen(train))
    directions = learn_directions(spread(train, _DIRECTIONS_FROM))
    traits = _measure(reference, seen, directions, language, count)
    points = None if traits.points is None else some(traits.points, seed).astype("float16")
    return TextReference(
        n=len(reference),
        language=language if traits.foreign is not None else None,
        foreign=None if traits.foreign is None else int(traits.foreign.sum()),
        unseen=distribution(traits.unseen),
        pieces=None if traits.pieces is None else distribution(traits.pieces),
        unknown=None if traits.unknown is None else int(traits.unknown.sum()),
        frequencies=dict(sorted(traits.frequencies.items(), key=lambda one: (-one[1], one[0]))[:_MOST_CHARACTERS]),
        seen=seen,
        weights=pack(directions.weights) if directions else None,
        scale=pack(directions.scale) if directions else None,
        points=None if points is None else pack(points),
        width=None if points is None else bandwidth(points.astype("float32")),
    )


def measure(texts: Sequence[str], reference: TextReference, count: CountTokens | None) -> Traits:
    """Look at new texts in the way of the reference.

    Raises:
        ValueError: the reference is damaged.
    """
    directions = None
    if reference.weights is not None and reference.scale is not None:
        directions = Directions(unpack(reference.weights), unpack(reference.scale))
    return _measure(texts, reference.seen, directions, reference.language, count)


def _measure(
    texts: Sequence[str], seen: Packed, directions: Directions | None, language: str | None, count: CountTokens | None
) -> Traits:
    import numpy as np

    pieces = unknown = None
    if count is not None:
        lengths, lost = count(texts)
        words = np.array([max(1, len(text.split())) for text in texts])
        pieces, unknown = lengths / words, lost > 0
    return Traits(
        characters=np.array([len(text) for text in texts], np.float64),
        unseen=unseen_shares(texts, unpack(seen)),
        pieces=pieces,
        unknown=unknown,
        foreign=_foreign(texts, language),
        points=directions.points(texts) if directions else None,
        frequencies=_frequencies(texts),
    )


def _foreign(texts: Sequence[str], code: str | None) -> NDArray[np.bool_] | None:
    import numpy as np

    language = find_language(code) if code else None
    judge = voter(language) if language else None
    if judge is None:
        return None
    return np.array([judge(text).judgement == "wrong" for text in texts], bool)


def _frequencies(texts: Sequence[str]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text[:_SHOWN_CHARACTERS])
    everything = max(1, counts.total())
    return {character: count / everything for character, count in counts.items()}


def spread(items: Sequence[str], most: int) -> Sequence[str]:
    """At most `most` of the items, evenly spread over them."""
    if len(items) <= most:
        return items
    return [items[place * len(items) // most] for place in range(most)]
