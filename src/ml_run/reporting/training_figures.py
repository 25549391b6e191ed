"""Charts of the training."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ml_run.reporting import svg
from ml_run.wording import listed, number_of, score

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Sequence

    from ml_run.reporting.document import Figure
    from ml_run.results import EpochScores, TrainedModel

_PANEL = 190
_MOST_DOTS = 40
_MOST_TICKS = 6


def training_curve(model: TrainedModel) -> Figure:
    """Training and validation loss above, validation macro-F1 below, over the epochs."""
    curve, best = model.curve, model.best_epoch
    assert best is not None, "what has a curve has a best epoch"
    losses = [e.train_loss for e in curve], [e.val_loss for e in curve]
    highest = max((value for series in losses for value in series if value is not None), default=1.0) or 1.0
    parts = _panel(curve, best, losses, highest, 0, ("training loss", "validation loss"))
    scores: list[float | None] = [e.val_macro_f1 for e in curve]
    parts += _panel(curve, best, ([], scores), 1.0, _PANEL, ("", "validation macro-F1"))
    epochs = [e.epoch for e in curve]
    ticks = [(_place(epoch, epochs), f"{epoch:g}") for epoch in _ticks(epochs)]
    parts += svg.axis(2 * _PANEL - 14, ticks)
    parts.append(svg.text("epoch", svg.at(0.5), 2 * _PANEL + 22, anchor="middle", style="s"))
    return svg.draw("training-curve", "Training, epoch by epoch", _curve_words(model), 2 * _PANEL + 30, parts)


def _panel(
    curve: Sequence[EpochScores],
    best: float,
    series: tuple[list[float | None], list[float | None]],
    highest: float,
    top: float,
    names: tuple[str, str],
) -> list[ET.Element]:
    epochs = [e.epoch for e in curve]
    floor, ceiling = top + _PANEL - 20, top + 40
    drawn: list[ET.Element] = []
    for step in range(3):
        level = floor - (floor - ceiling) * step / 2
        label = f"{highest * step / 2:.2g}"
        drawn += [
            svg.line(svg.at(0), svg.at(1), level, level, "grid"),
            svg.text(label, svg.at(0), level - 3, style="s"),
        ]
    drawn.append(svg.line(svg.at(_place(best, epochs)), svg.at(_place(best, epochs)), ceiling, floor, "best"))
    drawn += _curve_legend(names, top + 16)
    for values, style, shape in zip(series, ("first", "other"), ("dot", "ring"), strict=True):
        points = [
            (svg.at(_place(epoch, epochs)), floor - (floor - ceiling) * min(1.0, value / highest))
            for epoch, value in zip(epochs, values, strict=False)
            if value is not None
        ]
        drawn += [svg.line(a[0], b[0], a[1], b[1], style) for a, b in pairwise(points)]
        drawn += [svg.mark(shape, x, y) for x, y in points] if len(points) <= _MOST_DOTS else []
    return drawn


def _curve_legend(names: tuple[str, str], y: float) -> list[ET.Element]:
    entries = [
        (name, style, shape)
        for name, style, shape in zip(names, ("first", "other"), ("dot", "ring"), strict=True)
        if name
    ]
    return [
        svg.key(svg.at(0.5 * place), y, [svg.line("0", "36", -4, -4, style), svg.mark(shape, "18", -4)], name)
        for place, (name, style, shape) in enumerate(entries)
    ]


def _place(epoch: float, epochs: Sequence[float]) -> float:
    first, last = epochs[0], epochs[-1]
    return 0.5 if first == last else min(1.0, max(0.0, 0.1 + 0.9 * (epoch - first) / (last - first)))


def _ticks(epochs: Sequence[float]) -> Sequence[float]:
    stride = -(-len(epochs) // _MOST_TICKS)
    return epochs[::-stride][::-1]


def _curve_words(model: TrainedModel) -> str:
    first, last = model.curve[0], model.curve[-1]
    known = [
        f"{name} from {score(start)} to {score(end)}"
        for name, start, end in (
            ("training loss", first.train_loss, last.train_loss),
            ("validation loss", first.val_loss, last.val_loss),
            ("validation macro-F1", first.val_macro_f1, last.val_macro_f1),
        )
        if start is not None and end is not None
    ]
    went = f"{listed(known)} over {number_of(len(model.curve), 'evaluation')}; " if known else ""
    best = f"best validation macro-F1 {score(model.best_val_macro_f1)} at epoch {model.best_epoch:g}"
    return f"{went}{best} (dotted line), the model that was kept."
