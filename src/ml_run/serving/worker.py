"""A thread beside the event loop, for what takes long."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
Task = tuple["Callable[..., Any]", tuple[Any, ...], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Worker:
    """Does one thing after another.

    A daemon, unlike the threads of an executor: a process that has answered what it can never waits for a forward pass
    that nobody wants any more.
    """

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def do(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call `function(*args)` in the thread, after what was asked of it before; return or raise what it does."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._tasks.put((function, args, loop, answer))
        return await answer

    def _run(self) -> None:
        while True:
            function, args, loop, answer = self._tasks.get()
            result, error = None, None
            if not answer.cancelled():
                try:
                    result = function(*args)
                except Exception as raised:  # noqa: BLE001 -- it is raised where it was asked for
                    error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_settle, answer, result, error)


def _settle(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
