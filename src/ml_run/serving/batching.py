"""Requests that wait for the model are scored together: whatever came while it was busy makes the next batch.

So a request that comes alone waits for nobody, and the busier the server, the larger its batches. The queue has a
bound, in texts and in the time that they would take.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ml_run.evaluation.reach import cut_texts
from ml_run.serving.refusals import RefusedError, busy, not_ready
from ml_run.serving.settings import MOST_TEXTS, MOST_WAITING
from ml_run.serving.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import Scorer
    from ml_run.serving.metrics import Metrics
    from ml_run.serving.models import Models, ServedModel

_SLOWEST_RETRY = 60
_WEIGHT = 0.2
"""Of the newest batch in the average time of a text."""


class Answer(NamedTuple):
    """What a model says of the texts of one request."""

    model: ServedModel
    logits: NDArray[np.float32]
    """[texts, labels]"""
    cut: list[bool]
    """Which texts go on where the model stopped reading."""


class _Scored(NamedTuple):
    logits: NDArray[np.float32]
    cut: list[bool]


@dataclass(eq=False)
class _Job:
    texts: list[str]
    answer: asyncio.Future[Answer]


class Batcher:
    """The queue before the model that serves."""

    def __init__(self, models: Models, metrics: Metrics, deadline: float) -> None:
        self._models = models
        self._metrics = metrics
        self._deadline = deadline
        self._jobs: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._worker = Worker("scoring")
        self._pace = 0.0
        self.waiting = 0
        """Texts in the queue."""

    async def score(self, texts: Sequence[str]) -> Answer:
        """Score `texts`, at most `MOST_TEXTS` of them, by one model, together with those of other requests.

        Raises:
            RefusedError: 429, the queue is full; 503, there is no model yet; 500, the model gave no numbers.
        """
        if self._models.serving is None:
            raise not_ready(stopping=False)
        if self.waiting and self.waiting + len(texts) > self._most_waiting():
            raise busy(self.retry_after())
        job = _Job(list(texts), asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self.waiting += len(texts)
        self._arrived.set()
        try:
            return await job.answer
        except asyncio.CancelledError:  # the caller left, or the deadline passed
            self._drop(job)
            raise

    def _drop(self, job: _Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
            self.waiting -= len(job.texts)

    def retry_after(self) -> int:
        """Whole seconds in which what waits now will have been scored."""
        return min(_SLOWEST_RETRY, max(1, math.ceil(self.waiting * self._pace)))

    def _most_waiting(self) -> int:
        affordable = self._deadline / self._pace if self._pace else MOST_WAITING
        return min(MOST_WAITING, max(MOST_TEXTS, int(affordable)))

    async def run(self) -> None:
        """Score what comes, for ever."""
        while True:
            await self._arrived.wait()
            batch = self._take()
            if batch and self._models.serving is not None:
                await self._answer(self._models.serving, batch)

    def _take(self) -> list[_Job]:
        """The next jobs that fit into one batch."""
        batch: list[_Job] = []
        room = MOST_TEXTS
        while self._jobs and len(self._jobs[0].texts) <= room:
            job = self._jobs.popleft()
            self.waiting -= len(job.texts)
            if not job.answer.done():
                batch.append(job)
                room -= len(job.texts)
        if not self._jobs:
            self._arrived.clear()
        return batch

    async def _answer(self, model: ServedModel, batch: list[_Job]) -> None:
        texts = [text for job in batch for text in job.texts]
        start = time.monotonic()
        try:
            scored = await self._worker.do(_score, model.scorer, texts)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it must not reach the requests beside it
            await self._answer_each(model, batch, error)
            return
        pace = (time.monotonic() - start) / len(texts)
        self._pace = pace if not self._pace else (1 - _WEIGHT) * self._pace + _WEIGHT * pace
        self._metrics.batch_texts.observe(len(texts))
        done = 0
        for job in batch:
            rows = slice(done, done + len(job.texts))
            done = rows.stop
            if not job.answer.done():
                job.answer.set_result(Answer(model, scored.logits[rows], scored.cut[rows]))

    async def _answer_each(self, model: ServedModel, batch: list[_Job], error: Exception) -> None:
        """Find the request that the model cannot answer, so that only that one fails."""
        if len(batch) > 1:
            for job in batch:
                await self._answer(model, [job])
        elif not batch[0].answer.done():
            why = f"the model could not score these texts ({type(error).__name__})"
            batch[0].answer.set_exception(RefusedError(500, "model", why))


def _score(scorer: Scorer, texts: list[str]) -> _Scored:
    import numpy as np

    logits = scorer.logits(texts)
    if not np.isfinite(logits).all():
        raise ArithmeticError("the model gives logits that are not finite")
    cut = cut_texts(scorer, texts)
    return _Scored(logits, [False] * len(texts) if cut is None else cut.tolist())
