"""The folder `experiments/check_data`: one process at a time, whole or not at all, nothing of people's work lost."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import UsageError
from ml_run.experiment import EXPERIMENTS, Experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECK = "check_data"
_SECONDS_TO_WAIT = 0.3


@dataclass(frozen=True)
class Making(Experiment):
    """The check's folder while it is made, under a temporary name."""

    def relative(self, path: Path) -> str:
        """`path` as it will be once the folder is in its place: that is what people get to read."""
        return f"{EXPERIMENTS}/{CHECK}/{path.relative_to(self.folder).as_posix()}"


@contextmanager
def locked_check(project: Path) -> Iterator[None]:
    """Keep other processes from the check's folder within the block, and clear away what a killed one left.

    Raises:
        UsageError: another process is at it, or nothing can be written here.
    """
    root = project / EXPERIMENTS

    def refusal(_note: str) -> UsageError:
        return UsageError("another process is checking the data of this project", remedy="wait for it to end")

    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = root / f".{CHECK}.lock"
        lock.touch()
    except OSError as error:
        remedy = "start ml-run in a folder you may write to"
        raise UsageError(f"cannot write here: {error.strerror}", where=str(root), remedy=remedy) from None
    with files.locked(lock, wait=_SECONDS_TO_WAIT, refusal=refusal):
        files.sweep(root)
        yield


def put_in_place(making: Experiment, folder: Path) -> tuple[str, ...]:
    """Put the new folder in the place of the old, without losing what people wrote into that."""
    files.seal_folder(making.folder)
    names = _written_by_people(folder) if folder.is_dir() else []
    # Files of their own keep their names; what was made here and changed then gets one that is free.
    kept = [_keep(name, folder, making) for name in sorted(names, key=lambda name: (making.folder / name).exists())]
    files.replace_folder(making.folder, folder)
    return tuple(name for name in kept if name)


def _written_by_people(folder: Path) -> list[str]:
    """Every file that is not as the last check wrote it; hidden ones are the business of other programs."""
    try:
        entries = json.loads((folder / files.MANIFEST).read_text("utf-8"))
        ours = {name: entry["sha256"] for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = {}
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    names = {file.relative_to(folder).as_posix(): file for file in found}
    names.pop(files.MANIFEST, None)
    return [name for name, file in names.items() if ours.get(name) != files.hash_file(file)]


def _keep(name: str, folder: Path, making: Experiment) -> str | None:
    """Copy a file into the new folder, under another name where its own is taken; return that, then."""
    target = wanted = making.folder / name
    number = 1
    while target.exists():
        target = wanted.with_name(f"{wanted.stem}.edited{f'-{number}' if number > 1 else ''}{wanted.suffix}")
        number += 1
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(folder / name, target)
    files.sync(target)
    return target.relative_to(making.folder).as_posix() if target != wanted else None
