"""Rows in the right language with a stretch of words in another.

A stretch counts when both identifiers take it for the same other language. Measured (2026-11) on the 3,078 articles of
MasakhaNEWS Somali and Oromo: all 56 clauses of four words with py3langid's probability above 0.5, or of five with 0.3,
hold foreign words in truth (English sentences and titles, an Amharic one, French, Portuguese). Inside a sentence
it is names, and words of dialects, that look foreign: of stretches of six words, the 3 with a probability above 0.95
were foreign, many of those below were names.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ml_run.config.language_codes import Language
from ml_run.quality.identifiers import FEWEST_WORDS, read_py3langid, read_pycld2
from ml_run.quality.rows import Row

_BREAK = re.compile(r"[.,;:!?\n\r\"“”«»()\[\]|/…–—،؛؟۔።፣፤]+")
_SURE_BY_WORDS = {FEWEST_WORDS: 0.5}
_SURE_LONGER = 0.3
_WINDOW, _STEP, _SURE_INSIDE = 6, 3, 0.95
MOST_CHARACTERS = 10_000_000
"""Text that is looked at: some five seconds."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words in another language."""

    words: str
    code: str


@dataclass(frozen=True, slots=True)
class Switches:
    """Rows that switch, each with its first foreign stretch, and of how many rows looked at."""

    rows: list[tuple[Row, Stretch]]
    looked_at: int


def find_switches(rows: Sequence[Row], expected: Language, *, seed: int, most: int = MOST_CHARACTERS) -> Switches:
    """Look for stretches of other languages in `rows`, or in a sample of them where they are many.

    Args:
        rows: those that are in `expected` as a whole.
        expected: a language that both identifiers know.
        seed: of the sample.
        most: characters to look at.
    """
    looked_at = _sample(rows, seed, most)
    found = ((row, foreign_stretch(row.text, expected)) for row in looked_at)
    return Switches([(row, stretch) for row, stretch in found if stretch], len(looked_at))


def foreign_stretch(text: str, expected: Language) -> Stretch | None:
    """The first stretch of `text` in another language; None when there is none."""
    for clause in _BREAK.split(text):
        words = clause.split()
        if len(words) < FEWEST_WORDS:
            continue
        sure = _SURE_BY_WORDS.get(len(words), _SURE_LONGER)
        if found := _foreign(words, expected, sure) or _foreign_inside(words, expected):
            return found
    return None


def _foreign_inside(words: list[str], expected: Language) -> Stretch | None:
    for start in range(0, len(words) - _WINDOW, _STEP):
        if found := _foreign(words[start : start + _WINDOW], expected, _SURE_INSIDE):
            return found
    return None


def _foreign(words: list[str], expected: Language, sure: float) -> Stretch | None:
    text = " ".join(words)
    first = read_pycld2(text).code
    if first is None or first == expected.code or first in expected.near:
        return None
    second = read_py3langid(text)
    return Stretch(text, first) if second.code == first and second.sure >= sure else None


def _sample(rows: Sequence[Row], seed: int, most: int) -> Sequence[Row]:
    characters = sum(len(row.text) for row in rows)
    if characters <= most:
        return rows
    chosen = random.Random(seed).sample(range(len(rows)), len(rows) * most // characters)  # noqa: S311
    return [rows[place] for place in sorted(chosen)]
