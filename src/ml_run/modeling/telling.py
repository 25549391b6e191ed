"""Processes that train for another one: what happens in them is told there, and a stop asked for there is heeded."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ml_run import events
from ml_run.interruption import Interruption

Told = dict[str, Any]
"""An event on its way: level, message, event, data."""


class Asked(Interruption):
    """A stop that another process has been asked for; once is as good as twice, that one kills when it cannot wait."""

    def ask(self, *_: object) -> None:
        """Stop at the next step, with a checkpoint."""
        self._signal = signal.SIGTERM


class _Handing(logging.Handler):
    def __init__(self, tell: Callable[[Told], object]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one event over."""
        self._tell(
            {
                "level": record.levelno,
                "message": record.getMessage(),
                "event": getattr(record, "event", None),
                "data": getattr(record, "data", {}),
            }
        )


@contextmanager
def handing(tell: Callable[[Told], object] | None) -> Iterator[None]:
    """Hand every event of this process to `tell` within the block, and to nobody else; None: to nobody at all."""
    handler = logging.NullHandler() if tell is None else _Handing(tell)
    before = events.logger.level, events.logger.propagate
    events.logger.setLevel(logging.DEBUG)
    events.logger.propagate = False
    events.logger.addHandler(handler)
    try:
        yield
    finally:
        events.logger.setLevel(before[0])
        events.logger.propagate = before[1]
        events.logger.removeHandler(handler)


def pass_on(told: Told) -> None:
    """Make an event that was handed over one of this process."""
    extra = {"event": told["event"], "data": told["data"]} if told["event"] else None
    events.logger.log(told["level"], "%s", told["message"], extra=extra)
