"""The sqlite store's first start, and whether the installed MLflow can use the database that is there.

MLflow's own first start breaks when two processes race (22 of 24 crashed) or one is killed (4 of 14 databases were
refused for ever after; reliability.md, 0). Ours migrates under a lock and a temporary name, and puts the whole in place
by one rename.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

SQLITE = "sqlite:///"
_VERSIONS = "alembic_version"
_PATIENCE_SECONDS = 120.0


def prepare(path: Path, artifacts: Path) -> None:
    """Make sure that `path` is a database the installed MLflow can use; a missing or empty one is made.

    Args:
        path: the database.
        artifacts: folder for the artefacts of its default experiment.

    Raises:
        StoreError: there is a database of another schema, or something else, or another process has been at it for two
            minutes; nothing was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")

    def refusal(_note: str) -> StoreError:
        return StoreError(
            f"another process has been making the tracking database for {_PATIENCE_SECONDS:.0f} seconds",
            where=str(path),
            remedy=f"stop that process, which holds {lock.name} open, then try again",
        )

    with files.locked(lock, wait=_PATIENCE_SECONDS, refusal=refusal):
        if path.exists() and path.stat().st_size > 0:
            _check_schema(path)
        else:
            _create(path, artifacts)


def _create(path: Path, artifacts: Path) -> None:
    """Migrate an empty database under a temporary name, then put it in place whole."""
    import sqlalchemy
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for leftover in path.parent.glob(f".{path.name}.*.tmp*"):
        leftover.unlink()
    for sidecar in ("-journal", "-wal", "-shm"):  # of a start that was killed; they would be applied to the new file
        path.with_name(path.name + sidecar).unlink(missing_ok=True)
    with files.atomic_path(path) as temporary:
        engine = sqlalchemy.create_engine(f"{SQLITE}{temporary}")
        sqlalchemy.event.listen(engine, "connect", _write_fast)
        # MLflow has no public call that only creates the tables.
        utils._initialize_tables(engine)  # type: ignore[no-untyped-call]  # noqa: SLF001
        engine.dispose()
        # Adds the default experiment.
        store = SqlAlchemyStore(f"{SQLITE}{temporary}", artifacts.as_uri())  # type: ignore[no-untyped-call]
        store.engine.dispose()
        SqlAlchemyStore._engine_map.pop(f"{SQLITE}{temporary}", None)  # noqa: SLF001


def _write_fast(connection: sqlite3.Connection, _record: object) -> None:
    # The file is thrown away if anything fails before it is flushed and renamed as a whole.
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")


def _check_schema(path: Path) -> None:
    """Raise StoreError, having written nothing, unless MLflow can use the database as it is."""
    try:
        # Not read-only: a process killed while it wrote leaves a journal, which sqlite plays back as it opens the file.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
            tables = _column(database, "SELECT name FROM sqlite_master WHERE type = 'table'")
            versions = _column(database, "SELECT version_num FROM alembic_version") if _VERSIONS in tables else set()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        found, upgradable = "is not a database", False
    else:
        found, upgradable = _schema_fault(tables, versions)
    if found:
        upgrade = f"mlflow db upgrade {SQLITE}{path}"
        raise StoreError(
            f"the tracking database {found}",
            where=str(path),
            remedy=f"make a copy of the file, then run: {upgrade}"
            if upgradable
            else f"put a backup in its place (if that is older: {upgrade}), or move it away and a new one is made;"
            " nothing was written",
        )


def _column(database: sqlite3.Connection, query: str) -> set[str]:
    return {row[0] for row in database.execute(query)}


def _schema_fault(tables: set[str], versions: set[str]) -> tuple[str, bool]:
    """What is wrong with a database, empty if nothing, and whether an upgrade would mend it."""
    if "experiments" not in tables:
        return "is not MLflow's: it has no table of experiments", False
    if not versions or any(name.startswith("_alembic_tmp") for name in tables):
        return "is half-migrated: an upgrade of it was cut off", False
    head, known, expected = _schema_of_mlflow()
    if versions != {head}:
        if versions <= known:
            return "has the schema of an older MLflow", True
        return "has the schema of a newer MLflow", False
    missing = expected - tables
    return (f"is half-migrated: it has no table {min(missing)}" if missing else ""), False


@cache
def _schema_of_mlflow() -> tuple[str, set[str], set[str]]:
    """Newest schema revision, all revisions, and all tables of the installed MLflow."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.store.db.base_sql_model import Base

    settings = utils._get_alembic_config(db_url="")  # type: ignore[no-untyped-call]  # noqa: SLF001
    scripts = ScriptDirectory.from_config(settings)
    return scripts.get_heads()[0], {s.revision for s in scripts.walk_revisions()}, set(Base.metadata.tables)
