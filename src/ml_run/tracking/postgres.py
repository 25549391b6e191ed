"""A PostgreSQL store's first start: one process makes the tables, the others wait for it.

MLflow lets each process that finds none make them: of eight first starts at once, seven failed (reliability.md, 2c).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES = ("postgresql:", "postgresql+")
_LOCK = 0x6D6C72756E  # "mlrun" in ASCII: any number that nobody else takes
_PATIENCE = "120s"
_started: set[str] = set()


@contextmanager
def first_start(uri: str) -> Iterator[None]:
    """Hold a lock of the database within the block, the first time that this process opens it.

    The lock is the database's own, so it is gone with the connection of a process that was killed. Other stores are
    opened without one. Raises what SQLAlchemy raises: the database is away, or the lock was not had in two minutes.
    """
    if uri in _started or not uri.startswith(_SCHEMES):
        yield
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"SET lock_timeout = '{_PATIENCE}'"))
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({_LOCK})"))
        yield
    _started.add(uri)
