"""The few pieces our charts are drawn from.

Elements are built as a tree, so that every text is escaped by construction. Positions across are per cent of the
width and sizes are pixels: a chart fills its box at any width while its letters keep their size.
"""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET  # builds only, parses nothing
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.reporting.document import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLES = Path(__file__).parent / "templates"
_MARGIN = 2.0  # per cent at either side of an axis, so that marks at its ends are not cut
_FILE_WIDTH = 680
_LETTER = 7.2  # pixels of a letter at 13 px, on the safe side
_WIDE = 13.0


def element(tag: str, text: str = "", /, **attributes: float | str) -> ET.Element:
    """An SVG element; `class_` becomes `class`, `text_anchor` becomes `text-anchor`."""
    made = ET.Element(tag, {_name(key): _value(value) for key, value in attributes.items()})
    made.text = visible(text) or None
    return made


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: float | str) -> str:
    return visible(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def at(share: float) -> str:
    """Position across, for a share of the axis (0 left end, 1 right end)."""
    return f"{_MARGIN + (100 - 2 * _MARGIN) * share:.2f}%"


def text(content: str, x: str, y: float, *, anchor: str = "start", style: str = "") -> ET.Element:
    """A line of text whose baseline is at `y`."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=style or "t")


def line(x1: str, x2: str, y1: float, y2: float, style: str) -> ET.Element:
    """A straight line."""
    return element("line", x1=x1, x2=x2, y1=y1, y2=y2, class_=style)


def bar(start: float, end: float, y: float, height: float, style: str = "bar") -> ET.Element:
    """A bar between two shares of the axis whose upper edge is at `y`."""
    width = f"{(100 - 2 * _MARGIN) * (end - start):.2f}%"
    return element("rect", x=at(start), y=y, width=width, height=height, class_=style)


_SHAPES: dict[str, tuple[str, dict[str, float | str]]] = {
    "dot": ("circle", {"r": 5.0}),
    "ring": ("circle", {"r": 4.5}),
    "diamond": ("path", {"d": "M0 -6.5 L6.5 0 L0 6.5 L-6.5 0 Z"}),
    "square": ("path", {"d": "M-4.5 -4.5 H4.5 V4.5 H-4.5 Z"}),
    "cross": ("path", {"d": "M-4.5 -4.5 L4.5 4.5 M-4.5 4.5 L4.5 -4.5"}),
}


def mark(shape: str, x: str, y: float) -> ET.Element:
    """A mark centred on a point: dot, ring, diamond, square or cross; told apart by shape, not by colour."""
    tag, attributes = _SHAPES[shape]
    place = element("svg", x=x, y=y, overflow="visible", width=1, height=1)
    place.append(element(tag, class_=f"m-{shape}", **attributes))
    return place


def whisker(low: float, high: float, y: float) -> list[ET.Element]:
    """An interval from `low` to `high` (shares of the axis) with an end mark at either side."""
    ends = [line(at(end), at(end), y - 5, y + 5, "whisker") for end in (low, high)]
    return [line(at(low), at(high), y, y, "whisker"), *ends]


def axis(y: float, ticks: Sequence[tuple[float, str]]) -> list[ET.Element]:
    """A scale at the foot of a chart: ticks as (share of the axis, label)."""
    drawn = [line(at(0), at(1), y, y, "axis")]
    for share, label in ticks:
        anchor = "start" if share <= 0 else "end" if share >= 1 else "middle"
        drawn += [
            line(at(share), at(share), y, y + 4, "axis"),
            text(label, at(share), y + 18, anchor=anchor, style="s"),
        ]
    return drawn


def threshold(share: float, label: str, top: float, tracks: Sequence[float]) -> list[ET.Element]:
    """A threshold: its label above the rows on the side that has room, and a stroke across each row's track.

    Not one line from top to bottom: on a narrow page it would run through the numbers.
    """
    left = share > 0.5  # noqa: PLR2004 -- the middle of the axis
    strokes = [line(at(share), at(share), y - 9, y + 9, "threshold") for y in tracks]
    return [text(label, at(share), top, anchor="end" if left else "start", style="s"), *strokes]


def key(x: str, y: float, symbol: Sequence[ET.Element], label: str) -> ET.Element:
    """An entry of a legend: a symbol drawn in the 36 pixels right of `x`, then its name; `y` is the baseline."""
    place = element("svg", x=x, y=y, overflow="visible", width=1, height=1)
    place.extend([*symbol, text(label, "44", 0, style="s")])
    return place


def width_of(words: str) -> float:
    """Pixels that `words` take at 13 px, estimated; fonts differ, so on the safe side."""
    return sum(map(_advance, words))


def _advance(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0.0
    wide = unicodedata.east_asian_width(character) in "WF" or "ETHIOPIC" in unicodedata.name(character, "")
    return _WIDE if wide else _LETTER


def shorten(words: str, pixels: float) -> str:
    """`words` cut with an ellipsis to fit `pixels`; the full name is in the table beside the chart."""
    words = visible(words)
    if width_of(words) <= pixels:
        return words
    kept = ""
    for character in words:
        if width_of(kept + character) > pixels - _LETTER:
            break
        kept += character
    return kept.rstrip() + "…"


def draw(
    name: str, title: str, description: str, height: float, parts: Sequence[ET.Element], *, width: float | None = None
) -> Figure:
    """Put the parts of a chart together.

    Args:
        name: unique in the page.
        title: what the chart shows.
        description: the facts it shows, in words, for those who do not see it.
        height: in pixels.
        parts: what is drawn.
        width: in pixels for charts of fixed size; left out: as wide as the page.
    """
    root = element("svg", class_="chart", role="img", width=width or "100%", height=height)
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.extend([element("title", title, id=f"{name}-title"), element("desc", description, id=f"{name}-desc"), *parts])
    page = ET.tostring(root, encoding="unicode")
    return Figure(name, title, visible(description), page, _as_file(root, width or _FILE_WIDTH, height))


def _as_file(root: ET.Element, width: float, height: float) -> str:
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("width", _value(width))
    style = element("style")
    style.text = "\n".join((_STYLES / name).read_text("utf-8") for name in ("colours.css", "charts.css"))
    root.insert(0, style)
    root.insert(1, element("rect", width="100%", height=height, class_="paper"))
    return ET.tostring(root, encoding="unicode") + "\n"
