"""Texts that are too short to be told apart, and texts that may be several."""

import re

from ml_run.quality.rows import Row, Splits, per_file, sighting, total
from ml_run.quality.rules import Checks, finding
from ml_run.results import Finding
from ml_run.wording import number_of

_BLANKS = re.compile(r"[\s\u1361]+")
"""What stands between words, the Ethiopic word mark among it."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u31f0-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Letters of scripts that put no blanks between words: Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese."""
_LETTERS_A_WORD = 2
_MOST = 0.95


def length_findings(splits: Splits, checks: Checks) -> list[Finding]:
    """Findings about texts by their length: in words when short, in characters when long.

    Characters tell an accident of joining in every script, with or without blanks; each split is measured by itself,
    so that one of news is not called long beside one of tweets.
    """
    return [*_short(splits, checks), *_long(splits, checks)]


def _short(splits: Splits, checks: Checks) -> list[Finding]:
    enough = int(checks.limit("short_text.words"))
    if not checks.wants("short_text"):
        return []
    rows = [row for rows in splits.values() for row in rows if _has_fewer_words(row.text, enough)]
    if not rows:
        return []
    are = "text has" if len(rows) == 1 else "texts have"
    message = f"{len(rows):,} {are} fewer than {number_of(enough, 'word')} ({per_file(rows)})"
    return [finding("short_text", "info", message, map(sighting, rows), count=len(rows), total=total(splits))]


def _has_fewer_words(text: str, enough: int) -> bool:
    if len(text.split(None, enough)) >= enough:
        return False
    words = len(_BLANKS.split(text.strip()))
    return max(words, len(_UNSPACED.findall(text)) // _LETTERS_A_WORD) < enough


def _long(splits: Splits, checks: Checks) -> list[Finding]:
    if not checks.wants("long_text"):
        return []
    ratio = checks.limit("long_text.ratio")
    most = {split: _length_of_most(rows) for split, rows in splits.items() if rows}
    rows = [row for split in most for row in splits[split] if len(row.text) > ratio * most[split]]
    if not rows:
        return []
    split, longest = max(
        ((split, row) for split in most for row in splits[split]), key=lambda found: len(found[1].text) / most[found[0]]
    )
    are = "text is" if len(rows) == 1 else "texts are"
    message = (
        f"{len(rows):,} {are} more than {ratio:g} times as long as most of their split ({per_file(rows)}): "
        f"one has {len(longest.text):,} characters, where 95 % of {split} have {most[split]:,} at most"
    )
    return [finding("long_text", "info", message, map(sighting, rows), count=len(rows), total=total(splits))]


def _length_of_most(rows: list[Row]) -> int:
    """The 95th percentile of the lengths, never between two of them: one long text among ten must not set it."""
    lengths = sorted(len(row.text) for row in rows)
    return max(1, lengths[int(_MOST * (len(lengths) - 1))])
