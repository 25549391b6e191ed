"""A traffic log with its rotated pieces: FILE, FILE.1 (the newest of the full ones), FILE.2 and so on, read as one."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ml_run.errors import NotReadyError
from ml_run.files import hash_value
from ml_run.reading import json_lines
from ml_run.reading.lines import lines_of, opened
from ml_run.reading.sharing import Sharing
from ml_run.reading.types import RawRow, Source
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_run.reading.lines import Opened
    from ml_run.reading.types import Fault

_PIECE = re.compile(r".+\.jsonl\.\d+", re.DOTALL)
_LINE_OF_A_LOG = {"time", "version", "predicted", "confidence", "truncated"}
_MOST_LINES = 200_000
"""Lines that are read; of more, evenly spread ones. A log of five files of 64 MB has a million."""
_CHUNK = 1 << 20


def is_log(path: Path) -> bool:
    """Whether a file is a traffic log of `ml-run serve` that was rotated, or one piece of it."""
    if _PIECE.fullmatch(path.name):
        return path.is_file()
    first = _numbered(path, 1)
    return first.is_file() and _says_so(first)


def read_log(path: Path, name: str) -> tuple[Source, str, list[str]]:
    """Read a traffic log that `is_log`, oldest line first; one piece by its own name is read alone.

    Returns:
        Its lines, a hash that names their content, and what a person should know of how it was read.

    Raises:
        NotReadyError: a piece cannot be read.
    """
    with ExitStack() as stack:
        pieces = _open(path, name, stack)
        digests, lines = zip(*map(_survey, pieces), strict=True)
        step = -(-sum(lines) // _MOST_LINES) or 1
        rows, faults = _read(pieces, step)
    notes = [f"it was read with {number_of(len(pieces) - 1, 'rotated piece')}"] if len(pieces) > 1 else []
    if step > 1:
        notes.append(f"of its {sum(lines):,} lines, one in {step} was read")
    fields = tuple(dict.fromkeys(field for row in rows for field in row.values))
    digest = digests[0] if len(digests) == 1 else hash_value(digests)
    return Source(name, fields, rows, faults), digest, notes


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _says_so(piece: Path) -> bool:
    try:
        with opened(piece, piece.name) as content:
            first = next(json_lines.records(lines_of(content)), None)
    except NotReadyError:
        return False
    return isinstance(first, RawRow) and first.values.keys() >= _LINE_OF_A_LOG


def _open(path: Path, name: str, stack: ExitStack) -> list[Opened]:
    """The pieces, oldest first.

    They are opened newest first: a server that rotates meanwhile moves files towards those still to be opened, and the
    one that is met twice is read once.
    """
    found: list[Opened] = []
    for one in _names(path):
        content = stack.enter_context(opened(one, f"{name}{one.name.removeprefix(path.name)}"))
        if not any(_is_same(content, other) for other in found):
            found.append(content)
    return found[::-1]


def _names(path: Path) -> Iterator[Path]:
    """The files that are there, looked for only as each is wanted."""
    if path.is_file():
        yield path
    number = 1
    while not _PIECE.fullmatch(path.name) and _numbered(path, number).is_file():
        yield _numbered(path, number)
        number += 1


def _is_same(one: Opened, other: Opened) -> bool:
    return os.path.samestat(os.fstat(one.packed.fileno()), os.fstat(other.packed.fileno()))


def _survey(piece: Opened) -> tuple[str, int]:
    """Hash and number of lines."""
    digest, lines = hashlib.sha256(), 0
    while chunk := piece.file.read(_CHUNK):
        digest.update(chunk)
        lines += chunk.count(b"\n")
    piece.file.seek(0)
    return digest.hexdigest(), lines


def _read(pieces: list[Opened], step: int) -> tuple[list[RawRow], list[Fault]]:
    rows: list[RawRow] = []
    faults: list[Fault] = []
    sharing, number = Sharing(), 0
    for piece in pieces:
        for found in json_lines.records(lines_of(piece)):
            number += 1
            if number % step:
                continue
            if isinstance(found, RawRow):
                rows.append(RawRow(number, sharing.row(found.values)))
            else:
                faults.append(found)
    return rows, faults
