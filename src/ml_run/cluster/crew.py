"""What a driver and its workers say to one another, whatever carries it."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Word = dict[str, Any]
"""What a worker tells its driver; JSON-able."""
Reason = Literal["stop", "preempted"]
_LOOPBACKS = ("lo", "lo0")
_LOOK = 0.5  # seconds between two questions of a worker whether it is to stop
_NETWORK = (
    "connection closed by peer", "connection reset by peer", "connection refused", "broken pipe", "socket timeout",
    "gloo/transport", "nccl error", "timed out waiting",
)  # fmt: skip


@dataclass(frozen=True)
class Gone:
    """Work that ended without an answer."""

    kind: Literal["preempted", "lost", "memory", "room", "failed"]
    """preempted: its machine was taken away with notice; lost: it or its machine died; memory: it was killed for its
    memory; room: the cluster never had room for it; failed: it raised an error that is not of ours."""
    why: str


class Crew(Protocol):
    """Workers, from their driver's side."""

    ended: dict[int, Any]
    """What each piece of work came to, by its place: its answer, `Gone`, or an `MlRunError`; None where it was stopped
    before it began. Workers that do one piece together have one answer, that of the first."""

    @property
    def over(self) -> bool:
        """True when there is nothing more to hear."""

    @property
    def waiting(self) -> bool:
        """True as long as the cluster has no room for the work."""

    def hear(self, seconds: float) -> list[tuple[int, Word]]:
        """What was told since last asked, each with the worker's number; waits at most `seconds`."""

    def ask_to_stop(self) -> None:
        """Have every worker stop at its next safe point; what has not begun is left."""


class Mailbox:
    """Where workers leave their words, and a driver the wish that they stop."""

    def __init__(self) -> None:
        self._words: list[tuple[int, Word]] = []
        self._stop = False

    def tell(self, number: int, word: Word) -> None:
        """Leave a word of worker `number`."""
        self._words.append((number, word))

    def take(self) -> list[tuple[int, Word]]:
        """Take all words that are there."""
        words, self._words = self._words, []
        return words

    def ask_to_stop(self) -> None:
        """Leave the wish that all workers stop."""
        self._stop = True

    def stop_asked(self) -> bool:
        """True once that was wished."""
        return self._stop


class Line:
    """A worker's end of the line to its driver.

    Args:
        number: of the worker, from 0.
        tell: says a word to the driver, without waiting for it; words of one worker arrive in order.
        due: for each reason to stop, whether it has come; may take long to answer.
    """

    def __init__(self, number: int, tell: Callable[[Word], None], due: dict[Reason, Callable[[], bool]]) -> None:
        self.number = number
        self.tell = tell
        self.asked: Reason | None = None
        """Why the worker is to stop; None where it is not."""
        self._due = due

    def heed(self, stop: Callable[[], object]) -> None:
        """Call `stop`, from another thread, once there is a reason to."""
        for reason in self._due:
            threading.Thread(target=self._watch, args=(reason, stop), daemon=True).start()

    def _watch(self, reason: Reason, stop: Callable[[], object]) -> None:
        with suppress(Exception):  # the driver is gone, and so is this worker in a moment
            while not self._due[reason]():
                time.sleep(_LOOK)
            self.asked = self.asked or reason
            stop()


def loopback() -> dict[str, str]:
    """The variables that have processes of torch.distributed meet on this machine alone."""
    name = next((name for _, name in socket.if_nameindex() if name in _LOOPBACKS), None)
    return {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name} if name else {}


def is_of_the_network(error: BaseException) -> bool:
    """Whether `error` is what a worker sees when another one ends."""
    text = str(error).lower()
    return type(error).__name__.startswith("Dist") or any(words in text for words in _NETWORK)
