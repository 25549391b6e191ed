"""The tests of one window of traffic, and their false-alarm rate, which all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml_run.drift.content import discrepancy, some
from ml_run.drift.counts import alarming_hits, labels_moved, share_p_value
from ml_run.drift.distribution import Distribution, alarming_distance, distance, stability_index
from ml_run.drift.packing import unpack
from ml_run.results import Number, Record
from ml_run.statistics.unpaired import holm
from ml_run.wording import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.drift.traits import TextReference, Traits

CheckName = Literal[
    "labels", "confidence", "length", "characters", "pieces", "unknown_pieces", "language", "content", "accuracy"
]
OF_TEXTS: tuple[CheckName, ...] = ("length", "characters", "pieces", "unknown_pieces", "language", "content")
"""What these find makes an accuracy that is estimated from confidence worthless."""
EffectName = Literal["total variation", "Kolmogorov-Smirnov distance", "difference of shares", "MMD"]


class Check(Record):
    """One test of the new rows against the reference."""

    name: CheckName
    effect: float
    """How large the change is; what it is, `effect_name` says."""
    effect_name: EffectName
    p_value: float
    """Of this test alone."""
    p_adjusted: float
    """That any of the tests would show as much by chance (Holm): an alarm where it is at most `alpha`."""
    alarm: bool
    counted: bool
    """False where no outcome could raise an alarm, as no row of either side has the property: it costs no alpha."""
    before: Number = None
    """Median, or share, of the reference rows."""
    now: Number = None
    alarm_at: Number = None
    """The smallest effect that raises an alarm with so many rows, if it is the only one."""
    psi: Number = None
    """Population stability index, for comparison: no alarm rests on it."""
    said: str
    """One sentence."""


@dataclass(frozen=True)
class Labels:
    """Counts of predicted labels of the reference rows and of the new ones [k], in one order."""

    names: tuple[str, ...]
    before: NDArray[np.int64]
    now: NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """Rows that have a property, of all."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """Of all rows."""
        return self.count / self.of


def _nothing(_level: float) -> None:
    return None


@dataclass(frozen=True)
class _Raw:
    """A test, before it is known how many there are."""

    name: CheckName
    effect: float
    effect_name: EffectName
    p_value: float
    said: str
    counted: bool = True
    before: float | None = None
    now: float | None = None
    alarm_at: Callable[[float], float | None] = _nothing
    """The smallest effect whose p-value is at most a level."""
    psi: float | None = None


@dataclass(frozen=True)
class Window:
    """All that is compared: of each the reference, then the new rows. What is None is not tested."""

    labels: Labels
    confidence: tuple[Distribution, NDArray[np.float64]] | None
    characters: tuple[Distribution, NDArray[np.float64]] | None
    texts: tuple[TextReference, Traits] | None
    wrong: tuple[Hits, Hits] | None
    """Rows that the model got wrong, of those whose label is known."""


def check_window(window: Window, alpha: float, *, seed: int) -> tuple[Check, ...]:
    """Test the window, worst first: alarms, then by rising p-value.

    The chance that any test raises an alarm, while reference and new rows come from the same source, is at most
    `alpha` (Holm), if the rows are independent of each other. Tests that cannot raise an alarm are not counted: which
    those are depends on all rows together, not on which of them are new, so the chance stays what it is.

    Args:
        window: at least one row on either side.
        alpha: for all tests together.
        seed: of all permutations.

    Raises:
        ValueError: the reference is damaged.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979), 65-70; R. Tarone, Biometrics 46 (1990), 515-522 (tests
    that cannot reject).
    """
    raw = list(_tests(window, seed))
    counted = [one for one in raw if one.counted]
    adjusted = dict(zip((one.name for one in counted), holm([one.p_value for one in counted]), strict=True))
    checks = [_check(one, adjusted.get(one.name, 1.0), alpha, len(counted)) for one in raw]
    return tuple(sorted(checks, key=lambda one: (not one.alarm, one.p_adjusted, one.p_value)))


def _check(raw: _Raw, adjusted: float, alpha: float, tests: int) -> Check:
    return Check(
        name=raw.name,
        effect=raw.effect,
        effect_name=raw.effect_name,
        p_value=raw.p_value,
        p_adjusted=adjusted,
        alarm=raw.counted and adjusted <= alpha,
        counted=raw.counted,
        before=raw.before,
        now=raw.now,
        alarm_at=raw.alarm_at(alpha / tests) if tests else None,
        psi=raw.psi,
        said=raw.said,
    )


def _tests(window: Window, seed: int) -> Iterator[_Raw]:
    yield _labels(window.labels, seed)
    if window.confidence:
        yield _numbers("confidence", *window.confidence, "confidence of the model", percent)
    if window.characters:
        yield _numbers("length", *window.characters, "characters of a text", _whole)
    if window.texts:
        yield from _text_tests(*window.texts, seed)
    if window.wrong:
        yield _shares("accuracy", *window.wrong, "labelled rows that the model got wrong")


def _text_tests(reference: TextReference, traits: Traits, seed: int) -> Iterator[_Raw]:
    yield _numbers("characters", reference.unseen, traits.unseen, "share of unseen character sequences", percent)
    if reference.pieces is not None and traits.pieces is not None:
        yield _numbers("pieces", reference.pieces, traits.pieces, "pieces of a word", _two_decimals)
    n = len(traits.characters)
    if reference.unknown is not None and traits.unknown is not None:
        before, now = Hits(reference.unknown, reference.n), Hits(int(traits.unknown.sum()), n)
        yield _shares("unknown_pieces", before, now, "texts with pieces unknown to the tokenizer")
    if reference.foreign is not None and traits.foreign is not None:
        before, now = Hits(reference.foreign, reference.n), Hits(int(traits.foreign.sum()), n)
        yield _shares("language", before, now, "texts in another language")
    if reference.points is not None and reference.width is not None and traits.points is not None and n > 1:
        yield _content(reference, traits, seed)


# --- one test each --------------------------------------------------------------------------------------------------


def _labels(labels: Labels, seed: int) -> _Raw:
    import numpy as np

    moved = labels_moved(labels.before, labels.now, seed=seed)
    before, now = labels.before / labels.before.sum(), labels.now / labels.now.sum()
    most = int(np.abs(now - before).argmax())
    change = f"{labels.names[most]} {percent(float(before[most]))} → {percent(float(now[most]))}"
    return _Raw(
        "labels",
        moved.share,
        "total variation",
        moved.p_value,
        f"predicted labels: {change}, {percent(moved.share)} of the rows moved in all",
        psi=stability_index(labels.before, labels.now),
    )


def _numbers(
    name: CheckName, reference: Distribution, values: NDArray[np.float64], what: str, told: Callable[[float], str]
) -> _Raw:
    import numpy as np

    found = distance(reference, values)
    before, now = float(np.median(reference.values)), float(np.median(values))
    return _Raw(
        name,
        found.ks,
        "Kolmogorov-Smirnov distance",
        found.p_value,
        f"{what}: median {told(before)} → {told(now)}, distributions {found.ks:.2f} apart",
        before=before,
        now=now,
        alarm_at=lambda level: alarming_distance(reference.n, len(values), level),
        psi=found.psi,
    )


def _shares(name: CheckName, before: Hits, now: Hits, what: str) -> _Raw:
    def alarm_at(level: float) -> float | None:
        hits = alarming_hits(now.of, before.count, before.of, level)
        return None if hits is None else hits / now.of - before.share

    both, everything = before.count + now.count, before.of + now.of
    counted = 0 < both < everything
    return _Raw(
        name,
        now.share - before.share,
        "difference of shares",
        share_p_value(now.count, now.of, before.count, before.of) if counted else 1.0,
        f"{what}: {percent(before.share)} → {percent(now.share)} ({now.count:,} of {now.of:,})",
        counted=counted,
        before=before.share,
        now=now.share,
        alarm_at=alarm_at,
    )


def _content(reference: TextReference, traits: Traits, seed: int) -> _Raw:
    import numpy as np

    assert reference.points is not None
    assert reference.width is not None
    assert traits.points is not None
    before, now = unpack(reference.points).astype(np.float32), some(traits.points, seed)
    found = discrepancy(before, now, reference.width, seed=seed)
    same = "what texts are about: character sequences that go together are"
    return _Raw(
        "content",
        found.mmd,
        "MMD",
        found.p_value,
        f"{same} {'as before' if found.mmd == 0 else f'mixed otherwise, {found.mmd:.2f} apart'}",
    )


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _two_decimals(value: float) -> str:
    return f"{value:.2f}"
