"""Taking a source out of the training data, so that the model can be asked about a source that it never saw."""

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches

from ml_run.errors import ConfigError, UsageError
from ml_run.languages import Profile
from ml_run.quality.near import find_near_copies
from ml_run.quality.rows import Row, Splits, every_row
from ml_run.quality.rules import Checks
from ml_run.results import HeldOutRows
from ml_run.wording import listed, number_of

_KEY = "evaluation.holdout_group"
_NAMED = 5


@dataclass(frozen=True)
class HeldOut:
    """The splits without a source, and its rows."""

    splits: Splits
    """Train and val without the source; test as it was."""
    rows: list[Row]
    """What was taken out of train and val and says nothing that they still say."""
    record: HeldOutRows


def hold_out(splits: Splits, group: str, *, checks: Checks, profile: Profile | None) -> HeldOut:
    """Take all rows of `group` out of train and val.

    A row with a copy, exact or near, under another source is left out altogether: the model would have seen it.

    Args:
        splits: all three, with their hashes, leaks left out.
        group: a value of `data.group_field`.
        checks: gives the similarity from which on texts are near copies.
        profile: folds spelling for comparison.

    Raises:
        ConfigError: no row is of this source, or without it nothing is left of a class, or of val.
    """
    _refuse_unknown(splits, group)
    kept = {
        name: rows if name == "test" else [row for row in rows if row.group != group] for name, rows in splits.items()
    }
    _refuse_needed(splits, kept, group)
    taken = [row for name in ("train", "val") for row in splits[name] if row.group == group]
    rest = {"train": [*kept["train"], *kept["val"]]}
    near = find_near_copies({**rest, "holdout": taken}, checks, profile)
    seen = {row.hash for row in rest["train"]}
    rows = [row for row in taken if row.hash not in seen and not seen.intersection(near.of(row))]
    record = HeldOutRows(
        group=group,
        rows=len(rows),
        in_test=sum(row.group == group for row in splits["test"]),
        copies=len(taken) - len(rows),
    )
    return HeldOut(kept, rows, record)


def _refuse_unknown(splits: Splits, group: str) -> None:
    sizes = Counter(row.group for row in every_row(splits) if row.group)
    if group in sizes:
        return
    near = get_close_matches(group, sizes, n=3, cutoff=0.5)
    largest = [name for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]]
    remedy = (
        f"did you mean {listed(near, last='or')}?" if near else f"the largest are {listed(largest)}" if largest else ""
    )
    _refuse(f"{_KEY} is {group}, but no row has that source", remedy or "look at data.group_field: no row has a source")


def _refuse_needed(splits: Splits, kept: Splits, group: str) -> None:
    had, has = (Counter(row.label for row in rows["train"]) for rows in (splits, kept))
    if lost := sorted(set(had) - set(has)):
        of = f"{lost[0]}, {number_of(had[lost[0]], 'row')}" + (f", and of {len(lost) - 1} more" if lost[1:] else "")
        _refuse(
            f"{_KEY} is {group}, which has all training rows of {of}: without them no model can know the class",
            "hold out another source, or add training rows of the class from other sources",
        )
    if splits["val"] and not kept["val"]:
        _refuse(
            f"{_KEY} is {group}, which has all {number_of(len(splits['val']), 'row')} of val",
            "hold out another source, or leave out data.val_path to have val divided from train",
        )


def _refuse(found: str, remedy: str) -> None:
    raise ConfigError([UsageError(found, where=_KEY, remedy=remedy)])
