"""`experiments/deployments`: verified copies of models, and the pointer `current` at the one that is served.

```
experiments/deployments/
├── 3/               a sealed model folder a version; a real copy, out of reach of what happens to the experiment
├── current -> 3     switched by one rename
├── intent.json      only while a promotion is under way: what to finish, or to drop, if the process dies
└── history.jsonl    what was deployed and rolled back, and when; only ever appended to
```
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from ml_run import files
from ml_run.errors import StoreError, UsageError
from ml_run.experiment import EXPERIMENTS, Experiment, is_locked
from ml_run.results import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CURRENT = "current"
_INTENT = "intent.json"
_HISTORY = "history.jsonl"
_LOCK = ".lock"
_STAGED = ".staged-"
_WRITING = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class ProductionModel:
    """The model that the alias `production` points at, as a folder on this machine that matches its manifest."""

    version: str
    folder: Path


class Change(Record):
    """One promotion: the intent while it is under way, a line of the history when it is done."""

    action: Literal["deploy", "rollback"]
    version: str
    previous: str | None
    """The version that is production before the change; promotion is refused if it is another."""
    digest: str
    """`files.folder_digest` of the version's folder."""
    time: str
    experiment: str | None = None
    override: str | None = None


def root(project: Path) -> Path:
    """The folder that holds all deployments of a project."""
    return project / EXPERIMENTS / "deployments"


def version_folder(project: Path, version: str) -> Path:
    """Folder of one version. Raises StoreError for a version that is no number: it must never become another path."""
    if not version.isascii() or not version.isdigit():
        raise StoreError(f"the registry names a version {version!r}, which is no number", where=str(root(project)))
    return root(project) / version


def current_version(project: Path) -> str | None:
    """The version that `current` points at, or None."""
    try:
        target = str((root(project) / _CURRENT).readlink())
    except OSError:
        return None
    return target if target.isdigit() else None


def deployed_version(project: Path, *, otherwise: str = "") -> str:
    """The version that `current` points at.

    Args:
        project: the project folder.
        otherwise: what else than deploying can be done where nothing is, e.g. `name a run: --model ID`.

    Raises:
        UsageError: no model is in production here.
    """
    version = current_version(project)
    if version is None:
        raise UsageError(
            "no model is in production here",
            where=f"{EXPERIMENTS}/deployments/{_CURRENT}",
            remedy="ml-run list shows the runs; ml-run deploy ID deploys one that passed"
            + (f"; or {otherwise}" if otherwise else ""),
        )
    return version


def switch(project: Path, version: str) -> None:
    """Point `current` at `version`, by one rename: a reader finds the old folder or the new, never neither."""
    folder = root(project)
    temporary = folder / f".{_CURRENT}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(version_folder(project, version).name)
    files.crash_point()
    temporary.replace(folder / _CURRENT)
    files.crash_point()
    files.sync(folder)


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Hold the deploy lock: one promotion at a time. Waits up to a minute, then raises StoreError.

    What killed processes left in the folder is cleared away first.
    """
    root(project).mkdir(parents=True, exist_ok=True)
    path = root(project) / _LOCK

    def refusal(_note: str) -> StoreError:
        return StoreError("another deployment is still going on", where=str(path), remedy="wait for it, then try again")

    with files.locked(path, wait=_PATIENCE_SECONDS, refusal=refusal):
        _sweep(project)
        yield


def _sweep(project: Path) -> None:
    files.sweep(root(project))
    for staged in root(project).glob(f"{_STAGED}*"):
        run = Experiment(root(project).parent / staged.name.removeprefix(_STAGED))
        if not is_locked(run):  # nobody is left to verify and adopt it
            _remove(staged)


# --- the copies -------------------------------------------------------------------------------------------------------


def export(project: Path, experiment_id: str, model: Path) -> Path:
    """Copy a sealed model folder to a staging place beside the deployments; return the copy, sealed.

    A real copy, not hard links: an edit of the experiment must not reach what is served.

    Raises:
        StoreError: the model is not what was sealed.
    """
    if fault := files.manifest_fault(model):
        raise StoreError(
            f"the trained model was changed: {fault}", where=str(model), remedy="train it again in a new run"
        )
    staging = _staging(project, experiment_id)
    discard_staging(project, experiment_id)
    with files.atomic_folder(staging) as temporary:
        shutil.copytree(model, temporary, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for place in (staging, *staging.rglob("*")):  # whatever the umask: what was verified is its owner's to change
        place.chmod(stat.S_IMODE(place.stat().st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    return staging


def adopt(project: Path, staging: Path, version: str) -> Path:
    """Move a staged copy to the place of its version.

    A whole copy that is there already is kept, a damaged copy of the same model is replaced.

    Raises:
        StoreError: the place holds another model, or what is left of one, and that is being served.
    """
    target = version_folder(project, version)
    if target.exists():
        fault = files.manifest_fault(target)
        same = _digest(target) == files.folder_digest(staging)
        if same and not fault:
            shutil.rmtree(staging)
            return target
        if not same and current_version(project) == version:
            raise _served(target, fault)
    files.replace_folder(staging, target)
    return target


def _digest(folder: Path) -> str | None:
    """What the manifest says the folder is, whether or not that is still true; None without a manifest."""
    return files.folder_digest(folder) if (folder / files.MANIFEST).is_file() else None


def _served(target: Path, fault: str | None) -> StoreError:
    if fault:
        return StoreError(
            f"version {target.name} is being served and its copy is damaged: {fault}",
            where=str(target),
            remedy="move this folder away; a copy of what is registered takes its place in the next run",
        )
    return StoreError(
        f"version {target.name} is being served and is another model: the registry numbers its versions anew",
        where=str(target),
        remedy="point tracking.uri at the registry used before, or move experiments/deployments away",
    )


def discard_staging(project: Path, experiment_id: str) -> None:
    """Remove the staged copy of an experiment, if there is one."""
    _remove(_staging(project, experiment_id))


def _remove(folder: Path) -> None:
    """Remove a folder, also one that a killed process has left read-only."""
    for place in (folder, *folder.rglob("*/")):
        with suppress(OSError):
            place.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write into `folder` within the block; whoever may do everything is not held up by it."""
    modes = {place: stat.S_IMODE(place.stat().st_mode) for place in (folder, *folder.rglob("*"))}
    try:
        for place, mode in modes.items():
            place.chmod(mode & ~_WRITING)
        yield
    finally:
        for place, mode in modes.items():
            place.chmod(mode)


def _staging(project: Path, experiment_id: str) -> Path:
    return root(project) / f"{_STAGED}{experiment_id}"


# --- intent and history -----------------------------------------------------------------------------------------------


def intent(project: Path) -> Change | None:
    """The promotion that was under way when a process died, or None."""
    path = root(project) / _INTENT
    try:
        return Change.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise StoreError(
            "the note on an unfinished deployment cannot be read",
            where=str(path),
            remedy="look at experiments/deployments/current and the alias `production`, then delete the note",
        ) from None


def write_intent(project: Path, change: Change) -> None:
    """Note what is about to be done, before the first step of it."""
    files.write_text(root(project) / _INTENT, change.model_dump_json(indent=2) + "\n")


def clear_intent(project: Path) -> None:
    """The change is done, or was dropped as a whole."""
    (root(project) / _INTENT).unlink(missing_ok=True)
    files.crash_point()
    files.sync(root(project))


def history(project: Path) -> list[Change]:
    """What was deployed and rolled back here, oldest first."""
    path = root(project) / _HISTORY
    found = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(Change.model_validate_json(line))
        except ValidationError:
            continue  # cut off by a crash; the change is noted again
    return found


def append_history(project: Path, change: Change) -> None:
    """Add one line, unless the last one is the same change (noted by a process that then died)."""
    if change in history(project)[-1:]:
        return
    path = root(project) / _HISTORY
    torn = path.is_file() and not path.read_bytes().endswith(b"\n")
    line = ("\n" if torn else "") + json.dumps(change.model_dump(), ensure_ascii=False) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(handle, line.encode("utf-8"))
        os.fsync(handle)
    finally:
        os.close(handle)
    files.crash_point()


def made_by(project: Path, version: str) -> str | None:
    """Id of the run that made a version; None where the history does not say."""
    runs = [change.experiment for change in history(project) if change.version == version and change.experiment]
    return runs[-1] if runs else None


def verified_digest(project: Path, version: str) -> str:
    """The digest of a version's folder, which is whole, and what the history says was deployed under that number.

    Raises:
        StoreError: it is not.
    """
    folder = version_folder(project, version)
    fault = files.manifest_fault(folder) if folder.is_dir() else "the folder is missing"
    digest = None if fault else files.folder_digest(folder)
    promised = [change.digest for change in history(project) if change.version == version]
    if not fault and promised and digest != promised[-1]:
        fault = "it is another model than the one that was deployed"
    if fault or digest is None:
        raise StoreError(
            f"version {version} is not what was deployed: {fault}",
            where=str(folder),
            remedy="ml-run rollback goes back to the version before; ml-run deploy ID deploys a run again",
        )
    return digest
