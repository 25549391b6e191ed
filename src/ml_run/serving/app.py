"""The routes: what each path answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from ml_run import __version__
from ml_run.serving import description, page
from ml_run.serving.answers import Predictions, Problem, predictions_of
from ml_run.serving.bodies import Asked, Room, read_body, text_of_form, texts_of_json
from ml_run.serving.metrics import CONTENT_TYPE
from ml_run.serving.refusals import RefusedError, not_ready, too_late
from ml_run.serving.shell import DOCS, VERSION_HEADER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ml_run.serving.batching import Answer, Batcher
    from ml_run.serving.metrics import Metrics
    from ml_run.serving.models import Models
    from ml_run.serving.settings import Settings
    from ml_run.serving.traffic import TrafficLog
    from ml_run.serving.words import Explainer

    Handler = Callable[[Request], Awaitable[Response]]

_FOR_WORDS = 0.8
"""Share of the deadline after which the page is answered without its words."""
_PLAIN = {
    404: "there is nothing here",
    405: "this path is not asked that way",
    500: "this server has a fault; its log says where",
}
_QUIET = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


@dataclass
class Service:
    """What the routes share."""

    settings: Settings
    models: Models
    metrics: Metrics
    batcher: Batcher
    explainer: Explainer
    traffic: TrafficLog | None
    room: Room
    stopping: bool = False

    @property
    def version(self) -> str | None:
        """Of the model that serves."""
        return None if self.models.serving is None else self.models.serving.version


def build_app(service: Service) -> FastAPI:
    """The application, without the shell around it."""
    app = FastAPI(
        title="ml-run serve",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_QUIET,  # type: ignore[arg-type]  # whatever the environment says: nothing leaves this machine
    )

    def add(path: str, method: str, handler: Handler, **told: Any) -> None:
        app.add_api_route(path, handler, methods=[method], **told)

    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem} for status in (400, 401, 408, 413, 422, 429, 503, 504)
    }
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": Asked.model_json_schema()}}}}
    add(
        "/predict", "POST", _predict(service), response_model=Predictions, responses=problems, openapi_extra=body,
        summary="A prediction a text, in their order.",
    )  # fmt: skip
    add("/livez", "GET", _livez, summary="Whether the process can answer at all.")
    add(
        "/readyz", "GET", _readyz(service), responses={503: {"model": Problem}},
        summary="Whether requests should be sent here: the model is loaded, verified and warm.",
    )  # fmt: skip
    add(
        "/metrics", "GET", _metrics(service), response_class=PlainTextResponse,
        summary="Numbers in the text format of Prometheus.",
    )  # fmt: skip
    add("/", "GET", _page(service), response_class=HTMLResponse, include_in_schema=False)
    add("/", "POST", _try(service), response_class=HTMLResponse, include_in_schema=False)
    if service.settings.docs:
        add(DOCS, "GET", _docs(app), response_class=HTMLResponse, include_in_schema=False)
    app.add_exception_handler(RefusedError, _refuse(service))
    for status, told in _PLAIN.items():
        app.add_exception_handler(status, _plain(status, told))
    return app


# --- predictions ------------------------------------------------------------------------------------------------------


def _predict(service: Service) -> Handler:
    async def predict(request: Request) -> Response:
        start = time.monotonic()
        answer, texts = await _within(service, request, texts_of_json)
        found = predictions_of(answer)
        _count(service, answer, found)
        if service.traffic is not None:
            service.traffic.note(answer.model.version, texts, found)
        service.metrics.seconds.observe(time.monotonic() - start)
        content = {"version": answer.model.version, "predictions": found}
        return JSONResponse(content, headers={VERSION_HEADER: answer.model.version})

    return predict


async def _within(
    service: Service, request: Request, texts_of: Callable[[bytes], list[str]]
) -> tuple[Answer, list[str]]:
    """Read, check and score within the deadline; no more requests at once than there is room for."""
    if service.models.serving is None:
        raise not_ready(stopping=service.stopping)
    whole = False
    try:
        async with asyncio.timeout(service.settings.deadline):
            with service.room.enter(service.batcher.retry_after()) as take:
                body = await read_body(request, take)
                whole = True
                texts = texts_of(body)
                return await service.batcher.score(texts), texts
    except TimeoutError:
        if whole:
            raise too_late(service.settings.deadline) from None
        raise RefusedError(408, "slow", "the request did not arrive in time") from None


def _count(service: Service, answer: Answer, found: list[dict[str, Any]]) -> None:
    for prediction in found:
        service.metrics.predictions.add(answer.model.version, prediction["label"])
        service.metrics.confidence.observe(prediction["confidence"])
    service.metrics.truncated.add(by=sum(answer.cut))


# --- probes and numbers -----------------------------------------------------------------------------------------------


async def _livez(request: Request) -> Response:  # noqa: ARG001 -- whoever asks, the loop turns
    return JSONResponse({"status": "alive"})


def _readyz(service: Service) -> Handler:
    async def readyz(request: Request) -> Response:  # noqa: ARG001
        if service.stopping or service.models.serving is None:
            raise not_ready(stopping=service.stopping)
        return JSONResponse({"status": "ready", "version": service.version, "cannot_serve": service.models.wanted})

    return readyz


def _metrics(service: Service) -> Handler:
    async def metrics(request: Request) -> Response:  # noqa: ARG001
        ready = service.models.serving is not None and not service.stopping
        gauges = {
            "ml_run_ready": ("1 while requests are answered.", float(ready)),
            "ml_run_queue_texts": ("Texts that wait to be scored.", service.batcher.waiting),
            "ml_run_requests_in_flight": ("Requests to score that are being answered.", service.room.requests),
            "ml_run_model_behind": (
                "1 while a deployed version cannot take over.",
                float(service.models.wanted is not None),
            ),
        }
        return Response(service.metrics.render(gauges, service.version), media_type=CONTENT_TYPE)

    return metrics


# --- the page ---------------------------------------------------------------------------------------------------------


def _page(service: Service) -> Handler:
    async def show(request: Request) -> Response:  # noqa: ARG001
        return _html(page.render(service.models.serving))

    return show


def _docs(app: FastAPI) -> Handler:
    async def describe(request: Request) -> Response:  # noqa: ARG001
        return _html(description.render(app.openapi()))

    return describe


def _try(service: Service) -> Handler:
    async def attempt(request: Request) -> Response:
        start = time.monotonic()
        text = ""

        def remember(body: bytes) -> list[str]:
            nonlocal text
            text = text_of_form(body)
            return [text]

        try:
            answer, _ = await _within(service, request, remember)
        except RefusedError as refused:
            service.metrics.rejected.add(refused.reason)
            told = page.render(service.models.serving, text=text, problem=refused.message)
            return _html(told, refused.status, refused.headers)
        seconds = service.settings.deadline * _FOR_WORDS - (time.monotonic() - start)
        tried = await _tried(service, answer, text, seconds)
        return _html(page.render(answer.model, text=text, tried=tried), headers={VERSION_HEADER: answer.model.version})

    return attempt


async def _tried(service: Service, answer: Answer, text: str, seconds: float) -> page.Tried:
    (found,) = predictions_of(answer)
    shares = [page.Share(*pair) for pair in sorted(found["probabilities"].items(), key=lambda pair: -pair[1])]
    shares.sort(key=lambda share: share.label != found["label"])  # of two equal ones, the one that is told
    words = await service.explainer.words(answer.model, text, shares[0].label, shares[1].label, seconds)
    return page.Tried(text, shares, found["truncated"], words)


def _html(content: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(content, status, headers={"Content-Security-Policy": page.security_policy()} | (headers or {}))


# --- what cannot be answered ------------------------------------------------------------------------------------------


def _refuse(service: Service) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:  # noqa: ARG001
        assert isinstance(error, RefusedError)
        service.metrics.rejected.add(error.reason)
        return JSONResponse({"error": error.message}, error.status, headers=error.headers)

    return refuse


def _plain(status: int, told: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def tell(request: Request, error: Exception) -> Response:  # noqa: ARG001
        return JSONResponse({"error": told}, status, headers=getattr(error, "headers", None))

    return tell
