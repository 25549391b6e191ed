"""Shards in their order: into the one file that OUT is, or file by file into the folder that it is."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import StoreError
from ml_run.experiment import read_record
from ml_run.predicting.shard import SHARE_STORAGE, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ml_run.predicting.inputs import Input
    from ml_run.predicting.journal import Progress, State
    from ml_run.predicting.shard import Plan

_AT_ONCE = 16_000_000
"""Bytes that are appended before the journal is written: each time costs two flushes to disk."""


def receipts(plan: Plan, inputs: Sequence[Input]) -> Iterator[Receipt]:
    """Those that are there, in no order that matters."""
    for one in inputs:
        for path in plan.place(one.number, "").glob("[0-9]*.json"):
            yield read_record(path, Receipt)


def merge(plan: Plan, inputs: Sequence[Input], state: State, seconds: float, *, rows: bool) -> None:
    """Append every shard to the files of the job, in order, from wherever an earlier try got to.

    Args:
        plan: where the shards are.
        inputs: in their order.
        state: of the job; it is whole in the end.
        seconds: that the job took.
        rows: False to take only what was left out: the rows go elsewhere.

    Raises:
        StoreError: a shard is not there, or not what was written.
    """
    passed, size = 0, 0
    content: list[bytes] = []
    rejected: list[str] = []
    now = state.progress.model_copy(update={"seconds": seconds})
    headed = now.rows_bytes > 0
    for receipt in _in_order(plan, inputs):
        passed += receipt.records
        if passed <= state.progress.records:
            continue
        if rows:
            content += [_rows(plan, receipt)] if headed else [_header(plan, receipt), _rows(plan, receipt)]
            headed = True
            size += len(content[-1])
        rejected += receipt.rejected
        now = _advanced(now, receipt)
        if size >= _AT_ONCE:
            _commit(state, content, rejected, now)
            content, rejected, size, now = [], [], 0, state.progress
    _commit(state, content, rejected, now.model_copy(update={"whole": True}))


def assemble(plan: Plan, folder: Path, one: Input) -> None:
    """Write the part of OUT that a file makes, once; a file without rows makes none.

    Raises:
        StoreError: a shard is not there, or not what was written.
    """
    part = folder / f"part-{one.number:05}{plan.form.ending}"
    found = list(_in_order(plan, [one]))
    if part.exists() or not any(receipt.rows for receipt in found):
        return
    folder.mkdir(parents=True, exist_ok=True)
    rows = plan.place(one.number, "rows")
    with rows.open("wb") as file:
        file.write(_header(plan, found[0]))
        for receipt in found:
            file.write(_rows(plan, receipt))
    files.sync(rows)
    plan.form.finish(rows, part)


def _in_order(plan: Plan, inputs: Sequence[Input]) -> Iterator[Receipt]:
    for one in inputs:
        count = plan.chunks(one)
        if count is None:
            raise _lost(plan.place(one.number, "end.json"))
        for chunk in range(count):
            path = plan.receipt(one.number, chunk)
            if not path.exists():
                raise _lost(path)
            yield read_record(path, Receipt)


def _lost(path: Path) -> StoreError:
    return StoreError("what a worker wrote is not here", where=str(path), remedy=SHARE_STORAGE)


def _header(plan: Plan, receipt: Receipt) -> bytes:
    return plan.form.encode(receipt.columns, [], first=True)


def _rows(plan: Plan, receipt: Receipt) -> bytes:
    path = plan.rows(receipt.input, receipt.chunk)
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != receipt.sha256:
        remedy = "remove this file and the .json beside it, and give the command again: it is made anew"
        raise StoreError("a shard is not what was written", where=str(path), remedy=remedy)
    return content


def _commit(state: State, content: list[bytes], rejected: list[str], progress: Progress) -> None:
    lines = "".join(f"{line}\n" for line in rejected)
    state.commit(b"".join(content), lines.encode("utf-8"), progress)


def _advanced(now: Progress, receipt: Receipt) -> Progress:
    return now.model_copy(
        update={
            "records": now.records + receipt.records,
            "rows": now.rows + receipt.rows,
            "labels": dict(Counter(now.labels) + Counter(receipt.labels)),
            "abstained": now.abstained + receipt.abstained,
            "reasons": dict(Counter(now.reasons) + Counter(receipt.reasons)),
        }
    )
