"""What a server is told, and what it takes on: every bound in one place (reliability.md, 4b and 5)."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_run.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_VARIABLE = "MLRUN_TOKEN"  # noqa: S105 -- the name of a variable, no token
"""Environment variable that holds the token; it is nowhere else, so that it reaches no file and no process list."""
MOST_BYTES = 1_000_000
"""Of the body of one request."""
MOST_TEXTS = 64
"""Of one request, and of one batch."""
MOST_CHARACTERS = 20_000
"""Of one text."""
MOST_REQUESTS = 1024
"""That are being answered at once."""
MOST_BYTES_HELD = 16_000_000
"""Of the bodies of all requests that are being answered."""
MOST_WAITING = 1024
"""Texts that wait to be scored; fewer where the model could not score them within the deadline."""
MOST_CONNECTIONS = 2048
"""That are open at once."""
IDLE_SECONDS = 10.0
"""How long a connection may stay open without a whole request, whatever trickles in; never longer than the deadline."""
LAME_SECONDS = 1.0
"""How long a server that is told to stop still takes requests, so that whoever asks `/readyz` can learn of it."""


@dataclass(frozen=True)
class Settings:
    """What `ml-run serve` was told."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: any that is free."""
    deadline: float = 10.0
    """Seconds within which a request is answered, or answered 504."""
    grace: float = 20.0
    """Seconds that a server that is told to stop may take for the requests it has."""
    docs: bool = False
    """Serve `/docs`, the description for people."""
    traffic_log: Path | None = None
    log_texts: bool = False
    token: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise UsageError for what must not be started."""
        if self.token is None and not _is_loopback(self.host):
            raise UsageError(
                f"--host {self.host} can be reached from other machines, and no token is asked for",
                remedy=f"put a token into the environment variable {TOKEN_VARIABLE}, or serve on 127.0.0.1",
            )
        if self.log_texts and self.traffic_log is None:
            raise UsageError("--log-texts has nowhere to write to", remedy="add --traffic-log FILE")
        if self.traffic_log is not None and not self.traffic_log.parent.is_dir():
            raise UsageError(
                f"the folder of --traffic-log {self.traffic_log} does not exist", remedy="make it, or name another file"
            )


def token_of_environment() -> str | None:
    """The token that callers must show, or None while the variable is not set.

    Raises:
        UsageError: it is set and empty: whoever set it wanted a token.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if token is not None and not token.strip():
        raise UsageError(
            f"the environment variable {TOKEN_VARIABLE} is set and empty",
            remedy="put a token into it, or unset it to serve this machine without one",
        )
    return token.strip() if token else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
