"""Around the whole app: who may come in, what every answer carries, what is counted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import traceback
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse

from ml_run.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from ml_run.serving.metrics import Metrics

    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]
    Receive = Callable[[], Awaitable[Message]]
    Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

VERSION_HEADER = "X-Model-Version"
PROBES = frozenset({"/livez", "/readyz"})
"""Asked by what starts and stops servers, which has no token; they tell nothing but that."""
DOCS = "/docs"
_PATHS = PROBES | {"/", "/predict", "/metrics", "/openapi.json", DOCS}
_ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Shell:
    """An ASGI application around another one.

    Args:
        app: the other one.
        metrics: where requests are counted.
        token: what callers must show, as bearer token or, for browsers, as password of any user; None: nothing.
        version: tells the version that serves.
        stopping: tells whether connections are to be closed behind each answer.
    """

    def __init__(
        self,
        app: Application,
        metrics: Metrics,
        token: str | None,
        version: Callable[[], str | None],
        stopping: Callable[[], bool],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = None if token is None else _hashed(os.fsencode(token))
        self._version = version
        self._stopping = stopping

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"] if scope["path"] in _PATHS else "other"
        allowed = self._may_enter(scope, path)
        status: list[int] = []

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                message["headers"] = self._dressed(message.get("headers", []), path if allowed else None)
            await send(message)

        try:
            inner = self._app if allowed else self._closed()
            await inner(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 -- the last boundary: callers never see a trace
            _tell(error)  # the app has answered 500; where it could not, uvicorn does
        finally:
            self._metrics.requests.add(path, str(status[0]) if status else "none")

    def _may_enter(self, scope: MutableMapping[str, Any], path: str) -> bool:
        if self._token is None or path in PROBES:
            return True
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(_hashed(_token_in(shown)), self._token)

    def _closed(self) -> JSONResponse:
        self._metrics.rejected.add("unauthorised")
        return JSONResponse(
            {"error": "this server asks for a token: Authorization: Bearer TOKEN"},
            401,
            headers={"WWW-Authenticate": 'Basic realm="ml-run, the token is the password", charset="UTF-8"'},
        )

    def _dressed(self, headers: list[tuple[bytes, bytes]], path: str | None) -> list[tuple[bytes, bytes]]:
        """The headers of an answer and those that all have, unless it has its own; `path` is None for a stranger."""
        version = None if path is None else self._version()
        every = _ALWAYS | ({VERSION_HEADER: version} if version else {})
        if self._stopping():
            every = every | {"Connection": "close"}
        own = {name.lower() for name, _ in headers}
        added = [(name.lower().encode(), value.encode("latin-1")) for name, value in every.items()]
        return [*headers, *(pair for pair in added if pair[0] not in own)]


def _hashed(token: bytes) -> bytes:
    """So that comparing takes the same time, however long what was shown is."""
    return hashlib.sha256(token).digest()


def _token_in(header: bytes) -> bytes:
    """The token that an Authorization header shows; empty for none."""
    scheme, _, value = header.partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


def _tell(error: Exception) -> None:
    """Say on the terminal what broke and where, not with what: messages may hold what people wrote."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    emit("warning", f"unexpected {type(error).__name__} in {frame.name}, line {frame.lineno}", level=logging.WARNING)
