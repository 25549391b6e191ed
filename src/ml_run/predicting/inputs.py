"""The files that IN means: one, those of a folder, or those behind a URL that fsspec reads."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.characters import visible
from ml_run.config.names import DATA_FORMS, data_format
from ml_run.errors import NotReadyError, UsageError
from ml_run.reading.sources import shown
from ml_run.redaction import mask_uris

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEME = "://"
_LEFT_OUT = ".rejected.jsonl"


@dataclass(frozen=True)
class Input:
    """One file to predict."""

    number: int
    """Its place among all of them."""
    address: str
    """Absolute path, or URL."""
    name: str
    """What it is called in messages and in the column `file`."""
    size: int
    """Bytes, as far as it is known."""

    @property
    def ending(self) -> str:
        """Its format, and `.gz` where it is packed."""
        return ending_of(Path(self.address))


def ending_of(path: Path) -> str:
    """The format that a file's name tells, and `.gz` where it is packed."""
    return f"{data_format(path)}{'.gz' * path.name.lower().endswith('.gz')}"


def is_url(source: Path | str) -> bool:
    """True where fsspec is asked, not the file system."""
    return isinstance(source, str) and _SCHEME in source


def name_of(source: Path | str, project: Path) -> str:
    """What IN is called in messages: secrets in a URL are masked."""
    return visible(mask_uris(str(source))) if is_url(source) else shown(str(Path(source).absolute()), project)


def find_inputs(source: Path | str, project: Path) -> tuple[Input, ...]:
    """The files that `source` means, in the order of their names; hidden ones and predictions' rejects are none.

    Raises:
        UsageError: nothing is there, or none of it has a format that is known.
    """
    name = name_of(source, project)
    found = _remote(str(source), name) if is_url(source) else _local(Path(source))
    known = [one for one in found if data_format(Path(one[0])) and not one[0].endswith(_LEFT_OUT)]
    if not found:
        raise UsageError("there is no such file or folder", where=name, remedy="correct the path")
    if not known:
        raise UsageError("its format is not known", where=name, remedy=f"name files that end in {DATA_FORMS}")
    return tuple(
        Input(number, address, name_of(address if is_url(address) else Path(address), project), size)
        for number, (address, size) in enumerate(sorted(known))
    )


def _local(source: Path) -> list[tuple[str, int]]:
    source = source.absolute()
    inside = [path for path in source.rglob("*") if path.is_file() and not _hidden(path.relative_to(source))]
    paths = inside if source.is_dir() else [source] if source.is_file() else []
    return [(str(path), path.stat().st_size) for path in paths]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _remote(url: str, name: str) -> list[tuple[str, int]]:
    with _asking(name):
        system, path = _file_system(url)
        paths = system.find(path, withdirs=False) if system.isdir(path) else system.glob(path)
        return [
            (system.unstrip_protocol(one), int(system.info(one).get("size") or 0))
            for one in paths
            if not _hidden(Path(one.removeprefix(path.rstrip("/")).lstrip("/") or "x"))
        ]


@contextmanager
def _asking(name: str) -> Iterator[None]:
    """Say in our words what fsspec cannot do."""
    try:
        yield
    except (ImportError, ValueError) as error:
        raise UsageError(f"it cannot be read: {error}", where=name, remedy="install what it names") from None
    except OSError as error:
        found = f"it cannot be read: {mask_uris(str(error))}"
        raise NotReadyError(found, where=name, remedy="check the address and who may read it") from None


def _file_system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    system, path = url_to_fs(url)
    return system, path


def identity(one: Input) -> str:
    """What changes when the content of a file does: its SHA-256, or what its store says of it."""
    if not is_url(one.address):
        return files.hash_file(Path(one.address))
    with _asking(one.name):
        system, path = _file_system(one.address)
        return str(system.checksum(path))


@contextmanager
def local_copy(one: Input) -> Iterator[Path]:
    """The file on this machine within the block: itself, or a copy of what stands behind its URL.

    Raises:
        UsageError: it is no longer there, or this machine does not see it.
        NotReadyError: it cannot be fetched.
    """
    if not is_url(one.address):
        yield Path(one.address)
        return
    with tempfile.TemporaryDirectory(prefix="ml-run-") as folder, _asking(one.name):
        copy = Path(folder) / Path(one.address).name
        system, path = _file_system(one.address)
        system.get(path, str(copy))
        yield copy
