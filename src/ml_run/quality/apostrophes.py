"""Several characters for one apostrophe: the same word as two sequences of tokens."""

import re
from collections import Counter
from functools import cache

from ml_run.languages import Profile
from ml_run.quality.masking import excerpt
from ml_run.quality.rows import Row, per_file
from ml_run.quality.rules import Checks, Sighting, finding
from ml_run.results import Finding
from ml_run.wording import listed, number_of

_TYPOGRAPHIC = ("'", "\u2018", "\u2019", "\u02bc")
"""What stands for an apostrophe in every language; a profile adds its own."""


@cache
def _patterns(profile_characters: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    marks = "[" + re.escape("".join(dict.fromkeys((*_TYPOGRAPHIC, *profile_characters)))) + "]"
    inside = re.compile(rf"(?<=[^\W\d_]){marks}(?=[^\W\d_])")
    inside_or_after = re.compile(rf"(?<=[^\W\d_]){marks}")
    opening = re.compile(rf"(?<![^\W\d_]){marks}(?=\w)")
    return inside, inside_or_after, opening


def forms_in(text: str, profile: Profile | None) -> list[str]:
    """The apostrophes of one text, as they stand: inside words, and after them unless that may close a quotation."""
    inside, inside_or_after, opening = _patterns(profile.apostrophes if profile else ())
    found: list[str] = inside_or_after.findall(text)
    if found and opening.search(text):
        return inside.findall(text)
    return found


def apostrophe_findings(rows: list[Row], profile: Profile | None, everything: int, checks: Checks) -> list[Finding]:
    """The rows that write an apostrophe in another form than most do; `everything` is the number of rows there are."""
    if not checks.wants("apostrophe_variants"):
        return []
    counts: Counter[str] = Counter()
    seen: list[tuple[Row, frozenset[str]]] = []
    for row in rows:
        if forms := forms_in(row.text, profile):
            counts.update(forms)
            seen.append((row, frozenset(forms)))
    if len(counts) < 2:  # noqa: PLR2004 -- several
        return []
    usual = min(counts, key=lambda form: (-counts[form], form))
    others = [row for row, forms in seen if forms != {usual}]
    written = listed(
        [
            f"{form} (U+{ord(form):04X}) {'once' if count == 1 else f'{count:,} times'}"
            for form, count in counts.most_common()
        ]
    )
    are = "writes" if len(others) == 1 else "write"
    message = f"{number_of(len(others), 'text')} {are} the apostrophe in another form than most: {written}"
    message += f" ({per_file(others)})"
    unusual = re.compile(rf"(?<=[^\W\d_])[{re.escape(''.join(set(counts) - {usual}))}]")
    shown = (Sighting(row.file, row.line, excerpt(row.text, unusual), row.label) for row in others)
    return [finding("apostrophe_variants", "info", message, shown, count=len(others), total=everything)]
