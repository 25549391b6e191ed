"""Rows that say the same, or nearly: copies inside a split, and one text under different labels.

Rows say the same when the hashes they carry are equal, and nearly the same when `NearCopies` pairs those hashes.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ml_run.languages import Profile, normalise
from ml_run.quality.near import NearCopies
from ml_run.quality.review import CONFLICT, CONFLICT_NEAR, Review
from ml_run.quality.rows import Row, Splits, every_row, sighting, total
from ml_run.quality.rules import Checks, by_share, finding
from ml_run.results import Finding
from ml_run.wording import number_of, percent

_DEFAULTS = Checks()
_SHOWN = 3
"""Rows of other labels that one cell of the review queue names."""


def hash_rows(splits: Splits, profile: Profile | None) -> Splits:
    """Give every row the hash of its normalised text."""
    return {name: [replace(row, hash=hash_text(row.text, profile)) for row in rows] for name, rows in splits.items()}


def hash_text(text: str, profile: Profile | None) -> str:
    """First 32 hexadecimal digits of SHA-256 over the normalised text."""
    return hashlib.sha256(normalise(text, profile).encode("utf-8")).hexdigest()[:32]


# --- copies inside a split ------------------------------------------------------------------------------------------


def duplicate_findings(splits: Splits, checks: Checks = _DEFAULTS) -> list[Finding]:
    """Rows that repeat an earlier row of their split, with its label; they are kept."""
    repeated = {name: list(_repeated(rows)) for name, rows in splits.items()}
    limit = checks.limit("duplicate_exact.warning_above")
    return _inside("duplicate_exact", splits, repeated, limit, "repeat an earlier row of the same split")


def near_duplicate_findings(splits: Splits, near: NearCopies, checks: Checks) -> list[Finding]:
    """Rows that say nearly the same as an earlier row of their split, with its label; they are kept."""
    pairs = {name: list(_nearly_repeated(rows, near)) for name, rows in splits.items()}
    rows = {name: [row for row, _, _ in found] for name, found in pairs.items()}
    limit = checks.limit("duplicate_near.warning_above")
    return _inside(
        "duplicate_near",
        splits,
        rows,
        limit,
        f"say nearly the same as an earlier row of the same split{_most_alike(pairs)}",
    )


def _inside(rule: str, splits: Splits, copies: Splits, limit: float, what: str) -> list[Finding]:
    there = {name: rows for name, rows in copies.items() if rows}
    if not there:
        return []
    shares = {name: len(rows) / len(splits[name]) for name, rows in there.items()}
    parts = [
        f"{len(rows):,} of {number_of(len(splits[name]), name + ' row')} ({percent(shares[name])})"
        for name, rows in there.items()
    ]
    severity = by_share(max(shares.values()), warning=limit)
    seen = map(sighting, every_row(there))
    return [
        finding(rule, severity, f"{', '.join(parts)} {what}", seen, count=total(there), total=total(splits)),
    ]


def _most_alike(pairs: dict[str, list[tuple[Row, Row, float]]]) -> str:
    """Where the most similar pair stands, as the end of a sentence."""
    found = [pair for some in pairs.values() for pair in some]
    if not found:
        return ""
    row, earlier, alike = max(found, key=lambda pair: pair[2])
    return f"; the most alike are lines {earlier.line} and {row.line} of {row.file}, with a similarity of {alike:.2f}"


def _repeated(rows: list[Row]) -> Iterator[Row]:
    """The rows that repeat an earlier one with its label."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.hash, row.label) in seen:
            yield row
        seen.add((row.hash, row.label))


def _nearly_repeated(rows: list[Row], near: NearCopies) -> Iterator[tuple[Row, Row, float]]:
    """The rows that nearly repeat an earlier one with its label, which follows with the similarity; no exact copies."""
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        said = (row.hash, row.label)
        if said in seen or not (partners := near.of(row)):
            continue
        earlier = [(alike, seen[other, row.label]) for other, alike in partners.items() if (other, row.label) in seen]
        if earlier:
            alike, found = max(earlier, key=lambda pair: pair[0])
            yield row, found, alike
        seen[said] = row


# --- one text, different labels -------------------------------------------------------------------------------------


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


def conflict_findings(
    groups: list[list[tuple[str, Row]]], rows_in_all: int, checks: Checks = _DEFAULTS
) -> list[Finding]:
    """The conflicts as one finding; `groups` as `find_conflicts` gives them."""
    rows = [row for group in groups for _, row in group]
    if not rows:
        return []
    # Whatever is predicted, all rows of a group but its most frequent label are counted as errors.
    wrong = sum(len(group) - Counter(row.label for _, row in group).most_common(1)[0][1] for group in groups)
    severity = by_share(len(rows) / rows_in_all, warning=-1, error=checks.limit("conflict.error_above"))
    message = (
        f"{number_of(len(groups), 'text')} stand{'s' if len(groups) == 1 else ''} under different labels, "
        f"in {number_of(len(rows), 'row')}: at least {number_of(wrong, 'label')} must be wrong"
    )
    return [finding("conflict", severity, message, map(sighting, rows), count=len(rows), total=rows_in_all)]


def conflict_reviews(groups: list[list[tuple[str, Row]]]) -> Iterator[Review]:
    """Every row of every conflict, for the review queue."""
    for group in groups:
        counts: Counter[str] = Counter()
        first = []  # of each label; a greeting may stand in 100,000 rows, not to be gone through for each of them
        for _, row in group:
            counts[row.label] += 1
            if counts[row.label] <= _SHOWN:
                first.append(row)
        for split, row in group:
            others = islice((other for other in first if other.label != row.label), _SHOWN)
            places = ", ".join(f"{other.label} ({other.file}, line {other.line})" for other in others)
            hidden = len(group) - counts[row.label] - _SHOWN
            more = f" and {hidden} more" if hidden > 0 else ""
            yield Review(split, row, CONFLICT, f"conflict: the same text has the label {places}{more}")


@dataclass(frozen=True, slots=True)
class NearConflict:
    """A row, and the most similar row that has another label; each is a near copy of the other."""

    split: str
    row: Row
    other: Row
    similarity: float


def find_near_conflicts(splits: Splits, near: NearCopies) -> list[NearConflict]:
    """Every row with a near copy of another label, the most alike first."""
    places: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in every_row(splits):
        if row.hash in near.partners:
            places[row.hash].setdefault(row.label, row)
    found = []
    for split, rows in splits.items():
        for row in rows:
            others = [
                (alike, other)
                for partner, alike in near.of(row).items()
                for label, other in places[partner].items()
                if label != row.label
            ]
            if others:
                alike, other = max(others, key=lambda pair: pair[0])
                found.append(NearConflict(split, row, other, alike))
    return sorted(found, key=lambda conflict: -conflict.similarity)


def near_conflict_findings(conflicts: list[NearConflict], rows_in_all: int) -> list[Finding]:
    """The near conflicts as one finding; `conflicts` as `find_near_conflicts` gives them."""
    if not conflicts:
        return []
    first = conflicts[0]
    message = (
        f"{number_of(len(conflicts), 'row')} say nearly the same as a row with another label; the most alike are "
        f"line {first.row.line} of {first.row.file} ({first.row.label}) and line {first.other.line} of "
        f"{first.other.file} ({first.other.label}), with a similarity of {first.similarity:.2f}"
    )
    seen = (sighting(conflict.row) for conflict in conflicts)
    return [finding("conflict_near", "warning", message, seen, count=len(conflicts), total=rows_in_all)]


def near_conflict_reviews(conflicts: list[NearConflict]) -> Iterator[Review]:
    """Every row of every near conflict, for the review queue."""
    for conflict in conflicts:
        other = conflict.other
        why = (
            f"conflict_near: nearly the same text ({conflict.similarity:.2f}) has the label {other.label} "
            f"({other.file}, line {other.line})"
        )
        yield Review(conflict.split, conflict.row, CONFLICT_NEAR + 0.99 * conflict.similarity, why)
