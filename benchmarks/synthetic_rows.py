"""Rows for the benchmarks: SYNTHETIC short texts with planted copies, the same for one seed.

Words are made of syllables and drawn as words of a language are (Zipf), so that two rows share as many character
5-grams as two rows of the same language do. One row in twenty is a copy of another, of the eight kinds below.
"""

import csv
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELS = ("politics", "sport", "health", "trade")
SOURCES = 20
WORDS = 30_000
CHARACTERS = 100
COPIES = 0.05
CONFLICTS = 0.02
_OWN_WORDS = 0.2
_BLOCK = 50_000
_LONGEST = 24


@dataclass(frozen=True)
class Planted:
    """A row that was made from another."""

    kind: str
    original: int
    """Index of the row it was made from."""
    copy: int


@dataclass(frozen=True)
class Rows:
    """Rows in the order of the file, all lists of one length, and what was planted."""

    texts: list[str]
    labels: list[str]
    planted: list[Planted]


def make_rows(count: int, seed: int = 1) -> Rows:
    """`count` rows of about 100 characters."""
    numbers = np.random.default_rng(seed)
    words = _vocabulary(random.Random(seed))
    texts: list[str] = []
    labels: list[str] = []
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        drawn = numbers.integers(len(LABELS), size=size)
        texts += _texts(words, drawn, numbers)
        labels += [LABELS[label] for label in drawn]
    return Rows(texts, labels, _plant(texts, labels, words, random.Random(seed)))


def write_rows(rows: Rows, path: Path) -> None:
    """Write the rows with the fields text, label, source and id, in the format of the path's ending."""
    if path.suffix == ".parquet":
        _write_parquet(rows, path)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label", "source", "id"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(_records(rows))
    else:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in _records(rows))


def _records(rows: Rows) -> Iterator[dict[str, str]]:
    for number, (text, label) in enumerate(zip(rows.texts, rows.labels, strict=True)):
        yield {"text": text, "label": label, "source": f"source-{number * 7919 % SOURCES}", "id": f"row-{number:07d}"}


def _write_parquet(rows: Rows, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(_records(rows))), path)


# --- texts ----------------------------------------------------------------------------------------------------------


def _vocabulary(choose: random.Random) -> list[str]:
    """Different words of one to five syllables; the frequent ones, which come first, are short."""
    found: dict[str, None] = {}
    while len(found) < WORDS:
        longest = 2 if len(found) < WORDS // 100 else 5
        syllables = (
            choose.choice("bcdfghjklmnqrstwxy")
            + choose.choice("aeiou") * choose.choice((1, 1, 2))
            + choose.choice(("", "", "n", "l", "r"))
            for _ in range(choose.randint(1, longest))
        )
        found.setdefault("".join(syllables))
    return list(found)


def _texts(words: list[str], labels: np.ndarray, numbers: np.random.Generator) -> list[str]:
    weights = np.cumsum(1 / (np.arange(WORDS) + 2.7))
    drawn = np.searchsorted(weights, numbers.random((len(labels), _LONGEST)) * weights[-1])
    drawn = np.minimum(drawn, WORDS - 1)
    # Some words of a text are its label's own, so that labels can be learned from texts.
    own = numbers.random(drawn.shape) < _OWN_WORDS
    drawn = np.where(own, drawn // len(LABELS) * len(LABELS) + labels[:, None], drawn) % WORDS
    lengths = numbers.normal(CHARACTERS, CHARACTERS / 5, len(labels))
    return [_cut([words[word] for word in row], length) for row, length in zip(drawn.tolist(), lengths, strict=True)]


def _cut(words: list[str], length: float) -> str:
    """The first of `words` that make up `length` characters, at least three, as a sentence."""
    taken, characters = 0, 0
    while taken < len(words) and (characters < length or taken < 3):
        characters += len(words[taken]) + 1
        taken += 1
    return " ".join(words[:taken]).capitalize() + "."


# --- copies ---------------------------------------------------------------------------------------------------------


def _plant(texts: list[str], labels: list[str], words: list[str], choose: random.Random) -> list[Planted]:
    """Replace some rows by copies of others; no row is copied twice, and no copy is copied."""
    pairs = int(len(texts) * COPIES)
    places = choose.sample(range(len(texts)), 2 * pairs)
    kinds = list(KINDS)
    planted = []
    for number, (original, copy) in enumerate(zip(places[:pairs], places[pairs:], strict=True)):
        kind = kinds[number % len(kinds)]
        texts[copy] = KINDS[kind](texts[original], words, choose)
        labels[copy] = choose.choice(LABELS) if choose.random() < CONFLICTS else labels[original]
        planted.append(Planted(kind, original, copy))
    return planted


def _case(text: str, _words: list[str], _choose: random.Random) -> str:
    return text.upper().replace(".", " !!")


def _repost(text: str, _words: list[str], choose: random.Random) -> str:
    return f"RT @user{choose.randrange(1000)}: {text} https://example.org/{choose.randrange(10**6)}"


def _halves(text: str, _words: list[str], _choose: random.Random) -> str:
    parts = text.split()
    middle = len(parts) // 2
    return " ".join(parts[middle:] + parts[:middle])


def _typos(text: str, _words: list[str], choose: random.Random) -> str:
    letters = list(text)
    for place in choose.sample(range(len(letters)), 2):
        letters[place] = choose.choice("abdeiklmnorstu")
    return "".join(letters)


def _other_word(text: str, words: list[str], choose: random.Random) -> str:
    return _other_words(text, words, choose, 1)


def _tenth(text: str, words: list[str], choose: random.Random) -> str:
    return _other_words(text, words, choose, max(1, round(len(text.split()) / 10)))


def _other_words(text: str, words: list[str], choose: random.Random, how_many: int) -> str:
    parts = text.split()
    for place in choose.sample(range(len(parts)), how_many):
        parts[place] = choose.choice(words)
    return " ".join(parts)


def _start(text: str, _words: list[str], _choose: random.Random) -> str:
    return text[: len(text) * 4 // 5]


KINDS: dict[str, Callable[[str, list[str], random.Random], str]] = {
    "exact copy": lambda text, _words, _choose: text,
    "case and punctuation": _case,
    "repost with a link": _repost,
    "halves swapped": _halves,
    "two typos": _typos,
    "one other word": _other_word,
    "a tenth of the words": _tenth,
    "cut to 80 %": _start,
}
