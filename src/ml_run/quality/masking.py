"""What looks like personal data in a text, and hiding it: four patterns, each linear in the length of the text.

Wrong in the safe direction where nobody is accused, right where rows are counted: telephone numbers need a sign that
they are one (+, 00, a leading 0, or the groups in which they are written in North America), because most digits in
news are years, amounts and scores.
"""

import re

_MORE = r"(?:[ \u00a0.()/-]{0,3}\d)"
"""One digit more, with what stands between groups."""
_AFTER = r"(?![\d%]|[.,/-]\d)"
_PATTERNS = {
    "e-mail address": r"(?<![\w.+-])\.*+[\w+-][\w.+-]*+@[\w-]+(?:\.[\w-]+)+",
    "web address": r"\b(?:(?i:https?)://|(?i:www)\.|(?:t\.me|wa\.me|bit\.ly|fb\.com|youtu\.be)/)[^\s<>\"]++",
    "telephone number": (
        rf"(?<![\w+])(?:\+|00)[^0\D]{_MORE}{{7,14}}{_AFTER}"  # +252 61 5551234, 0044 20 7946 0958
        r"|(?<![\w.,+/-])(?:"
        r"\(?0[^0\D]\d{0,3}\)?[ \u00a0-]?\d{3}(?:[ \u00a0-]?\d){3,5}"  # 061 5551234, (020) 7946 0958
        r"|\(?[2-9]\d{2}\)?[ .-]\d{3}[.-]\d{4}"  # 612-555-0123
        rf"){_AFTER}"
    ),
    # @user and the like is what data sets put in the place of a name.
    "user name": r"(?<![\w@/])@(?!(?i:user|username|mention|handle)\b)[^\W\d]\w+(?:\.\w+)*",
}
KINDS = tuple(_PATTERNS)
"""What is looked for, by its name."""
_ANY = re.compile("|".join(f"({pattern})" for pattern in _PATTERNS.values()))
_MARKS = ("@", "//", "www.", "WWW.", "t.me/", "wa.me/", "bit.ly/", "fb.com/", "youtu.be/")
_ENOUGH_DIGITS = re.compile(r"(?:\d[ \u00a0.()/-]{0,3}){7}")
_BEFORE = 40


def kinds_in(text: str) -> list[str]:
    """The kind of each thing in `text` that looks like personal data, by the names of `KINDS`."""
    if not _may_hold_any(text):
        return []
    return [KINDS[match.lastindex - 1] for match in _ANY.finditer(text) if match.lastindex]


def mask(text: str) -> str:
    """`text` with everything that looks like personal data replaced by its kind, e.g. `‹e-mail address›`."""
    if not _may_hold_any(text):
        return text
    return _ANY.sub(lambda match: f"‹{KINDS[(match.lastindex or 1) - 1]}›", text)


def spans(text: str) -> list[tuple[int, int, str]]:
    """Where what `mask` replaces begins and ends in `text`, and what it puts there; in order, none overlaps another."""
    if not _may_hold_any(text):
        return []
    return [(*match.span(), f"‹{KINDS[(match.lastindex or 1) - 1]}›") for match in _ANY.finditer(text)]


def excerpt(text: str, pattern: re.Pattern[str]) -> str:
    """`text`, masked, from a little before the first match of `pattern`; all of it where there is none."""
    shown = mask(text)
    match = pattern.search(shown)
    start = max(0, match.start() - _BEFORE) if match else 0
    return f"…{shown[start:]}" if start else shown


def _may_hold_any(text: str) -> bool:
    return any(mark in text for mark in _MARKS) or _ENOUGH_DIGITS.search(text) is not None
