"""Dividing one file into splits: by content hash, each class by its share, copies and groups in one piece."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_run.quality.near import NearCopies
from ml_run.quality.rows import Row, Splits
from ml_run.quality.rules import finding
from ml_run.results import SPLITS, Finding
from ml_run.wording import number_of, percent

_RANGE = 1 << 64
_MOST_CLASSES = 8
"""Classes up to which the split table fits into a message."""
_NONE = NearCopies()


def divide(
    splits: Splits, *, val_share: float, test_share: float, near: NearCopies = _NONE
) -> tuple[Splits, list[str]]:
    """Take the splits that are missing from train; also says which ones.

    Rows of a group, exact copies and near copies are one unit, which is never divided. A unit stands where one of its
    rows stands (see `position`). Units go to test from the low end and to val from the high end, until each class has
    its share, counted in rows; a unit that would overshoot by more than it helps is passed over. So every class keeps
    its shares to the row, or as nearly as its units allow.

    That is paid for with a little stability: when rows are added, the ends of the shares move by chance, and with them
    the few units that stand there. With 10 % more rows, 1.1 % of 1,000 old rows change their split, 0.5 % of 5,000 and
    0.2 % of 20,000, none from val to test or back; with groups of 10 to 100 rows it is 2 to 3 %.

    Copies join units only up to half of the smallest split made: boilerplate, or a greeting that every group has,
    would otherwise chain everything into one unit that no split can hold. What is not joined can stand in two splits
    and is found there as a leak.

    Args:
        splits: rows with their hashes; `train` is there.
        val_share: share of the rows for val, when it is missing.
        test_share: likewise for test.
        near: near copies among the rows.
    """
    missing = [name for name in SPLITS if name not in splits]
    if not missing:
        return splits, []
    rows = splits["train"]
    shares = {name: share for name, share in (("test", test_share), ("val", val_share)) if name in missing}
    units = _units(rows, near, max(2, int(min(shares.values()) * len(rows) / 2)))
    sizes = Counter(row.label for row in rows)
    places = ["train"] * len(rows)
    for name, share in shares.items():
        free = [unit for unit in units if places[unit.rows[0]] == "train"]
        for unit in _taken(free if name == "test" else free[::-1], share, sizes):
            for number in unit.rows:
                places[number] = name
    divided: Splits = {name: list(splits.get(name, [])) for name in SPLITS}
    divided["train"] = []
    for row, place in zip(rows, places, strict=True):
        divided[place].append(row)
    return divided, missing


def position(row: Row) -> float:
    """Where a row stands between 0 and 1, evenly distributed; depends on its group, or else its text, alone."""
    return int(_digest(row)[:16], 16) / _RANGE


def _digest(row: Row) -> str:
    """32 hexadecimal digits by which a row is placed."""
    return row.hash if row.group is None else hashlib.sha256(row.group.encode("utf-8")).hexdigest()[:32]


# --- units ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows that go to one split together."""

    place: float
    rows: list[int]
    labels: Mapping[str, int]


def _units(rows: Sequence[Row], near: NearCopies, most: int) -> list[_Unit]:
    """All units by position; copies join them to at most `most` rows."""
    joined = joined_rows(rows, near, most)
    members: dict[int, list[int]] = defaultdict(list)
    for number, unit in enumerate(joined):
        members[unit].append(number)
    units = []
    for found in members.values():
        # The smallest position would be smaller the more rows there are, and put copies into test.
        leader = min((rows[number] for number in found), key=lambda row: _digest(row)[16:])
        units.append(_Unit(position(leader), found, Counter(rows[number].label for number in found)))
    return sorted(units, key=lambda unit: (unit.place, rows[unit.rows[0]].hash))


def joined_rows(rows: Sequence[Row], near: NearCopies, most: int) -> list[int]:
    """The number of each row's unit: rows of a group, and copies as long as a unit has at most `most` rows."""
    first: dict[tuple[str, str], int] = {}
    forest = _Forest(len(rows))
    for number, row in enumerate(rows):
        key = ("text", row.hash) if row.group is None else ("group", row.group)
        forest.join(number, first.setdefault(key, number))
    texts: dict[str, int] = {}
    for number, row in enumerate(rows):
        forest.join(number, texts.setdefault(row.hash, number), most)
    for one, other, _ in near.pairs():
        if one in texts and other in texts:
            forest.join(texts[one], texts[other], most)
    return [forest.root(number) for number in range(len(rows))]


class _Forest:
    """Disjoint sets (Tarjan, 1975), by size and with path halving."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))
        self._sizes = [1] * size

    def root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, one: int, other: int, most: int | None = None) -> None:
        """Make two sets one, unless it would have more than `most` members."""
        small, large = sorted((self.root(one), self.root(other)), key=lambda root: self._sizes[root])
        size = self._sizes[small] + self._sizes[large]
        if small != large and (most is None or size <= most):
            self._parents[small] = large
            self._sizes[large] = size


# --- shares ---------------------------------------------------------------------------------------------------------


def _taken(units: Iterable[_Unit], share: float, sizes: Mapping[str, int]) -> list[_Unit]:
    """The units that fill the share of each class, first come, first taken."""
    wanted = {label: share * size for label, size in sizes.items()}
    short = sum(want > 0.5 for want in wanted.values())  # noqa: PLR2004 -- half a row: one more would be too many
    taken = []
    for unit in units:
        if not short:
            break
        gain = sum(
            (abs(wanted[label]) - abs(wanted[label] - count)) / sizes[label] for label, count in unit.labels.items()
        )
        if gain <= 0:
            continue
        taken.append(unit)
        for label, count in unit.labels.items():
            short -= wanted[label] > 0.5 >= wanted[label] - count  # noqa: PLR2004
            wanted[label] -= count
    return taken


# --- the finding ----------------------------------------------------------------------------------------------------


def split_findings(splits: Splits, made: Sequence[str], source: str) -> list[Finding]:
    """Say what was divided, and into how many rows of each class."""
    if not made:
        return []
    parts = {name: Counter(row.label for row in splits[name]) for name in ("train", *made)}
    rows = sum(counts.total() for counts in parts.values())
    sizes = [
        f"{number_of(counts.total(), f'{name} row')} ({percent(counts.total() / rows)})"
        for name, counts in parts.items()
    ]
    by = "group" if any(row.group is not None for row in splits["train"]) else "text"
    message = f"{source} was divided by the hash of the {by}: {', '.join(sizes)}; {_by_class(parts)}"
    moved = sum(parts[name].total() for name in made)
    return [finding("split_made", "info", message, count=moved, total=rows)]


def _by_class(parts: Mapping[str, Counter[str]]) -> str:
    """The split table, or, of many classes, how far their shares are apart."""
    labels = sorted(set().union(*parts.values()))
    if len(labels) <= _MOST_CLASSES:
        cells = (f"{label} {' / '.join(f'{counts[label]:,}' for counts in parts.values())}" for label in labels)
        return f"by class ({' / '.join(parts)}): {', '.join(cells)}"
    ranges = []
    for name in list(parts)[1:]:
        shares = [parts[name][label] / sum(counts[label] for counts in parts.values()) for label in labels]
        ranges.append(f"{percent(min(shares))} to {percent(max(shares))} to {name}")
    return f"of each of the {len(labels)} classes {' and '.join(ranges)}"
