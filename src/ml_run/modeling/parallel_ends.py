"""How processes that trained together have ended: what they left, what the system did, and the error that makes."""

import json
import signal
from contextlib import suppress
from pathlib import Path

from ml_run.config import Config
from ml_run.errors import MlRunError, NotReadyError, TrainingError, UsageError
from ml_run.modeling import failures

KEY = "compute.processes"
_KNOWN = {kind.__name__: kind for kind in (UsageError, NotReadyError, TrainingError)}
_TAIL = 2000


def untold(config: Config, folder: Path, scratch: Path, ends: tuple[int, ...], *, for_memory: bool) -> Exception:
    """The error of a training whose processes did not say why they ended.

    Args:
        config: of the training.
        folder: of its checkpoints.
        scratch: what the processes left.
        ends: exit codes, negative signal numbers.
        for_memory: the system has killed a process for its memory meanwhile.
    """
    killed = [number for number, end in enumerate(ends) if end == -signal.SIGKILL]
    if killed and for_memory:
        return failures.out_of_memory(config)
    if killed:
        return TrainingError(
            f"process {killed[0] + 1} of the {len(ends)} that trained was killed",
            kind="killed",
            where=str(folder),
            remedy="go on from the last checkpoint with ml-run --resume; if nobody killed it, memory ran out: lower "
            f"{KEY}, training.batch_size or model.max_length first",
        )
    tails = [f"process {number + 1}, {end}: {_tail(scratch, number)}" for number, end in enumerate(ends) if end]
    return RuntimeError("\n".join(tails))


def told(scratch: Path, count: int) -> MlRunError | None:
    """The error that the first process that knows one has left."""
    for number in range(count):
        with suppress(OSError, ValueError):
            facts = json.loads(_failure(scratch, number).read_text("utf-8"))
            return _KNOWN[facts.pop("class")](**facts)
    return None


def tell(scratch: Path, number: int, error: MlRunError) -> bool:
    """Leave the error of process `number` for the parent; False where a training is not known to raise such."""
    if type(error).__name__ not in _KNOWN:
        return False
    facts: dict[str, object] = {
        "class": type(error).__name__,
        "found": error.found,
        "where": error.where,
        "remedy": error.remedy,
    }
    if isinstance(error, TrainingError):
        facts |= {"kind": error.kind, "curable": error.curable}
    _failure(scratch, number).write_text(json.dumps(facts), "utf-8")
    return True


def _failure(scratch: Path, number: int) -> Path:
    return scratch / f"failure-{number}.json"


def log(scratch: Path, number: int) -> Path:
    """Where a process's own output goes."""
    return scratch / f"output-{number}.log"


def _tail(scratch: Path, number: int) -> str:
    return log(scratch, number).read_text("utf-8", "replace")[-_TAIL:].strip()


def kills_for_memory() -> int:
    """How often the system has killed a process of this control group for its memory, as far as it can be known."""
    files = [Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")]
    with suppress(OSError):
        group = Path("/proc/self/cgroup").read_text("utf-8").rpartition("0::")[2].strip()
        files.insert(0, Path(f"/sys/fs/cgroup{group}/memory.events"))
    for file in files:
        with suppress(OSError, ValueError):
            counts = dict(line.split() for line in file.read_text("utf-8").splitlines())
            return int(counts["oom_kill"]) if "oom_kill" in counts else 0
    return 0
