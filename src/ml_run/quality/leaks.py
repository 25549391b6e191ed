"""Leaks: rows, or groups of rows, that stand in two splits, so that the test asks what training has told.

A leak is a row with an exact copy in another split, or with a near copy there: a verified pair, never a chain of them.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

from ml_run.quality.near import NearCopies
from ml_run.quality.review import LEAK, Review
from ml_run.quality.rows import Rejected, Row, Splits, sighting
from ml_run.quality.rules import Checks, by_share, finding
from ml_run.results import Finding, LeakCount, Severity
from ml_run.wording import listed, number_of, percent

LeakMode = Literal["drop", "keep", "error"]
_DEFAULTS = Checks()
_NONE = NearCopies()
_RULES = {"leak_exact": "are also", "leak_near": "have a near copy"}


@dataclass(frozen=True, slots=True)
class Given:
    """A row that another split has, too."""

    row: Row
    other: Row
    """The first row of the other split that says the same, or the one that says most nearly the same."""
    similarity: float | None = None
    """None: an exact copy."""

    @property
    def rule(self) -> Literal["leak_exact", "leak_near"]:
        """The rule that it is a case of."""
        return "leak_exact" if self.similarity is None else "leak_near"


@dataclass(frozen=True)
class Leak:
    """The rows of two splits that say the same, or nearly."""

    split: str
    into: str
    """The later split, which the rows of `split` give away."""
    rows: list[Given]
    """Rows of `split` with a copy in `into`."""
    leaked: list[Given]
    """Rows of `into` with a copy in `split`."""
    size: int
    """Rows of `into`."""

    def of(self, rule: str) -> list[Given]:
        """Rows of `into` that are given away by exact copies, or by near ones only."""
        return [given for given in self.leaked if given.rule == rule]

    def share(self, rule: str) -> float:
        """Share of `into` that is leaked: by exact copies, or, for `leak_near`, by exact and near ones."""
        return (len(self.of("leak_exact")) if rule == "leak_exact" else len(self.leaked)) / self.size


def find_leaks(splits: Splits, near: NearCopies = _NONE) -> list[Leak]:
    """Leaks between every two splits."""
    index = {name: _first_rows(rows) for name, rows in splits.items()}
    leaks = []
    for split, into in combinations(splits, 2):
        rows = list(_given(splits[split], index[into], near))
        if rows:
            leaks.append(Leak(split, into, rows, list(_given(splits[into], index[split], near)), len(splits[into])))
    return leaks


def _first_rows(rows: list[Row]) -> dict[str, Row]:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.hash, row)
    return first


def _given(rows: list[Row], others: Mapping[str, Row], near: NearCopies) -> Iterator[Given]:
    """Those of `rows` that have a copy among `others`, a split's first rows by hash."""
    for row in rows:
        if row.hash in others:
            yield Given(row, others[row.hash])
            continue
        there = [(alike, others[partner]) for partner, alike in near.of(row).items() if partner in others]
        if there:
            alike, other = max(there, key=lambda pair: pair[0])
            yield Given(row, other, alike)


def leak_counts(splits: Splits, near: NearCopies) -> tuple[LeakCount, ...]:
    """How many rows of each split another gives away; inside a split: how many repeat an earlier row, or nearly."""
    index = {name: _first_rows(rows) for name, rows in splits.items()}
    counts = []
    for split, into in product(splits, repeat=2):
        found = _repeats(splits[into], near) if split == into else _given(splits[into], index[split], near)
        rules = [given.rule for given in found]
        exact, nearly = rules.count("leak_exact"), rules.count("leak_near")
        if exact or nearly:
            counts.append(LeakCount(split=split, into=into, exact=exact, near=nearly, rows=len(splits[into])))
    return tuple(counts)


def _repeats(rows: list[Row], near: NearCopies) -> Iterator[Given]:
    """The rows that have a copy further up, whatever its label."""
    seen: dict[str, Row] = {}
    for row in rows:
        yield from _given([row], seen, near)
        seen.setdefault(row.hash, row)


def drop_leaks(splits: Splits, leaks: list[Leak], droppable: Container[str]) -> tuple[Splits, list[Rejected]]:
    """Leave out the rows of `droppable` splits that have a copy in a later split, which stays whole."""
    left_out = _rejects(leaks, droppable)
    places = {(row.file, row.line) for row in left_out}
    kept = {
        name: [row for row in rows if (row.file, row.line) not in places] if name in droppable else rows
        for name, rows in splits.items()
    }
    return kept, left_out


def _rejects(leaks: list[Leak], droppable: Container[str]) -> list[Rejected]:
    """The rows to leave out, each once; one that has both kinds of copies is told by its exact one."""
    rejects: dict[tuple[str, int], Rejected] = {}
    for rule in _RULES:
        for leak in leaks:
            for given in leak.rows if leak.split in droppable else ():
                if given.rule == rule:
                    row = given.row
                    reject = Rejected(leak.split, row.file, row.line, rule, _problem(given, leak.into), row.raw)
                    rejects.setdefault((row.file, row.line), reject)
    return list(rejects.values())


def _problem(given: Given, into: str) -> str:
    place = f"line {given.other.line} of {given.other.file}"
    if given.similarity is None:
        return f"its text is also in {into}, {place}"
    return f"its text is nearly that of {place}, in {into} (similarity {given.similarity:.2f})"


def given_away(leaks: list[Leak]) -> frozenset[str]:
    """Hashes of the test rows that have a copy, exact or near, in train."""
    return frozenset(
        given.row.hash for leak in leaks if (leak.split, leak.into) == ("train", "test") for given in leak.leaked
    )


# --- findings -------------------------------------------------------------------------------------------------------


def leak_findings(
    leaks: list[Leak], mode: LeakMode, droppable: Container[str], *, explicit: bool, checks: Checks = _DEFAULTS
) -> list[Finding]:
    """The leaks as one finding for exact copies and one for near ones.

    Args:
        leaks: as `find_leaks` gives them.
        mode: `data.leaks`.
        droppable: splits whose leaking rows were left out.
        explicit: the config sets `data.leaks`, so that even a large leak is the user's decision.
        checks: the limits; `leak_near` has those of `leak_exact`, for the share of both together.
    """
    return [
        _leak_finding(rule, concerned, mode, droppable, explicit=explicit, checks=checks)
        for rule in _RULES
        if (concerned := [leak for leak in leaks if leak.of(rule)])
    ]


def _leak_finding(
    rule: str, leaks: list[Leak], mode: LeakMode, droppable: Container[str], *, explicit: bool, checks: Checks
) -> Finding:
    parts = []
    leaked: dict[tuple[str, str, int], Row] = {}  # a test row with copies in train and in val is one leaked row
    for leak in leaks:
        given = leak.of(rule)
        rows = number_of(leak.size, f"{leak.into} row")
        parts.append(f"{len(given):,} of {rows} ({percent(len(given) / leak.size)}) {_RULES[rule]} in {leak.split}")
        leaked |= {(leak.into, one.row.file, one.row.line): one.row for one in given}
    return finding(
        rule,
        _severity(rule, leaks, mode, droppable, explicit=explicit, checks=checks),
        f"{'; '.join(parts)}; {_outcome(rule, leaks, droppable)}",
        map(sighting, leaked.values()),
        count=len(leaked),
        total=sum({leak.into: leak.size for leak in leaks}.values()),
    )


def _outcome(rule: str, leaks: list[Leak], droppable: Container[str]) -> str:
    counts = Counter(reject.split for reject in _rejects(leaks, droppable) if reject.reason == rule)
    rows = [f"{number_of(count, 'row')} of {split}" for split, count in counts.items()]
    return f"{listed(rows)} left out" if rows else "all are kept"


def _severity(
    rule: str, leaks: list[Leak], mode: LeakMode, droppable: Container[str], *, explicit: bool, checks: Checks
) -> Severity:
    """Only training rows make a leak an error: val decides when training stops, not what is learned."""
    if mode == "error":
        return "error"
    stays = any(leak.split not in droppable for leak in leaks)
    from_train = max((leak.share(rule) for leak in leaks if leak.split == "train"), default=0.0)
    if from_train > checks.limit("leak_exact.error_above") and not explicit:
        return "error"
    most = max(leak.share(rule) for leak in leaks)
    return by_share(most, warning=checks.limit("leak_exact.warning_above"), below="warning" if stays else "info")


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
        for given in leak.rows:
            place = f"is in {leak.into} ({given.other.file}, line {given.other.line})"
            if given.similarity is None:
                yield Review(leak.split, given.row, LEAK, f"leak_exact: the same text {place}")
            else:
                why = f"leak_near: nearly the same text ({given.similarity:.2f}) {place}"
                yield Review(leak.split, given.row, LEAK + 0.99 * given.similarity, why)
