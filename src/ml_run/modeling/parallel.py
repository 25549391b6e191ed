"""One training in several processes of this machine: started, listened to, stopped, and their end told as one's own.

The processes are what torchrun would start, with the same variables, and accelerate and the Trainer take them for
that. They are children of this process rather than of torchrun's agent, so that nothing stands between a stop signal
and the checkpoint: each hears from this one over its standard input, whose end it does not outlive. They meet over a
file, so no port can be taken by another program.
"""

import json
import os
import pickle
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.cluster.crew import loopback
from ml_run.config import Config
from ml_run.errors import UsageError
from ml_run.interruption import Interruption
from ml_run.modeling import checkpoints, parallel_ends
from ml_run.modeling.checkpoints import Checkpoint
from ml_run.modeling.parallel_ends import KEY
from ml_run.modeling.telling import Told, pass_on
from ml_run.wording import number_of

if TYPE_CHECKING:
    from ml_run.modeling.fitting import Task

STOP = b"s"
"""Tells a process, after its orders, to save and stop."""
_WORKER = "ml_run.modeling.parallel_worker"
_LOOK = 0.2  # seconds between two looks at what is to be done
_GRACE = 5.0  # seconds that the others have to end, and say why, when one has failed


@dataclass(frozen=True)
class Job:
    """What `fitting.train` needs beside an interruption."""

    task: "Task"
    config: Config
    attempt: int
    last: Checkpoint | None


@dataclass(frozen=True)
class Orders:
    """What a process is told as it starts, on its standard input, pickled: no text of the data touches the disk."""

    job: Job
    number: int
    scratch: Path
    """Folder for what the processes leave one another and their parent."""
    events: int | None
    """File descriptor that events go to, a JSON object a line; of the first process only."""

    @property
    def store(self) -> Path:
        """File over which the processes meet."""
        return self.scratch / "meeting"


def train(job: Job, interruption: Interruption) -> None:
    """Do what `fitting.train` does, in as many processes as `compute.processes` says.

    Raises:
        UsageError: there are fewer GPUs than processes, or the model cannot be loaded.
        TrainingError: the training failed in one of them, or one of them was killed.
        Interrupted: a stop was asked for; the state is saved, where the first step was done.
    """
    _check_devices(job.config.compute.processes)
    kills = parallel_ends.kills_for_memory()
    with tempfile.TemporaryDirectory(prefix="ml-run-train-") as scratch, interruption.deferred():
        with _started(job, Path(scratch)) as crew:
            crew.follow(interruption)
            ends = crew.ends()
        if any(ends):
            checkpoints.discard_unsealed(job.task.folder)
            failure: Exception | None = parallel_ends.told(Path(scratch), len(ends))
            if failure is None:
                interruption.check()  # whoever asked for a stop may have ended the processes, too
                more_kills = parallel_ends.kills_for_memory() > kills
                failure = parallel_ends.untold(job.config, job.task.folder, Path(scratch), ends, for_memory=more_kills)
            raise failure


def _check_devices(processes: int) -> None:
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else int(torch.backends.mps.is_available())
    if 0 < gpus < processes:
        raise UsageError(
            f"{processes} processes cannot train on {number_of(gpus, 'GPU')}: each needs its own",
            where=KEY,
            remedy=f"set {KEY} to {gpus} or less",
        )


class _Crew:
    """The processes of one training."""

    def __init__(self, workers: list["subprocess.Popen[bytes]"], told: int) -> None:
        self._workers = workers
        self._told: int | None = told
        self._line = b""
        self._training = False
        self._ended: tuple[int, ...] = ()

    def follow(self, interruption: Interruption) -> None:
        """Pass on what they tell until all have ended, one has failed, or a stop came before the first step."""
        asked, give_up = False, None
        while any(worker.poll() is None for worker in self._workers):
            self._listen(_LOOK)
            if interruption.requested and not asked:
                if not self._training:
                    return
                asked = True
                self._ask_to_stop()
            if give_up is None and any(worker.returncode for worker in self._workers):
                give_up = time.monotonic() + _GRACE
            if give_up is not None and time.monotonic() > give_up:
                break
        self._ended = tuple(worker.poll() or 0 for worker in self._workers)
        while self._told is not None and self._workers[0].poll() is not None:
            self._listen(_LOOK)

    def ends(self) -> tuple[int, ...]:
        """How each process ended by itself: exit code, negative signal number; 0 for well, or not by itself."""
        return self._ended

    def _ask_to_stop(self) -> None:
        for worker in self._workers:
            assert worker.stdin is not None
            with suppress(OSError):
                worker.stdin.write(STOP)
                worker.stdin.flush()

    def _listen(self, seconds: float) -> None:
        """Pass on the events that are there, waiting for them at most `seconds`."""
        if self._told is None:
            time.sleep(_LOOK / 4)
        elif select.select([self._told], [], [], seconds)[0]:
            some = os.read(self._told, 1 << 16)
            *lines, self._line = (self._line + some).split(b"\n")
            for line in lines:
                self._pass_on(json.loads(line))
            if not some:
                os.close(self._told)
                self._told = None

    def _pass_on(self, told: Told) -> None:
        self._training = self._training or told["event"] == "progress"
        pass_on(told)

    def end(self) -> None:
        """End what is left of the processes."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()
            assert worker.stdin is not None
            with suppress(OSError):
                worker.stdin.close()
        if self._told is not None:
            os.close(self._told)


@contextmanager
def _started(job: Job, scratch: Path) -> Iterator[_Crew]:
    told, tell = os.pipe()
    workers: list[subprocess.Popen[bytes]] = []
    crew = _Crew(workers, told)
    count = job.config.compute.processes
    try:
        try:
            workers.extend(_start(number, count, scratch, tell) for number in range(count))
        finally:
            os.close(tell)
        for number, worker in enumerate(workers):
            assert worker.stdin is not None
            with suppress(OSError):  # it is dead already, and `follow` will say so
                pickle.dump(Orders(job, number, scratch, None if number else tell), worker.stdin)
                worker.stdin.flush()
        yield crew
    finally:
        crew.end()


def _start(number: int, count: int, scratch: Path, tell: int) -> "subprocess.Popen[bytes]":
    import torch

    threads = str(max(1, torch.get_num_threads() // count))
    known = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    with parallel_ends.log(scratch, number).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER],
            env=loopback() | dict(os.environ) | {name: str(value) for name, value in known.items()}
            | {"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads},
            stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=() if number else (tell,),
            start_new_session=True,  # Ctrl-C in a terminal goes to its whole group: it is for this process to pass on
        )  # fmt: skip
