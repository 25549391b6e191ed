"""Ctrl-C and SIGTERM: the first asks the run to save and stop, the second stops at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ml_run.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Turns the two stop signals into `Interrupted`, at once or at the next safe point.

    Outside of `deferred()` the signal raises `Interrupted` where it arrives: every write of a stage is atomic, so any
    place is safe. Inside, it is only noted, for training to save a checkpoint first. A second signal ends the process
    without further ado. Handlers are installed explicitly, since a process started with `&` inherits SIGINT ignored.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._deferred = False

    @property
    def requested(self) -> bool:
        """True once a stop signal has arrived."""
        return self._signal is not None

    @contextmanager
    def installed(self) -> Iterator["Interruption"]:
        """Handle the stop signals within the block; must be entered in the main thread."""
        previous = {number: signal.signal(number, self._arrived) for number in _SIGNALS}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note a stop signal within the block; raise `Interrupted` as the block ends."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let a first stop signal pass within the block: what is done there is short and must be whole."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def check(self) -> None:
        """Raise `Interrupted` if a stop signal has arrived."""
        if self._signal is not None:
            raise Interrupted(self._signal)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:
            os._exit(128 + number)
        self._signal = number
        if not self._deferred:
            raise Interrupted(number)
