"""Plants defects in the SYNTHETIC sample: every kind the data stage looks for that a run can pass with.

Faults that end a run (unreadable lines, missing fields, labels only in test) have no place here. All defects stand in
the training file but two: val begins with a byte order mark, and test has few rows of one class.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from ml_run.quickstart.sentences import LABELS, Writer, words

Row = dict[str, Any]
Rows = dict[str, list[Row]]

SIZES = {"train": (835, 480, 74), "val": (140, 84, 21), "test": (180, 108, 24)}
"""Rows written of each label, before defects add theirs."""

PLANTED = {
    "duplicate_exact": 16,
    "duplicate_near": 8,
    "conflict": 10,
    "leak_exact": 6,
    "leak_near": 2,
    "label_error": 20,
    "label_whitespace": 6,
    "empty_text": 4,
    "short_text": 3,
    "long_text": 1,
    "wrong_language": 12,
    "code_switching": 5,
    "apostrophe_variants": 24,
    "invisible_characters": 14,
    "no_break_space": 5,
    "not_nfc": 3,
    "mojibake": 5,
    "personal_data": 3,
    "shortcut": 1,
    "imbalance": 1,
    "class_small": 1,
    "bom": 1,
    "blank_line": 2,
}
"""How often each defect was planted, by the rule that looks for it and counted as that rule counts: rows of train (of a
`conflict` both rows, of a leak those in val and test), lines, files, classes; `shortcut` (the field that gives the
label away) and `imbalance` stand for the whole train split and are counted once."""

_SOURCES = ("SYNTHETIC-radio", "SYNTHETIC-news", "SYNTHETIC-forum")
_SOURCE_WEIGHTS = {"Northern": (7, 2, 1), "Central": (2, 7, 1), "Southern": (1, 2, 7)}
"""The shortcut: each label has a source that most of its rows come from."""
_APOSTROPHES = ("\u2019", "\u2018", "`")
_INVISIBLE = ("\u200b", "\ufeff", "\u00ad", "\u200e")
_LONG_CLAUSES = 130
_BLANK_TEXTS = ("", "   ", "\u00a0\u200b", "...")

TextEdit = Callable[[str, int], str]
_TEXT_EDITS: dict[str, TextEdit] = {
    "wrong_language": lambda _, number: str(words()["english"][number]),
    "code_switching": lambda text, number: f"{text}, {words()['english_halves'][number]}",
    "invisible_characters": lambda text, number: text[:7] + _INVISIBLE[number % 4] + text[7:],
    "no_break_space": lambda text, _: text.replace(" ", "\u00a0", 1),
    "not_nfc": lambda text, _: f"{text}, {words()['decomposed_name']}",
    "personal_data": lambda text, number: f"{text}, {words()['personal'][number]}",
}
_APOSTROPHE_EDITS: dict[str, TextEdit] = {
    "apostrophe_variants": lambda text, number: text.replace("'", _APOSTROPHES[number % 3]),
    "mojibake": lambda text, _: text.replace("'", "\u2019".encode().decode("cp1252")),
}
_LABEL_EDITS: dict[str, Callable[[str, int], str]] = {
    "label_error": lambda label, _: _other(label),
    "label_whitespace": lambda label, number: (f" {label}", f"{label} ", f"{label}\u00a0")[number % 3],
}
_RESTYLED: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: text,
    str.upper,
    lambda text: text.replace(" ", "  "),
)
"""Copies as they occur: byte for byte, in capitals, with other blanks."""


def make_rows(seed: int) -> Rows:
    """The rows of each split with the defects planted, in their final order; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 -- reproducible, not secret
    writer = Writer(chance)
    rows = {
        split: [{"text": writer.sentence(label), "label": label} for label, size in zip(LABELS, sizes, strict=True)
                for _ in range(size)]
        for split, sizes in SIZES.items()
    }  # fmt: skip
    untouched = chance.sample(rows["train"], len(rows["train"]))
    _edit_rows(untouched)
    rows["train"] += [*_copies(untouched, rows, chance), *_odd_rows(writer)]
    for split in rows.values():
        chance.shuffle(split)
        for row in split:
            row["source"] = chance.choices(_SOURCES, _SOURCE_WEIGHTS[row["label"].strip()])[0]
    return rows


def _edit_rows(untouched: list[Row]) -> None:
    """Change rows in place; each defect takes rows out of `untouched`, so that no row has two."""
    for rule, edit in _APOSTROPHE_EDITS.items():
        for number, row in enumerate(_take(untouched, PLANTED[rule], lambda row: "'" in row["text"])):
            row["text"] = edit(row["text"], number)
    for rule, edit in _TEXT_EDITS.items():
        for number, row in enumerate(_take(untouched, PLANTED[rule])):
            row["text"] = edit(row["text"], number)
    for rule, edit in _LABEL_EDITS.items():
        for number, row in enumerate(_take(untouched, PLANTED[rule])):
            row["label"] = edit(row["label"], number)


def _take(untouched: list[Row], count: int, suits: Callable[[Row], bool] = bool) -> list[Row]:
    taken = [row for row in untouched if suits(row)][:count]
    for row in taken:
        untouched.remove(row)
    return taken


def _copies(untouched: list[Row], rows: Rows, chance: random.Random) -> Iterator[Row]:
    """Rows of train that repeat others: of train, with the same label or another, and of val and test."""
    for number, row in enumerate(_take(untouched, PLANTED["duplicate_exact"])):
        yield row | {"text": _RESTYLED[number % 4](row["text"])}
    for row in _take(untouched, PLANTED["conflict"] // 2):
        yield row | {"label": _other(row["label"])}
    for row in _take(untouched, PLANTED["duplicate_near"]):
        yield row | {"text": _without_a_word(row["text"])}
    leaked = chance.sample(rows["test"], PLANTED["leak_exact"] - 2) + chance.sample(rows["val"], 2)
    for number, row in enumerate(leaked):
        yield row | {"text": _RESTYLED[number % 4](row["text"])}
    for row in chance.sample([row for row in rows["test"] if row not in leaked], PLANTED["leak_near"]):
        yield row | {"text": _without_a_word(row["text"])}


def _odd_rows(writer: Writer) -> Iterator[Row]:
    """Rows with nothing in them, with next to nothing, and with far too much."""
    for text in _BLANK_TEXTS[: PLANTED["empty_text"]] + tuple(words()["short"][: PLANTED["short_text"]]):
        yield {"text": text, "label": "Northern"}
    for _ in range(PLANTED["long_text"]):
        yield {"text": writer.sentence("Central", _LONG_CLAUSES), "label": "Central"}


def _without_a_word(text: str) -> str:
    kept = text.split()
    return " ".join(kept[:-2] + kept[-1:])


def _other(label: str) -> str:
    return "Central" if label == "Northern" else "Northern"
