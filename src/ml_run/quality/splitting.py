"""Dividing one file into splits by content hash."""

import hashlib
from collections.abc import Sequence

from ml_run.quality.rows import Row, Splits
from ml_run.quality.rules import finding
from ml_run.results import SPLITS, Finding
from ml_run.wording import number_of

_RANGE = 1 << 64


def divide(splits: Splits, *, val_share: float, test_share: float) -> tuple[Splits, list[str]]:
    """Take the splits that are missing from train; also says which ones.

    Where a row goes depends on nothing but its own group, or its own normalised text when it has none: rows added
    later move no other row, a group is never divided, and copies without a group stay together. Classes keep their
    shares in expectation only; the checks of class sizes see what came of it.

    Args:
        splits: rows with their hashes; `train` is there.
        val_share: share of the rows for val, when it is missing.
        test_share: likewise for test.
    """
    missing = [name for name in SPLITS if name not in splits]
    if not missing:
        return splits, []
    test_end = test_share if "test" in missing else 0.0
    val_end = test_end + (val_share if "val" in missing else 0.0)
    divided: Splits = {name: list(splits.get(name, [])) for name in SPLITS}
    divided["train"] = []
    for row in splits["train"]:
        place = position(row)
        divided["test" if place < test_end else "val" if place < val_end else "train"].append(row)
    return divided, missing


def position(row: Row) -> float:
    """Where a row stands between 0 and 1, evenly distributed."""
    if row.group is None:
        return int(row.hash[:16], 16) / _RANGE
    digest = hashlib.sha256(row.group.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") / _RANGE


def split_findings(splits: Splits, made: Sequence[str], source: str) -> list[Finding]:
    """Say what was divided, and into how many rows."""
    if not made:
        return []
    moved = sum(len(splits[name]) for name in made)
    parts = [number_of(len(splits[name]), f"{name} row") for name in ("train", *made)]
    by = "group" if any(row.group is not None for row in splits["train"]) else "text"
    message = (
        f"{source} was divided by the hash of the {by}: {', '.join(parts)}; classes keep their shares on average only"
    )
    return [finding("split_made", "info", message, count=moved, total=moved + len(splits["train"]))]
