"""What the fields of the rows hold, as far as it tells text, label and group apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reading import Source

_MOST_ROWS = 20_000
"""Rows of a source that are looked at, spread evenly."""
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Look:
    """One field of a source."""

    name: str
    rows: int
    """Rows looked at."""
    filled: int
    """Of these, rows that have a value which is no list or object."""
    compound: int
    """Rows in which it is a list or an object."""
    counts: Counter[str]
    """Rows of each value, as text."""
    characters: float
    """Median length of its values."""
    words: float
    """Median number of words, by blanks."""
    wordlike: float
    """Share of the values that are strings with letters, and with blanks or letters beyond ASCII."""
    fractions: bool
    """True where a value is a number that is not whole."""

    @property
    def values(self) -> int:
        """How many different values there are."""
        return len(self.counts)


def look_at(source: Source) -> dict[str, Look]:
    """Every field of a source by name, in the order of the source."""
    step = -(-len(source.rows) // _MOST_ROWS) or 1
    rows = [row.values for row in source.rows[::step]]
    return {name: _look(name, [row.get(name) for row in rows]) for name in source.fields}


def _look(name: str, column: Sequence[Any]) -> Look:
    values = [value for value in column if _is_there(value)]
    single = [value for value in values if not isinstance(value, list | dict)]
    texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in single]
    return Look(
        name=name,
        rows=len(column),
        filled=len(single),
        compound=len(values) - len(single),
        counts=Counter(text.strip() for text in texts),
        characters=median([len(text) for text in texts] or [0]),
        words=median([len(text.split()) for text in texts] or [0]),
        wordlike=sum(map(_is_wordlike, single)) / max(1, len(single)),
        fractions=any(isinstance(value, float) and not value.is_integer() for value in single),
    )


def _is_there(value: Any) -> bool:
    return value is not None and value == value and value != ""  # noqa: PLR0124 -- NaN, for nothing, in parquet files


def _is_wordlike(value: Any) -> bool:
    if not isinstance(value, str) or not _LETTER.search(value):
        return False
    return not value.isascii() or len(value.split()) > 1
