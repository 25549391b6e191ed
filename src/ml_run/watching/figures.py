"""Charts of a window of traffic."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.reporting import svg
from ml_run.watching.screen import name_of, told_p
from ml_run.wording import percent

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Sequence

    from ml_run.reporting.document import Figure
    from ml_run.watching.record import LabelShare, MonitorResult

_ROW = 44
_POWERS = 4
"""The axis of p-values ends at 10^-4."""
MOST_LABELS = 12
_HIGH, _TOP = 160.0, 52.0
_LEFT = 0.08


def strengths(result: MonitorResult) -> Figure:
    """How surprising each check is: the further right, the less by chance; beyond the dashes it is an alarm."""
    parts: list[ET.Element] = []
    tracks = []
    for row, one in enumerate(result.checks):
        y = 30 + row * _ROW
        tracks.append(y + 27.0)
        parts += [
            svg.text(name_of(one) + (" ✘" if one.alarm else ""), svg.at(0), y + 12, style="t b" if one.alarm else "t"),
            svg.text(f"p {told_p(one.p_adjusted)}", svg.at(1), y + 12, anchor="end", style="s"),
            svg.line(svg.at(0), svg.at(1), y + 27, y + 27, "grid"),
            svg.bar(0, _place(one.p_adjusted), y + 20, 14),
        ]
    parts += svg.threshold(_place(result.alpha), f"alarm: p ≤ {result.alpha:g}", 14, tracks)
    bottom = 34 + len(result.checks) * _ROW
    parts += svg.axis(bottom, [(power / _POWERS, f"{10.0**-power:g}") for power in range(_POWERS + 1)])
    words = "; ".join(
        f"{name_of(one)}: p {told_p(one.p_adjusted)}{', alarm' if one.alarm else ''}" for one in result.checks
    )
    title = "How surprising each finding would be without drift"
    return svg.draw("drift-checks", title, f"{words}.", bottom + 26, parts)


def _place(p: float) -> float:
    return min(1.0, -math.log10(max(p, 10.0**-_POWERS)) / _POWERS)


def label_shares(labels: Sequence[LabelShare]) -> Figure:
    """Share of each predicted label: a bar before, a ring now, a diamond for the estimated true share."""
    shown = labels[:MOST_LABELS]
    top = _round_up(max(share for one in shown for share in (one.predicted_before, one.predicted, _estimated(one))))
    entries = (("bar", "before"), ("ring", "now"), ("diamond", "now, true (estimated)"))
    parts = [svg.key(svg.at(place * 0.26), 16, [_symbol(mark)], name) for place, (mark, name) in enumerate(entries)]
    for row, one in enumerate(shown):
        y = 30 + row * _ROW
        numbers = f"{percent(one.predicted_before)} → {percent(one.predicted)}"
        parts += [
            svg.text(svg.shorten(one.label, 180), svg.at(0), y + 12),
            svg.text(numbers, svg.at(1), y + 12, anchor="end", style="s"),
            svg.line(svg.at(0), svg.at(1), y + 27, y + 27, "grid"),
            svg.bar(0, one.predicted_before / top, y + 20, 14),
            svg.mark("ring", svg.at(one.predicted / top), y + 27),
        ]
        if one.estimated and one.estimated.value is not None:
            parts.append(svg.mark("diamond", svg.at(one.estimated.value / top), y + 27))
    bottom = 34 + len(shown) * _ROW
    parts += svg.axis(bottom, [(step / 4, f"{100 * top * step / 4:g} %") for step in range(5)])
    words = "; ".join(
        f"{visible(one.label)}: {percent(one.predicted_before)} before, {percent(one.predicted)} now" for one in shown
    )
    return svg.draw("drift-labels", "Share of each predicted label, before and now", f"{words}.", bottom + 26, parts)


def _estimated(one: LabelShare) -> float:
    return (one.estimated.value or 0.0) if one.estimated else 0.0


def _round_up(share: float) -> float:
    return next((step for step in (0.1, 0.2, 0.4, 0.6, 0.8) if share <= step), 1.0)


def _symbol(mark: str) -> ET.Element:
    if mark == "bar":
        return svg.element("rect", x=0, y=-11, width=36, height=12, class_="bar")
    return svg.mark(mark, "28", -5)


def cumulative(name: str, what: str, before: Sequence[float], now: Sequence[float]) -> Figure:
    """The share of texts up to each value: a full line for the reference, a dashed one for the traffic.

    Args:
        name: of the check.
        what: the axis across.
        before: values of the reference, sorted.
        now: values of the traffic, sorted.
    """
    low, high = min(before[0], now[0]), max(before[-1], now[-1])
    if high <= low:
        high = low + 1
    floor = _TOP + _HIGH
    parts = [
        svg.key(svg.at(0), 14, [svg.line("0", "36", -4, -4, "first")], "reference"),
        svg.key(svg.at(0.4), 14, [svg.line("0", "36", -4, -4, "other")], "traffic"),
        svg.text("↑ share of the texts up to here", svg.at(0), 36, style="s"),
    ]
    for step in range(5):
        y = floor - _HIGH * step / 4
        parts += [
            svg.line(_x(0), _x(1), y, y, "grid"),
            svg.text(f"{25 * step} %", svg.at(0), y + 4, style="s"),
        ]
    for values, style in ((before, "first"), (now, "other")):
        points = [(_x((value - low) / (high - low)), floor - _HIGH * share) for value, share in _steps(values)]
        parts += [svg.line(a[0], b[0], a[1], b[1], style) for a, b in pairwise(points)]
    for place in (0.0, 0.5, 1.0):
        anchor = "start" if place == 0 else "end" if place == 1 else "middle"
        parts.append(svg.text(f"{low + place * (high - low):.4g}", _x(place), floor + 18, anchor=anchor, style="s"))
    parts += [
        svg.line(_x(0), _x(1), floor, floor, "axis"),
        svg.text(f"{what} →", svg.at(1), floor + 36, anchor="end", style="s"),
    ]
    words = [
        f"{share:.0%} of the texts: up to {_quantile(before, share):.4g} before, {_quantile(now, share):.4g} now"
        for share in (0.1, 0.25, 0.5, 0.75, 0.9)
    ]
    title = f"{what[0].upper()}{what[1:]}: reference and traffic"
    return svg.draw(f"drift-{name}", title, "; ".join(words) + ".", floor + 44, parts)


def _x(share: float) -> str:
    return svg.at(_LEFT + (1 - _LEFT) * share)


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def _steps(values: Sequence[float]) -> list[tuple[float, float]]:
    """At most 101 points of the distribution function."""
    return [(_quantile(values, step / 100), step / 100) for step in range(101)]
