"""Files that are wholly there or not there at all: atomic writes, manifests, hashes.

Every write goes to a temporary name in the same folder, is flushed to disk, then renamed; a marker or manifest comes
last. A process killed at any moment leaves the old content or the new, never half of either.
"""

import hashlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class _Crash:
    """Counts the points at which a crash test may kill this process (see `crash_point`)."""

    passed = 0


def crash_point() -> None:
    """Kill this process with SIGKILL when this is the point that `MLRUN_CRASH_AT` names; count it otherwise.

    Recovery deserves as much testing as success (reliability.md, R1): the tests kill a run at every one of these
    points and resume it. Without the variable this costs one look-up.
    """
    _Crash.passed += 1
    if os.environ.get("MLRUN_CRASH_AT") == str(_Crash.passed):
        os.kill(os.getpid(), signal.SIGKILL)


def crash_points_passed() -> int:
    """How many crash points this process has passed: the N of the crash tests."""
    return _Crash.passed


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically. Missing parent folders are made."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, atomically. Missing parent folders are made."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, atomically; NaN is refused, since no JSON reader need take it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, flush it and rename it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        crash_point()
        sync(temporary)
        temporary.replace(path)
        crash_point()
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the block ends well, write its manifest and put it in place.

    A folder already at `path` is replaced. Every file in the new folder is flushed to disk before the rename.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        seal_folder(temporary)
        crash_point()
        if path.exists():
            old = temporary.with_suffix(".old")
            path.rename(old)
            crash_point()
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
        sync(path.parent)
        crash_point()
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def seal_folder(folder: Path) -> None:
    """Make `folder` readable by others, flush every file in it, and write its manifest last."""
    folder.chmod(0o777 & ~_umask())
    entries = {}
    for file in _files(folder):
        file.chmod(0o666 & ~_umask())
        sync(file)
        entries[file.relative_to(folder).as_posix()] = {"size": file.stat().st_size, "sha256": hash_file(file)}
    write_json(folder / MANIFEST, entries)


def manifest_fault(folder: Path) -> str | None:
    """Compare `folder` with its manifest; return the first difference in words, or None when all is as written."""
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
        entries = {name: (entry["size"], entry["sha256"]) for name, entry in content.items()}
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is not readable"
    for name, (size, digest) in entries.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes, {size} were written"
        if hash_file(file) != digest:
            return f"{name} was changed after it was written"
    extra = {file.relative_to(folder).as_posix() for file in _files(folder)} - set(entries)
    return f"{min(extra)} does not belong there" if extra else None


def folder_digest(folder: Path) -> str:
    """SHA-256 over the manifest of a sealed folder: names its whole content."""
    return hash_file(folder / MANIFEST)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_value(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


def sync(path: Path) -> None:
    """Flush a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`: temporary files and folders of this module."""
    leftovers: Iterable[Path] = [*folder.glob(".*.tmp"), *folder.glob(".*.old")] if folder.is_dir() else []
    for leftover in leftovers:
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file() and f.name != MANIFEST)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
