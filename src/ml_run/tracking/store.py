"""The tracking store: its address, its first start, and its faults in our words."""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_run.errors import StoreError
from ml_run.events import one_line
from ml_run.experiment import EXPERIMENTS
from ml_run.tracking import sqlite
from ml_run.tracking.sqlite import SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

    from ml_run.config import Config

_ARTIFACTS = "mlruns"
_LARGE_TRANSFER_SECONDS = "600"
_PROBE_SECONDS = 5
_DATABASE_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mssql": 1433}
_REMEDY = (
    "check that it is running and that tracking.uri or MLFLOW_TRACKING_URI is right; the files of the run are kept,"
    " and `ml-run sync` sends what is missing"
)
# A call to a dead server must end within 10 seconds (reliability.md, R20): two tries of 5. What the user set wins.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}
# MLflow logs each failure with a stack trace before it raises it; ours is the one message a user should see.
_NOISY = {
    "mlflow": logging.CRITICAL,
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,
}


@dataclass(frozen=True)
class Store:
    """An open tracking store and registry."""

    uri: str
    client: MlflowClient
    artifacts: Path | None
    """Where artefacts go; None where the server decides."""


def tracking_uri(config: Config, project: Path) -> str:
    """Address of the tracking store: config, then MLFLOW_TRACKING_URI, then sqlite in the project folder."""
    uri = config.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
    database = uri.removeprefix(SQLITE) if uri.startswith(SQLITE) else ""
    if uri and not database:
        return uri
    return f"{SQLITE}{project.absolute() / (database or f'{EXPERIMENTS}/mlflow.db')}"


def mask_uri(uri: str) -> str:
    """`uri` as it may be shown and stored: without user names, passwords or tokens."""
    scheme, separator, rest = uri.partition("://")
    if scheme.startswith(("sqlite", "file")) or not separator:
        return uri
    rest = re.sub(r"^.*@", "***@", rest, flags=re.DOTALL)  # greedy: a password may hold / and @
    rest = re.sub(r"([?&][^=&]*(?:pass|token|secret|key|sig)[^=&]*=)[^&]*", r"\1***", rest, flags=re.IGNORECASE)
    return f"{scheme}://{rest}"


def connect(config: Config, project: Path) -> Store:
    """Open the store, creating a sqlite one where there is none.

    A server is not asked anything yet; the first call to `client` does. Imports MLflow, so call it in the main thread
    before other threads use the store.

    Raises:
        StoreError: the database is not one that this version of MLflow can use, or cannot be read or written.
    """
    uri = tracking_uri(config, project)
    with store_faults(uri):
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for name, level in _NOISY.items():
            logging.getLogger(name).setLevel(level)
        if not uri.startswith(SQLITE):
            _probe(uri)
            return Store(uri, MlflowClient(uri, uri), None)
        artifacts = project.absolute() / EXPERIMENTS / _ARTIFACTS
        sqlite.prepare(Path(uri.removeprefix(SQLITE)), artifacts)
        return Store(uri, MlflowClient(uri, uri), artifacts)


@contextmanager
def store_faults(uri: str) -> Iterator[None]:
    """Turn whatever the store fails with inside the block into a StoreError that names the store and a remedy."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, ValueError, sqlite3.Error, ImportError) as error:
        raise _store_error(uri, error) from None  # the cause may hold the password
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow", "sqlalchemy", "google.protobuf", "alembic")):
            raise
        raise _store_error(uri, error) from None


@contextmanager
def large_transfer() -> Iterator[None]:
    """Give the store longer to answer within the block: a server stores a whole file before it does."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    before = os.environ[name]
    os.environ[name] = _LARGE_TRANSFER_SECONDS
    try:
        yield
    finally:
        os.environ[name] = before


def _store_error(uri: str, error: BaseException) -> StoreError:
    shown, remedy = mask_uri(uri), _REMEDY
    said = _innermost(error).replace(uri, shown).strip() or type(error).__name__
    if "@" in shown:
        said = re.sub(r"\S*@", "***@", said)
    if isinstance(error, ModuleNotFoundError):
        remedy = f"install the database's driver: pip install {error.name}"
    return StoreError(f"the tracking store failed: {one_line(said)[:300]}", where=shown, remedy=remedy)


def _innermost(error: BaseException) -> str:
    """The first line of the first cause: `Connection refused`, not the wrappings of four libraries."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip().partition("\n")[0]


def _probe(uri: str) -> None:
    """Raise OSError soon when a database server is away: SQLAlchemy's retries in MLflow take 100 seconds."""
    address = urlsplit(uri)
    kind = address.scheme.partition("+")[0]
    if address.hostname and kind in _DATABASE_PORTS:
        place = (address.hostname, address.port or _DATABASE_PORTS[kind])
        socket.create_connection(place, timeout=_PROBE_SECONDS).close()
