"""The only file that imports Ray: a cluster for as long as a block lasts, and work done on it.

What Ray carries are functions and values of ours; none of them knows that it is carried. Ray is loaded when a function
here is called, never before.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from ml_run.config.names import INSTALL_RAY
from ml_run.errors import MlRunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ml_run.config.sections import ComputeConfig

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOPBACK = "127.0.0.1"
_SPARE_CPUS = 4
"""Logical CPUs of a cluster of our own beyond its workers': coordinators and readers wait for ever without."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TQDM": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}


def refuse_missing(where: str) -> None:
    """Raise UsageError where Ray is not installed; `where` names what asks for it."""
    if find_spec("ray") is None:
        raise UsageError("Ray is not installed", where=where, remedy=INSTALL_RAY)


# --- the cluster ------------------------------------------------------------------------------------------------------


@contextmanager
def connect(compute: ComputeConfig) -> Iterator[None]:
    """Be connected to the cluster that `compute.address` names, within the block; inside another such block, to that.

    `local` starts a cluster on this machine, reachable from it alone, which ends with the block.

    Raises:
        UsageError: Ray is not installed, or no cluster answers.
    """
    refuse_missing("compute.engine")
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    import ray

    if ray.is_initialized():
        yield
        return
    session = _start(compute)
    try:
        yield
    finally:
        with _signals_kept():
            ray.shutdown()
        if session:
            shutil.rmtree(session, ignore_errors=True)


def _start(compute: ComputeConfig) -> str | None:
    """Connect; return the folder that a cluster of our own leaves its logs in."""
    import ray

    mine = compute.address == "local"
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if mine:
        cpus = compute.workers * compute.cpus_per_worker + _SPARE_CPUS
        settings |= {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": LOOPBACK}
    try:
        with _signals_kept():
            context = ray.init(compute.address, **settings)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"no Ray cluster answers at {compute.address}: {first}",
            where="compute.address",
            remedy="start one with ray start --head, or write address: local for one on this machine alone",
        ) from error
    return str(context.address_info["session_dir"]) if mine else None


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back the handlers of Ctrl-C and SIGTERM, which Ray replaces as it starts."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Description:
    """A cluster in numbers."""

    reachable: bool
    note: str
    """One sentence: what it is, or why it cannot be reached."""
    nodes: int = 0
    cpus: float = 0
    gpus: float = 0
    memory: int = 0
    """Bytes for tasks, over all nodes."""


def describe(compute: ComputeConfig) -> Description:
    """What the cluster of `compute` has to offer; starts none for `local`, and raises nothing."""
    try:
        refuse_missing("compute.engine")
        if compute.address == "local":
            return Description(True, "a cluster of its own, on this machine, is started by each command", nodes=1)
        with connect(compute):
            return _described(compute.address)
    except UsageError as error:
        return Description(False, f"{error.found}; {error.remedy}")


def _described(address: str) -> Description:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus, memory = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU", "memory"))
    return Description(True, f"Ray {ray.__version__} answers at {address}", len(nodes), cpus, gpus, int(memory))


# --- tasks ------------------------------------------------------------------------------------------------------------


def run_tasks(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    cpus: float = 1,
    gpus: float = 0,
    memory: int = 0,
    finished: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Call `function` for each item, somewhere in the cluster; to be called inside `connect`.

    Args:
        function: what it is given and returns travels between machines. Done again where its machine is lost.
        items: one call each.
        cpus: of each call.
        gpus: of each call.
        memory: bytes that a machine must have to spare for each call; so many run at once as it has.
        finished: told of each result, with the place of its item, as it comes.

    Returns:
        The results in the order of `items`, in whatever order they came.

    Raises:
        MlRunError: the first that a call raised; the others are given up.
    """
    import ray

    task = ray.remote(num_cpus=cpus, num_gpus=gpus, memory=memory or None, max_retries=-1)(function)
    places = {task.remote(item): place for place, item in enumerate(items)}
    results: dict[int, Result] = {}
    waiting = list(places)
    try:
        while waiting:
            (done,), waiting = ray.wait(waiting, num_returns=1)
            results[places[done]] = ray.get(done)
            if finished:
                finished(places[done], results[places[done]])
    except ray.exceptions.RayError as error:
        raise original(error) from None
    finally:
        for one in waiting:
            ray.cancel(one, force=True)
    return [results[place] for place in range(len(items))]


def original(error: BaseException) -> BaseException:
    """The error of ours that Ray wrapped on its way here; `error` itself where there is none."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, MlRunError):
        seen = getattr(seen, "cause", None) or seen.__cause__
    return seen or error
