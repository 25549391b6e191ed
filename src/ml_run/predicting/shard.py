"""A shard: one chunk of one file, read by one worker, scored and written by any.

Beside OUT stands, while the job is under way, in the folder `.OUT.ml-run/shards`, which every node sees:

    00000/000000.rows   the rows of the first chunk of the first file
    00000/000000.json   that they are there, and what has to be known of them; written after them
    00000/end.json      how many chunks the file has; written when it was read to its end
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.errors import StoreError, UsageError
from ml_run.experiment import read_record, write_record
from ml_run.predicting.inputs import Input, local_copy
from ml_run.predicting.output import columns_of
from ml_run.predicting.refusing import refuse_changed, stamp
from ml_run.predicting.scoring import rows_of
from ml_run.predicting.texts import chunks
from ml_run.reading.streaming import stream
from ml_run.results import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ml_run.predicting.model import Chosen
    from ml_run.predicting.output import Form
    from ml_run.predicting.texts import Chunk, Fields

SHARE_STORAGE = "keep the project, IN and OUT on storage that every node of the cluster sees under the same path"


class Receipt(Record):
    """A shard that is written: `NNNNNN.json`."""

    input: int
    chunk: int
    columns: tuple[str, ...]
    records: int
    rows: int
    labels: dict[str, int]
    abstained: int
    reasons: dict[str, int]
    rejected: tuple[str, ...]
    """A line of JSON for each row that is left out."""
    sha256: str
    """Of `NNNNNN.rows`."""
    share: float
    """Of its file that had been read with it."""


class End(Record):
    """A file that was read to its end: `end.json`."""

    chunks: int


@dataclass(frozen=True)
class Plan:
    """What a worker has to know."""

    folder: Path
    """Where shards are written."""
    fields: Fields
    chosen: Chosen
    form: Form
    abstain_below: float | None
    named: bool
    """Rows tell the file that they are of."""

    def place(self, input_number: int, name: str) -> Path:
        """Where something of a file is written."""
        return self.folder / f"{input_number:05}" / name

    def rows(self, input_number: int, chunk: int) -> Path:
        """Where the rows of a shard are."""
        return self.place(input_number, f"{chunk:06}.rows")

    def receipt(self, input_number: int, chunk: int) -> Path:
        """What says that they are there."""
        return self.place(input_number, f"{chunk:06}.json")

    def chunks(self, one: Input) -> int | None:
        """How many chunks a file has; None while it was not read to its end."""
        end = self.place(one.number, "end.json")
        return read_record(end, End).chunks if end.exists() else None

    def written(self, one: Input) -> frozenset[int]:
        """The chunks of a file that a shard holds."""
        return frozenset(int(path.stem) for path in self.place(one.number, "").glob("[0-9]*.json"))


@dataclass(frozen=True)
class Left:
    """A file that is not done."""

    input: Input
    written: frozenset[int]
    """Chunks that were there when it was looked at; not looked at again, since who reads twice must read the same."""


@dataclass(frozen=True)
class Part:
    """A chunk on its way from who read it to who scores it."""

    input: Input
    number: int
    chunk: Chunk
    share: float


def left_of(plan: Plan, inputs: Iterable[Input]) -> list[Left]:
    """The files of which a shard lacks."""
    found = [Left(one, plan.written(one)) for one in inputs]
    return [one for one in found if len(one.written) != plan.chunks(one.input)]


def read_parts(plan: Plan, left: Left) -> Iterator[Part]:
    """The chunks of a file that no shard held yet.

    Raises:
        UsageError: the file is gone, or changed while it was read.
        NotReadyError: it is damaged.
    """
    one, number = left.input, -1
    with local_copy(one) as path:
        if not path.is_file():
            raise UsageError("this node sees no such file", where=one.name, remedy=SHARE_STORAGE)
        before = stamp(path)
        source = stream(path, one.name)
        for number, chunk in enumerate(chunks(source.records((*plan.fields.text, *plan.fields.ids)), plan.fields)):
            if number not in left.written:
                yield Part(one, number, chunk, source.done)
        refuse_changed(path, before, one.name)
    write_record(plan.place(one.number, "end.json"), End(chunks=number + 1))


class Shards:
    """Scores chunks and writes them: the model is loaded once, by who is going to use it."""

    def __init__(self, plan: Plan) -> None:
        from ml_run.modeling.scoring import load_scorer

        if not plan.chosen.folder.is_dir():
            found = "this node does not see the model"
            raise StoreError(found, where=str(plan.chosen.folder), remedy=SHARE_STORAGE)
        self._plan = plan
        self._scorer = load_scorer(plan.chosen.folder)
        columns = columns_of(plan.fields.ids, self._scorer.labels)
        self._columns = ("file", *columns) if plan.named else columns

    def __call__(self, part: Part) -> Receipt:
        """Write the shard of a chunk, its receipt last; done twice, it is written twice the same."""
        plan, name = self._plan, part.input.name
        rows = rows_of(self._scorer, part.chunk, plan.chosen, below=plan.abstain_below)
        told = [(name, *row) for row in rows] if plan.named else rows
        content = plan.form.encode(self._columns, told, first=False)
        receipt = self._receipt(part, told, content)
        files.write_bytes(plan.rows(part.input.number, part.number), content)
        write_record(plan.receipt(part.input.number, part.number), receipt)
        return receipt

    def _receipt(self, part: Part, rows: list[tuple[Any, ...]], content: bytes) -> Receipt:
        label, abstain = self._columns.index("predicted"), self._columns.index("abstain")
        return Receipt(
            input=part.input.number,
            chunk=part.number,
            columns=self._columns,
            records=part.chunk.records,
            rows=len(rows),
            labels=dict(Counter(row[label] for row in rows)),
            abstained=sum(row[abstain] for row in rows),
            reasons=dict(Counter(part.chunk.reasons)),
            rejected=tuple(self._rejected(part)),
            sha256=hashlib.sha256(content).hexdigest(),
            share=part.share,
        )

    def _rejected(self, part: Part) -> Iterator[str]:
        for one in part.chunk.rejected:
            told = {"file": part.input.name, **json.loads(one)}
            line = json.dumps(told, ensure_ascii=False) if self._plan.named else one
            yield line.encode("utf-8", "backslashreplace").decode("utf-8")
