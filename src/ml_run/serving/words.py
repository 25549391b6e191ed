"""Which words spoke for what the model says, asked through the same queue as everybody's requests."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ml_run.evaluation.influence import words_for
from ml_run.modeling.scoring import Progress, Scorer
from ml_run.serving.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.results import Pushed
    from ml_run.serving.batching import Batcher
    from ml_run.serving.models import ServedModel

_AT_ONCE = 16
"""Texts asked about at once: requests of others get their turn in between."""
_MOST_ASKING = 4
"""Pages that wait for their words at once; the others go without."""


class Explainer:
    """Looks for words, for one page after another."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self._worker = Worker("explaining")
        self._asking = 0

    async def words(
        self, model: ServedModel, text: str, label: str, instead: str, seconds: float
    ) -> tuple[Pushed, ...] | None:
        """The words of `text` that spoke for `label` against the label `instead`, strongest first.

        Returns:
            None where that could not be found out: the server is busy, or the model takes longer than `seconds`.
        """
        if self._asking >= _MOST_ASKING:
            return None
        scorer = _Queued(model, self._batcher, asyncio.get_running_loop(), time.monotonic() + seconds)
        self._asking += 1
        try:
            return await self._worker.do(words_for, text, label, instead, scorer)
        except Exception:  # noqa: BLE001 -- the words are a help; the page is answered without
            return None
        finally:
            self._asking -= 1


class _Queued(Scorer):
    """The model that serves, asked from another thread, as one of many."""

    def __init__(self, model: ServedModel, batcher: Batcher, loop: asyncio.AbstractEventLoop, give_up: float) -> None:
        self._model = model
        self._batcher = batcher
        self._loop = loop
        self._give_up = give_up

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""
        return self._model.scorer.labels

    def logits(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = _AT_ONCE,
        progress: Progress | None = None,  # noqa: ARG002 -- nobody looks
    ) -> NDArray[np.float32]:
        """Score `texts`. Raises TimeoutError past the time, LookupError where another model serves meanwhile."""
        import numpy as np

        found = []
        for start in range(0, len(texts), batch_size):
            asked = self._batcher.score(texts[start : start + batch_size])
            waiting = asyncio.run_coroutine_threadsafe(asked, self._loop)
            try:
                answer = waiting.result(self._give_up - time.monotonic())
            finally:
                waiting.cancel()
            if answer.model is not self._model:
                raise LookupError("another model serves now")
            found.append(answer.logits)
        return np.concatenate(found) if found else np.zeros((0, len(self.labels)), np.float32)
