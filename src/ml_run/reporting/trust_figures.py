"""Charts of how far the model's confidence can be trusted, and of what more training rows would bring."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ml_run.reporting import svg
from ml_run.wording import number_of, percent, score, short_estimate

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Sequence

    from ml_run.reporting.document import Figure
    from ml_run.results import Calibration, CoveragePoint, LearningCurve, ReliabilityBin, RiskCoverage

_HEIGHT = 200.0
_TOP = 50.0
_FLOOR = _TOP + _HEIGHT
_QUARTERS = [step / 4 for step in range(5)]
_LEFT = 0.08
"""Share of the width left of the axis across, for the numbers of the axis upwards."""
_STARTS = (0.0, 0.2, 0.6, 0.8)
"""Where an axis of accuracies may begin, so that its quarters are round."""
_SMALLEST_MARK, _LARGEST_MARK = 3.0, 9.0


def reliability(calibration: Calibration) -> Figure:
    """Accuracy over confidence, a mark a bin, larger for more rows; on the dotted diagonal the two agree."""
    parts = _frame("share that was right", [(step, percent_label(step)) for step in _QUARTERS])
    parts.append(svg.line(_x(0), _x(1), _y(0), _y(1), "best"))
    most = max(one.n for one in calibration.bins)
    for one in calibration.bins:
        parts += _bin(one, most)
    parts += _foot([(step, percent_label(step)) for step in _QUARTERS], "confidence of the model")
    words = [
        f"confidence {percent(one.confidence)}: {short_estimate(one.accuracy)} right of {number_of(one.n, 'row')}"
        for one in calibration.bins
    ]
    title = "How often the model is right, by how sure it is"
    return svg.draw("reliability", title, "; ".join(words) + ".", _FLOOR + 44, parts)


def _bin(one: ReliabilityBin, most: int) -> list[ET.Element]:
    if one.confidence is None or one.accuracy.value is None:
        return []
    x = _x(one.confidence)
    drawn: list[ET.Element] = []
    if one.accuracy.low is not None and one.accuracy.high is not None:
        drawn.append(svg.line(x, x, _y(one.accuracy.low), _y(one.accuracy.high), "whisker"))
    radius = _SMALLEST_MARK + (_LARGEST_MARK - _SMALLEST_MARK) * (one.n / most) ** 0.5
    drawn.append(svg.element("circle", cx=x, cy=_y(one.accuracy.value), r=radius, class_="m-dot"))
    return drawn


def risk_coverage(curve: RiskCoverage, threshold: float | None) -> Figure:
    """Accuracy among the rows answered, over the share of rows answered, surest first."""
    lowest = min([p.accuracy for p in curve.points] + ([] if threshold is None else [threshold]))
    bottom = max(start for start in _STARTS if start <= lowest)
    ticks = [bottom + (1 - bottom) * step for step in _QUARTERS]
    parts = _frame("right, of those answered", [((t - bottom) / (1 - bottom), percent_label(t)) for t in ticks])
    places = [(_x(p.coverage), _y((p.accuracy - bottom) / (1 - bottom))) for p in curve.points]
    parts += [svg.line(a[0], b[0], a[1], b[1], "first") for a, b in pairwise(places)]
    parts.append(svg.mark("dot", *places[-1]))
    if threshold is not None:
        level = _y((threshold - bottom) / (1 - bottom))
        parts.append(svg.line(_x(0), _x(1), level, level, "threshold"))
        parts.append(svg.text(f"min_accuracy {threshold:g}", _x(0), _beside(level), style="s"))
    parts += _foot([(step, percent_label(step)) for step in _QUARTERS], "share of the texts answered, surest first")
    words = [f"{percent(p.coverage)} answered: {percent(p.accuracy)} right" for p in spread_out(curve)]
    title = "How often the model is right when it answers only what it is sure of"
    return svg.draw("risk-coverage", title, "; ".join(words) + ".", _FLOOR + 44, parts)


def spread_out(curve: RiskCoverage, shares: Sequence[float] = (0.25, 0.5, 0.75, 0.9, 1.0)) -> list[CoveragePoint]:
    """The points of the curve nearest to these coverages, each once."""
    found: list[CoveragePoint] = []
    for share in shares:
        nearest = min(curve.points, key=lambda point: abs(point.coverage - share))
        if nearest not in found:
            found.append(nearest)
    return found


def learning_curve(curve: LearningCurve) -> Figure:
    """Validation macro-F1 of the linear model over the training rows, what was fitted, and the threshold."""
    most = _last_row(curve)
    parts = _frame("macro-F1 on validation", [(step, f"{step:g}") for step in _QUARTERS])
    if curve.a is not None and curve.b is not None and curve.c is not None:
        first = curve.points[0].rows
        rows = [first + (most - first) * step / 60 for step in range(61)]
        fitted = [(_x(r / most), _y(_unit(curve.a - curve.b * r**-curve.c))) for r in rows]
        parts += [svg.line(a[0], b[0], a[1], b[1], "first") for a, b in pairwise(fitted)]
    for point in curve.points:
        x, y = _x(point.rows / most), _y(_unit(point.mean))
        if point.sd:
            parts.append(svg.line(x, x, _y(_unit(point.mean - point.sd)), _y(_unit(point.mean + point.sd)), "whisker"))
        parts.append(svg.mark("dot", x, y))
    if curve.threshold is not None:
        level = _y(curve.threshold)
        parts.append(svg.line(_x(0), _x(1), level, level, "threshold"))
        parts.append(svg.text(f"min_f1 {curve.threshold:g}", _x(1), _beside(level), anchor="end", style="s"))
    parts += _foot([(step, f"{round(most * step):,}") for step in _QUARTERS], "training rows")
    words = [f"{number_of(p.rows, 'row')}: {score(p.mean)}" for p in curve.points]
    title = "What the linear model learns from more and more of the training rows"
    return svg.draw("learning-curve", title, f"{'; '.join(words)}. {curve.sentence}", _FLOOR + 44, parts)


def _last_row(curve: LearningCurve) -> int:
    """Where the axis ends: about twice the rows there are, or where the threshold is reached if that is not far."""
    present = curve.points[-1].rows
    further = curve.rows_to_reach or 0
    most = max(2 * present, present + round(1.2 * further)) if further < 4 * present else 2 * present
    step = int(10 ** max(0, len(str(most)) - 2))
    return -(-most // (4 * step)) * 4 * step


# --- what the three share -------------------------------------------------------------------------------------------


def _beside(level: float) -> float:
    """Where the name of a threshold stands: under its line, or above it where the axis has its numbers."""
    return level + 15 if level + 20 < _FLOOR else level - 6


def percent_label(share: float) -> str:
    """A share as a tick of an axis, e.g. `75 %`."""
    return f"{100 * share:.0f} %"


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


def _x(share: float) -> str:
    return svg.at(_LEFT + (1 - _LEFT) * _unit(share))


def _y(share: float) -> float:
    return _FLOOR - _HEIGHT * share


def _frame(upwards: str, ticks: Sequence[tuple[float, str]]) -> list[ET.Element]:
    drawn = [svg.text(f"↑ {upwards}", svg.at(0), 14, style="s")]
    for share, label in ticks:
        drawn += [
            svg.line(_x(0), _x(1), _y(share), _y(share), "grid"),
            svg.text(label, svg.at(0), _y(share) + 4, style="s"),
        ]
    return drawn


def _foot(ticks: Sequence[tuple[float, str]], across: str) -> list[ET.Element]:
    drawn = [svg.line(_x(0), _x(1), _FLOOR, _FLOOR, "axis")]
    for share, label in ticks:
        anchor = "end" if share >= 1 else "middle"
        drawn += [
            svg.line(_x(share), _x(share), _FLOOR, _FLOOR + 4, "axis"),
            svg.text(label, _x(share), _FLOOR + 18, anchor=anchor, style="s"),
        ]
    return [*drawn, svg.text(f"{across} →", svg.at(1), _FLOOR + 36, anchor="end", style="s")]
