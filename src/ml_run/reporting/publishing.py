"""The copy of a report among the project's reports, and its line in their registry."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.reporting.registry_file import CATEGORY, Entry, with_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PATIENCE_SECONDS = 60.0


def publish(reports: Path, run_id: str, date: str, status: str, summary: str, write: Callable[[Path], str]) -> Path:
    """Write the copy and its line, under one lock, so that runs ending together do not take the same name.

    Args:
        reports: folder of the project's reports.
        run_id: the experiment's id; a copy of the same run is replaced.
        date: YYYY-MM-DD, in the file's name.
        status: one word for the registry.
        summary: one line for the registry.
        write: gives the report's text, told the folder it will stand in.

    Returns:
        The copy's path.

    Raises:
        OSError: it cannot be written, or another run does not give the lock back within a minute.
    """
    folder = reports / CATEGORY
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(reports / ".ml-run.lock", wait=_PATIENCE_SECONDS, refusal=_refusal):
        copy = _own_copy(folder, run_id, date) or _free_name(folder, date)
        files.write_text(copy, f"{_mark(run_id)}\n\n{write(folder)}")
        _enter(reports / "_registry.md", Entry(copy.name, date, status, summary))
    return copy


def _refusal(_note: str) -> OSError:
    return TimeoutError(errno.ETIMEDOUT, f"another run has been writing there for {_PATIENCE_SECONDS:.0f} seconds")


def _mark(run_id: str) -> str:
    return f"<!-- written by ml-run for {run_id} -->"


def _own_copy(folder: Path, run_id: str, date: str) -> Path | None:
    return next(
        (path for path in sorted(folder.glob(f"ml-run-{date}*.md")) if _first_line(path) == _mark(run_id)), None
    )


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\r\n")


def _free_name(folder: Path, date: str) -> Path:
    number, path = 1, folder / f"ml-run-{date}.md"
    while os.path.lexists(path):
        number += 1
        path = folder / f"ml-run-{date}-{number}.md"
    return path


def _enter(registry: Path, entry: Entry) -> None:
    path = registry.resolve()  # a linked registry stays a link
    # Bytes that are no UTF-8 survive: the file is not ours.
    before = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
    after = with_entry(before, entry)
    if after != before:
        files.write_bytes(path, after.encode("utf-8", "surrogateescape"))
