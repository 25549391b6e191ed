"""Rows that say the same, or nearly, from end to end: one search that dividing, finding and leaving out share."""

from dataclasses import dataclass

from ml_run.languages import Profile
from ml_run.quality import duplicates, leaks, splitting
from ml_run.quality.leaks import LeakMode
from ml_run.quality.near import NearCopies, find_near_copies
from ml_run.quality.review import Review
from ml_run.quality.rows import Rejected, Splits, total
from ml_run.quality.rules import Checks
from ml_run.results import SPLITS, Finding, LeakCount

_NEAR_RULES = ("duplicate_near", "conflict_near", "leak_near")


@dataclass(frozen=True)
class Copies:
    """What was found about rows that say the same, and what remains."""

    splits: Splits
    """All three splits, without the rows left out."""
    rejected: list[Rejected]
    findings: list[Finding]
    reviews: list[Review]
    leaks: tuple[LeakCount, ...]
    """Before any row was left out."""
    emptied: frozenset[str]
    """Labels of which every row of train was left out."""
    given_away: frozenset[str]
    """Hashes of the test rows that had a copy, exact or near, in train before any row was left out."""


def handle(
    splits: Splits,
    *,
    checks: Checks,
    mode: LeakMode | None,
    val_share: float,
    test_share: float,
    source_name: str,
    profile: Profile | None,
) -> Copies:
    """Divide what has to be divided, then deal with rows that say the same: conflicts, leaks, duplicates.

    Near copies are searched for unless all three rules about them are off and no split has to be made; what is not
    searched for is not left out either.

    Args:
        splits: rows with their hashes; `train` is there.
        checks: what the config wants of the checks.
        mode: `data.leaks`; None when the config does not set it, which is `drop`.
        val_share: share of train for val, where val is missing.
        test_share: likewise for test.
        source_name: the training file, as the user named it.
        profile: folds spelling for comparison.
    """
    searched = checks.wants(*_NEAR_RULES) or any(name not in splits for name in SPLITS)
    near = find_near_copies(splits, checks, profile) if searched else NearCopies()
    splits, made = splitting.divide(splits, val_share=val_share, test_share=test_share, near=near)
    found = leaks.find_leaks(splits, near)
    # A val split made here is as much the training file as train is; one that the user gave stays whole.
    droppable = {"train", *made} - {"test"} if (mode or "drop") == "drop" else set[str]()
    kept, left_out = leaks.drop_leaks(splits, found, droppable)
    conflicts = duplicates.find_conflicts(splits)
    near_conflicts = duplicates.find_near_conflicts(splits, near)
    findings = [
        *splitting.split_findings(splits, made, source_name),
        *duplicates.conflict_findings(conflicts, total(splits), checks),
        *duplicates.near_conflict_findings(near_conflicts, total(splits)),
        *duplicates.duplicate_findings(splits, checks),
        *duplicates.near_duplicate_findings(splits, near, checks),
        *leaks.leak_findings(found, mode or "drop", droppable, explicit=mode is not None, checks=checks),
        *leaks.group_leak_findings(kept),
    ]
    reviews = [
        *duplicates.conflict_reviews(conflicts),
        *duplicates.near_conflict_reviews(near_conflicts),
        *leaks.leak_reviews(found),
    ]
    emptied = frozenset(row.label for row in splits["train"]).difference(row.label for row in kept["train"])
    counts = leaks.leak_counts(splits, near)
    return Copies(kept, left_out, findings, reviews, counts, emptied, leaks.given_away(found))
