"""The bytes of a text file into numbered lines of valid Unicode."""

import codecs
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from ml_run.errors import NotReadyError
from ml_run.reading.types import Fault

_LOOKED_AT = 4096
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True)
class Lines:
    """The physical lines of a file, without their line feeds."""

    name: str
    texts: list[str]
    undecodable: dict[int, str]
    """Lines (1-based) that are not UTF-8, and what is wrong with each; their bad bytes are written out as \\xNN."""
    faults: list[Fault]


def read_bytes(path: Path, name: str) -> bytes:
    """The content of a file, unpacked when it ends in `.gz`.

    Raises:
        NotReadyError: it is missing, may not be read, or its gzip stream is damaged or cut.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.name.lower().endswith(".gz") else content
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


def decode(content: bytes, name: str) -> Lines:
    """Split `content` into lines and decode each as UTF-8; a BOM is taken off and noted.

    Raises:
        NotReadyError: it is UTF-16 or UTF-32, or no text at all.
    """
    _refuse_other_than_utf8(content, name)
    faults = []
    if content.startswith(codecs.BOM_UTF8):
        content = content.removeprefix(codecs.BOM_UTF8)
        faults.append(Fault("bom", None, "the file begins with a UTF-8 byte order mark"))
    undecodable: dict[int, str] = {}
    try:
        texts = content.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        texts, undecodable = _decode_each(content)
    if texts[-1] == "":
        texts.pop()
    return Lines(name, texts, undecodable, faults)


def _decode_each(content: bytes) -> tuple[list[str], dict[int, str]]:
    texts, undecodable = [], {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            texts.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            texts.append(line.decode("utf-8", "backslashreplace"))
            undecodable[number] = f"byte 0x{line[error.start]:02x} at position {error.start + 1} is not UTF-8"
    return texts, undecodable


def _refuse_other_than_utf8(content: bytes, name: str) -> None:
    start = content[:_LOOKED_AT]
    nulls = start.count(0)
    if content.startswith(_WIDE) or (nulls > len(start) // 5 and not re.search(rb"[\x01-\x08\x0e-\x1a]", start)):
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
