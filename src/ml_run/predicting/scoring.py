"""The scoring of what is left of a file, chunk by chunk; each is on disk before the next is read."""

from __future__ import annotations

import time
from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from ml_run.errors import StoreError
from ml_run.events import emit
from ml_run.modeling.linear import is_linear
from ml_run.predicting.output import columns_of
from ml_run.predicting.texts import chunks
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import Progress as Told
    from ml_run.modeling.scoring import Scorer
    from ml_run.predicting.journal import Progress, State
    from ml_run.predicting.model import Chosen
    from ml_run.predicting.output import Form
    from ml_run.predicting.texts import Chunk, Fields
    from ml_run.reading import Fault, RawRow
    from ml_run.reading.streaming import Stream

STAGE = "predict"
_DIGITS = 6
_BATCH = 32


class Work:
    """The scoring of what is left of a file."""

    def __init__(self, source: Stream, fields: Fields, chosen: Chosen, form: Form, state: State) -> None:
        self._source = source
        self._fields = fields
        self._chosen = chosen
        self._form = form
        self._state = state
        self.resumed_after = state.progress.rows
        self._start = self._scoring = time.monotonic()
        self._seconds_before = state.progress.seconds
        self._share_before = 0.0
        self._share_done = 0.0

    @property
    def seconds(self) -> float:
        """Time that this process has spent."""
        return time.monotonic() - self._start

    @property
    def rows_per_second(self) -> float:
        """Rows of this process by its time since the model was loaded."""
        return (self._state.progress.rows - self.resumed_after) / max(time.monotonic() - self._scoring, 1e-9)

    def score(self) -> None:
        """Go through the records that are left.

        Raises:
            StoreError: the model cannot be loaded, or gives scores that are no numbers.
        """
        from ml_run.modeling.scoring import load_scorer

        scorer = load_scorer(self._chosen.folder, verified=True)
        columns = columns_of(self._fields.ids, scorer.labels)
        found = self._source.records((*self._fields.text, *self._fields.ids))
        self._pass_over(found)
        self._scoring = time.monotonic()
        for chunk in chunks(found, self._fields):
            now = self._state.progress
            rows = self._rows(scorer, chunk)
            content = self._form.encode(columns, rows, first=not now.rows_bytes)
            rejected = "".join(f"{line}\n" for line in chunk.rejected).encode("utf-8", "backslashreplace")
            progress = _advanced(now, chunk, rows, columns)
            seconds = self._seconds_before + self.seconds
            self._state.commit(content, rejected, progress.model_copy(update={"seconds": seconds}))
            self._share_done = self._source.done

    def _pass_over(self, found: Iterator[RawRow | Fault]) -> None:
        """Read what earlier processes are done with."""
        done = self._state.progress.records
        if done:
            emit("note", f"  going on after {number_of(self.resumed_after, 'row')}")
            deque(islice(found, done), maxlen=0)
            self._share_before = self._share_done = self._source.done

    def _rows(self, scorer: Scorer, chunk: Chunk) -> list[tuple[Any, ...]]:
        def progress(scored: int, total: int) -> None:
            share = self._share_done + (self._source.done - self._share_done) * scored / total
            self._tell(self._state.progress.rows + scored, share)

        below = self._state.progress.job.abstain_below
        return rows_of(scorer, chunk, self._chosen, below=below, progress=progress)

    def _tell(self, rows: int, share: float) -> None:
        seconds, here = time.monotonic() - self._scoring, share - self._share_before
        emit(
            "progress",
            number_of(rows, "row"),
            stage=STAGE,
            done=share,
            total=1.0,
            rows_per_second=(rows - self.resumed_after) / max(seconds, 1e-9),
            seconds_left=seconds * (1 - share) / here if here > 0 else None,
        )


def rows_of(
    scorer: Scorer, chunk: Chunk, chosen: Chosen, *, below: float | None, progress: Told | None = None
) -> list[tuple[Any, ...]]:
    """What is written for each text of a chunk, which `output.columns_of` names.

    Args:
        scorer: of the chosen model.
        chunk: which texts are scored together is part of the answer, in its last digits.
        chosen: the model.
        below: confidence below which a row abstains.
        progress: told of the texts scored so far.

    Raises:
        StoreError: the model gives scores that are no numbers.
    """
    texts = [one.text for one in chunk.texts]
    # A linear model looks at each different word of a batch once.
    batch = len(texts) if is_linear(chosen.folder) else _BATCH
    shares = scorer.probabilities(texts, batch_size=max(1, batch), progress=progress)
    _refuse_no_numbers(shares, chosen)
    rounded = shares.round(_DIGITS).tolist()
    best = shares.argmax(axis=1).tolist()
    return [
        (
            *(one.line, *one.ids, one.text, scorer.labels[label], row[label]),
            below is not None and row[label] < below,
            *row,
            chosen.version,
        )
        for one, row, label in zip(chunk.texts, rounded, best, strict=True)
    ]


def _refuse_no_numbers(shares: NDArray[np.float64], chosen: Chosen) -> None:
    import numpy as np

    if not np.isfinite(shares).all():
        raise StoreError(
            f"the model {chosen.version} gives scores that are no numbers",
            where=str(chosen.folder),
            remedy="do not use it; name another run: --model ID",
        )


def _advanced(now: Progress, chunk: Chunk, rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> Progress:
    label, abstain = columns.index("predicted"), columns.index("abstain")
    return now.model_copy(
        update={
            "records": now.records + chunk.records,
            "rows": now.rows + len(rows),
            "labels": dict(Counter(now.labels) + Counter(row[label] for row in rows)),
            "abstained": now.abstained + sum(row[abstain] for row in rows),
            "reasons": dict(Counter(now.reasons) + Counter(chunk.reasons)),
        }
    )
