"""Files that are wholly there or not there at all: atomic writes, manifests, hashes, locks.

Every write goes to a temporary name in the same folder, is flushed to disk, then renamed; a marker or manifest comes
last. A process killed at any moment leaves the old content or the new, never half of either, and temporary names that
`sweep` knows. Whoever writes one holds a kernel lock on it, so that nobody sweeps what is still being written.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

MANIFEST = "manifest.json"
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.(?P<kind>tmp|old)")
_SECONDS_BETWEEN_TRIES = 0.02
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
    temporary = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
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
    finally:
        os.close(handle)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the block ends well, write its manifest and put it in place.

    A folder already at `path` is replaced. Every file in the new folder is flushed to disk before the rename.
    """
    with scratch_folder(path.parent, path.name) as temporary:
        yield temporary
        seal_folder(temporary)
        crash_point()
        replace_folder(temporary, path)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder in `parent`, which is removed as the block ends, or by `sweep` if the process is killed."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=parent))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Move the folder `new` to `path`, in place of one that may be there.

    That takes two renames. If the second fails, the old folder is put back; a process killed between the two leaves it
    under a temporary name, from where `sweep` puts it back.
    """
    old = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    if path.exists():
        with _held(path):
            _exchange(new, path, old)
    else:
        new.rename(path)
    sync(path.parent)
    crash_point()
    shutil.rmtree(old, ignore_errors=True)


def _exchange(new: Path, path: Path, old: Path) -> None:
    try:
        path.rename(old)
        crash_point()
        new.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
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
    # A link holds what another file holds now: what it will hold tomorrow nobody has sealed.
    extra |= {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink()}
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


def seed_of(value: Any) -> int:
    """A seed that depends on `value` alone: the same wherever and whenever it is asked for."""
    return int(hash_value(value)[:8], 16)


def sync(path: Path) -> None:
    """Flush a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Clear away what killed processes left half-written in `folder` and below: temporary names of this module.

    A folder that had to make room for one that never came is put back. What a live process is writing is left alone,
    and sealed folders are not looked into. Nothing is said of what cannot be removed: it does no harm.
    """
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        for name in sorted(folders + names):
            if leftover := _LEFTOVER.fullmatch(name):
                _clear(here / name, back_to=here / leftover["name"] if leftover["kind"] == "old" else None)
        folders[:] = [
            name for name in folders if not _LEFTOVER.fullmatch(name) and not (here / name / MANIFEST).exists()
        ]


def _clear(leftover: Path, back_to: Path | None) -> None:
    try:
        with _held(leftover):
            if back_to is not None and not os.path.lexists(back_to):
                leftover.rename(back_to)
            elif leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink()
    except OSError:
        return  # held by who writes it, gone meanwhile, or not ours to remove


# --- locks ------------------------------------------------------------------------------------------------------------


@contextmanager
def locked(path: Path, *, wait: float, refusal: Callable[[str], Exception]) -> Iterator[TextIO]:
    """Hold the lock file `path` within the block; yield the open file, for a note on the holder.

    A kernel lock (`flock`), so it is gone with the process that held it, however that ended.

    Args:
        path: the lock file; made if missing, never removed.
        wait: seconds to go on trying while another process holds it.
        refusal: makes the exception to raise after that, given what the holder wrote into the file.
    """
    give_up = time.monotonic() + wait
    with path.open("a+", encoding="utf-8") as file:
        while not _take(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() >= give_up:
                file.seek(0)
                raise refusal(file.read())
            time.sleep(_SECONDS_BETWEEN_TRIES)
        yield file


def is_locked(path: Path) -> bool:
    """True while a live process holds the lock file `path`."""
    try:
        with path.open("rb") as file:
            return not _take(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _take(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a kernel lock on a file or folder itself; raises BlockingIOError when another process does."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file() and f.name != MANIFEST)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
