"""The bytes of a text file into lines of valid Unicode, one after the other."""

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from ml_run import events
from ml_run.errors import NotReadyError
from ml_run.reading.types import Fault

_LOOKED_AT = 4096
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = {
    b"PAR1": ("a parquet file", "give its name the ending .parquet"),
    _GZIP: ("packed by gzip", "add .gz to its name"),
    b"PK\x03\x04": ("an Excel workbook or a zip archive", "save the table as CSV UTF-8, or unpack the archive"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the table as CSV UTF-8"),
}
"""What other formats begin with, what they are called, and what to do."""
_LINES_BETWEEN_PROGRESS = 100_000


@dataclass(frozen=True)
class Opened:
    """A file open for reading."""

    name: str
    """What it is called in findings."""
    file: BinaryIO
    """Its content, unpacked when its name ends in `.gz`."""
    packed: BinaryIO
    """The bytes on disk; `file` itself when nothing is packed."""

    def tell_progress(self, rows: str) -> None:
        """Say how much of it is read; `rows` says it in words, e.g. `200,000 lines`."""
        done, total = self.packed.tell(), os.fstat(self.packed.fileno()).st_size
        events.emit("progress", f"{self.name}: {rows} read", stage="data", done=done, total=total)


@contextmanager
def opened(path: Path, name: str) -> Iterator[Opened]:
    """Open a file for as long as the block lasts.

    Raises:
        NotReadyError: it is missing, may not be read, or its gzip stream is damaged or cut, whenever that shows.
    """
    try:
        with path.open("rb") as file:
            packed = path.name.lower().endswith(".gz")
            if packed:
                _refuse_unpacked(file, name)
            content = io.BufferedReader(gzip.GzipFile(fileobj=file)) if packed else file
            yield Opened(name, content, file)
    except FileNotFoundError:
        raise NotReadyError("there is no such file", where=name, remedy="correct the path in the config") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NotReadyError(
            f"the gzip file is damaged or cut short ({error})", where=name, remedy="copy or pack the file again"
        ) from None
    except OSError as error:
        raise NotReadyError(
            f"the file cannot be read: {error.strerror}", where=name, remedy="check the path and its permissions"
        ) from None


def _refuse_unpacked(file: io.BufferedReader, name: str) -> None:
    start = file.peek(len(_GZIP))
    if start and not start.startswith(_GZIP):
        raise NotReadyError("the file is not packed by gzip", where=name, remedy="take .gz off its name, or pack it")


def read_bytes(path: Path, name: str) -> bytes:
    """The whole content of a file, unpacked when it ends in `.gz`.

    Raises:
        NotReadyError: as `opened`.
    """
    with opened(path, name) as source:
        return source.file.read()


@dataclass(frozen=True)
class Lines:
    """The physical lines of a file, without their line feeds; they can be gone through once."""

    source: Opened
    faults: list[Fault]
    """What is wrong with the file as a whole."""
    undecodable: dict[int, str] = field(default_factory=dict)
    """Lines (1-based) so far that are not UTF-8, and what is wrong with each; their bad bytes are written as \\xNN."""

    @property
    def name(self) -> str:
        """What the file is called in findings."""
        return self.source.name

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self.source.file, start=1):
            if number % _LINES_BETWEEN_PROGRESS == 0:
                self.source.tell_progress(f"{number:,} lines")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                text = line.decode("utf-8", "backslashreplace")
                self.undecodable[number] = _undecodable(line, error.start)
            yield text.removesuffix("\n")


def _undecodable(line: bytes, place: int) -> str:
    problem = f"byte 0x{line[place]:02x} at position {place + 1} is not UTF-8"
    likely = line[place : place + 1].decode("cp1252", "ignore")
    return f"{problem}; in Windows-1252 it is {likely!r}" if likely.isprintable() and likely else problem


def lines_of(source: Opened) -> Lines:
    """The lines of `source`; a BOM is taken off and noted.

    Raises:
        NotReadyError: it is UTF-16 or UTF-32, or no text at all.
    """
    start = source.file.read(_LOOKED_AT)
    _refuse_other_than_utf8(start, source.name)
    if b"\r" in start and b"\n" not in start:
        source = _without_returns(source, start)
    has_bom = start.startswith(codecs.BOM_UTF8)
    source.file.seek(len(codecs.BOM_UTF8) if has_bom else 0)
    return Lines(source, [Fault("bom", None, "the file begins with a UTF-8 byte order mark")] if has_bom else [])


def _without_returns(source: Opened, start: bytes) -> Opened:
    """The same file, with a line feed for each carriage return if it has no line feed at all, as old programs write."""
    content = start + source.file.read()
    return source if b"\n" in content else replace(source, file=io.BytesIO(content.replace(b"\r", b"\n")))


def _refuse_other_than_utf8(start: bytes, name: str) -> None:
    for mark, (what, remedy) in _OTHER_FORMATS.items():
        if start.startswith(mark):
            raise NotReadyError(f"the file is {what}, whatever its name says", where=name, remedy=remedy)
    nulls = start.count(0)
    if start.startswith(_WIDE) or (nulls > len(start) // 5 and not re.search(rb"[\x01-\x08\x0e-\x1a]", start)):
        raise NotReadyError(
            "the file is UTF-16 or UTF-32, not UTF-8",
            where=name,
            remedy="save it as UTF-8, e.g. with iconv -f UTF-16 -t UTF-8 (in a spreadsheet: CSV UTF-8)",
        )
    if nulls > len(start) // 20:
        raise NotReadyError(
            "the file is not text: it holds many null bytes",
            where=name,
            remedy="name a jsonl, csv or tsv file, or give a packed file its ending (.gz, .parquet)",
        )
