"""The tracking store: its address, its first start, and its faults in our words."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_run.errors import StoreError
from ml_run.events import one_line
from ml_run.experiment import EXPERIMENTS
from ml_run.redaction import MASK, mask_uris, uri_passwords
from ml_run.tracking import postgres, sqlite
from ml_run.tracking.sqlite import SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

    from mlflow import MlflowClient

    from ml_run.config import Config

_ARTIFACTS = "mlruns"
_SECONDS_TO_ANSWER = 5
_SLOWEST_STORE = 2_000_000
"""Bytes a second at which a server passes on, at the least, what it was sent."""
_PROBE_SECONDS = 5
_TIMEOUT, _RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_DATABASE_PORTS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mssql": 1433}
_LIBRARIES = ("mlflow", "sqlalchemy", "alembic", "google.protobuf", "requests", "urllib3")
_REMEDY = (
    "check that it is running and that tracking.uri or MLFLOW_TRACKING_URI is right; the files of the run are kept,"
    " and `ml-run sync` sends what is missing"
)
# A call to a dead server must end within 10 seconds (reliability.md, R20): two tries of 5. What the user set wins.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    _RETRIES: "1",
    _TIMEOUT: str(_SECONDS_TO_ANSWER),
    "PGCONNECT_TIMEOUT": str(_PROBE_SECONDS),
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


def shown_uri(config: Config, project: Path) -> str:
    """The address as records and reports name it: passwords masked, a database in the project named from there."""
    uri = tracking_uri(config, project)
    return mask_uris(uri.replace(f"{SQLITE}{project.absolute()}/", SQLITE))


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
        artifacts = project.absolute() / EXPERIMENTS / _ARTIFACTS
        if uri.startswith(SQLITE):
            sqlite.prepare(Path(uri.removeprefix(SQLITE)), artifacts)
            return Store(uri, MlflowClient(uri, uri), artifacts)
        probe(uri)
        with postgres.first_start(uri):
            return Store(uri, MlflowClient(uri, uri), artifacts if _is_database(uri) else None)


@contextmanager
def store_faults(uri: str) -> Iterator[None]:
    """Turn what the store fails with inside the block into a StoreError that names the store and a remedy.

    Errors of our own code pass: a bug must not be told as a fault of the store.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_the_store(error):
            raise
        raise _store_error(uri, error) from None  # the cause may hold the password


def _is_of_the_store(error: Exception) -> bool:
    if isinstance(error, OSError | sqlite3.Error) or _is_of_a_library(type(error).__module__):
        return True
    # What the libraries raise of Python's own: a port that is no number, a missing driver, an answer that is no JSON.
    called = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return isinstance(error, ValueError | ImportError) and any(map(_is_of_a_library, called))


def _is_of_a_library(module: str) -> bool:
    return module.startswith(_LIBRARIES)


@contextmanager
def large_transfer(size: int) -> Iterator[None]:
    """Give the store longer to answer within the block: a server stores a whole file before it does.

    Args:
        size: bytes of the largest file that is sent or fetched.
    """
    seconds = int(os.environ[_TIMEOUT]) + size // _SLOWEST_STORE
    with _environment(_TIMEOUT, str(seconds)):
        yield


@contextmanager
def asked_once() -> Iterator[None]:
    """Ask the store only once within the block, for what must not be made twice.

    A server whose answer was lost may have done what it was asked for; what is asked again would be there twice.
    """
    with _environment(_RETRIES, "0"):
        yield


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ[name]
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ[name] = before


def refuse_nonsense(store: Store, answered: bool) -> None:
    """Raise StoreError when an answer is of something else: MLflow reads an empty one as one that says nothing."""
    if not answered:
        raise StoreError(
            "the tracking store failed: it answers something else than it was asked",
            where=mask_uris(store.uri),
            remedy="look for a proxy before it; `ml-run sync` sends what is missing",
        )


def _store_error(uri: str, error: BaseException) -> StoreError:
    shown, remedy = mask_uris(uri), _REMEDY
    said = _innermost(error).strip() or type(error).__name__
    for password in uri_passwords(uri):  # however short, and where the message quotes but a part of the address
        said = said.replace(password, MASK)
    said = mask_uris(said)  # another address, say of the artefacts
    if isinstance(error, ModuleNotFoundError):
        remedy = f"install the database's driver: pip install {error.name}"
    return StoreError(f"the tracking store failed: {one_line(said)[:300]}", where=shown, remedy=remedy)


def _innermost(error: BaseException) -> str:
    """The first line of the first cause: `Connection refused`, not the wrappings of four libraries."""
    while (cause := error.__cause__ or error.__context__) is not None and not isinstance(cause, KeyError):
        error = cause  # a KeyError says nothing but the key
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip().partition("\n")[0]


def probe(uri: str) -> None:
    """Raise OSError soon when a database server is away: SQLAlchemy's retries in MLflow take 100 seconds."""
    address = urlsplit(uri)
    if address.hostname and _is_database(uri):
        place = (address.hostname, _port(address) or _DATABASE_PORTS[_kind(uri)])
        socket.create_connection(place, timeout=_PROBE_SECONDS).close()


def _is_database(uri: str) -> bool:
    return _kind(uri) in _DATABASE_PORTS


def _kind(uri: str) -> str:
    """`postgresql` of `postgresql+psycopg2://…`."""
    return urlsplit(uri).scheme.partition("+")[0]


def _port(address: SplitResult) -> int | None:
    try:
        return address.port
    except ValueError as error:
        raise OSError(str(error)) from None
