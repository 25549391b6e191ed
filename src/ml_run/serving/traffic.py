"""The traffic log: one line a prediction, for `ml-run monitor`; it never holds up and never fails a prediction.

A thread of its own writes. Where the disk is full, the folder gone or the reader of a pipe away, lines are dropped and
counted. The file is rotated, so that it cannot fill the disk itself.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

from ml_run.events import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_run.serving.metrics import Metrics

MOST_QUEUED = 10_000
"""Lines that wait to be written; more are dropped."""
MOST_BYTES = 64_000_000
"""Of one file, before the next is begun."""
MOST_FILES = 5
"""FILE and FILE.1 (the newest of the full ones) to FILE.4."""
_MODE = 0o600  # it may hold what people wrote
_TOGETHER = 100_000
"""Bytes written at once, about."""


class TrafficLog:
    """A JSONL file that is only appended to."""

    def __init__(self, path: Path, metrics: Metrics, *, texts: bool, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._metrics = metrics
        self._texts = texts
        self._most_bytes = most_bytes
        self._queue: Queue[bytes | None] = Queue(MOST_QUEUED)
        self._handle: int | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._thread.start()

    def note(self, version: str, texts: list[str], predictions: list[dict[str, Any]]) -> None:
        """Write down what was predicted, later; the texts themselves only if that was asked for."""
        now = utc_now()
        for text, prediction in zip(texts, predictions, strict=True):
            line = {
                "time": now,
                "version": version,
                "predicted": prediction["label"],
                "confidence": prediction["confidence"],
                "probabilities": prediction["probabilities"],
                "characters": len(text),
                "words": len(text.split()),
                "truncated": prediction["truncated"],
            }
            line |= {"text": text} if self._texts else {}
            try:
                self._queue.put_nowait((json.dumps(line) + "\n").encode("ascii"))
            except Full:
                self._metrics.dropped.add()

    def close(self, seconds: float) -> None:
        """Write what waits, within so many seconds."""
        try:
            self._queue.put(None, timeout=seconds)
        except Full:
            return
        self._thread.join(seconds)

    def _run(self) -> None:
        while (lines := self._next()) is not None:
            try:
                self._write(b"".join(lines))
            except OSError:
                self._metrics.dropped.add(by=len(lines))
                self._forget()
            else:
                self._metrics.logged.add(by=len(lines))
        self._forget()

    def _next(self) -> list[bytes] | None:
        """The lines that wait, at least one; None at the end."""
        if self._ending or (first := self._queue.get()) is None:
            return None
        lines, size = [first], len(first)
        while size < _TOGETHER:
            try:
                line = self._queue.get_nowait()
            except Empty:
                break
            if line is None:
                self._ending = True
                break
            lines.append(line)
            size += len(line)
        return lines

    def _write(self, content: bytes) -> None:
        handle, size = self._open(len(content))
        written = os.write(handle, content)
        if written < len(content):  # the disk is full, or the pipe: no half line stays
            if size is not None:
                os.ftruncate(handle, size)
            raise OSError(f"{len(content) - written} bytes found no room")

    def _open(self, more: int) -> tuple[int, int | None]:
        """The file, which is still where its name says and has room; and its size, None for what is no file."""
        if self._handle is not None and not _is_still(self._handle, self._path):
            self._forget()
        if self._handle is None:
            # Without waiting: a pipe that nobody reads is an error, not a thread that hangs.
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, _MODE)
        found = os.fstat(self._handle)
        if not stat.S_ISREG(found.st_mode):
            return self._handle, None
        if found.st_size and found.st_size + more > self._most_bytes:
            self._forget()
            _rotate(self._path)
            return self._open(more)
        return self._handle, found.st_size

    def _forget(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _is_still(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _rotate(path: Path) -> None:
    numbered: Callable[[int], Path] = lambda number: path.with_name(f"{path.name}.{number}")  # noqa: E731
    for number in range(MOST_FILES - 2, 0, -1):
        if numbered(number).exists():
            numbered(number).replace(numbered(number + 1))
    path.replace(numbered(1))
