"""One training on the workers of a cluster: started, listened to, stopped, and taken up again when some are lost.

What the workers do is what the processes of `modeling.parallel` do; see `modeling.spread_worker`. Which error may be
tried again is decided here and not by the cluster, which cannot tell a diverged training from a lost machine.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_run import cluster
from ml_run.errors import MlRunError, TrainingError
from ml_run.events import emit
from ml_run.modeling import checkpoints, copies, failures
from ml_run.modeling.telling import pass_on
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_run.cluster import Crew, Gone, Word
    from ml_run.config import Config
    from ml_run.interruption import Interruption
    from ml_run.modeling.checkpoints import Checkpoint
    from ml_run.modeling.fitting import Task
    from ml_run.modeling.parallel import Job

LOSSES = 3
"""Times in a row that workers may be lost with no new checkpoint in between."""
PREEMPTIONS = 20
"""Times in a row that machines may be taken away with notice with no new checkpoint in between."""
LOOK = 0.2  # seconds between two looks at what is to be done
_ROOM_TOLD_AFTER = 10.0
_SIGN = "seen-by-all"


@dataclass(frozen=True)
class Orders:
    """What every worker of a training is given."""

    job: Job
    sign: str | None
    """File in the task's folder that a worker must see; None where copies go to storage in place of it."""


class Patience:
    """Two budgets, for losses and for preemptions, each full again once training has come farther."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._spent = Counter[str]()

    def spend(self, gone: Gone, step: int) -> str:
        """Count that workers are gone, with the newest checkpoint at `step`; return what is spent, in words.

        Raises:
            TrainingError: nothing is left.
        """
        if step > self._step:
            self._step = step
            self._spent.clear()
        self._spent[gone.kind] += 1
        spent, most = self._spent[gone.kind], PREEMPTIONS if gone.kind == "preempted" else LOSSES
        if spent > most:
            raise TrainingError(
                f"{gone.why}, {spent} times with no new checkpoint in between",
                kind="killed",
                where="compute.workers",
                remedy="see that the cluster's machines stay up and have memory enough for the model, then go on from "
                "the last checkpoint with ml-run --resume",
            )
        return f"{spent} of {most} times in a row"


def train(job: Job, interruption: Interruption) -> None:
    """Do what `fitting.train` does, on `compute.workers` workers of the cluster.

    Raises:
        UsageError: there is no cluster, a worker does not see the folder of the checkpoints, or cannot load the model.
        TrainingError: the training failed in one of them, or workers were lost again and again.
        Interrupted: a stop was asked for; the state is saved, where the first step was done.
    """
    with cluster.connect(job.config.compute), interruption.deferred(), _within_reach(job.task) as sign:
        last = _newest(job)
        patience = Patience(last.step if last else 0)
        while not interruption.requested and not (last and _is_complete(job, last)):
            gone = _once(Orders(replace(job, last=last), sign), interruption)
            last = _newest(job)
            if gone is None:
                return
            said = patience.spend(gone, last.step if last else 0)
            where = f"from step {last.step} of {last.max_steps}" if last else "from the start"
            emit("warning", f"{gone.why}: training goes on {where} ({said})", kind=gone.kind)


def follow(crew: Crew, interruption: Interruption) -> Iterator[tuple[int, Word]]:
    """What the workers of `crew` tell until the last one has ended; passes a stop on to them."""
    asked, began, told = False, time.monotonic(), False
    while not crew.over:
        yield from crew.hear(LOOK)
        if interruption.requested and not asked:
            asked = True
            crew.ask_to_stop()
        if crew.waiting and not told and time.monotonic() - began > _ROOM_TOLD_AFTER:
            told = True
            emit("note", "waiting for the cluster to have room for all workers")


def raised(gone: Gone, config: Config) -> Exception:
    """The error of work that is not tried again."""
    if gone.kind == "memory":
        return failures.out_of_memory(config)
    if gone.kind == "failed":
        return RuntimeError(gone.why)
    compute = config.compute
    asked = f"{number_of(compute.workers, 'worker')}, {number_of(compute.cpus_per_worker, 'CPU')}"
    gpus = f" and {compute.gpus_per_worker:g} GPUs" if compute.gpus_per_worker else ""
    return TrainingError(
        f"{gone.why}: {asked}{gpus} each",
        kind="killed" if gone.kind == "lost" else "no_room",
        where="compute.workers",
        remedy="ml-run doctor tells what the cluster has; ask for less, or add machines, then ml-run --resume",
    )


def _once(orders: Orders, interruption: Interruption) -> Gone | None:
    """Train until the workers have ended; return why, where another try may help."""
    from ml_run.modeling import spread_worker

    job = orders.job
    with cluster.together(spread_worker.work, orders, job.config.compute) as crew:
        for _, word in follow(crew, interruption):
            pass_on(word)
        answer = crew.ended[0]
    checkpoints.discard_unsealed(job.task.folder)
    if isinstance(answer, MlRunError):
        raise answer
    if answer == "preempted":
        return cluster.Gone("preempted", "machines of the cluster are being taken away")
    if not isinstance(answer, cluster.Gone):
        return None
    if answer.kind not in {"lost", "preempted"}:
        raise raised(answer, job.config)
    return answer


def _newest(job: Job) -> Checkpoint | None:
    """The newest verified checkpoint, wherever the workers have left it."""
    task = job.task
    if task.copies:
        copies.fetch(task.copies, task.folder)
    return checkpoints.newest_verified(task.folder, task.inputs, job.attempt)


def _is_complete(job: Job, last: Checkpoint) -> bool:
    from ml_run.modeling.fitting import is_complete

    return is_complete(last, job.task.config)


@contextmanager
def visible(tasks: Sequence[Task]) -> Iterator[str]:
    """Have a file in the folder of each of `tasks` within the block, which a worker sees or does not.

    Returns:
        The file's name.
    """
    signs = [task.folder / _SIGN for task in tasks]
    try:
        for sign in signs:
            sign.parent.mkdir(parents=True, exist_ok=True)
            sign.touch()
        yield _SIGN
    finally:
        for sign in signs:
            sign.unlink(missing_ok=True)


@contextmanager
def _within_reach(task: Task) -> Iterator[str | None]:
    """Have the checkpoints where every worker finds them within the block, and back when it ends."""
    if task.copies is None:
        with visible([task]) as sign:
            yield sign
        return
    task.folder.mkdir(parents=True, exist_ok=True)
    copies.fetch(task.copies, task.folder)
    copies.push(task.folder, task.copies)
    try:
        yield None
    finally:
        copies.fetch(task.copies, task.folder)
        copies.clear(task.copies)
