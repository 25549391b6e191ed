"""The page at `/`: try a text, see what the model says and which words spoke for it. It needs no script."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ml_run.characters import visible, visible_lines
from ml_run.evaluation.passages import opening, words_of
from ml_run.reporting import page as report_page
from ml_run.reporting.mistake_sections import marked
from ml_run.serving.settings import MOST_CHARACTERS
from ml_run.wording import percent, sentence

if TYPE_CHECKING:
    from jinja2 import Environment

    from ml_run.results import Pushed
    from ml_run.serving.models import ServedModel

_TEMPLATES = Path(__file__).parent / "templates"
_STYLES = ("colours.css", "page.css", "try.css")
_LABELS_SHOWN = 10
_LEAST = 0.001
_LOOKED_AT = 2000
"""Characters among which the start that is shown ends in any case."""
_SYNTHETIC = "SYNTHETIC:"
"""In the card of a model that was trained on the sample."""


class Share(NamedTuple):
    """One label and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Tried:
    """What the model says of the text that was tried."""

    text: str
    shares: list[Share]
    """The most probable label first."""
    truncated: bool
    words: tuple[Pushed, ...] | None
    """None: there was no time to look for them."""


def render(model: ServedModel | None, *, text: str = "", tried: Tried | None = None, problem: str = "") -> str:
    """The page.

    Args:
        model: that serves; None while it is being loaded.
        text: what stands in the form.
        tried: what to tell of it.
        problem: why there is nothing to tell.
    """
    return environment().get_template("try.html.j2").render(
        model=model,
        synthetic=model is not None and _SYNTHETIC in model.card,
        text=text,
        tried=tried,
        shown=None if tried is None else _shown(tried),
        problem=problem,
        style=style(),
        longest=MOST_CHARACTERS,
        most=_LABELS_SHOWN,
    )  # fmt: skip


def _shown(tried: Tried) -> tuple[tuple[str, bool], ...]:
    """The start of the text, personal data masked; words that spoke for the label are true."""
    return marked(opening(words_of(tried.text[:_LOOKED_AT]))[0], tried.words or ()).parts


def _share(probability: float) -> str:
    """A probability as per cent; neither certain nor impossible, which it never is."""
    if probability > 1 - _LEAST:
        return f"over {percent(1 - _LEAST)}"
    return f"under {percent(_LEAST)}" if probability < _LEAST else percent(probability)


def security_policy() -> str:
    """Content-Security-Policy of a page: its own style, its own form, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def style() -> str:
    """The style of all pages of the server."""
    folders = (_TEMPLATES, Path(report_page.__file__).parent / "templates")
    found = [folder / name for name in _STYLES for folder in folders if (folder / name).is_file()]
    return "\n".join(path.read_text("utf-8") for path in found)


@cache
def environment() -> Environment:
    """The templates, in which everything is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "visible_lines": visible_lines, "share": _share, "sentence": sentence}
    return environment
