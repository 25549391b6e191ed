"""The machine that trains: its allocator, its processor, and where facts about it are kept."""

import ctypes
import os
import platform
from pathlib import Path

from ml_run import files

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # M_TRIM_THRESHOLD and so on of glibc's malloc.h
_HEAPS = "MALLOC_ARENA_MAX"
_NEVER = -1
_GIGABYTE = 1 << 30
_OF_THE_PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU part")


def keep_freed_memory() -> bool:
    """Have the process keep the memory it frees, for what it allocates next; only glibc can be told so.

    By default, glibc gives each block of 32 MB or more back as it is freed. A training step frees and allocates
    gigabytes, and the system has to clear every page of them anew: a fifth of a step in float32. `mallopt` has the
    effect of the variables `MALLOC_MMAP_THRESHOLD_` and `MALLOC_TRIM_THRESHOLD_`, without starting the process again
    (page faults of a step: 431,000 without, none with either).

    Returns:
        False where the C library is another one, and nothing was done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _GIGABYTE) and mallopt(_TRIM_THRESHOLD, _NEVER))


def use_one_heap() -> None:
    """Have all threads of this process, and of those it starts, allocate from one heap; only glibc can be told so.

    By default, glibc gives each thread a heap of its own, of pieces that are given back to the system as they empty
    whatever `keep_freed_memory` says, and what one thread has freed the next cannot use. To be called before there are
    threads. `MALLOC_ARENA_MAX` is respected.
    """
    if _HEAPS in os.environ or platform.libc_ver()[0] != "glibc":
        return
    os.environ[_HEAPS] = "1"
    ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def processor() -> str:
    """SHA-256 of what this machine says of its processor: kind, stepping and instruction sets."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8", "replace").partition("\n\n")[0]
        lines = [line for line in first.splitlines() if line.partition(":")[0].strip() in _OF_THE_PROCESSOR]
    except OSError:
        lines = []
    return files.hash_value([platform.machine(), platform.processor(), *lines])


def cache_folder() -> Path:
    """Where ml-run keeps what it measured of this machine: `$XDG_CACHE_HOME/ml-run`, else `~/.cache/ml-run`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path(os.environ.get("HOME", "/"), ".cache")
    return base / "ml-run"
