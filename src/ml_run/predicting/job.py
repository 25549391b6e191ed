"""One job: read, score, write, chunk by chunk, from wherever an earlier try got to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.events import emit
from ml_run.predicting.ending import Pace, conclude
from ml_run.predicting.inputs import ending_of, name_of
from ml_run.predicting.journal import Job, opened
from ml_run.predicting.model import choose_model
from ml_run.predicting.refusing import check_request, refuse_changed, stamp, writing
from ml_run.predicting.scoring import STAGE, Work
from ml_run.predicting.sharded import predict_shards
from ml_run.predicting.texts import choose_fields
from ml_run.reading.streaming import stream

if TYPE_CHECKING:
    from ml_run.predicting.record import Predicted
    from ml_run.predicting.request import Request


def predict_file(request: Request, project: Path) -> Predicted:
    """Predict every row of a file into another, which appears when it is whole.

    A job that was killed goes on where it stopped, when it is asked for in the same words.

    Raises:
        UsageError: OUT is there already, or another job was begun there; IN is not there; no such model.
        NotReadyError: IN cannot be read, or none of its rows can.
        StoreError: the model is not what was written.
    """
    if request.in_shards:
        return predict_shards(request, project)
    form = check_request(request, project)
    assert form is not None, "only shards go into a folder"
    path = Path(request.source)
    chosen = choose_model(project, request.model)
    emit("stage_started", STAGE, stage=STAGE)
    source = stream(path, name_of(path, project))
    before = stamp(path)
    fields, note = choose_fields(source, request.text_fields, chosen.text_fields)
    for one in filter(None, [note, source.note and f"{source.name}: {source.note.problem}"]):
        emit("note", f"  {one}")
    job = Job(
        input_sha256=files.hash_file(path),
        input_format=ending_of(path),
        model_version=chosen.version,
        model_digest=chosen.digest,
        text_fields=fields.text,
        abstain_below=chosen.below(request.abstain_below),
    )
    with writing(request.target), opened(request.target, job, restart=request.restart) as state:
        work = Work(source, fields, chosen, form, state)
        if not state.progress.whole:
            work.score()
            refuse_changed(path, before, source.name)
            state.commit(b"", b"", state.progress.model_copy(update={"whole": True}))
        progress, rate = state.progress, work.rows_per_second
        state.publish(form)
    return conclude(request, project, chosen, progress, Pace(work.resumed_after, work.seconds, rate))
