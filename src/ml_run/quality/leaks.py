"""Leaks: rows, or groups of rows, that stand in two splits, so that the test asks what training has told."""

from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from ml_run.quality.review import LEAK, Review
from ml_run.quality.rows import Rejected, Row, Splits, sighting
from ml_run.quality.rules import by_share, finding
from ml_run.results import Finding, Severity
from ml_run.wording import listed, number_of, percent

LeakMode = Literal["drop", "keep", "error"]
_SOME = 0.005
_MANY = 0.05


@dataclass(frozen=True)
class Leak:
    """The rows of two splits that say the same."""

    split: str
    into: str
    """The later split, which the rows of `split` give away."""
    rows: list[tuple[Row, Row]]
    """Rows of `split`, each with the first row of `into` that says the same."""
    leaked: list[Row]
    """Rows of `into` that have a copy in `split`."""
    size: int
    """Rows of `into`."""

    @property
    def share(self) -> float:
        """Share of `into` that is leaked."""
        return len(self.leaked) / self.size


def find_leaks(splits: Splits) -> list[Leak]:
    """Exact leaks between every two splits, by the hashes of the rows."""
    hashes = {name: {row.hash for row in rows} for name, rows in splits.items()}
    leaks = []
    for split, into in combinations(splits, 2):
        common = hashes[split] & hashes[into]
        if not common:
            continue
        first: dict[str, Row] = {}
        for row in splits[into]:
            first.setdefault(row.hash, row)
        rows = [(row, first[row.hash]) for row in splits[split] if row.hash in common]
        leaked = [row for row in splits[into] if row.hash in common]
        leaks.append(Leak(split, into, rows, leaked, len(splits[into])))
    return leaks


def drop_leaks(splits: Splits, leaks: list[Leak], droppable: Container[str]) -> tuple[Splits, list[Rejected]]:
    """Leave out the rows of `droppable` splits that have a copy in a later split, which stays whole."""
    copies: dict[tuple[str, int], Rejected] = {}
    for leak in leaks:
        if leak.split in droppable:
            for row, other in leak.rows:
                problem = f"its text is also in {leak.into}, line {other.line} of {other.file}"
                reject = Rejected(leak.split, row.file, row.line, "leak_exact", problem, row.raw)
                copies.setdefault((row.file, row.line), reject)
    kept = {
        name: [row for row in rows if (row.file, row.line) not in copies] if name in droppable else rows
        for name, rows in splits.items()
    }
    return kept, list(copies.values())


def leak_findings(leaks: list[Leak], mode: LeakMode, droppable: Container[str], *, explicit: bool) -> list[Finding]:
    """The leaks as one finding.

    Args:
        leaks: as `find_leaks` gives them.
        mode: `data.leaks`.
        droppable: splits whose leaking rows were left out.
        explicit: the config sets `data.leaks`, so that even a large leak is the user's decision.
    """
    if not leaks:
        return []
    parts = [
        f"{len(leak.leaked):,} of {number_of(leak.size, f'{leak.into} row')} ({percent(leak.share)}) "
        f"are also in {leak.split}"
        for leak in leaks
    ]
    seen = (sighting(other) for leak in leaks for _, other in leak.rows)
    # A test row may have copies in train and in val: it is one leaked row.
    leaked = {(leak.into, row.file, row.line) for leak in leaks for row in leak.leaked}
    return [
        finding(
            "leak_exact",
            _severity(leaks, mode, droppable, explicit=explicit),
            f"{'; '.join(parts)}; {_outcome(leaks, droppable)}",
            seen,
            count=len(leaked),
            total=sum({leak.into: leak.size for leak in leaks}.values()),
        )
    ]


def _outcome(leaks: list[Leak], droppable: Container[str]) -> str:
    left_out: dict[str, set[int]] = defaultdict(set)
    for leak in leaks:
        if leak.split in droppable:
            left_out[leak.split] |= {row.line for row, _ in leak.rows}
    rows = [f"{number_of(len(lines), 'row')} of {split}" for split, lines in left_out.items()]
    return f"{listed(rows)} left out" if rows else "all are kept"


def _severity(leaks: list[Leak], mode: LeakMode, droppable: Container[str], *, explicit: bool) -> Severity:
    """Only training rows make a leak an error: val decides when training stops, not what is learned."""
    if mode == "error":
        return "error"
    stays = any(leak.split not in droppable for leak in leaks)
    from_train = max((leak.share for leak in leaks if leak.split == "train"), default=0.0)
    if from_train > _MANY and not explicit:
        return "error"
    return by_share(max(leak.share for leak in leaks), warning=_SOME, below="warning" if stays else "info")


def group_leak_findings(splits: Splits) -> list[Finding]:
    """Groups that have rows in train and in val or test, as one finding."""
    places: dict[str, set[str]] = defaultdict(set)
    for name, rows in splits.items():
        for row in rows:
            if row.group is not None:
                places[row.group].add(name)
    divided = {group for group, names in places.items() if "train" in names and len(names) > 1}
    rows = [row for name in splits if name != "train" for row in splits[name] if row.group in divided]
    if not rows:
        return []
    sizes = sum(len(found) for name, found in splits.items() if name != "train")
    groups = (
        f"{number_of(len(divided), 'group')} of train also {'has' if len(divided) == 1 else 'have'} rows in val or test"
    )
    message = f"{groups}: {len(rows):,} of the {number_of(sizes, 'row')} there"
    return [finding("leak_group", "warning", message, map(sighting, rows), count=len(rows), total=sizes)]


def leak_reviews(leaks: list[Leak]) -> Iterator[Review]:
    """The rows that give a later split away, for the review queue."""
    for leak in leaks:
        for row, other in leak.rows:
            why = f"leak_exact: the same text is in {leak.into} ({other.file}, line {other.line})"
            yield Review(leak.split, row, LEAK, why)
