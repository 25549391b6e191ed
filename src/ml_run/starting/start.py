"""`ml-run init`: look, decide, and write what is not there yet; the config last."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.config import DataConfig
from ml_run.config.file import load_config
from ml_run.config.names import is_hub_address
from ml_run.errors import UsageError
from ml_run.reading import read_sources
from ml_run.results import SPLITS
from ml_run.starting.base_models import choose_base
from ml_run.starting.choices import choose
from ml_run.starting.claude_files import claude_files
from ml_run.starting.config_text import config_text, example_text
from ml_run.starting.example import example_choices
from ml_run.starting.facts import measure, refuse_unreadable
from ml_run.starting.fields import choose_roles
from ml_run.starting.sources import DATA, find_sources
from ml_run.wording import listed

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.starting.choice import Choice
    from ml_run.starting.sources import Found

USUAL_CONFIG = "ml_config.yaml"
_MOST_LABELS = 20
_LONGEST = 300


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    data: tuple[str, ...] = ()
    config: str = USUAL_CONFIG
    text_fields: tuple[str, ...] = ()
    label_field: str | None = None
    force: bool = False
    claude_only: bool = False


@dataclass(frozen=True)
class Started:
    """What was guessed and written."""

    choices: tuple[Choice, ...]
    """Every key of the config with the evidence for it; none with `claude_only`."""
    labels: dict[str, int]
    """Rows of each label in the training file."""
    warnings: tuple[str, ...]
    written: tuple[str, ...]
    """Paths from the project folder."""
    replaced: tuple[str, ...]
    """Those of them that held something else."""
    example: bool
    """True when no data was found to write the config for."""
    next_step: str
    """A command, or where to put what."""

    def told(self) -> dict[str, Any]:
        """The object that `--json` prints, below 10,000 characters."""
        largest = sorted(self.labels.items(), key=lambda label: (-label[1], label[0]))[:_MOST_LABELS]
        return {
            "exit_code": 0,
            "example": self.example,
            "choices": [{"key": c.key, "value": c.value, "why": c.why[:_LONGEST]} for c in self.choices],
            "labels": {name[:_LONGEST]: rows for name, rows in largest},
            "labels_left_out": len(self.labels) - len(largest),
            "warnings": [warning[:_LONGEST] for warning in self.warnings],
            "written": list(self.written),
            "replaced": list(self.replaced),
            "next_step": self.next_step,
        }


def start(request: Request, project: Path) -> Started:
    """Look at the data, write a config for it and the files for Claude Code.

    Nothing is written before all is decided and the config has passed its own check.

    Raises:
        UsageError: files are there already, or cannot be written; the data named is not there or cannot be told apart.
        NotReadyError: the data cannot be read, or does not say what is text and label.
    """
    contents = dict(claude_files())
    _refuse_to_overwrite(contents, request, project)
    if request.claude_only:
        written, replaced = _write(contents, request, project)
        return Started((), {}, (), written, replaced, example=False, next_step="in Claude Code: /ml-run NAME")
    found = find_sources(request.data, project)
    if found is None:
        return _example(request, project, contents)
    choices, labels, warnings, text = _decide(found, request, project)
    written, replaced = _write(contents | {request.config: text.encode("utf-8")}, request, project)
    step = _command("check-data", request)
    return Started(choices, labels, warnings, written, replaced, example=False, next_step=step)


def _decide(
    found: Found, request: Request, project: Path
) -> tuple[tuple[Choice, ...], dict[str, int], tuple[str, ...], str]:
    """All keys, the labels, what to know, and the text of the config."""
    train, val, test = (found.paths.get(split) for split in SPLITS)
    assert train is not None, "a training file is always found"
    sources = read_sources(DataConfig(train_path=train, val_path=val, test_path=test), project)
    refuse_unreadable(sources)
    roles = choose_roles(sources, request.text_fields, request.label_field)
    facts = measure(sources, roles)
    base = (project / request.config).parent
    paths = {split: (_from(base, path), found.why[split]) for split, path in found.paths.items()}
    choices, warnings = choose(paths, roles, facts, choose_base(facts.language))
    text = config_text(choices)
    load_config(project / request.config, text=text)
    return choices, facts.class_sizes("train"), (*warnings, *roles.notes, *found.notes), text


def _from(base: Path, path: str) -> str:
    """A path as the config names it: relative to the folder that the config is in."""
    if is_hub_address(path):
        return path
    relative = os.path.relpath(path, base)
    return f"./{relative}" if relative.startswith("~") else relative


def _example(request: Request, project: Path, contents: dict[str, bytes]) -> Started:
    choices = example_choices(choose_base(None))
    text = example_text(choices)
    written, replaced = _write(contents | {request.config: text.encode("utf-8")}, request, project)
    again = _command("init", request)
    step = f"put your rows into {DATA}/train.jsonl (or csv, tsv, parquet), then: {again}"
    warnings = (f"there is no data in {DATA}/, and none was named: {request.config} is an example",)
    return Started(choices, {}, warnings, written, replaced, example=True, next_step=step)


def _command(command: str, request: Request) -> str:
    named = [] if request.config == USUAL_CONFIG else ["--config", request.config]
    return shlex.join(["ml-run", command, *named])


# --- writing --------------------------------------------------------------------------------------------------------


def _refuse_to_overwrite(contents: dict[str, bytes], request: Request, project: Path) -> None:
    """Raise UsageError when a file of the user's would be overwritten; an example that nobody changed is not one."""
    held = [name for name, content in contents.items() if _exists(project / name) and not _is(project / name, content)]
    if not request.claude_only and _exists(project / request.config) and not _is_example(project / request.config):
        held.insert(0, request.config)
    if not held or request.force:
        return
    are, them = ("is", "it") if len(held) == 1 else ("are", "them")
    raise UsageError(
        f"{listed(held)} {are} there already, and nothing was written",
        remedy=f"--force replaces {them}; to keep what is there, move it away first",
    )


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _is_example(path: Path) -> bool:
    return _is(path, example_text(example_choices(choose_base(None))).encode("utf-8"))


def _write(contents: dict[str, bytes], request: Request, project: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write what is not there as it should be, the config last; say what was written, and what of it was there."""
    changed = [name for name, content in contents.items() if not _is(project / name, content)]
    replaced = tuple(name for name in changed if _exists(project / name))
    for name in sorted(changed, key=lambda name: name == request.config):
        try:
            files.write_bytes(project / name, contents[name])
        except OSError as error:
            raise UsageError(
                f"the file cannot be written: {error.strerror}",
                where=name,
                remedy="start ml-run init in a folder that you may write to; what is there now is whole",
            ) from None
    return tuple(changed), replaced
