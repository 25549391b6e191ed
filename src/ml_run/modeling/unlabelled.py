"""The texts of `data.unlabelled_path`: a plain text file, one text a line, of any size."""

import io
from collections.abc import Iterator
from pathlib import Path

from ml_run import events, files
from ml_run.errors import NotReadyError
from ml_run.reading.lines import lines_of, opened

_LONGEST = 1 << 20
_BETWEEN_PROGRESS = 100_000


def texts_in(path: Path) -> Iterator[str]:
    """The lines of `path` that are not blank, one after the other; a line of over a million characters in parts.

    Args:
        path: UTF-8, packed by gzip when it ends in `.gz`. What is not UTF-8 is read as U+FFFD.

    Raises:
        NotReadyError: it cannot be read, or is no text.
    """
    with opened(path, path.name) as source:
        content = lines_of(source).source
        reader = io.TextIOWrapper(content.file, encoding="utf-8", errors="replace")
        for number, text in enumerate(iter(lambda: reader.readline(_LONGEST), ""), start=1):
            if number % _BETWEEN_PROGRESS == 0:
                events.emit("progress", f"{path.name}: {number:,} lines read", stage="train")
            if stripped := text.strip():
                yield stripped


def digest_of(path: Path) -> str:
    """SHA-256 of the bytes of `path`.

    Raises:
        NotReadyError: it cannot be read.
    """
    try:
        return files.hash_file(path)
    except OSError as error:
        remedy = "correct data.unlabelled_path in the config"
        raise NotReadyError(f"the file cannot be read: {error.strerror}", where=path.name, remedy=remedy) from None
