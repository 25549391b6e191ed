"""Sentences that stand in many texts: footers, mottos, requests to share."""

import re
from array import array
from dataclasses import dataclass

from ml_run.quality.masking import mask
from ml_run.quality.rows import Row, Splits, every_row
from ml_run.quality.rules import Checks, Sighting, finding
from ml_run.results import Finding
from ml_run.wording import number_of, percent

_END = re.compile(r"(?<=[.!?…։؟۔।።፧。！？])\s+|[\n\r\u2028\u2029]+")
"""Between sentences of most scripts."""
_SHORTEST = 15
"""Characters below which a sentence says too little to count: thanks, greetings, datelines."""
_LONGEST_SHOWN = 60


@dataclass(slots=True)
class _Sentence:
    first: Row
    text: str
    texts: int = 0


def boilerplate_findings(splits: Splits, checks: Checks) -> list[Finding]:
    """One finding for all sentences of 15 characters and more that too many texts have.

    Copies of one text count once: repeated rows are another rule's matter. Memory: 8 bytes a sentence for the count,
    sentences themselves only where they may be too many.
    """
    if not checks.wants("boilerplate"):
        return []
    rows = _distinct(splits)
    most = max(checks.limit("boilerplate.warning_above") * len(rows), checks.limit("boilerplate.texts") - 1)
    counted, holders = _counted(rows, _frequent_hashes(rows, most))
    frequent = {text: one for text, one in counted.items() if one.texts > most}
    if not frequent:
        return []
    count = sum(any(sentence in frequent for sentence in held) for held in holders)
    return [_finding(sorted(frequent.values(), key=lambda one: -one.texts), count, len(rows), most)]


def _finding(frequent: list[_Sentence], count: int, texts: int, most: float) -> Finding:
    worst = frequent[0]
    shown = mask(worst.text)  # before it is cut: half of an address looks like none
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
    stand = "sentence stands" if len(frequent) == 1 else "sentences stand"
    message = (
        f"{len(frequent):,} {stand} in more than {number_of(int(most), 'text')} of {texts:,}, "
        f"the most frequent in {worst.texts:,} ({percent(worst.texts / texts)}): {shown!r}"
    )
    seen = (Sighting(one.first.file, one.first.line, one.text, one.first.label) for one in frequent)
    return finding("boilerplate", "warning", message, seen, count=count, total=texts)


def _distinct(splits: Splits) -> list[Row]:
    seen: set[str] = set()
    rows = []
    for row in every_row(splits):
        key = row.hash or row.text
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return rows


def _sentences(text: str) -> list[str]:
    """The different sentences of one text, with blanks as one and without case."""
    parts = (" ".join(part.split()).casefold() for part in _END.split(text))
    return list(dict.fromkeys(part for part in parts if len(part) >= _SHORTEST))


def _frequent_hashes(rows: list[Row], most: float) -> set[int]:
    """Hashes of what may be sentences of more than `most` texts: one that two sentences share is found out later."""
    import numpy as np

    hashes = array("q", (hash(sentence) for row in rows for sentence in _sentences(row.text)))
    if not hashes:
        return set()
    values, counts = np.unique(np.frombuffer(hashes, dtype=np.int64), return_counts=True)
    return set(values[counts > most].tolist())


def _counted(rows: list[Row], suspects: set[int]) -> tuple[dict[str, _Sentence], list[list[str]]]:
    """The suspects with the texts that hold them, and which of them each of those texts holds."""
    counted: dict[str, _Sentence] = {}
    holders = []
    for row in rows if suspects else ():
        held = [sentence for sentence in _sentences(row.text) if hash(sentence) in suspects]
        for sentence in held:
            counted.setdefault(sentence, _Sentence(row, sentence)).texts += 1
        if held:
            holders.append(held)
    return counted, holders
