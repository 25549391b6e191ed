"""Before any training: can these test rows decide the criteria of the gate?

It follows `stages.gate` to the letter, with the intervals of `statistics`: Wilson's for proportions, the smoothed
bootstrap for F1. What a model will score is unknown, so F1 is looked at for models that are wrong equally often in each
class, and wrong evenly among the other classes; a difference between two models is judged as if they disagreed on
about as many rows as two linear models do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.quality.f1_boundaries import F1Boundaries
from ml_run.quality.rules import Sighting, finding
from ml_run.results import Feasibility
from ml_run.statistics import (
    FEWEST_COMPARED,
    calibrated_ece,
    detectable_difference,
    fewest_hits,
    rows_per_class_mean,
    rows_to_settle_proportion,
    rows_without_mistake,
    smallest_shown_difference,
    wilson,
)
from ml_run.wording import listed, number_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ml_run.config import Config, GateConfig
    from ml_run.quality.rules import Checks
    from ml_run.results import Finding

_BETTER = 0.05
_DISCORDANT = 0.15
"""Share of rows that only one of two models gets right: .03 to .24 between pairs of six linear models, of other
features or trained on three quarters of the rows, on MasakhaNEWS Somali and Oromo; .12 and .08 between words and
characters."""
_MOST_SENTENCES = 6
_ROUNDING = 1e-9


def check_feasibility(
    config: Config, counts: Mapping[str, Mapping[str, int]], checks: Checks
) -> tuple[list[Finding], tuple[Feasibility, ...]]:
    """Hold the gate's criteria against the test rows there are.

    Args:
        config: its `gate` and `deployment` sections have the criteria.
        counts: rows by split and label, every label of the run present.
        checks: nothing is done when `gate_undecidable` is off.

    Returns:
        At most one finding, and one record a criterion (for criteria on classes: one a class). Empty without criteria.
    """
    support = dict(counts.get("test", {}))
    if not checks.wants("gate_undecidable") or not sum(support.values()):
        return [], ()
    found = tuple(_Look(config, support).records())
    absent = [label for label, rows in support.items() if not rows]
    return ([one] if (one := _finding(found, absent if found else [])) else []), found


@dataclass(frozen=True)
class _Look:
    """The criteria of one config, held against one test split."""

    config: Config
    support: dict[str, int]

    @property
    def _gate(self) -> GateConfig:
        return self.config.gate

    @property
    def _by_bound(self) -> bool:
        return self._gate.decide_on == "lower_bound"

    def records(self) -> Iterator[Feasibility]:
        gate, deployment = self._gate, self.config.deployment
        n = sum(self.support.values())
        f1 = F1Boundaries(tuple(self.support.values()), self.config.training.seed)
        if deployment.min_accuracy is not None:
            yield self._proportion("min_accuracy", "accuracy", deployment.min_accuracy, n)
        if deployment.min_f1 is not None:
            yield self._macro_f1(deployment.min_f1, n, f1)
        if gate.max_ece is not None:
            yield _calibration(gate.max_ece, n)
        for number, (label, rows) in enumerate(self.support.items()):
            if gate.min_class_f1 is not None:
                yield self._class_f1(gate.min_class_f1, label, rows, f1, number)
            if gate.min_class_recall is not None:
                yield self._class_recall(gate.min_class_recall, label, rows)
        yield from self._differences(n)

    def _proportion(self, name: str, what: str, threshold: float, n: int, label: str | None = None) -> Feasibility:
        rows = _rows(n, label)
        hits = fewest_hits(threshold, n)
        if self._by_bound and hits is None:
            enough = rows_without_mistake(threshold)
            begins = wilson(n, n).low or 0.0
            message = (
                f"{rows} cannot show {name} {threshold:g}: even without a mistake the interval begins at {begins:.3f}"
                f"; {_enough(enough)}"
            )
            return _record(name, label, n, threshold, message, decidable=False, n_needed=enough)
        if self._by_bound and hits is not None:
            message = f"with {rows} {name} {threshold:g} passes from {what} {hits / n:.3f} on ({hits:,} of {n:,} right)"
            return _record(name, label, n, threshold, message, needed=hits / n)
        hits = math.ceil(threshold * n - _ROUNDING)
        around = wilson(round(threshold * n), n)
        better = min(threshold + _BETTER, 1.0)
        enough = rows_to_settle_proportion(better, threshold)
        message = _width(rows, what, threshold, around.low, around.high, enough, n)
        return _record(name, label, n, threshold, message, needed=hits / n, n_needed=_more(enough, n))

    def _macro_f1(self, threshold: float, n: int, f1: F1Boundaries) -> Feasibility:
        name, rows = "min_f1", _rows(n)
        if absent := [label for label, count in self.support.items() if not count]:
            message = f"macro-F1 is undefined without test rows of {listed(absent)}, so {name} cannot be decided"
            return _record(name, None, n, threshold, message, decidable=False)
        if not self._by_bound:
            low, high, enough = f1.width(threshold, better=_BETTER)
            message = _width(rows, "macro-F1", threshold, low, high, enough, n)
            return _record(name, None, n, threshold, message, needed=threshold, n_needed=_more(enough, n))
        return self._f1_by_bound(name, threshold, rows, n, f1, None, None)

    def _class_f1(self, threshold: float, label: str, rows: int, f1: F1Boundaries, number: int) -> Feasibility:
        name = "min_class_f1"
        if rows < self._gate.min_support:
            provable = f1.rows_needed(threshold, number) if self._by_bound and f1.best(number) is not None else 0
            return self._too_few(name, threshold, label, rows, provable)
        if self._by_bound:
            return self._f1_by_bound(name, threshold, _rows(rows, label), rows, f1, label, number)
        low, high, enough = f1.width(threshold, better=_BETTER, number=number)
        message = _width(_rows(rows, label), "F1", threshold, low, high, enough, rows)
        return _record(name, label, rows, threshold, message, needed=threshold, n_needed=_more(enough, rows))

    def _f1_by_bound(
        self, name: str, threshold: float, rows: str, n: int, f1: F1Boundaries, label: str | None, number: int | None
    ) -> Feasibility:
        best = f1.best(number)
        if best is not None and not f1.reachable(threshold, number):
            enough = f1.rows_needed(threshold, number)
            message = (
                f"{rows} cannot show {name} {threshold:g}: even without a mistake the interval begins at about "
                f"{best:.3f}; {_enough(enough, about=True)}"
            )
            return _record(name, label, n, threshold, message, decidable=False, n_needed=enough)
        needed = f1.needed(threshold, number)
        told = "by its lower bound" if needed is None else f"from about {needed:.2f} on"
        message = f"with {rows} {name} {threshold:g} passes {told}, if mistakes are spread evenly"
        return _record(name, label, n, threshold, message, needed=needed)

    def _class_recall(self, threshold: float, label: str, rows: int) -> Feasibility:
        name = "min_class_recall"
        if rows < self._gate.min_support:
            provable = rows_without_mistake(threshold) if self._by_bound else 0
            return self._too_few(name, threshold, label, rows, provable)
        return self._proportion(name, "recall", threshold, rows, label)

    def _too_few(self, name: str, threshold: float, label: str, rows: int, provable: int | None) -> Feasibility:
        fewest = self._gate.min_support
        enough = None if provable is None else max(fewest, provable)
        why = _enough(enough) + (" (gate.min_support)" if enough == fewest else "")
        message = f"{_rows(rows, label)} cannot settle {name} {threshold:g}: {why}"
        return _record(name, label, rows, threshold, message, decidable=False, n_needed=enough)

    def _differences(self, n: int) -> Iterator[Feasibility]:
        gate = self._gate
        criteria = (
            ("must_beat_baseline", 0.0 if gate.must_beat_baseline else None),
            ("max_regression", None if gate.max_regression is None else -gate.max_regression),
            ("min_improvement", gate.min_improvement),
        )
        for name, threshold in criteria:
            if threshold is not None:
                yield self._difference(name, threshold, n)

    def _difference(self, name: str, threshold: float, n: int) -> Feasibility:
        if absent := [label for label, rows in self.support.items() if not rows]:
            message = f"two models cannot be compared without test rows of {listed(absent)}, as {name} asks"
            return _record(name, None, n, threshold, message, decidable=False)
        if n < FEWEST_COMPARED:
            message = f"{_rows(n)} are too few to compare two models, as {name} asks: {FEWEST_COMPARED} would do"
            return _record(name, None, n, threshold, message, decidable=False, n_needed=FEWEST_COMPARED)
        accuracy = smallest_shown_difference(n, _DISCORDANT)
        like = rows_per_class_mean(list(self.support.values()))
        macro, found = (f(like, _DISCORDANT) for f in (smallest_shown_difference, detectable_difference))
        message = (
            f"{_rows(n)} show a difference between two models from about {macro:.3f} macro-F1 ({accuracy:.3f} accuracy)"
            f" on, and one of {found:.3f} in 80 of 100 cases, if only one of the two is right on "
            f"{percent(_DISCORDANT)} of the rows"
        )
        return _record(name, None, n, threshold, message, needed=min(threshold + macro, 1.0))


def _calibration(threshold: float, n: int) -> Feasibility:
    low, high = calibrated_ece(n)
    message = (
        f"{_rows(n)} show a calibration error of {low:.3f} to {high:.3f} even of a perfectly calibrated model, more "
        f"the less sure it is; max_ece is {threshold:g}"
    )
    return _record("max_ece", None, n, threshold, message)


# --- sentences ------------------------------------------------------------------------------------------------------


def _record(
    name: str,
    label: str | None,
    n: int,
    threshold: float,
    message: str,
    *,
    decidable: bool = True,
    needed: float | None = None,
    n_needed: int | None = None,
) -> Feasibility:
    return Feasibility(
        criterion=name,
        label=label,
        n=n,
        threshold=threshold,
        decidable=decidable,
        needed=needed,
        n_needed=n_needed,
        message=message,
    )


def _rows(n: int, label: str | None = None) -> str:
    return number_of(n, "test row") + (f" of {label}" if label is not None else "")


def _more(enough: int | None, n: int) -> int | None:
    return enough if enough is not None and enough > n else None


def _enough(rows: int | None, *, about: bool = False) -> str:
    if rows is None:
        return "no number of rows would do"
    return f"{'about ' if about else ''}{rows:,} would do"


def _width(
    rows: str, what: str, threshold: float, low: float | None, high: float | None, enough: int | None, n: int
) -> str:
    if low is None or high is None:
        return f"{what} {threshold:g} or more on {rows} passes"
    told = f"{what} {threshold:g} on {rows} has the 95 % interval [{low:.3f}, {high:.3f}]"
    if enough is None or enough <= n:
        return told
    return f"{told}; to tell a model {_BETTER:g} better from one at {threshold:g} takes about {enough:,} rows"


def _finding(found: tuple[Feasibility, ...], absent: list[str]) -> Finding | None:
    """One finding on all that cannot be decided: a sentence for each class or criterion, worst first."""
    bad = [one for one in found if not one.decidable]
    if not bad and not absent:
        return None
    sentences = [f"without test rows of {listed(absent)} no verdict can be PASS"] if absent else []
    rest = [one for one in bad if one.label not in absent]
    groups: dict[str, list[Feasibility]] = {}
    for one in sorted(rest, key=_share_there):
        groups.setdefault(one.label if one.label is not None else f"\0{one.criterion}", []).append(one)
    sentences += map(_sentence, groups.values())
    shown, more = sentences[:_MOST_SENTENCES], len(sentences) - _MOST_SENTENCES
    message = "; ".join([*shown, *([f"and {more} more"] if more > 0 else [])])
    labels = dict.fromkeys([*absent, *(one.label for one in sorted(rest, key=_share_there) if one.label)])
    seen = [Sighting("test", label=label) for label in labels]
    return finding("gate_undecidable", "warning", message, seen, count=len(sentences))


def _share_there(one: Feasibility) -> float:
    return 0.0 if one.n_needed is None else one.n / one.n_needed


def _sentence(same: list[Feasibility]) -> str:
    """What is to be said of one criterion, or of all of one class."""
    first = same[0]
    if len(same) == 1:
        return first.message
    if len({one.n_needed for one in same}) == 1:
        criteria = listed([f"{one.criterion} {one.threshold:g}" for one in same])
        return f"{_rows(first.n, first.label)} cannot settle {criteria}: {_enough(first.n_needed)}"
    criteria = listed([f"{one.criterion} {one.threshold:g} ({_enough(one.n_needed)})" for one in same])
    return f"{_rows(first.n, first.label)} cannot settle {criteria}"
