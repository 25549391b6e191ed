"""A look at the tracking store that leaves nothing behind, for whoever asks if a run could use it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_run.errors import StoreError
from ml_run.redaction import mask_uris
from ml_run.tracking.models import aliases
from ml_run.tracking.sqlite import SQLITE
from ml_run.tracking.store import probe, store_faults, tracking_uri

if TYPE_CHECKING:
    from ml_run.config import Config


def look_at_store(config: Config, project: Path) -> str:
    """What can be said of the store without making anything in it.

    Raises:
        StoreError: it does not answer, cannot be read or written, or could not be made.
    """
    uri = tracking_uri(config, project)
    with store_faults(uri):
        if uri.startswith(SQLITE):
            return _database_file(config, project, Path(uri.removeprefix(SQLITE)))
        if urlsplit(uri).scheme in {"http", "https"}:
            return _known(aliases(config, project))
        if urlsplit(uri).scheme in {"", "file"}:
            folder = Path(urlsplit(uri).path)
            _refuse_read_only(folder if folder.exists() else _first_there(folder))
            return "a folder that can be written"
        probe(uri)
        return "its server answers"


def _database_file(config: Config, project: Path, path: Path) -> str:
    if not path.exists() or not path.stat().st_size:
        _refuse_read_only(_first_there(path.parent))
        return "will be made by the first run"
    _refuse_read_only(path)
    _refuse_read_only(path.parent)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return _known(aliases(config, project))


def _known(found: dict[str, str]) -> str:
    deployed = found.get("production")
    return f"answers; version {deployed} is in production" if deployed else "answers"


def _first_there(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _refuse_read_only(path: Path) -> None:
    if not os.access(path, os.W_OK):
        raise StoreError(
            "it cannot be written",
            where=mask_uris(str(path)),
            remedy=f"chmod u+w {path}, or name another store in tracking.uri",
        )
