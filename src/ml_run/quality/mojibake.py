"""Text that was decoded with the wrong encoding at some time, or lost characters by it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ml_run.quality.masking import mask
from ml_run.quality.rows import Row, per_file
from ml_run.quality.rules import Checks, Sighting, by_share, finding
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml_run.results import Finding

_LOST = "\ufffd"
"""What decoders put where they lost something."""
_PAIRS = re.compile(
    f"{_LOST}"
    "|[\u00c2-\u00f4][\u0080-\u009f]"  # any script, read as Latin-1: nobody types C1 controls
    "|\u00e2\u20ac[\u0080-\u00bf\u0152-\u0178\u02dc\u2013-\u203a\u20ac\u2122]"  # quotes and dashes, read as cp1252
    "|\u00c3[\u0080-\u00bf\u0192\u0160\u0161\u017d\u017e\u2018-\u201d\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac]"
    "|\u00c2[\u00a0-\u00bf]"
    "|\u00ef\u00bb\u00bf"  # a byte order mark, read as cp1252
)
"""UTF-8 read as cp1252 or Latin-1: pairs that hardly occur in any orthography, though ftfy has doubts about some."""
_MISREAD_AS = ("latin-1", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "iso8859-2", "mac-roman", "cp437")
"""The encodings that ftfy can tell UTF-8 was read as."""
_BEFORE, _AFTER = 15, 35
"""Characters shown around the first accident of a text."""


@dataclass(frozen=True, slots=True)
class Mojibake:
    """One wrongly decoded text."""

    row: Row
    text: str
    """In NFC, as it was looked at."""
    repaired: str
    """What it most likely said; `text` where that cannot be known."""
    misread_as: str
    """The encoding it was once taken for; empty where that cannot be known."""


def find_mojibake(rows: Iterable[Row]) -> list[Mojibake]:
    """The wrongly decoded among `rows`.

    Texts are looked at in NFC: of 2,050 Yoruba headlines the one that ftfy took for mojibake was merely decomposed.
    """
    fast, exact = _suspected()
    found = []
    for row in rows:
        if fast.search(row.text) and exact.search(row.text):
            text = unicodedata.normalize("NFC", row.text)
            repaired, misread_as = _repaired(text)
            if repaired != text or _PAIRS.search(text):
                found.append(Mojibake(row, text, repaired, misread_as))
    return found


@cache
def _suspected() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What UTF-8 read as another encoding must hold: a first and a following byte, as characters of that encoding.

    Two patterns of which both must be found: a fast one, which mixes the encodings, and the exact one.
    """
    first, following = (
        [{_character(byte, encoding) for byte in numbers} for encoding in _MISREAD_AS]
        for numbers in (range(0xC2, 0xF5), range(0x80, 0xC0))
    )
    exact = "|".join(_one_of(one) + _one_of(other) for one, other in zip(first, following, strict=True))
    mixed = _one_of(set().union(*first)) + _one_of(set().union(*following))
    return re.compile(f"{_LOST}|{mixed}"), re.compile(f"{_LOST}|{exact}")


def _one_of(characters: set[str]) -> str:
    return f"[{re.escape(''.join(sorted(characters)))}]"


def _character(byte: int, encoding: str) -> str:
    try:
        return bytes([byte]).decode(encoding)
    except UnicodeDecodeError:
        return chr(byte)  # as programs have it that decode undefined bytes all the same


def _repaired(text: str) -> tuple[str, str]:
    import ftfy

    # Lone C1 controls are left to the check of invisible characters.
    config = ftfy.TextFixerConfig(fix_c1_controls=False)
    repaired, steps = ftfy.fix_encoding_and_explain(text, config)
    encoded = [step.parameter for step in steps or [] if step.action == "encode"]
    return repaired, encoded[0].removeprefix("sloppy-") if len(encoded) == 1 else ""


def mojibake_findings(found: list[Mojibake], everything: int, checks: Checks) -> list[Finding]:
    """One finding for all; `everything` is the number of rows looked at."""
    if not found:
        return []
    rows = [one.row for one in found]
    message = f"{number_of(len(rows), 'text')} {'looks' if len(rows) == 1 else 'look'} wrongly decoded"
    message += f" ({per_file(rows)}){_sample(found)}"
    return [
        finding(
            "mojibake",
            by_share(len(rows) / everything, warning=checks.limit("mojibake.warning_above")),
            message,
            map(_sighting, found),
            count=len(rows),
            total=everything,
            remedy=_remedy(found),
        )
    ]


def _sample(found: list[Mojibake]) -> str:
    mended = next((one for one in found if one.repaired != one.text), None)
    lost = sum(_LOST in one.text for one in found)
    sample = ""
    if mended:
        wrong, right = mask(mended.text), mask(mended.repaired)
        place = _first_difference(wrong, right)
        wrong, right = _word_at(wrong, place), _word_at(right, place)
        sample = f", such as {wrong!r} for {right!r}"
    return f"{sample}; {lost:,} lost characters, where U+FFFD stands" if lost else sample


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _word_at(text: str, place: int) -> str:
    start = max(text.rfind(" ", 0, place) + 1, place - _BEFORE)
    return text[start : place + _AFTER].split(" ", maxsplit=1)[0]


def _sighting(one: Mojibake) -> Sighting:
    if one.repaired == one.text:
        return Sighting(one.row.file, one.row.line, one.row.text, one.row.label)
    wrong, right = mask(one.text), mask(one.repaired)
    place = _first_difference(wrong, right)
    wrong, right = _around(wrong, place), _around(right, place)
    return Sighting(one.row.file, one.row.line, f"{wrong} → {right}", one.row.label)


def _around(text: str, place: int) -> str:
    start, stop = max(0, place - _BEFORE), place + _AFTER
    return ("…" if start else "") + text[start:stop] + ("…" if stop < len(text) else "")


def _remedy(found: list[Mojibake]) -> str | None:
    known = Counter(one.misread_as for one in found if one.misread_as)
    if not known:
        return None
    ((encoding, _),) = known.most_common(1)
    return f"read the original again as UTF-8: it was once taken for {encoding}"
