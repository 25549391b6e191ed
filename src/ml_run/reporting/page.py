"""A document as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.characters import visible, visible_lines

if TYPE_CHECKING:
    from jinja2 import Environment

    from ml_run.reporting.document import Document


_BEFORE_PER_CENT = re.compile(r"(?<=\d) (?=%)")


def render(document: Document) -> str:
    """The page as text."""
    return _environment().get_template("report.html.j2").render(document=document) + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["visible_lines"] = visible_lines
    environment.filters["unbroken"] = _unbroken
    # The one place where markup passes unescaped: figures are built as trees that escape their texts (svg.py).
    environment.filters["svg"] = lambda figure: Markup(figure.svg)  # noqa: S704
    return environment


def _unbroken(text: str) -> str:
    """Our words, with no number parted from its per cent sign at the end of a line."""
    return _BEFORE_PER_CENT.sub("\N{NO-BREAK SPACE}", text)
