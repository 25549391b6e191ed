"""Charts of the data."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.reporting import svg
from ml_run.results import SPLITS
from ml_run.wording import number_of, percent, score

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET
    from collections.abc import Sequence

    from ml_run.reporting.document import Figure
    from ml_run.results import LeakCount, PreparedData, ShortcutProbe, SplitSummary, TokenCheck

MOST_CLASSES = 12
"""Charts and tables with one row a class (or criterion, or field) show this many; the others are summed up."""
_LARGEST = 8
"""Of those in the class balance, from the top; the others are the smallest."""
_ROW = 44
_SPLIT_MARKS = {"train": "bar", "val": "ring", "test": "diamond"}


# --- class balance --------------------------------------------------------------------------------------------------


def largest_and_smallest(data: PreparedData) -> tuple[list[str], list[str], list[str]]:
    """The labels by their rows in train, most first: those to show, those to sum up, and the smallest to show."""
    train = next((data.splits[name] for name in SPLITS if name in data.splits), None)
    labels = sorted(data.labels, key=lambda label: -train.classes.get(label, 0) if train else 0)
    if len(labels) <= MOST_CLASSES:
        return labels, [], []
    last = len(labels) - (MOST_CLASSES - _LARGEST)
    return labels[:_LARGEST], labels[_LARGEST:last], labels[last:]


def class_balance(data: PreparedData) -> Figure:
    """Share of each class in each split: a bar for train, a ring for val, a diamond for test."""
    splits = [split for name in _SPLIT_MARKS if (split := data.splits.get(name))]
    large, between, small = largest_and_smallest(data)
    labels = [*large, *small]
    top = _round_up(max(_share(split, label) for split in splits for label in data.labels))
    parts = [
        svg.key(svg.at(place * 0.32), 16, [_split_symbol(_SPLIT_MARKS[split.name])], split.name)
        for place, split in enumerate(splits)
    ]
    for row, label in enumerate(labels):
        parts += _balance_row(splits, label, 30 + row * _ROW, top)
    bottom = 34 + len(labels) * _ROW
    ticks = [(step / 4, f"{100 * top * step / 4:g} %") for step in range(5)]
    parts += svg.axis(bottom, ticks)
    left_out = f", the {_LARGEST} largest and {len(small)} smallest of {len(data.labels)} classes" if between else ""
    title = f"Share of each class in each split{left_out}"
    return svg.draw("class-balance", title, _balance_words(splits, labels), bottom + 26, parts)


def _share(split: SplitSummary, label: str) -> float:
    return split.classes.get(label, 0) / split.rows if split.rows else 0.0


def _round_up(share: float) -> float:
    return next((step for step in (0.1, 0.2, 0.4, 0.6, 0.8) if share <= step), 1.0)


def _split_symbol(mark: str) -> ET.Element:
    if mark == "bar":
        return svg.element("rect", x=0, y=-11, width=36, height=12, class_="bar")
    return svg.mark(mark, "28", -5)


def _balance_row(splits: Sequence[SplitSummary], label: str, y: float, top: float) -> list[ET.Element]:
    counts = " · ".join(f"{split.classes.get(label, 0):,}" for split in splits)
    drawn = [
        svg.text(svg.shorten(label, 180), svg.at(0), y + 12),
        svg.text(counts, svg.at(1), y + 12, anchor="end", style="s"),
        svg.line(svg.at(0), svg.at(1), y + 27, y + 27, "grid"),
    ]
    for split in splits:
        place, mark = _share(split, label) / top, _SPLIT_MARKS[split.name]
        drawn.append(svg.bar(0, place, y + 20, 14) if mark == "bar" else svg.mark(mark, svg.at(place), y + 27))
    return drawn


def _balance_words(splits: Sequence[SplitSummary], labels: Sequence[str]) -> str:
    rows = [
        f"{visible(label)}: " + ", ".join(f"{percent(_share(s, label))} of {s.name}" for s in splits)
        for label in labels
    ]
    return "; ".join(rows) + "."


# --- lengths in tokens ----------------------------------------------------------------------------------------------

_HIGH = 150.0
_MOST_TICKS = 5


def token_lengths(tokens: TokenCheck) -> Figure:
    """Training rows by their length in tokens, every bin as wide as the others; the line is `max_length`."""
    ceiling, floor = 56.0, 56.0 + _HIGH
    most, bins = max(tokens.histogram), len(tokens.histogram)
    parts = _token_legend(tokens)
    for level in (0.5, 1.0):
        y = floor - _HIGH * level
        parts.append(svg.line(svg.at(0), svg.at(1), y, y, "grid"))
    for place, rows in enumerate(tokens.histogram):
        style = "bar beyond" if tokens.edges[place] >= tokens.max_length else "bar"
        height = _HIGH * rows / most
        parts.append(svg.bar(place / bins, (place + 1) / bins, floor - height, height, style))
    parts.append(svg.text(f"{number_of(most, 'row')}", svg.at(0), ceiling - 3, style="s"))
    share = _place_of(tokens.max_length, tokens.edges)
    parts += [svg.line(svg.at(share), svg.at(share), ceiling - 12, floor, "threshold")] if share is not None else []
    parts += svg.axis(floor, [(place / bins, f"{tokens.edges[place]:,}") for place in _ticks(bins)])
    parts.append(svg.text("tokens of a text", svg.at(0.5), floor + 36, anchor="middle", style="s"))
    title = "Training texts by their length in tokens"
    return svg.draw("token-lengths", title, _token_words(tokens), floor + 44, parts)


def _ticks(bins: int) -> list[int]:
    stride = -(-bins // _MOST_TICKS)
    return [*range(0, bins - stride + 1, stride), bins]


def _token_legend(tokens: TokenCheck) -> list[ET.Element]:
    dashes = svg.element("line", x1=0, x2=36, y1=-4, y2=-4, class_="threshold")
    outlined = svg.element("rect", x=0, y=-11, width=36, height=12, class_="bar beyond")
    return [
        svg.key(svg.at(0), 14, [dashes], f"max_length: {tokens.max_length:,}{_beyond(tokens)}"),
        svg.key(svg.at(0), 32, [outlined], f"longer, so cut: {_cut_share(tokens)} of the texts"),
    ]


def _beyond(tokens: TokenCheck) -> str:
    return ", longer than all" if _place_of(tokens.max_length, tokens.edges) is None else ""


def _cut_share(tokens: TokenCheck) -> str:
    train = next((stats for stats in tokens.splits if stats.name == "train"), None)
    return percent(train.cut if train else None)


def _place_of(length: int, edges: Sequence[int]) -> float | None:
    """Where a length lies on the axis, as a share of it; None beyond its end."""
    for place, (low, high) in enumerate(pairwise(edges)):
        if low <= length <= high:
            return (place + (length - low) / max(1, high - low)) / (len(edges) - 1)
    return None


def _token_words(tokens: TokenCheck) -> str:
    bins = zip(tokens.edges, tokens.edges[1:], tokens.histogram, strict=False)
    rows = ", ".join(f"{low:,} to {high:,}: {rows:,}" for low, high, rows in bins)
    return (
        f"{_cut_share(tokens)} of the training texts are longer than max_length, {tokens.max_length:,} tokens, and are "
        f"cut there. Rows by tokens: {rows}."
    )


# --- copies ---------------------------------------------------------------------------------------------------------

_CELL = 58.0
_GUTTER = 18.0  # per cent
_THOUSANDS = 100_000


def leak_matrix(data: PreparedData) -> Figure:
    """Split by split the rows that have a copy in another; the darker, the larger the share of the split."""
    names = [name for name in SPLITS if any(name in (leak.split, leak.into) for leak in data.leaks)]
    names = [name for name in SPLITS if name in data.splits or name in names]
    counts = {(leak.into, leak.split): leak for leak in data.leaks}
    greatest = max(copied(leak) for leak in data.leaks)
    width = (100 - _GUTTER - 0.5) / len(names)
    parts = [svg.text("have a copy in →", f"{_GUTTER}%", 13, style="s"), svg.text("rows of ↓", "0", 31, style="s")]
    for column, name in enumerate(names):
        middle = f"{_GUTTER + (column + 0.5) * width:.2f}%"
        parts.append(svg.text(name, middle, 31, anchor="middle", style="t b"))
    for row, into in enumerate(names):
        y = 40 + row * _CELL
        parts.append(svg.text(into, "0", y + _CELL / 2 + 5, style="t b"))
        for column, split in enumerate(names):
            parts += _leak_cell(counts.get((into, split)), _GUTTER + column * width, y, width, greatest)
    title = "Copies: rows of one split that stand in another, or twice in the same"
    return svg.draw("copies", title, _leak_words(data), 42 + len(names) * _CELL, parts)


def copied(leak: LeakCount) -> float:
    """Share of the rows of `leak.into` that have a copy, exact or near."""
    return (leak.exact + leak.near) / leak.rows if leak.rows else 0.0


def _leak_cell(leak: LeakCount | None, x: float, y: float, width: float, greatest: float) -> list[ET.Element]:
    share = copied(leak) / greatest if leak and greatest else 0.0
    middle = f"{x + width / 2:.2f}%"
    cell = svg.element(
        "rect", x=f"{x:.2f}%", y=y, width=f"{width:.2f}%", height=_CELL, class_="cell", fill_opacity=round(share, 3)
    )
    if leak is None:
        return [cell, svg.text("none", middle, y + _CELL / 2 + 4, anchor="middle", style="s")]
    lines = (percent(copied(leak)), f"{_few(leak.exact)} exact", f"{_few(leak.near)} near")
    styles = ("t b", "t small", "t small")
    return [cell] + [
        svg.text(words, middle, y + 17 + 16 * place, anchor="middle", style=style)
        for place, (words, style) in enumerate(zip(lines, styles, strict=True))
    ]


def _few(rows: int) -> str:
    """At most six characters, so that it fits its cell on a phone; the table has the number itself."""
    return f"{rows:,}" if rows < _THOUSANDS else f"{rows // 1000:,}k"


def _leak_words(data: PreparedData) -> str:
    rows = [
        f"of {number_of(leak.rows, 'row')} of {leak.into} {leak.exact:,} have an exact and {leak.near:,} a near copy "
        f"in {leak.split if leak.split != leak.into else 'it'} ({percent(copied(leak))})"
        for leak in data.leaks
    ]
    return "; ".join(rows) + "."


# --- shortcuts ------------------------------------------------------------------------------------------------------

_PROBES = {
    "length": "length of the text",
    "punctuation": "punctuation",
    "encoding": "characters and encoding",
    "language": "language",
}


def probe_name(probe: ShortcutProbe) -> str:
    """What the probe saw, in words; the name of a field as the user named it."""
    return _PROBES.get(probe.name, probe.name)


def furthest_first(probes: Sequence[ShortcutProbe]) -> list[ShortcutProbe]:
    """The probes, the one furthest above guessing first."""
    return sorted(probes, key=lambda probe: probe.guess - probe.macro_f1)


def shortcut_scores(probes: Sequence[ShortcutProbe]) -> Figure:
    """Macro-F1 of each probe as a bar, of guessing as a cross and of the text as a diamond, on one axis."""
    shown = probes[:MOST_CLASSES]
    entries = (("bar", "it alone"), ("cross", "guess"), ("diamond", "text"))
    parts = [
        svg.key(svg.at(place * 0.36), 16, [_split_symbol(mark)], name) for place, (mark, name) in enumerate(entries)
    ]
    for row, probe in enumerate(shown):
        y = 30 + row * _ROW
        numbers = f"{probe.macro_f1:.2f} · {probe.guess:.2f} · {probe.text:.2f}"
        parts += [
            svg.text(svg.shorten(probe_name(probe), 160), svg.at(0), y + 12),
            svg.text(numbers, svg.at(1), y + 12, anchor="end", style="s"),
            svg.line(svg.at(0), svg.at(1), y + 27, y + 27, "grid"),
            svg.bar(0, probe.macro_f1, y + 20, 14),
            svg.mark("cross", svg.at(probe.guess), y + 27),
            svg.mark("diamond", svg.at(probe.text), y + 27),
        ]
    bottom = 34 + len(shown) * _ROW
    parts += svg.axis(bottom, [(step / 4, f"{step / 4:g}") for step in range(5)])
    words = "; ".join(
        f"{visible(probe_name(p))} {score(p.macro_f1)}, guess {score(p.guess)}, text {score(p.text)}" for p in shown
    )
    title = "Macro-F1 from one thing alone, by guessing and from the text"
    return svg.draw("shortcuts", title, f"{words}.", bottom + 26, parts)
