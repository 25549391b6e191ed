"""One of the workers of a cluster that train a model together: `fitting.train`, with a line to the driver."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ml_run.errors import Interrupted, TrainingError, UsageError
from ml_run.modeling import checkpoints, copies
from ml_run.modeling.telling import Asked, handing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.cluster import Line, Reason
    from ml_run.modeling.checkpoints import Checkpoint
    from ml_run.modeling.fitting import Task
    from ml_run.modeling.parallel import Job
    from ml_run.modeling.spread import Orders

_OF_A_GROUP = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip


def work(orders: Orders, line: Line) -> Reason | None:
    """Train as `orders` say, with the other workers of the group that torch.distributed has joined.

    Returns:
        Why it has stopped; None where it has ended by itself.

    Raises:
        UsageError: this machine does not see the checkpoints' folder, or the model cannot be loaded.
        TrainingError: the training failed.
    """
    from ml_run.modeling import fitting, ranks, scoring

    asked = Asked()
    line.heed(asked.ask)
    be_alone_or_together(orders.job.config.compute.workers, orders.job.config.compute.cpus_per_worker)
    job = orders.job
    with (
        handing(None if line.number else line.tell),
        scoring.quiet_libraries(),
        at_hand(job.task, orders.sign) as task,
    ):
        with suppress(Interrupted):
            fitting.train(task, job.config, job.attempt, _last(job, task), asked)
        ranks.current().meet()  # a worker that stops is still spoken to
    return line.asked


def be_alone_or_together(workers: int, cpus: int) -> None:
    """Use as many threads as CPUs were asked for; a worker alone trains as a process alone does, to the bit."""
    import torch
    from torch import distributed

    torch.set_num_threads(cpus)
    if workers == 1:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for name in _OF_A_GROUP:
            os.environ.pop(name, None)


@contextmanager
def at_hand(task: Task, sign: str | None) -> Iterator[Task]:
    """`task` with its folder on this machine, holding the checkpoints so far.

    Args:
        task: as its driver has it.
        sign: file in its folder that must be seen here; None where copies go to storage in place of it.

    Raises:
        UsageError: this machine does not see the folder, or cannot use the storage.
        TrainingError: the storage failed.
    """
    if task.copies is None:
        if not (task.folder / str(sign)).exists():
            raise UsageError(
                f"a machine of the cluster does not see {task.folder}, where the checkpoints go",
                where=copies.KEY,
                remedy="start ml-run in a folder that all machines share, or set it to such a folder or an fsspec URL",
            )
        yield task
        return
    with TemporaryDirectory(prefix="ml-run-train-") as name:
        copies.fetch(task.copies, Path(name))
        yield replace(task, folder=Path(name))


def _last(job: Job, task: Task) -> Checkpoint | None:
    """The checkpoint to go on from, as this machine has it."""
    if task.copies is None:
        return job.last
    last = checkpoints.newest_verified(task.folder, task.inputs, job.attempt)
    if (last and last.step) != (job.last and job.last.step):
        raise TrainingError(
            f"the checkpoints at {task.copies} are not what was put there",
            kind="storage",
            where=copies.KEY,
            remedy="see that nobody else writes there, then go on with ml-run --resume",
        )
    return last
