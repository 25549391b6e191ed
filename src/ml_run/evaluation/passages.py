"""A text as words that can be left out, and the start of it as people get to see it: masked, on one line, cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.quality.masking import spans

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_SHOWN = 300
"""Characters of a text that are shown."""
# Ethiopic has a mark between words, where it is not a blank; scripts without either are cut into stretches.
_WORD = re.compile(r"[^\s፡]{1,30}፡?|፡")
_CUT = " …"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text with the marks that touch it; all of what is masked is one."""

    start: int
    end: int
    """In the text as it is."""
    shown: str


def words_of(text: str) -> list[Word]:
    """The words of `text`, in order; personal data is masked in how they are shown."""
    hidden = spans(text)
    found: list[tuple[int, int]] = []
    for start, end in sorted([match.span() for match in _WORD.finditer(text)] + [span[:2] for span in hidden]):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return [Word(start, end, _masked(text, start, end, hidden)) for start, end in found]


def _masked(text: str, start: int, end: int, hidden: list[tuple[int, int, str]]) -> str:
    parts = []
    for begins, ends, instead in hidden:
        if start <= begins < end:
            parts += [text[start:begins], instead]
            start = ends
    return " ".join("".join([*parts, text[start:end]]).split())


def joined(words: Sequence[Word]) -> str:
    """How words that follow one another are shown: with one blank where the text has any."""
    return "".join(map(_with_gap, words, [None, *words]))


def _with_gap(word: Word, before: Word | None) -> str:
    return f" {word.shown}" if before and before.end < word.start else word.shown


def opening(words: Sequence[Word], most: int = LONGEST_SHOWN) -> tuple[str, list[int]]:
    """The start of a text as it is shown, cut after a word.

    Args:
        words: of the text.
        most: characters; the first word is shown in any case.

    Returns:
        What is shown, and where in it each of the first words begins; the others are cut off.
    """
    text = ""
    starts: list[int] = []
    for word, before in zip(words, [None, *words], strict=False):
        piece = _with_gap(word, before)
        if starts and len(text) + len(piece) > most:
            return text + _CUT, starts
        starts.append(len(text) + len(piece) - len(word.shown))
        text += piece
    return text, starts
