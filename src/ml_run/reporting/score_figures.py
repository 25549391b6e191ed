"""Charts of the scores on the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.reporting import svg
from ml_run.wording import number_of, score, short_estimate, with_interval

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Mapping, Sequence

    from ml_run.reporting.document import Figure
    from ml_run.results import ClassScores, Estimate, Evaluation, ModelScores

MOST_CLASSES = 40
"""Classes shown by charts with one row a class; the tables show all."""
MOST_CELLS = 25
"""Classes above which a confusion matrix is no longer readable and is left out."""
ROW = 42
"""Pixels of a row."""
TRACK = 26
"""Where the axis of a row lies in it."""
TICKS = [(step / 4, f"{step / 4:g}") for step in range(5)]
_MODEL_MARKS = {"candidate": "dot", "production": "square", "majority": "cross"}
_WIDE_CELLS = 8


def interval_row(name: str, shape: str, estimate: Estimate, y: float) -> list[ET.Element]:
    """One row whose upper edge is at `y`: name and numbers above, interval and mark on the 0-1 axis below."""
    drawn = [
        svg.text(svg.shorten(name, 180), svg.at(0), y + 12),
        svg.text(short_estimate(estimate), svg.at(1), y + 12, anchor="end", style="s"),
        svg.line(svg.at(0), svg.at(1), y + TRACK, y + TRACK, "track"),
    ]
    if estimate.low is not None and estimate.high is not None:
        drawn += svg.whisker(_unit(estimate.low), _unit(estimate.high), y + TRACK)
    if estimate.value is not None:
        drawn.append(svg.mark(shape, svg.at(_unit(estimate.value)), y + TRACK))
    return drawn


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


# --- per class ------------------------------------------------------------------------------------------------------


def class_scores(classes: Sequence[ClassScores], threshold: float | None) -> Figure:
    """F1 of each class with its 95 % interval, worst first; the threshold drawn when there is one."""
    worst_first = sorted(classes, key=lambda c: -1.0 if c.f1.value is None else c.f1.value)[:MOST_CLASSES]
    top = 20 if threshold is not None else 2
    bottom = top + len(worst_first) * ROW
    parts: list[ET.Element] = []
    for row, scores in enumerate(worst_first):
        parts += interval_row(scores.label, "dot", scores.f1, top + row * ROW)
    if threshold is not None:
        tracks = [top + row * ROW + TRACK for row in range(len(worst_first))]
        parts += svg.threshold(threshold, f"threshold {threshold:g}", 12, tracks)
    parts += svg.axis(bottom, TICKS)
    rows = [f"{visible(c.label)} {with_interval(c.f1)} on {number_of(c.support, 'test row')}" for c in worst_first]
    title = "F1 of each class with its 95 % interval, worst first"
    return svg.draw("class-f1", title, "; ".join(rows) + ".", bottom + 26, parts)


# --- models side by side --------------------------------------------------------------------------------------------


def model_comparison(evaluation: Evaluation, thresholds: Mapping[str, float | None]) -> Figure:
    """Candidate, production and baselines on one axis, macro-F1 above accuracy, thresholds drawn.

    Args:
        evaluation: all models' scores.
        thresholds: by metric name (`macro_f1`, `accuracy`); None where the gate has none.
    """
    models = [evaluation.candidate, *([evaluation.production] if evaluation.production else []), *evaluation.baselines]
    parts: list[ET.Element] = []
    words = []
    bottom = 0.0
    for metric, title in (("macro_f1", "Macro-F1"), ("accuracy", "Accuracy")):
        limit = thresholds.get(metric)
        drawn, bottom = _comparison_panel(title, models, metric, limit, bottom)
        parts += drawn
        listed = ", ".join(f"{model.name} {with_interval(getattr(model, metric))}" for model in models)
        words.append(f"{title}: {listed}" + (f"; threshold {score(limit)}" if limit is not None else "") + ".")
    title = "Candidate, production and baselines on the same test rows"
    return svg.draw("models", title, " ".join(words), bottom, parts)


def _comparison_panel(
    title: str, models: Sequence[ModelScores], metric: str, limit: float | None, top: float
) -> tuple[list[ET.Element], float]:
    first = top + (48 if limit is not None else 30)
    floor = first + len(models) * ROW
    drawn = [svg.text(title, svg.at(0), top + 18, style="t b")]
    for row, model in enumerate(models):
        drawn += interval_row(
            model.name, _MODEL_MARKS.get(model.name, "ring"), getattr(model, metric), first + row * ROW
        )
    if limit is not None:
        tracks = [first + row * ROW + TRACK for row in range(len(models))]
        drawn += svg.threshold(limit, f"threshold {limit:g}", top + 38, tracks)
    drawn += svg.axis(floor, TICKS)
    return drawn, floor + 34


# --- confusion matrix -----------------------------------------------------------------------------------------------


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Rows: the true class, columns: what the model said; the darker, the larger the share of the true class."""
    names = [visible(label) for label in labels]
    wide = len(names) <= _WIDE_CELLS
    cell = 62.0 if wide else 36.0
    gutter = min(150.0, max(svg.width_of(f"{i} {name}") for i, name in enumerate(names, 1)) + 8)
    top = 44.0 if wide else 30.0
    parts = [svg.text("said →", "0", 14, style="s"), svg.text("true ↓", "0", 30 if wide else 27, style="s")]
    for number, name in enumerate(names, 1):
        middle = gutter + (number - 0.5) * cell
        parts.append(svg.text(str(number), f"{middle:g}", 14 if wide else 24, anchor="middle", style="s"))
        if wide:
            parts.append(svg.text(svg.shorten(name, cell - 2), f"{middle:g}", 34, anchor="middle", style="s"))
        label = svg.shorten(f"{number} {name}", gutter - 6)
        parts.append(svg.text(label, "0", top + (number - 0.5) * 36 + 5))
    for row, line in enumerate(counts):
        parts += _confusion_row(line, row, gutter, top, cell)
    size = gutter + len(names) * cell + 2
    title = "Confusion matrix of the candidate on the test split"
    return svg.draw("confusion", title, _confusion_words(names, counts), top + len(names) * 36 + 2, parts, width=size)


def _confusion_row(line: Sequence[int], row: int, gutter: float, top: float, cell: float) -> list[ET.Element]:
    total = sum(line) or 1
    drawn = []
    for column, rows in enumerate(line):
        share = rows / total
        x, y = gutter + column * cell, top + row * 36
        shade = svg.element("rect", x=x, y=y, width=cell, height=36, class_="cell", fill_opacity=round(share, 3))
        style = "t" if rows else "s"
        drawn += [shade, svg.text(f"{rows:,}", f"{x + cell / 2:g}", y + 23, anchor="middle", style=style)]
        if column == row:
            edge = svg.element("rect", x=x + 1.5, y=y + 1.5, width=cell - 3, height=33, class_="right")
            drawn.append(edge)
    return drawn


def _confusion_words(names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    rows = []
    for number, (name, line) in enumerate(zip(names, counts, strict=True)):
        wrong = sorted(((rows, names[i]) for i, rows in enumerate(line) if rows and i != number), reverse=True)
        as_what = "".join(f", {rows:,} read as {other}" for rows, other in wrong[:3])
        rows.append(f"{name}: {line[number]:,} of {sum(line):,} right{as_what}")
    return "; ".join(rows) + "."
