"""A new `ml_config.yaml` as text: every key below the reason for its value."""

from __future__ import annotations

import json
import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ml_run.characters import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ml_run.starting.choice import Choice

_WIDTH = 100
_KEPT = "\0"
"""Stands for a blank at which no line is broken."""
_PLAIN = re.compile(r"(?!-)[\w./+-]*[A-Za-z][\w./+ -]*(?<! )|\d+(\.\d+)?|\de-\d")
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_HEADING = (
    "Written by ml-run init for this data: above each key stands why it has its value. Every further key, with its "
    "bounds and its default: ml-run check-config --schema. Check this file: ml-run check-config"
)
_EXAMPLE_HEADING = (
    "An example: ml-run init found no data to look at. Put your labelled texts where the path below says, then let "
    "ml-run init write this file anew for them: it replaces the example as long as nobody has changed it."
)


def config_text(choices: Iterable[Choice]) -> str:
    """The file for `choices`, in their order."""
    return "\n".join(_lines(_HEADING, choices)) + "\n"


def example_text(choices: Iterable[Choice]) -> str:
    """The file for a user without data."""
    return "\n".join(_lines(_EXAMPLE_HEADING, choices)) + "\n"


def _lines(heading: str, choices: Iterable[Choice]) -> Iterator[str]:
    yield from _comment(heading, "")
    for section, keys in groupby(choices, key=lambda choice: choice.key.partition(".")[0]):
        yield from ("", f"{section}:")
        for choice in keys:
            yield from _comment("; ".join(filter(None, (choice.why, choice.more))), "  ")
            yield f"  {choice.key.partition('.')[2]}: {_value(choice.value)}"


def _comment(text: str, indent: str) -> Sequence[str]:
    pieces = textwrap.wrap(
        visible(text).replace(" %", f"{_KEPT}%"), _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ",
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
    return [piece.replace(_KEPT, " ") for piece in pieces]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if not isinstance(value, str):
        return str(value)
    text = value.replace("${", "$${")  # ${NAME} would be filled in from the environment
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML:
        return text
    return json.dumps(text, ensure_ascii=False)
