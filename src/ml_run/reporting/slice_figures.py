"""The chart of the slices that the model is weakest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.reporting import svg
from ml_run.reporting.score_figures import ROW, TICKS, TRACK, interval_row
from ml_run.wording import number_of, percent, with_interval

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Sequence

    from ml_run.reporting.document import Figure
    from ml_run.results import Estimate, SliceScores

_TOP = 20


def slice_accuracy(slices: Sequence[SliceScores], whole: Estimate) -> Figure:
    """Accuracy of each slice with its interval, in the given order, and that of all rows drawn across.

    A slice that is weaker beyond chance is a square, any other a dot.

    Args:
        slices: those to be shown.
        whole: accuracy on all test rows.
    """
    parts: list[ET.Element] = []
    for row, one in enumerate(slices):
        parts += interval_row(one.name, "square" if one.worse else "dot", one.accuracy, _TOP + row * ROW)
    if whole.value is not None:
        tracks = [_TOP + row * ROW + TRACK for row in range(len(slices))]
        parts += svg.threshold(whole.value, f"all rows {whole.value:.2f}", 12, tracks)
    bottom = _TOP + len(slices) * ROW
    parts += svg.axis(bottom, TICKS)
    title = "Share of right answers in each slice with its 95 % interval; a square is weaker beyond chance"
    said = [
        f"{visible(one.name)} {with_interval(one.accuracy)} on {number_of(one.n, 'row')}"
        + (", weaker beyond chance" if one.worse else "")
        for one in slices
    ]
    return svg.draw("slices", title, f"{'; '.join(said)}. All rows {percent(whole.value)}.", bottom + 26, parts)
