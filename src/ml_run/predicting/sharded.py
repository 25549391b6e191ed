"""A job in shards: any number of files, by any number of workers, into one file or a folder, in order all the same."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import cluster, files
from ml_run.config.names import data_format
from ml_run.events import emit
from ml_run.predicting.ending import Pace, conclude
from ml_run.predicting.inputs import find_inputs, identity, is_url, local_copy
from ml_run.predicting.journal import Job, opened
from ml_run.predicting.merging import assemble, merge, receipts
from ml_run.predicting.model import choose_model
from ml_run.predicting.output import Form
from ml_run.predicting.refusing import check_request, writing
from ml_run.predicting.scoring import STAGE
from ml_run.predicting.shard import Plan, Shards, left_of, read_parts
from ml_run.predicting.texts import choose_fields
from ml_run.reading.streaming import stream
from ml_run.wording import number_of

if TYPE_CHECKING:
    from ml_run.predicting.inputs import Input
    from ml_run.predicting.journal import State
    from ml_run.predicting.model import Chosen
    from ml_run.predicting.record import Predicted
    from ml_run.predicting.request import Request
    from ml_run.predicting.shard import Receipt
    from ml_run.predicting.texts import Fields


def predict_shards(request: Request, project: Path) -> Predicted:
    """Do what `predict_file` does, in shards that workers write.

    Raises:
        UsageError, NotReadyError, StoreError: as `predict_file`; no cluster answers.
    """
    form = check_request(request, project)
    inputs = find_inputs(request.source, project)
    chosen = choose_model(project, request.model)
    emit("stage_started", STAGE, stage=STAGE)
    fields = _fields(request, inputs[0], chosen)
    with cluster.engine(request.compute) as engine:
        job = _job(request, inputs, chosen, fields, engine)
        with writing(request.target), opened(request.target, job, restart=request.restart) as state:
            plan = Plan(
                folder=state.shards.absolute(),
                fields=fields,
                chosen=chosen,
                form=form or Form(data_format(Path(inputs[0].address)) or "", packed=False),
                abstain_below=chosen.below(request.abstain_below),
                named=_several(request),
            )
            work = _Work(plan, inputs, state)
            if not state.progress.whole:
                work.score(engine)
                if form is None:
                    engine.each(partial(assemble, plan, state.parts.absolute()), inputs)
                merge(plan, inputs, state, work.seconds, rows=form is not None)
            state.publish(form)
    return conclude(request, project, chosen, state.progress, work.pace)


def _fields(request: Request, first: Input, chosen: Chosen) -> Fields:
    with local_copy(first) as path:
        fields, note = choose_fields(stream(path, first.name), request.text_fields, chosen.text_fields)
    if note:
        emit("note", f"  {note}")
    return fields


def _job(request: Request, inputs: tuple[Input, ...], chosen: Chosen, fields: Fields, engine: cluster.Engine) -> Job:
    found = engine.each(identity, inputs)
    several = _several(request)
    content = {one.name: now for one, now in zip(inputs, found, strict=True)}
    return Job(
        input_sha256=files.hash_value(content) if several else found[0],
        input_format=f"{number_of(len(inputs), 'file')} of {inputs[0].ending}" if several else inputs[0].ending,
        model_version=chosen.version,
        model_digest=chosen.digest,
        text_fields=fields.text,
        abstain_below=chosen.below(request.abstain_below),
    )


def _several(request: Request) -> bool:
    """IN may hold any number of files: each row tells of which it is."""
    named = str(request.source)
    folder = not is_url(request.source) and Path(named).is_dir()
    return folder or "*" in named or data_format(Path(named)) is None


class _Work:
    """The scoring of the shards that are not there yet, and how far it is."""

    def __init__(self, plan: Plan, inputs: tuple[Input, ...], state: State) -> None:
        self._plan = plan
        self._inputs = inputs
        self._count()
        self._rows_before = self._rows
        self._share_before = self._share
        self._seconds_before = state.progress.seconds
        self._start = self._scoring = time.monotonic()

    def score(self, engine: cluster.Engine) -> None:
        """Have every shard written that is not there; again, where a cluster breaks off that came farther."""
        self._plan.folder.mkdir(parents=True, exist_ok=True)
        if self._rows:
            emit("note", f"  going on after {number_of(self._rows, 'row')}")
        self._scoring = time.monotonic()
        while left := left_of(self._plan, self._inputs):
            before = self._rows
            try:
                for receipt in engine.flow(left, partial(read_parts, self._plan), partial(Shards, self._plan)):
                    self._add(receipt)
                    self._tell()
            except cluster.BrokenOffError as error:
                self._count()
                if self._rows == before:
                    raise
                emit("warning", f"{error.found}; the shards that lack are done again", level=logging.WARNING)
            else:
                return

    @property
    def pace(self) -> Pace:
        """What this process and its workers have done."""
        return Pace(self._rows_before, time.monotonic() - self._start, self._rate)

    @property
    def seconds(self) -> float:
        """Time spent, in all the processes that had a part in it."""
        return self._seconds_before + time.monotonic() - self._start

    @property
    def _rate(self) -> float:
        return (self._rows - self._rows_before) / max(time.monotonic() - self._scoring, 1e-9)

    @property
    def _share(self) -> float:
        sizes = sum(one.size for one in self._inputs)
        return sum(one.size * self._shares[one.number] for one in self._inputs) / max(1, sizes)

    def _count(self) -> None:
        """Look at what is there."""
        self._shares = dict.fromkeys(range(len(self._inputs)), 0.0)
        self._rows = 0
        for receipt in receipts(self._plan, self._inputs):
            self._add(receipt)

    def _add(self, receipt: Receipt) -> None:
        self._rows += receipt.rows
        self._shares[receipt.input] = max(self._shares[receipt.input], receipt.share)

    def _tell(self) -> None:
        seconds, here = time.monotonic() - self._scoring, self._share - self._share_before
        emit(
            "progress",
            number_of(self._rows, "row"),
            stage=STAGE,
            done=self._share,
            total=1.0,
            rows_per_second=self._rate,
            seconds_left=seconds * (1 - self._share) / here if here > 0 else None,
        )
