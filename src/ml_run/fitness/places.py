"""The places a run writes to: its folder, the disk, the tracking store; and the files for Claude Code."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from ml_run.errors import StoreError
from ml_run.experiment import EXPERIMENTS
from ml_run.fitness.hardware import gigabytes
from ml_run.fitness.record import STORE, Check
from ml_run.modeling.failures import disk_need
from ml_run.starting import differing_claude_files
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config import Config

_LEAST_BYTES = 500_000_000
_SPARE = 2.5
_MOST_NAMED = 3


def folder_check(project: Path) -> Check:
    """Whether runs can be written."""
    folder = project / EXPERIMENTS
    if folder.is_dir():
        place, said = folder, f"{EXPERIMENTS}/ can be written"
    elif folder.exists():
        return Check(
            "experiments", "error", f"{EXPERIMENTS} is no folder", "move that file away: runs are written there"
        )
    else:
        place, said = project, f"{EXPERIMENTS}/ will be made by the first run"
    if os.access(place, os.W_OK | os.X_OK):
        return Check("experiments", "ok", said)
    found = f"{EXPERIMENTS if place is folder else 'this folder'} cannot be written"
    return Check("experiments", "error", found, f"start ml-run in a folder of yours, or: chmod u+rwx {place.name}")


def disk_check(project: Path, parameters: int | None) -> Check:
    """Whether the disk has room for the checkpoints and the model of a training of so many parameters."""
    free = shutil.disk_usage(project).free
    need = _LEAST_BYTES + (round(_SPARE * disk_need(parameters)) if parameters else 0)
    if free >= need:
        return Check("disk", "ok", f"{gigabytes(free)} free, a run needs up to {gigabytes(need)}")
    return Check(
        "disk",
        "error",
        f"{gigabytes(free)} free, and a run needs up to {gigabytes(need)}",
        f"free {gigabytes(need - free)}: old runs in {EXPERIMENTS}/ can go, or name a smaller model",
    )


def store_check(config: Config, project: Path) -> Check:
    """Whether the tracking store can be reached, or made."""
    from ml_run.tracking import look_at_store, shown_uri

    shown = shown_uri(config, project)
    try:
        return Check(STORE, "ok", f"{shown}: {look_at_store(config, project)}")
    except StoreError as error:
        return Check(STORE, "error", f"{shown}: {error.found}", error.remedy)


def claude_check(project: Path) -> Check:
    """Whether the files for Claude Code are those of this version."""
    missing, other = differing_claude_files(project)
    if other:
        more = f" and {len(other) - _MOST_NAMED} more" if len(other) > _MOST_NAMED else ""
        return Check(
            "claude",
            "warning",
            f"{number_of(len(other), 'file')} not as this version has them: {listed(other[:_MOST_NAMED])}{more}",
            "ml-run init --claude-only --force replaces them; whatever you changed in them is lost then",
        )
    if missing:
        found = f"{number_of(len(missing), 'file')} for Claude Code not here; only it needs them"
        return Check("claude", "info", found, "ml-run init --claude-only")
    return Check("claude", "ok", "the files for Claude Code are those of this version")


def cluster_check(config: Config) -> Check | None:
    """Whether the cluster that the config names answers; None where it names none."""
    if config.compute.engine != "ray":
        return None
    from ml_run import cluster

    found = cluster.describe(config.compute)
    if not found.reachable:
        return Check("cluster", "error", found.note, "set compute.engine: local to work on this machine alone")
    wanted = config.compute.workers * config.compute.cpus_per_worker
    has = f"; {number_of(found.nodes, 'node')}, {found.cpus:g} CPUs, {found.gpus:g} GPUs" if found.cpus else ""
    if found.cpus and found.cpus < wanted:
        remedy = "lower compute.workers or compute.cpus_per_worker, or wait for machines: a training waits ten minutes"
        return Check("cluster", "warning", f"{found.note}{has}; the config asks for {wanted} CPUs", remedy)
    return Check("cluster", "ok", f"{found.note}{has}")
