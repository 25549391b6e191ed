"""The tracking store: its address, its first start, and its faults in our words."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_run import files
from ml_run.errors import StoreError
from ml_run.events import one_line
from ml_run.experiment import EXPERIMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow import MlflowClient

    from ml_run.config import Config

_SQLITE = "sqlite:///"
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
    database = uri.removeprefix(_SQLITE) if uri.startswith(_SQLITE) else ""
    if uri and not database:
        return uri
    return f"{_SQLITE}{project.absolute() / (database or f'{EXPERIMENTS}/mlflow.db')}"


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
        if not uri.startswith(_SQLITE):
            _probe(uri)
            return Store(uri, MlflowClient(uri, uri), None)
        artifacts = project.absolute() / EXPERIMENTS / _ARTIFACTS
        _prepare_sqlite(uri, artifacts)
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


# --- sqlite: MLflow's own first start breaks when two processes race or one is killed (reliability.md, 0) -------------


def _prepare_sqlite(uri: str, artifacts: Path) -> None:
    from pathlib import Path

    path = Path(uri.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_size > 0:
            _check_schema(path, uri)
        else:
            _create_sqlite(path, artifacts)


def _create_sqlite(path: Path, artifacts: Path) -> None:
    """Migrate an empty database under a temporary name, then put it in place whole."""
    import sqlalchemy
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for leftover in path.parent.glob(f".{path.name}.*.tmp*"):
        leftover.unlink()
    for sidecar in ("-journal", "-wal", "-shm"):  # of a start that was killed; they would be applied to the new file
        path.with_name(path.name + sidecar).unlink(missing_ok=True)
    with files.atomic_path(path) as temporary:
        engine = sqlalchemy.create_engine(f"{_SQLITE}{temporary}")
        sqlalchemy.event.listen(engine, "connect", _write_fast)
        # MLflow has no public call that only creates the tables.
        utils._initialize_tables(engine)  # type: ignore[no-untyped-call]  # noqa: SLF001
        engine.dispose()
        # Adds the default experiment.
        store = SqlAlchemyStore(f"{_SQLITE}{temporary}", artifacts.as_uri())  # type: ignore[no-untyped-call]
        store.engine.dispose()
        SqlAlchemyStore._engine_map.pop(f"{_SQLITE}{temporary}", None)  # noqa: SLF001


def _write_fast(connection: sqlite3.Connection, _record: object) -> None:
    # The file is thrown away if anything fails before it is flushed and renamed as a whole.
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")


def _check_schema(path: Path, uri: str) -> None:
    """Raise StoreError, having written nothing, unless MLflow can use the database as it is."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            versions = (
                [row[0] for row in database.execute("SELECT version_num FROM alembic_version")]
                if "alembic_version" in tables
                else []
            )
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        found = "is not a database"
    else:
        found = _schema_fault(tables, versions)
    if not found:
        return
    if "older" in found:
        remedy = f"make a copy of the file, then run: mlflow db upgrade {uri}"
    else:
        remedy = (
            f"put a backup in its place (an older one may then need: mlflow db upgrade {uri}), or move the file away"
            " and a new one is made; nothing was written"
        )
    raise StoreError(f"the tracking database {found}", where=str(path), remedy=remedy)


def _schema_fault(tables: set[str], versions: list[str]) -> str:
    if "experiments" not in tables:
        return "is not MLflow's: it has no table of experiments"
    if not versions or any(name.startswith("_alembic_tmp") for name in tables):
        return "is half-migrated: an upgrade of it was cut off"
    head, known, expected = _schema_of_mlflow()
    if versions[0] == head:
        missing = expected - tables
        return f"is half-migrated: it has no table {min(missing)}" if missing else ""
    age = "older" if versions[0] in known else "newer"
    return f"has the schema of an {age} MLflow" if age == "older" else f"has the schema of a {age} MLflow"


@cache
def _schema_of_mlflow() -> tuple[str, set[str], set[str]]:
    """Newest schema revision, all revisions, and all tables of the installed MLflow."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.store.db.base_sql_model import Base

    settings = utils._get_alembic_config(db_url="")  # type: ignore[no-untyped-call]  # noqa: SLF001
    scripts = ScriptDirectory.from_config(settings)
    return scripts.get_heads()[0], {s.revision for s in scripts.walk_revisions()}, set(Base.metadata.tables)
