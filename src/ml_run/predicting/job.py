"""One job: read, score, write, chunk by chunk, from wherever an earlier try got to."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.characters import visible
from ml_run.config.names import data_format
from ml_run.errors import NotReadyError, UsageError
from ml_run.events import emit
from ml_run.predicting.journal import Job, opened, refuse_existing, rejected_path
from ml_run.predicting.model import choose_model
from ml_run.predicting.output import FORMS, form_of
from ml_run.predicting.record import Predicted
from ml_run.predicting.scoring import STAGE, Work
from ml_run.predicting.texts import choose_fields
from ml_run.reading.sources import shown
from ml_run.reading.streaming import stream
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_run.predicting.journal import Progress
    from ml_run.predicting.model import Chosen
    from ml_run.predicting.output import Form


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    source: Path
    target: Path
    model: str
    """`production`, or the ID of a run."""
    text_fields: tuple[str, ...] = ()
    """Empty: those that the model's run read."""
    abstain_below: float | None = None
    restart: bool = False


def predict_file(request: Request, project: Path) -> Predicted:
    """Predict every row of a file into another, which appears when it is whole.

    A job that was killed goes on where it stopped, when it is asked for in the same words.

    Raises:
        UsageError: OUT is there already, or another job was begun there; IN is not there; no such model.
        NotReadyError: IN cannot be read, or none of its rows can.
        StoreError: the model is not what was written.
    """
    form = _check(request, project)
    chosen = choose_model(project, request.model)
    emit("stage_started", STAGE, stage=STAGE)
    source = stream(request.source, shown(str(request.source.absolute()), project))
    before = _stamp(request.source)
    fields, note = choose_fields(source, request.text_fields, chosen.text_fields)
    for one in filter(None, [note, source.note and f"{source.name}: {source.note.problem}"]):
        emit("note", f"  {one}")
    job = Job(
        input_sha256=files.hash_file(request.source),
        input_format=f"{data_format(request.source)}{'.gz' * request.source.name.lower().endswith('.gz')}",
        model_version=chosen.version,
        model_digest=chosen.digest,
        text_fields=fields.text,
        abstain_below=request.abstain_below,
    )
    with _writing(request.target), opened(request.target, job, restart=request.restart) as state:
        work = Work(source, fields, chosen, form, state)
        if not state.progress.whole:
            work.score()
            _refuse_changed(request.source, before, source.name)
            state.commit(b"", b"", state.progress.model_copy(update={"whole": True}))
        progress, rate = state.progress, work.rows_per_second
        state.publish(form)
    return _result(request, project, chosen, progress, work, rate)


def _check(request: Request, project: Path) -> Form:
    """Refuse what can be refused before anything is read; return the format to write."""
    threshold = request.abstain_below
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"it is {threshold:g}, no probability", where="--abstain-below", remedy="give one from 0 to 1")
    form = form_of(request.target, shown(str(request.target.absolute()), project))
    where = visible(str(request.target))
    if request.source.resolve() in {path.resolve() for path in (request.target, rejected_path(request.target))}:
        raise UsageError("IN would be overwritten", where=where, remedy="name another OUT")
    if request.target.is_dir():
        raise UsageError("it is a folder", where=where, remedy=f"name a file in it, that ends in {FORMS}")
    refuse_existing(request.target, restart=request.restart)
    return form


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _refuse_changed(path: Path, before: tuple[int, int], name: str) -> None:
    if _stamp(path) != before:
        remedy = "wait until it is written, then begin anew: --restart"
        raise UsageError("the file was changed while it was read", where=name, remedy=remedy)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write: {error.strerror or error}",
            where=visible(str(target)),
            remedy="make room, or check the permissions, and give the command again: it goes on where it stopped",
        ) from error


def _result(request: Request, project: Path, chosen: Chosen, progress: Progress, work: Work, rate: float) -> Predicted:
    left_out = shown(str(rejected_path(request.target).absolute()), project)
    if not progress.rows:
        raise _nothing(shown(str(request.source.absolute()), project), progress, left_out)
    if progress.rejected:
        reasons = listed([f"{count:,} {reason}" for reason, count in progress.reasons.items()])
        what = f"{number_of(progress.rejected, 'row')} left out ({reasons}), each with its reason in {left_out}"
        emit("warning", what, level=logging.WARNING)
    ordered = sorted(progress.labels.items(), key=lambda one: (-one[1], one[0]))
    emit("stage_finished", f"{STAGE}: {number_of(progress.rows, 'row')}", stage=STAGE, seconds=work.seconds)
    return Predicted(
        input=shown(str(request.source.absolute()), project),
        out=shown(str(request.target.absolute()), project),
        rows=progress.rows,
        rejected=progress.rejected,
        reasons=progress.reasons,
        rejected_path=left_out if progress.rejected else None,
        labels=dict(ordered),
        abstained=progress.abstained,
        abstain_below=request.abstain_below,
        model=chosen.version,
        text_fields=progress.job.text_fields,
        resumed_after=work.resumed_after,
        seconds=round(progress.seconds, 3),
        rows_per_second=round(rate, 1),
        synthetic=chosen.synthetic,
    )


def _nothing(name: str, progress: Progress, left_out: str) -> NotReadyError:
    if not progress.rejected:
        return NotReadyError("the file has no rows", where=name, remedy="check the path")
    reasons = listed([f"{count:,} {reason}" for reason, count in progress.reasons.items()])
    found = f"none of its {number_of(progress.rejected, 'row')} can be read ({reasons})"
    return NotReadyError(found, where=name, remedy=f"{left_out} has each with its reason")
