"""The script that each row is written in, and the rows that are mostly in another than the rest."""

import re
import unicodedata
from collections import Counter
from functools import cache

from ml_run.languages import Profile
from ml_run.quality.rows import Row, Splits, every_row, per_file, sighting
from ml_run.quality.rules import Checks, by_share, finding
from ml_run.results import Finding
from ml_run.wording import listed, number_of

_BEYOND_LATIN = re.compile("[^\x00-\u036f\u1e00-\u1eff\u2000-\u214f\ufb00-\ufb06\ufeff]")
"""What is worth counting letters for; most rows of a Latin corpus have none of it."""
_LETTER = re.compile(r"[^\W\d_]")
_ISO_15924 = {
    "Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cans": "Canadian", "Cyrl": "Cyrillic",
    "Deva": "Devanagari", "Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek", "Gujr": "Gujarati",
    "Guru": "Gurmukhi", "Hang": "Hangul", "Hani": "Han or Kana", "Hans": "Han or Kana", "Hant": "Han or Kana",
    "Hebr": "Hebrew", "Jpan": "Han or Kana", "Khmr": "Khmer", "Knda": "Kannada", "Laoo": "Lao", "Latn": "Latin",
    "Mlym": "Malayalam", "Mong": "Mongolian", "Mymr": "Myanmar", "Nkoo": "Nko", "Orya": "Oriya", "Osma": "Osmanya",
    "Sinh": "Sinhala", "Syrc": "Syriac", "Taml": "Tamil", "Telu": "Telugu", "Tfng": "Tifinagh", "Thaa": "Thaana",
    "Thai": "Thai", "Tibt": "Tibetan", "Vaii": "Vai",
}  # fmt: skip
_RENAMED = dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"), "Han or Kana")
"""One text is written in these together, so that its majority among them says nothing."""
_NO_SCRIPT = frozenset({"MODIFIER", "MATHEMATICAL", "FEMININE", "MASCULINE", "MICRO", "SCRIPT", "DOUBLE-STRUCK"})
"""Letters that any script uses."""
_WIDTHS = frozenset({"FULLWIDTH", "HALFWIDTH"})


def script_of(text: str) -> str | None:
    """The script that most letters of `text` belong to, e.g. Latin, Arabic, Ethiopic; None when it has no letter."""
    if text.isascii() or not _BEYOND_LATIN.search(text):
        return "Latin" if _LETTER.search(text) else None
    found: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha() and (script := _script_of_letter(character)):
            found[script] += count
    return max(found, key=lambda script: (found[script], script)) if found else None


def check_scripts(splits: Splits, *, profile: Profile | None, checks: Checks) -> tuple[list[Finding], dict[str, int]]:
    """Find rows in another script than the rest (`script_mix`), and count the rows of each script.

    Args:
        splits: all rows.
        profile: its scripts are all right; without it, the one that most rows are in.
        checks: limits.
    """
    by_script: dict[str, list[Row]] = {}
    for row in every_row(splits):
        if script := script_of(row.text):
            by_script.setdefault(script, []).append(row)
    counts = {script: len(rows) for script, rows in sorted(by_script.items(), key=lambda item: -len(item[1]))}
    if not counts:
        return [], {}
    usual = tuple(_ISO_15924.get(code, code) for code in profile.scripts) if profile else (next(iter(counts)),)
    odd = [row for script, rows in by_script.items() if script not in usual for row in rows]
    if not odd:
        return [], counts
    return [_finding(odd, counts, usual, checks)], counts


def _finding(odd: list[Row], counts: dict[str, int], usual: tuple[str, ...], checks: Checks) -> Finding:
    everything = sum(counts.values())
    others = listed([f"{count:,} in {script}" for script, count in counts.items() if script not in usual])
    rows = f"{number_of(len(odd), 'row')} {'is' if len(odd) == 1 else 'are'}"
    message = f"{rows} mostly in another script than {listed(usual, last='or')}: {others} ({per_file(odd)})"
    severity = by_share(len(odd) / everything, warning=checks.limit("script_mix.warning_above"))
    return finding("script_mix", severity, message, map(sighting, odd), count=len(odd), total=everything)


@cache
def _script_of_letter(character: str) -> str | None:
    """By the first word of the character's Unicode name, which is its script but for a few."""
    words = unicodedata.name(character, "").split()
    if words and words[0] in _WIDTHS:
        words = words[1:]
    if not words or words[0] in _NO_SCRIPT:
        return None
    return _RENAMED.get(words[0]) or words[0].capitalize()
