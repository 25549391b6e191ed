"""What callers send: read within bounds, and checked before anything else looks at it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ml_run.serving.refusals import RefusedError, busy
from ml_run.serving.settings import MOST_BYTES, MOST_BYTES_HELD, MOST_CHARACTERS, MOST_REQUESTS, MOST_TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import Request

    Take = Callable[[int], None]

Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]
_FAULTS_TOLD = 3


class Asked(BaseModel):
    """The body of a request to `/predict`: one text, or several."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text | None = None
    texts: Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Asked:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self

    @property
    def all(self) -> list[str]:
        """The texts, at least one."""
        return self.texts if self.texts is not None else [self.text or ""]


class Room:
    """What is being answered at once, in requests and in bytes of their bodies: memory has a bound."""

    def __init__(self) -> None:
        self.requests = 0
        self.held = 0

    @contextmanager
    def enter(self, retry_after: int) -> Iterator[Take]:
        """Be one of the requests within the block; yield what takes room for so many more bytes.

        Raises:
            RefusedError: 429, there is no room.
        """
        if self.requests >= MOST_REQUESTS:
            raise busy(retry_after)
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.held + count > MOST_BYTES_HELD:
                raise busy(retry_after)
            self.held += count
            mine += count

        self.requests += 1
        try:
            yield take
        finally:
            self.requests -= 1
            self.held -= mine


async def read_body(request: Request, take: Take) -> bytes:
    """The whole body, for which room is taken as it arrives.

    Raises:
        RefusedError: 413, it is too large, of which nothing is read if the caller says so first; or the caller left.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MOST_BYTES:
        raise _too_large()
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "left", "the request ended before it was whole")
        part = message.get("body", b"")
        take(len(part))
        body += part
        if len(body) > MOST_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return bytes(body)


def _too_large() -> RefusedError:
    return RefusedError(413, "too_large", f"a request may have {MOST_BYTES:,} bytes; send fewer texts at once")


def texts_of_json(body: bytes) -> list[str]:
    """The texts that a body of JSON asks about.

    Raises:
        RefusedError: 400, it is no JSON; 422, it is not what `Asked` says. Neither repeats what was sent.
    """
    try:
        return Asked.model_validate_json(body).all
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        raise RefusedError(400, "invalid", 'the body is no JSON; send {"text": "…"} or {"texts": ["…", "…"]}')
    told = "; ".join(f"{_place(fault['loc'])}: {_said(fault)}" for fault in faults[:_FAULTS_TOLD])
    raise RefusedError(422, "invalid", told)


def _place(where: tuple[Any, ...]) -> str:
    """Where the fault is, in names of ours only."""
    known = [f"[{part}]" if isinstance(part, int) else part for part in where if isinstance(part, int) or part in _OURS]
    return "".join(known) or "body"


_OURS = frozenset(Asked.model_fields)


def _said(fault: dict[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return "only text and texts are known here"
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")


def text_of_form(body: bytes) -> str:
    """The text of the page's form.

    Raises:
        RefusedError: 422, it is too long, or no form.
    """
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="replace", max_num_fields=8)
    except ValueError:
        raise RefusedError(422, "invalid", "this is not what the form of the page sends") from None
    text = fields.get("text", [""])[0].replace("\r\n", "\n")
    if len(text) > MOST_CHARACTERS:
        raise RefusedError(
            422, "invalid", f"a text may have {MOST_CHARACTERS:,} characters; this one has {len(text):,}"
        )
    return text
