"""The form of a text that is compared and hashed; never what is trained on."""

import re
import unicodedata
from functools import cache

from ml_run.languages.profiles import Profile

_APOSTROPHES = ("\u2018", "\u2019", "\u02bc")
"""Typographic forms of ', folded for every language: they mark the keyboard, not the word."""

_INVISIBLE_RANGES = (
    (0x00, 0x08), (0x0E, 0x1B), (0x7F, 0x84), (0x86, 0x9F),  # controls that are no blanks
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Zero-width and invisible characters: Unicode's Default_Ignorable_Code_Point and the controls."""


def normalise(text: str, profile: Profile | None) -> str:
    """The form of `text` in which two rows that say the same are equal.

    NFC, zero-width and invisible characters out, apostrophe variants folded to ', casefolded, blanks collapsed. The
    typographic apostrophes are folded for every language, the profile's own (a backtick, say) with the profile.
    """
    if text.isascii():  # three times as fast, and most rows are
        return " ".join(_fold_ascii(text, profile).casefold().split())
    kept = _invisible().sub("", unicodedata.normalize("NFC", text))
    composed = unicodedata.normalize("NFC", kept.casefold())  # casefold may decompose, and ŉ yields an apostrophe
    return " ".join(_apostrophes(profile.apostrophes if profile else ()).sub("'", composed).split())


def _fold_ascii(text: str, profile: Profile | None) -> str:
    kept = text if text.isprintable() else _invisible().sub("", text)
    return kept.replace("`", "'") if profile and "`" in profile.apostrophes else kept


@cache
def _invisible() -> re.Pattern[str]:
    return re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in _INVISIBLE_RANGES) + "]")


@cache
def _apostrophes(more: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("[" + re.escape("".join((*_APOSTROPHES, *more))) + "]")
