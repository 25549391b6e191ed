"""What a check of traffic leaves behind: a folder, whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import UsageError
from ml_run.events import emit
from ml_run.experiment import EXPERIMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.watching.deployed import Watched
    from ml_run.watching.record import MonitorResult
    from ml_run.watching.traffic import Traffic

_LONGEST_STEM = 60
_PATIENCE_SECONDS = 30.0


def folder_name(path: Path, run: str) -> str:
    """Where the check of a file against a run is left; checking it again replaces what was left before."""
    stem = re.sub(r"[^\w.-]+", "_", path.name.partition(".")[0])[:_LONGEST_STEM]
    named = hashlib.sha256(os.fsencode(f"{os.path.realpath(path)}\0{run}")).hexdigest()[:6]
    return f"{EXPERIMENTS}/monitor_{stem}_{named}"


def leave(result: MonitorResult, traffic: Traffic, watched: Watched, project: Path) -> MonitorResult:
    """Write report, figures and result; no text of the traffic is among them.

    Raises:
        UsageError: the folder cannot be written, or another process is at it.
    """
    root = project / EXPERIMENTS

    def refusal(_note: str) -> UsageError:
        return UsageError("another process is checking traffic in this project", remedy="wait for it to end")

    try:
        with (
            files.locked(root / ".monitor.lock", wait=_PATIENCE_SECONDS, refusal=refusal),
            files.atomic_folder(project / result.folder) as folder,
        ):
            if _report(result, traffic, watched, folder):
                result = result.model_copy(update={"report": f"{result.folder}/report.html"})
            files.write_json(folder / "result.json", result.told())
    except OSError as error:
        remedy = "start ml-run in a folder you may write to"
        raise UsageError(f"cannot write here: {error.strerror}", where=str(root), remedy=remedy) from None
    return result


def _report(result: MonitorResult, traffic: Traffic, watched: Watched, folder: Path) -> bool:
    from ml_run.watching.report import write_monitor_report

    try:
        write_monitor_report(result, traffic, watched, folder)
    except Exception as error:  # noqa: BLE001 -- the alarm must come out even where its report does not
        emit("warning", f"the report could not be written: {error}", level=logging.WARNING)
        return False
    return True
