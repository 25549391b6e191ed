"""The live mirror: what happens in a run appears in MLflow while it happens, and never holds it up."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_run.errors import Interrupted, StoreError
from ml_run.events import emit, logger
from ml_run.redaction import mask_uris
from ml_run.tracking import content, runs
from ml_run.tracking.store import connect, store_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.tracking.content import Point
    from ml_run.tracking.runs import EndStatus
    from ml_run.tracking.store import Store

_SECONDS_BETWEEN = 3.0
_SECONDS_TO_END = 10.0
_MOST_WAITING = 100_000
"""Points that are kept for a store that is away; of the rest, `send` knows from the journal."""


@contextmanager
def live(config: Config, experiment: Experiment) -> Iterator[None]:
    """Mirror the run into the tracking store while the block runs, and give the MLflow run its end status.

    The status is FINISHED, FAILED (any exception; the tag `ml_run.stage` names the stage) or KILLED (interrupted).
    Runs that an earlier process left as running are closed first. A store that fails is said once, as a warning; the
    run goes on, since `events.jsonl` holds everything and `send` completes the store later.
    """
    mirror = _open(config, experiment)
    status: EndStatus = "FAILED"
    try:
        yield
        status = "FINISHED"
    except (Interrupted, KeyboardInterrupt):
        status = "KILLED"
        raise
    finally:
        if mirror is not None:
            mirror.end(status)


def _open(config: Config, experiment: Experiment) -> _Mirror | None:
    try:
        store = connect(config, experiment.project)
        with store_faults(store.uri):
            folder = runs.mlflow_experiment(store, config, experiment.project)
            runs.close_killed_runs(store, folder, experiment.project)
            run = runs.open_run(store, folder, experiment)
            if run.info.status != "RUNNING":  # resumed
                store.client.update_run(run.info.run_id, status="RUNNING")
            if content.STAGE in run.data.tags:
                store.client.delete_tag(run.info.run_id, content.STAGE)
    except StoreError as error:
        _warn(error)
        return None
    mirror = _Mirror(store, run.info.run_id)
    logger.addHandler(mirror)
    mirror.start()
    return mirror


def _warn(error: StoreError) -> None:
    emit("warning", f"{error.where}: {error.found}; the run goes on and is recorded in its folder",
         level=logging.WARNING)  # fmt: skip


class _Mirror(logging.Handler):
    """Collects metric events and sends them from a thread of its own, a batch every few seconds."""

    def __init__(self, store: Store, run_id: str) -> None:
        super().__init__()
        self._store, self._run_id = store, run_id
        self._waiting: deque[Point] = deque()
        self._unsent: list[Point] = []
        self._stage = ""
        self._status: EndStatus = "FAILED"
        self._store_failed = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one event; never waits for the store."""
        event, data = getattr(record, "event", ""), getattr(record, "data", {})
        try:
            if event == "metrics" and len(self._waiting) < _MOST_WAITING:
                self._waiting.extend(content.event_points(data))
            elif event in {"stage_started", "stage_failed"}:
                self._stage = str(data.get("stage", ""))
        except Exception:  # noqa: BLE001 -- a log line must never end a run
            self.handleError(record)

    def end(self, status: EndStatus) -> None:
        """Send what is left and close the MLflow run, waiting a bounded time for both."""
        logger.removeHandler(self)
        self._status = status
        self._ended.set()
        self._thread.join(_SECONDS_TO_END)
        if self._thread.is_alive():
            silent = f"the tracking store did not answer within {_SECONDS_TO_END:g} seconds"
            self._warn_once(StoreError(silent, where=mask_uris(self._store.uri)))

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN):
            self._try(self._send)
        self._try(self._send)
        self._try(self._close)

    def _try(self, step: Callable[[], None]) -> None:
        """Take one step; a store that fails is tried again at the next one."""
        try:
            with store_faults(self._store.uri):
                step()
        except StoreError as error:
            self._warn_once(error)

    def _warn_once(self, error: StoreError) -> None:
        if not self._store_failed:
            self._store_failed = True
            _warn(error)

    def _send(self) -> None:
        while self._waiting and len(self._unsent) < _MOST_WAITING:
            self._unsent.append(self._waiting.popleft())
        runs.log_points(self._store, self._run_id, self._unsent)
        self._unsent.clear()  # only now: what the store did not take is sent again

    def _close(self) -> None:
        if self._status != "FINISHED" and self._stage:
            self._store.client.set_tag(self._run_id, content.STAGE, self._stage)
        self._store.client.set_terminated(self._run_id, self._status)
