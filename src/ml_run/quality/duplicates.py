"""Rows that say the same: copies inside a split, and the same text under different labels.

What "the same" means is decided by the hash a row carries, so that a coarser likeness (near copies) can join here.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

from ml_run.languages import Profile, normalise
from ml_run.quality.review import CONFLICT, Review
from ml_run.quality.rows import Row, Splits, every_row, sighting, total
from ml_run.quality.rules import by_share, finding
from ml_run.results import Finding
from ml_run.wording import number_of, percent

_MANY_COPIES = 0.01
_MANY_CONFLICTS = 0.01


def hash_rows(splits: Splits, profile: Profile | None) -> Splits:
    """Give every row the hash of its normalised text."""
    return {name: [replace(row, hash=hash_text(row.text, profile)) for row in rows] for name, rows in splits.items()}


def hash_text(text: str, profile: Profile | None) -> str:
    """First 32 hexadecimal digits of SHA-256 over the normalised text."""
    return hashlib.sha256(normalise(text, profile).encode("utf-8")).hexdigest()[:32]


def duplicate_findings(splits: Splits) -> list[Finding]:
    """Rows that repeat an earlier row of their split, with its label; they are kept."""
    copies: list[Row] = []
    worst = 0.0
    parts = []
    for name, rows in splits.items():
        here = _repeated(rows)
        if here:
            copies += here
            worst = max(worst, len(here) / len(rows))
            parts.append(f"{len(here):,} of {number_of(len(rows), name + ' row')} ({percent(len(here) / len(rows))})")
    if not copies:
        return []
    severity = by_share(worst, warning=_MANY_COPIES)
    message = f"{', '.join(parts)} repeat an earlier row of the same split"
    return [
        finding("duplicate_exact", severity, message, map(sighting, copies), count=len(copies), total=total(splits))
    ]


def _repeated(rows: list[Row]) -> list[Row]:
    """The rows that repeat an earlier one with its label."""
    found: list[Row] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        said = (row.hash, row.label)
        if said in seen:
            found.append(row)
        seen.add(said)
    return found


def find_conflicts(splits: Splits) -> list[list[tuple[str, Row]]]:
    """Groups of rows (each with its split) that have the same text and not all the same label."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in every_row(splits):
        labels[row.hash].add(row.label)
    groups: dict[str, list[tuple[str, Row]]] = {row_hash: [] for row_hash, found in labels.items() if len(found) > 1}
    for name, rows in splits.items():
        for row in rows:
            if row.hash in groups:
                groups[row.hash].append((name, row))
    return list(groups.values())


def conflict_findings(groups: list[list[tuple[str, Row]]], rows_in_all: int) -> list[Finding]:
    """The conflicts as one finding; `groups` as `find_conflicts` gives them."""
    rows = [row for group in groups for _, row in group]
    if not rows:
        return []
    # Whatever is predicted, all rows of a group but its most frequent label are counted as errors.
    wrong = sum(len(group) - Counter(row.label for _, row in group).most_common(1)[0][1] for group in groups)
    severity = by_share(len(rows) / rows_in_all, warning=-1, error=_MANY_CONFLICTS)
    message = (
        f"{number_of(len(groups), 'text')} stand{'s' if len(groups) == 1 else ''} under different labels, "
        f"in {number_of(len(rows), 'row')}: at least {number_of(wrong, 'label')} must be wrong"
    )
    return [finding("conflict", severity, message, map(sighting, rows), count=len(rows), total=rows_in_all)]


def conflict_reviews(groups: list[list[tuple[str, Row]]]) -> Iterator[Review]:
    """Every row of every conflict, for the review queue."""
    for group in groups:
        for split, row in group:
            others = [other for _, other in group if other.label != row.label]
            places = ", ".join(f"{other.label} ({other.file}, line {other.line})" for other in others[:3])
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""  # noqa: PLR2004 -- fits a cell
            yield Review(split, row, CONFLICT, f"conflict: the same text has the label {places}{more}")
