"""Sentences of the SYNTHETIC sample: templates, filled with words in the spelling of one made-up dialect class.

What separates the classes are the orthography facts on which the language profile's advice rests: dh against r and -ay
against -ey for Northern and Central, letters and endings of Maay for Southern, each with the overlap of 5-25 % that
was measured in real texts. So no classifier can be right about every row, as with real dialects.
"""

import random
import re
from collections import Counter, defaultdict
from functools import cache
from importlib.resources import files as package_files
from string import Formatter
from typing import Any

import yaml

LABELS = ("Northern", "Central", "Southern")
_OVERLAP = (0.05, 0.25)
"""Share of words that a row spells as another class would; drawn for each row."""
_CROSSED = 0.02
"""Share of rows wholly in another class's spelling: writers move, editors correct."""
_CLAUSES = (2, 2, 3, 3, 4, 5)
_MOST_SHARED = 0.35
"""Share of word pairs that two sentences may have in common; more would make near-duplicates nobody planted."""
_DOUBLED = re.compile(r"([bcdfghjkmnqstwxy])\1")


@cache
def words() -> dict[str, Any]:
    """The content of `words.yaml`."""
    content: dict[str, Any] = yaml.safe_load((package_files(__package__) / "words.yaml").read_text("utf-8"))
    return content


class Writer:
    """Writes sentences, no two of them alike.

    Args:
        chance: the only source of randomness.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rows = 0
        self._rows_with: dict[tuple[str, str], list[int]] = defaultdict(list)

    def sentence(self, label: str, clauses: int | None = None) -> str:
        """A new sentence of `clauses` clauses (two to five when not given) that reads like `label`."""
        while True:
            count = clauses or self._chance.choice(_CLAUSES)
            text = self._spelled(", ".join(self._clause() for _ in range(count)), label)
            pairs = list(zip(text.split(), text.split()[1:], strict=False))
            if self._is_new(pairs):
                for pair in pairs:
                    self._rows_with[pair].append(self._rows)
                self._rows += 1
                return text

    def _is_new(self, pairs: list[tuple[str, str]]) -> bool:
        shared = Counter(row for pair in pairs for row in self._rows_with[pair])
        return max(shared.values(), default=0) <= _MOST_SHARED * len(pairs)

    def _clause(self) -> str:
        template = self._chance.choice(words()["clauses"])
        return "".join(
            literal + (self._chance.choice(words()[name]) if name else "")
            for literal, name, _, _ in Formatter().parse(template)
        )

    def _spelled(self, sentence: str, label: str) -> str:
        if self._chance.random() < _CROSSED:
            label = self._chance.choice([other for other in LABELS if other != label])
        overlap = self._chance.uniform(*_OVERLAP)
        return " ".join(self._word(word, label, overlap) for word in sentence.split())

    def _word(self, word: str, label: str, overlap: float) -> str:
        if self._chance.random() < overlap:
            label = "Central" if label == "Northern" else "Northern"
        for mark, (usual, other, rate) in words()["free_variation"].items():
            word = word.replace(mark, other if self._chance.random() < rate else usual)
        word = word.replace("D", "dh" if label == "Northern" else "r").replace(
            "A", "ay" if label == "Northern" else "ey"
        )
        return southern(word) if label == "Southern" else word


def southern(word: str) -> str:
    """`word` with the features of Maay: no x and no c, only r and l doubled, final -y, words of its own."""
    stem = word.rstrip(",")
    spelled = words()["southern_words"].get(stem)
    if spelled is None:
        spelled = _DOUBLED.sub(r"\1", stem.replace("x", "h").replace("c", ""))
        spelled = re.sub(r"(?<=\w{3})[ao]$", "y", spelled)
    return str(spelled) + word[len(stem) :]
