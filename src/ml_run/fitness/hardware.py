"""What the machine has: processor or GPU, and memory, as far as this process may use them."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.wording import number_of

if TYPE_CHECKING:
    import torch

_MEMINFO = Path("/proc/meminfo")
_CONTROL_GROUP = Path("/sys/fs/cgroup")
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Hardware:
    """What a training would run on."""

    kind: str
    """cpu, cuda or mps, as torch calls it."""
    name: str
    cores: int
    memory: int | None
    """Bytes that can be had now; None where the system does not say."""

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.name}, {number_of(self.cores, 'core')}" if self.kind == "cpu" else self.name


def processor() -> Hardware:
    """The processor, and the memory that is available to this process."""
    return Hardware("cpu", _processor_name(), _cores(), available_memory())


def accelerator() -> tuple[Hardware, torch.device]:
    """What torch would train on: the first GPU, else the processor. Loads torch."""
    import torch

    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info(0)
        return Hardware("cuda", torch.cuda.get_device_name(0), _cores(), free), torch.device("cuda", 0)
    if torch.backends.mps.is_available():
        return Hardware("mps", "Apple GPU", _cores(), available_memory()), torch.device("mps")
    return processor(), torch.device("cpu")


def gigabytes(size: float) -> str:
    """Bytes for people: `1.2 GB`."""
    return f"{size / _GIGABYTE:.1f} GB"


def available_memory() -> int | None:
    """Bytes that can be taken without swapping, and within the limit of this process's control group."""
    found = [size for size in (_free_of_the_system(), _left_of_the_group()) if size is not None]
    return min(found, default=None)


def _free_of_the_system() -> int | None:
    try:
        lines = _MEMINFO.read_text("utf-8").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return int(kilobytes) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _left_of_the_group() -> int | None:
    """What a container may take yet; files that the system would drop for it count as free."""
    try:
        limit = int((_CONTROL_GROUP / "memory.max").read_text("utf-8"))
        used = int((_CONTROL_GROUP / "memory.current").read_text("utf-8"))
        counts = dict(line.split() for line in (_CONTROL_GROUP / "memory.stat").read_text("utf-8").splitlines())
        return max(0, limit - used + int(counts.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None  # no limit ("max"), or another kind of system


def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (_CONTROL_GROUP / "cpu.max").read_text("utf-8").split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return allowed


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
