"""The process: bind, load, answer, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from ml_run import deployments
from ml_run.errors import Interrupted, UsageError
from ml_run.events import emit
from ml_run.serving.app import Service, build_app
from ml_run.serving.batching import Batcher
from ml_run.serving.bodies import Room
from ml_run.serving.metrics import Metrics
from ml_run.serving.models import Models, ServedModel
from ml_run.serving.protocol import GuardedProtocol
from ml_run.serving.settings import IDLE_SECONDS, LAME_SECONDS, MOST_CONNECTIONS
from ml_run.serving.shell import Shell
from ml_run.serving.traffic import TrafficLog
from ml_run.serving.words import Explainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from ml_run.serving.settings import Settings

_OTHER_FILES = 256
"""Files beside the connections that a process may have open."""


class Started(NamedTuple):
    """A server that answers."""

    url: str
    version: str


def serve(project: Path, settings: Settings, started: Callable[[Started], None]) -> None:
    """Serve what is deployed in `project` until a signal says stop; then answer what is there, and return.

    Args:
        project: its `experiments/deployments/current` is served, and followed when it changes.
        settings: where, and with which bounds.
        started: called once, when the first request can be answered.

    Raises:
        UsageError: it must not or cannot be started so, or nothing is deployed.
        StoreError: what is deployed cannot be loaded, or is not what was deployed.
    """
    settings.check()
    deployments.deployed_version(project)
    listening = _bind(settings)
    _allow_connections()
    with listening:
        asyncio.run(_serve(project, settings, listening, started))


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise UsageError(
            f"port {settings.port} of {settings.host} cannot be had: {error.strerror or error}",
            remedy="name another one with --port; --port 0 takes any that is free",
        ) from error
    # An answer goes out in two parts, and the second would wait 40 ms for the first to be confirmed.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _allow_connections() -> None:
    """Raise this process's limit of open files to what its connections need, as far as the system lets it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


async def _serve(
    project: Path, settings: Settings, listening: socket.socket, started: Callable[[Started], None]
) -> None:
    service = _service(project, settings)
    server = _Server(service)
    url = _url(settings.host, listening.getsockname()[1])

    def ready(model: ServedModel) -> None:
        started(Started(url, model.version))

    tasks = [asyncio.create_task(service.batcher.run()), asyncio.create_task(service.models.run(ready))]
    for task in tasks:
        task.add_done_callback(server.end)  # neither ever ends by itself, unless something is wrong
    try:
        await server.serve(sockets=[listening])
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        if service.traffic is not None:
            service.traffic.close(1.0)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    server.tell_end()


def _service(project: Path, settings: Settings) -> Service:
    metrics = Metrics()
    models = Models(project, metrics)
    batcher = Batcher(models, metrics, settings.deadline)
    log = settings.traffic_log
    traffic = None if log is None else TrafficLog(log, metrics, texts=settings.log_texts)
    return Service(settings, models, metrics, batcher, Explainer(batcher), traffic, Room())


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, stopped in our way: first `/readyz` says so, then no new connections, then the end, with exit code 0."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop_at: float | None = None
        self._signal = 0
        self._lame = min(LAME_SECONDS, service.settings.grace / 4)
        shell = Shell(
            build_app(service),
            service.metrics,
            service.settings.token,
            version=lambda: service.version,
            stopping=lambda: service.stopping,
        )
        for name in ("uvicorn", "uvicorn.error"):  # it would write past our terminal; what matters, we say ourselves
            logging.getLogger(name).addHandler(logging.NullHandler())
            logging.getLogger(name).propagate = False
        super().__init__(
            uvicorn.Config(
                shell,
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=min(IDLE_SECONDS, service.settings.deadline),  # type: ignore[arg-type]
                timeout_graceful_shutdown=max(0, service.settings.grace - self._lame),  # type: ignore[arg-type]
            )
        )

    def end(self, _task: asyncio.Task[None]) -> None:
        """Stop at once: a part that the server needs has ended."""
        self._service.stopping = True
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the stop signals within the block; unlike uvicorn's, do not raise them again behind it."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self._service.stopping:  # a second time: whoever asks does not want to wait
            self.should_exit = self.force_exit = True
            self._signal = number
            return
        self._service.stopping = True
        # Nobody asks /readyz of a server that a person stops at the terminal.
        self._stop_at = time.monotonic() + (self._lame if number == signal.SIGTERM else 0)

    def tell_end(self) -> None:
        """Say what was left unanswered. Raises Interrupted where a second signal cut the end short."""
        if left := self._service.room.requests:
            emit("warning", f"{left} requests were not answered in time", level=logging.WARNING)
        if self.force_exit:
            raise Interrupted(self._signal)

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether it is time to stop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at and not self.should_exit:
            left = self._service.room.requests
            emit("note", f"stopping; {left} requests are being answered" if left else "stopping")
            self.should_exit = True
        return await super().on_tick(counter)
