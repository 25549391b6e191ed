"""What is refused before a job begins, and what the disk refuses while it goes on."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.errors import UsageError
from ml_run.predicting.inputs import is_url, name_of
from ml_run.predicting.journal import refuse_existing, rejected_path
from ml_run.predicting.output import FORMS, form_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.predicting.output import Form
    from ml_run.predicting.request import Request


def check_request(request: Request, project: Path) -> Form | None:
    """Refuse what can be refused before anything is read; return the format to write, None for a folder of shards.

    Raises:
        UsageError: OUT is there already, would be written over IN, or its name tells no format; the threshold is no
            probability.
    """
    threshold = request.abstain_below
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"it is {threshold:g}, no probability", where="--abstain-below", remedy="give one from 0 to 1")
    to_folder = request.in_shards and not request.target.suffix
    form = None if to_folder else form_of(request.target, name_of(request.target, project))
    where = visible(str(request.target))
    if not is_url(request.source) and _overlap(Path(request.source), request.target):
        raise UsageError("IN would be overwritten", where=where, remedy="name another OUT")
    if request.target.is_dir() and not to_folder:
        raise UsageError("it is a folder", where=where, remedy=f"name a file in it, that ends in {FORMS}")
    refuse_existing(request.target, restart=request.restart)
    return form


def _overlap(source: Path, target: Path) -> bool:
    """OUT would be written over IN, or into it, where the next job would read it."""
    real = source.resolve()
    written = {path.resolve() for path in (target, rejected_path(target))}
    return any(path == real or (source.is_dir() and path.is_relative_to(real)) for path in written)


def stamp(path: Path) -> tuple[int, int]:
    """What changes when a file is written to: its size, and when it was changed."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def refuse_changed(path: Path, before: tuple[int, int], name: str) -> None:
    """Raise UsageError where `stamp` of a file is no longer what it was."""
    if stamp(path) != before:
        remedy = "wait until it is written, then begin anew: --restart"
        raise UsageError("the file was changed while it was read", where=name, remedy=remedy)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Say in our words what the disk refuses within the block."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write: {error.strerror or error}",
            where=visible(str(target)),
            remedy="make room, or check the permissions, and give the command again: it goes on where it stopped",
        ) from error
