"""All checks of one window together: how often they raise a false alarm, and what they find."""

from dataclasses import replace

import numpy as np
import pytest

from ml_run.drift.checks import Hits, Labels, Window, check_window
from ml_run.drift.content import bandwidth
from ml_run.drift.distribution import distribution
from ml_run.drift.packing import pack
from ml_run.drift.traits import TextReference, Traits

ALPHA = 0.05
NAMES = ("North", "Centre", "South")
SHARES = np.array([0.5, 0.3, 0.2])


def source(n, rng, *, foreign=0.01, shares=SHARES, length=5.0, moved=0.0):
    """What n rows of one source look like: predicted label ids, confidences and traits that hang together."""
    labels = rng.choice(3, n, p=shares)
    points = rng.normal(0, 1, (n, 8)) + moved
    points[:, 0] += labels
    return (
        labels,
        np.clip(rng.beta(6, 2, n) - 0.1 * (labels == 2), 0, 1),
        Traits(
            characters=np.round(np.exp(rng.normal(length, 0.6, n))),
            unseen=rng.beta(1, 20, n).round(2),
            pieces=rng.normal(1.6, 0.2, n),
            unknown=rng.random(n) < 0.02,
            foreign=rng.random(n) < foreign,
            points=(points / np.sqrt((points**2).sum(1, keepdims=True))).astype(np.float32),
            frequencies={"a": 1.0},
        ),
    )


def reference_of(traits):
    points = traits.points[:300]
    return TextReference(
        n=len(traits.characters), language="so", foreign=int(traits.foreign.sum()),
        unseen=distribution(traits.unseen), pieces=distribution(traits.pieces), unknown=int(traits.unknown.sum()),
        frequencies={"a": 1.0}, seen=pack(np.zeros(1, np.uint8)), weights=None, scale=None,
        points=pack(points.astype(np.float16)), width=bandwidth(points),
    )  # fmt: skip


def window(before, now, wrong=None):
    """The window that compares two draws of `source`."""
    counts = [np.bincount(labels, minlength=3) for labels, _, _ in (before, now)]
    return Window(
        labels=Labels(NAMES, *counts),
        confidence=(distribution(before[1]), now[1]),
        characters=(distribution(before[2].characters), now[2].characters),
        texts=(reference_of(before[2]), now[2]),
        wrong=wrong,
    )


def without_pieces(labels, confidence, traits):
    """What a linear model is checked for."""
    return labels, confidence, replace(traits, pieces=None, unknown=None)


def alarms(draws, n, m, *, linear=False):
    """Share of windows of n rows with any alarm, each with a reference of its own of m rows."""
    found = 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        before, now = source(m, rng), source(n, rng)
        now = without_pieces(*now) if linear else now
        mistakes = Hits(rng.binomial(m, 0.2), m), Hits(rng.binomial(n, 0.2), n)
        found += any(one.alarm for one in check_window(window(before, now, mistakes), ALPHA, seed=draw))
    return found / draws


def test_a_window_without_drift_raises_an_alarm_in_one_of_twenty_at_most():
    """Over 200 windows of a linear model, of seven checks, any alarm comes in .05 and its sampling error at most."""
    assert alarms(200, 60, 100, linear=True) <= ALPHA + 1.645 * (ALPHA * (1 - ALPHA) / 200) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(50, 60), (100, 400), (200, 294), (500, 2500)])
def test_false_alarms_are_as_rare_at_any_size(n, m):
    """Small and large windows, small and large references: no more than .05, over 600 windows each."""
    assert alarms(600, n, m) <= ALPHA + 1.645 * (ALPHA * (1 - ALPHA) / 600) ** 0.5


@pytest.mark.parametrize(
    ("name", "drift"),
    [
        ("labels", {"shares": np.array([0.2, 0.3, 0.5])}),
        ("length", {"length": 4.5}),
        ("language", {"foreign": 0.15}),
        ("content", {"moved": 0.8}),
    ],
)
def test_each_kind_of_drift_is_found_by_its_check(name, drift):
    """The check made for it stands first, with its alarm, its effect and what changed."""
    rng = np.random.default_rng(1)
    found = check_window(window(source(294, rng), source(200, rng, **drift)), ALPHA, seed=1)
    assert (found[0].name, found[0].alarm) == (name, True)
    assert found[0].p_value <= found[0].p_adjusted <= ALPHA
    assert found[0].effect >= (found[0].alarm_at or 0)
    assert [one.alarm for one in found] == sorted((one.alarm for one in found), reverse=True)


def test_what_cannot_raise_an_alarm_costs_nothing():
    """Where no row on either side is foreign or unknown, alpha is shared among the other checks."""
    rng = np.random.default_rng(2)
    before, now = source(294, rng, foreign=0), source(100, rng, foreign=0)
    quiet = {"unknown": np.zeros(294, bool)}, {"unknown": np.zeros(100, bool)}
    before, now = ((*part[:2], Traits(**vars(part[2]) | more)) for part, more in zip((before, now), quiet, strict=True))
    found = {one.name: one for one in check_window(window(before, now), ALPHA, seed=1)}
    assert {name for name, one in found.items() if not one.counted} == {"language", "unknown_pieces"}
    assert not found["language"].alarm
    smallest = min((one for one in found.values() if one.counted), key=lambda one: one.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1, 6 * smallest.p_value))


def test_more_mistakes_on_labelled_rows_are_drift():
    """Labels show what texts do not: 20 wrong of 294 before, 30 of 100 now."""
    rng = np.random.default_rng(3)
    found = check_window(window(source(294, rng), source(100, rng), (Hits(20, 294), Hits(30, 100))), ALPHA, seed=1)
    assert (found[0].name, found[0].alarm) == ("accuracy", True)
    assert found[0].said == "labelled rows that the model got wrong: 6.8 % → 30.0 % (30 of 100)"


def test_a_log_without_texts_is_checked_for_what_it_holds():
    """Labels, confidence and length need no text."""
    rng = np.random.default_rng(4)
    whole = window(source(294, rng), source(100, rng))
    bare = Window(whole.labels, whole.confidence, whole.characters, None, None)
    assert {one.name for one in check_window(bare, ALPHA, seed=1)} == {"labels", "confidence", "length"}
