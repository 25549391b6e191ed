"""Characters that nobody typed on purpose, or that write one thing in two ways."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

from ml_run.characters import INVISIBLE
from ml_run.languages import Profile
from ml_run.quality.apostrophes import apostrophe_findings
from ml_run.quality.masking import excerpt
from ml_run.quality.mojibake import find_mojibake, mojibake_findings
from ml_run.quality.rows import Row, Splits, every_row, per_file, total
from ml_run.quality.rules import Checks, Sighting, by_share, finding
from ml_run.results import Finding
from ml_run.wording import listed

_RULES = ("mojibake", "not_nfc", "no_break_space", "apostrophe_variants", "invisible_characters")
_ODD_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
"""Blanks but the plain one, tab, line breaks, and those that are plain in their script (Ogham, ideographic)."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_NEEDED_MARK = re.compile("[\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069]")
"""Beside text that runs from right to left; overrides of its direction are never needed."""
_NEEDED_JOINER = re.compile(
    "(?<=[\u0600-\u109f\u1780-\u1aff\u2600-\u27bf\ua840-\uabff\ufe0f\U00010a00-\U00011fff\U0001f000-\U0001faff])"
    "[\u200c\u200d]"
)
"""After letters of scripts that join or stack them, and inside emoji."""
_MARKED_LETTER = re.compile("\\w[\u0300-\u036f]+")
_MOST_NAMED = 4


def text_findings(splits: Splits, profile: Profile | None, checks: Checks) -> list[Finding]:
    """All findings about characters.

    Args:
        splits: the rows.
        profile: of the language, where it is known: says which characters are its apostrophes.
        checks: limits, and which rules are off.
    """
    if not checks.wants(*_RULES):
        return []
    everything = total(splits)
    unusual = [row for row in every_row(splits) if not _is_plain(row.text)]
    broken = find_mojibake(unusual)
    # Whatever else is odd in a wrongly decoded text comes from that.
    skipped = {id(one.row) for one in broken}
    unusual = [row for row in unusual if id(row) not in skipped]
    whole = [row for row in every_row(splits) if id(row) not in skipped] if skipped else list(every_row(splits))
    return [
        *mojibake_findings(broken, everything, checks),
        *_not_nfc(unusual, everything, checks),
        *_no_break_space(unusual, everything),
        *_invisible(unusual, everything),
        *apostrophe_findings(whole, profile, everything, checks),
    ]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()  # many times faster than any pattern, and most rows are


def _not_nfc(rows: list[Row], everything: int, checks: Checks) -> list[Finding]:
    found = [row for row in rows if not unicodedata.is_normalized("NFC", row.text)]
    if not found:
        return []
    severity = by_share(len(found) / everything, warning=checks.limit("not_nfc.warning_above"))
    are = "text is" if len(found) == 1 else "texts are"
    message = f"{len(found):,} {are} not in Unicode form NFC ({per_file(found)}){_decomposed(found[0])}"
    seen = (Sighting(row.file, row.line, excerpt(row.text, _MARKED_LETTER), row.label) for row in found)
    return [finding("not_nfc", severity, message, seen, count=len(found), total=everything)]


def _decomposed(row: Row) -> str:
    """The first character that NFC would write otherwise, where it is one letter with its marks."""
    letters = _MARKED_LETTER.findall(row.text)
    changed = ((letter, unicodedata.normalize("NFC", letter)) for letter in letters)
    letter, composed = next(((one, other) for one, other in changed if one != other), ("", ""))
    return f", such as {composed} written as {_code_points(letter)}" if letter else ""


def _no_break_space(rows: list[Row], everything: int) -> list[Finding]:
    return _named_characters("no_break_space", "blanks that are no plain space", rows, _ODD_BLANKS.findall, everything)


def _invisible(rows: list[Row], everything: int) -> list[Finding]:
    return _named_characters("invisible_characters", "invisible characters", rows, _invisible_in, everything)


def _invisible_in(text: str) -> list[str]:
    if not INVISIBLE.search(text):
        return []
    kept = _NEEDED_JOINER.sub("", text)
    return INVISIBLE.findall(_NEEDED_MARK.sub("", kept) if _RIGHT_TO_LEFT.search(kept) else kept)


def _named_characters(
    rule: str, what: str, rows: list[Row], characters_in: Callable[[str], list[str]], everything: int
) -> list[Finding]:
    counts: Counter[str] = Counter()
    found = []
    for row in rows:
        if characters := characters_in(row.text):
            counts.update(characters)
            found.append(row)
    if not found:
        return []
    hold = "text holds" if len(found) == 1 else "texts hold"
    message = f"{len(found):,} {hold} {what} ({per_file(found)}): {_named(counts)}"
    any_of_them = re.compile(f"[{re.escape(''.join(counts))}]")
    seen = (Sighting(row.file, row.line, excerpt(row.text, any_of_them), row.label) for row in found)
    return [finding(rule, "info", message, seen, count=len(found), total=everything)]


def _named(counts: Counter[str]) -> str:
    """The most frequent characters with their names: `U+200B zero width space 4 times`."""
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    named = [f"{_code_points(one)} {_name(one)} {_times(counts[one])}" for one in frequent[:_MOST_NAMED]]
    more = len(frequent) - _MOST_NAMED
    return listed([*named, f"{more} more"] if more > 0 else named)


def _name(character: str) -> str:
    return unicodedata.name(character, "control character").lower()


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _code_points(characters: str) -> str:
    return " + ".join(f"U+{ord(character):04X}" for character in characters)
