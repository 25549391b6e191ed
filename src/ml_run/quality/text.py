"""Characters that nobody typed: decoding accidents and invisible characters."""

import re
from collections.abc import Callable

from ml_run.characters import INVISIBLE
from ml_run.quality.rows import Splits, every_row, per_file, sighting, total
from ml_run.quality.rules import by_share, finding
from ml_run.results import Finding
from ml_run.wording import number_of

_MOJIBAKE = re.compile(
    "\ufffd"  # what decoders put where they lost something
    "|[\u00c2-\u00f4][\u0080-\u009f]"  # any script, read as Latin-1: nobody types C1 controls
    "|\u00e2\u20ac[\u0080-\u00bf\u0152-\u0178\u02dc\u2013-\u203a\u20ac\u2122]"  # quotes and dashes, read as cp1252
    "|\u00c3[\u0080-\u00bf\u0192\u0160\u0161\u017d\u017e\u2018-\u201d\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac]"
    "|\u00c2[\u00a0-\u00bf]"
    "|\u00ef\u00bb\u00bf"  # a byte order mark, read as cp1252
)
"""UTF-8 read as cp1252 or Latin-1: pairs that hardly occur in any orthography."""
_MANY = 0.01


def text_findings(splits: Splits) -> list[Finding]:
    """All findings about characters."""
    mojibake = _finding(splits, "mojibake", _MOJIBAKE.search, "look wrongly decoded", warning=_MANY)
    invisible = _finding(splits, "invisible_characters", INVISIBLE.search, "hold invisible characters", warning=1)
    return mojibake + invisible


def _finding(
    splits: Splits, rule: str, seen_in: Callable[[str], object], what: str, *, warning: float
) -> list[Finding]:
    rows = [row for row in every_row(splits) if not _is_plain(row.text) and seen_in(row.text)]
    if not rows:
        return []
    everything = total(splits)
    severity = by_share(len(rows) / everything, warning=warning)
    message = f"{number_of(len(rows), 'text')} {what} ({per_file(rows)})"
    return [finding(rule, severity, message, map(sighting, rows), count=len(rows), total=everything)]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()  # many times faster than any pattern, and most rows are
