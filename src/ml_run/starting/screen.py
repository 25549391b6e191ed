"""What `ml-run init` shows: every guess with its evidence, what was written, and the next command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.checking import Line, columned
from ml_run.starting.claude_files import FOLDER
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.checking.screen import Mark
    from ml_run.starting.start import Started

_MOST_LABELS = 8
_GUESSES = (
    "data.train_path", "data.val_path", "data.test_path", "data.text_field", "data.label_field", "data.group_field",
    "data.language", "data.test_share", "model.name", "model.max_length", "training.class_weights", "training.folds",
    "deployment.min_accuracy", "deployment.min_f1",
)  # fmt: skip
"""Keys that are told; the file explains the others as well."""
_NAMES = {"model.name": "model"}


def started_screen(started: Started, width: int) -> list[Line]:
    """What was guessed and written, on a screen of `width` columns."""
    lines: list[Line] = []
    if started.choices and not started.example:
        lines += [*columned(list(_guesses(started)), width), Line("", "")]
    if started.warnings:
        lines += columned([("warning", "", warning) for warning in started.warnings], width)
        lines.append(Line("", ""))
    return [*lines, *columned(list(_closing(started)), width)]


def _guesses(started: Started) -> Iterator[tuple[Mark, str, str]]:
    for choice in started.choices:
        if choice.key in _GUESSES:
            value = ", ".join(choice.value) if isinstance(choice.value, tuple) else choice.value
            name = _NAMES.get(choice.key, choice.key.partition(".")[2])
            yield "ok", name, f"{value} – {choice.why}"
        if choice.key == "data.label_field":
            yield "", "", _labels(started.labels)


def _labels(labels: dict[str, int]) -> str:
    largest = sorted(labels.items(), key=lambda label: (-label[1], label[0]))
    shown = ", ".join(f"{name} {rows:,}" for name, rows in largest[:_MOST_LABELS])
    more = len(largest) - _MOST_LABELS
    return f"{shown} and {number_of(more, 'label')} more" if more > 0 else shown


def _closing(started: Started) -> Iterator[tuple[Mark, str, str]]:
    claude = [name for name in started.written if name.startswith(f"{FOLDER}/")]
    for name in started.written:
        if name not in claude:
            said = "each key with its reason" if not started.example else "an example, each key with what belongs there"
            yield "ok", "wrote", f"{name}{' anew' if name in started.replaced else ''}: {said}"
    if claude:
        anew = sum(name in started.replaced for name in claude)
        replaced = f", {anew} of them anew" if anew else ""
        yield "ok", "wrote", f"{FOLDER}/: {number_of(len(claude), 'file')} for Claude Code{replaced}"
    if not started.written:
        yield "ok", "wrote", "nothing: all files are there as they should be"
    yield "", "next", started.next_step
