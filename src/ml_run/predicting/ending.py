"""The end of a job: what is said of it, and what is returned."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.errors import NotReadyError
from ml_run.events import emit
from ml_run.predicting.inputs import name_of
from ml_run.predicting.journal import rejected_path
from ml_run.predicting.record import Predicted
from ml_run.predicting.scoring import STAGE
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.predicting.journal import Progress
    from ml_run.predicting.model import Chosen
    from ml_run.predicting.request import Request


@dataclass(frozen=True)
class Pace:
    """What this process had to do with the job."""

    resumed_after: int
    """Rows that were there when it began."""
    seconds: float
    rows_per_second: float


def conclude(request: Request, project: Path, chosen: Chosen, progress: Progress, pace: Pace) -> Predicted:
    """Tell the end of a job that is whole.

    Raises:
        NotReadyError: none of its rows could be read.
    """
    left_out = name_of(rejected_path(request.target), project)
    if not progress.rows:
        raise _nothing(name_of(request.source, project), progress, left_out)
    if progress.rejected:
        reasons = listed([f"{count:,} {reason}" for reason, count in progress.reasons.items()])
        what = f"{number_of(progress.rejected, 'row')} left out ({reasons}), each with its reason in {left_out}"
        emit("warning", what, level=logging.WARNING)
    ordered = sorted(progress.labels.items(), key=lambda one: (-one[1], one[0]))
    emit("stage_finished", f"{STAGE}: {number_of(progress.rows, 'row')}", stage=STAGE, seconds=pace.seconds)
    return Predicted(
        input=name_of(request.source, project),
        out=name_of(request.target, project),
        rows=progress.rows,
        rejected=progress.rejected,
        reasons=progress.reasons,
        rejected_path=left_out if progress.rejected else None,
        labels=dict(ordered),
        abstained=progress.abstained,
        abstain_below=progress.job.abstain_below,
        model=chosen.version,
        text_fields=progress.job.text_fields,
        resumed_after=pace.resumed_after,
        seconds=round(progress.seconds, 3),
        rows_per_second=round(pace.rows_per_second, 1),
        synthetic=chosen.synthetic,
    )


def _nothing(name: str, progress: Progress, left_out: str) -> NotReadyError:
    if not progress.rejected:
        return NotReadyError("the file has no rows", where=name, remedy="check the path")
    reasons = listed([f"{count:,} {reason}" for reason, count in progress.reasons.items()])
    found = f"none of its {number_of(progress.rejected, 'row')} can be read ({reasons})"
    return NotReadyError(found, where=name, remedy=f"{left_out} has each with its reason")
