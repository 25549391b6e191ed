"""A request that is not answered with a prediction: why, in words that hold nothing of what was sent."""

from __future__ import annotations


class RefusedError(Exception):
    """What to answer instead.

    Args:
        status: of HTTP.
        reason: one word for `/metrics`.
        message: what was found and what to do; never the input, never where it broke.
        retry_after: seconds after which trying again may help.
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def busy(retry_after: int) -> RefusedError:
    """There is no room for this request now."""
    return RefusedError(429, "busy", "too many requests wait already; try again later", retry_after=retry_after)


def not_ready(*, stopping: bool) -> RefusedError:
    """No model is there yet, or no longer."""
    state = "this server is stopping; ask another one" if stopping else "the model is still being loaded; try again"
    return RefusedError(503, "not_ready", state, retry_after=1)


def too_late(seconds: float) -> RefusedError:
    """The deadline passed before the model came to it."""
    return RefusedError(
        504, "deadline", f"not answered within {seconds:g} seconds; send fewer texts, or try again later"
    )
