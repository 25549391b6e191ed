"""The only file that imports Ray: a cluster for as long as a block lasts, and work done on it.

What Ray carries are functions and values of ours; none of them knows that it is carried. Ray is loaded when a function
here is called, never before.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import signal
import threading
import time
from concurrent.futures import Future, wait
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from ml_run.cluster.crew import Gone, Line, Mailbox, is_of_the_network, loopback
from ml_run.config.names import INSTALL_RAY
from ml_run.errors import MlRunError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ml_run.cluster.crew import Crew, Reason, Word
    from ml_run.config.sections import ComputeConfig

Item = TypeVar("Item")
Result = TypeVar("Result")

RETRIES = 3
"""Times that Ray does a lost piece of work again by itself, or starts a group anew that could not begin."""
ROOM_SECONDS = 600.0
"""How long a group waits for the cluster to have room for it: long enough for new machines to come up."""
_OUT_OF_MEMORY = "RAY_memory_usage_threshold"  # in what Ray says of a worker that it ended for its memory
_SPARE_CPUS = 4
"""Logical CPUs of a cluster of our own beyond its workers': coordinators and readers wait for ever without."""
_BLOCK = 1 << 16
"""Bytes after which a reader passes on what it has made: a chunk at a time, not 128 MB."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TQDM": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}


_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes a cluster of our own one that no other machine can reach, on Linux too; Ray has no other way to say so."""


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
    settings = _QUIET | (_LOOPBACK | loopback() if compute.address == "local" else {})
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
    import ray

    if ray.is_initialized():
        yield
        return
    session = _start(compute)
    try:
        with _stdout_kept():
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
        settings |= {"num_cpus": cpus, "include_dashboard": False}
    try:
        with _signals_kept(), _silent():
            context = ray.init(compute.address, **settings)
    except Exception as error:  # Ray raises plain ones, too
        first = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"no cluster could be started here: {first}" if mine else f"no Ray cluster answers: {first}",
            where=f"compute.address: {compute.address}",
            remedy="if this machine is very busy, give the command again when it is less so"
            if mine
            else "start one with ray start --head, or write address: local for one on this machine alone",
        ) from error
    return str(context.address_info["session_dir"]) if mine else None


@contextmanager
def _stdout_kept() -> Iterator[None]:
    """Keep what Ray prints of lost machines, in a thread of its own, away from where only results go."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back the handlers of Ctrl-C and SIGTERM, which Ray replaces as it starts."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what Ray's own code writes to stderr as it starts away from there: that its log level was set."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


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

    task = ray.remote(num_cpus=cpus, num_gpus=gpus, memory=memory or None, max_retries=-1)(_call)
    carried = ray.put(function)
    places = {task.remote(carried, item): place for place, item in enumerate(items)}
    results: dict[int, Result] = {}
    waiting = list(places)
    try:
        while waiting:
            (done,), waiting = ray.wait(waiting, num_returns=1)
            results[places[done]] = ray.get(done)
            if finished:
                finished(places[done], results[places[done]])
    except ray.exceptions.RayError as error:
        raise _told(error) from None
    finally:
        for one in waiting:
            ray.cancel(one, force=True)
    return [results[place] for place in range(len(items))]


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


class BrokenOffError(StoreError):
    """The cluster lost work that it could not do again; what was written of it is there."""


def _told(error: BaseException) -> BaseException:
    """The error to raise in place of Ray's: that of the work, or that the cluster broke off."""
    import ray

    inner = original(error)
    while isinstance(inner, ray.exceptions.RayTaskError) and isinstance(inner.cause, Exception):
        inner = inner.cause
    if not isinstance(inner, ray.exceptions.RayError):
        return inner
    found = f"work on the cluster broke off: {str(inner).strip().rpartition(chr(10))[2]}"
    return BrokenOffError(found, where="compute.engine", remedy="what is done is kept: give the command again")


def original(error: BaseException) -> BaseException:
    """The error of ours that Ray wrapped on its way here; `error` itself where there is none."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, MlRunError):
        seen = getattr(seen, "cause", None) or seen.__cause__
    return seen or error


# --- crews: workers that are heard, and can be asked to stop ----------------------------------------------------------


@contextmanager
def together(work: Callable[[Any, Line], Any], orders: Any, compute: ComputeConfig) -> Iterator[Crew]:
    """Have `compute.workers` workers do `work` as one group of torch.distributed; to be called inside `connect`.

    Nothing is done again: the crew's answer says how it ended, and whoever called decides.

    Args:
        work: called in each worker with `orders` and its line.
        orders: travels to every machine of the group.
        compute: how many workers, and what each asks for.
    """
    with _mailbox() as mailbox, TemporaryDirectory(prefix="ml-run-ray-") as scratch:
        yield _Group(mailbox, _trainer(work, orders, compute, mailbox, scratch), compute)


@contextmanager
def apart(
    work: Callable[[Item, Line], Any], items: Sequence[Item], compute: ComputeConfig, memory: int
) -> Iterator[Crew]:
    """Have workers do `work` on each item, `compute.workers` at once; to be called inside `connect`.

    A piece whose machine is lost is done again, `RETRIES` times at most; machines taken away with notice do not count.

    Args:
        work: called in a worker with an item and its line.
        items: one call each.
        compute: how many workers, and what each asks for.
        memory: bytes that a machine must have to spare for a piece; where none has as many, all that the largest has.
    """
    import ray

    largest = max((int(node["Resources"].get("memory", 0)) for node in ray.nodes() if node["Alive"]), default=0)
    with _mailbox() as mailbox:
        crew = _Tasks(mailbox, work, items, compute, min(memory, largest))
        try:
            yield crew
        finally:
            crew.give_up()


@contextmanager
def _mailbox() -> Iterator[Any]:
    """A mailbox beside the driver, where it outlives every worker."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    mailbox = ray.remote(num_cpus=0, scheduling_strategy=here)(Mailbox).remote()
    try:
        yield mailbox
    finally:
        ray.kill(mailbox)


class _Ears:
    """What a driver hears of any crew."""

    def __init__(self, mailbox: Any) -> None:
        self.ended: dict[int, Any] = {}
        self._mailbox = mailbox
        self._stopping = False

    def hear(self, seconds: float) -> list[tuple[int, Word]]:
        import ray

        self._look(seconds)  # before the words are taken: who has ended has told them all
        words: list[tuple[int, Word]] = ray.get(self._mailbox.take.remote())
        return words

    def ask_to_stop(self) -> None:
        import ray

        self._stopping = True
        ray.get(self._mailbox.ask_to_stop.remote())

    def _look(self, seconds: float) -> None:
        raise NotImplementedError


class _Group(_Ears):
    """Workers that do one piece together: first the room for all of them, then the work, in a thread of the driver."""

    def __init__(self, mailbox: Any, trainer: Any, compute: ComputeConfig) -> None:
        from ray.util import placement_group

        super().__init__(mailbox)
        self._trainer = trainer
        self._future: Future[Any] = Future()
        self._room: Any = placement_group([_wants(compute)] * compute.workers)
        self._patience = time.monotonic() + ROOM_SECONDS

    @property
    def over(self) -> bool:
        return bool(self.ended)

    @property
    def waiting(self) -> bool:
        return self._room is not None

    def _look(self, seconds: float) -> None:
        if self._room is not None:
            self._make_room(seconds)
        elif wait([self._future], seconds).done:
            failure = self._future.exception()
            self.ended[0] = _gone(failure) if failure else self._future.result().return_value

    def _make_room(self, seconds: float) -> None:
        from ray.util import remove_placement_group

        ready = self._room.wait(seconds)
        late = time.monotonic() > self._patience
        if ready or late or self._stopping:
            remove_placement_group(self._room)
            self._room = None
        if self._stopping:
            self.ended[0] = None
        elif ready:
            threading.Thread(target=self._fit, daemon=True).start()
        elif late:
            self.ended[0] = Gone("room", f"the cluster had no room for it in {ROOM_SECONDS / 60:.0f} minutes")

    def _fit(self) -> None:
        try:
            self._future.set_result(self._trainer.fit())
        except BaseException as error:  # noqa: BLE001 -- for the thread that waits
            self._future.set_exception(error)


class _Tasks(_Ears):
    """Workers that do a piece each."""

    def __init__(
        self, mailbox: Any, work: Callable[..., Any], items: Sequence[Any], compute: ComputeConfig, memory: int
    ) -> None:
        import ray

        super().__init__(mailbox)
        self._work, self._items, self._compute = work, items, compute
        self._next = 0
        self._places: dict[Any, int] = {}
        self._task = ray.remote(
            num_cpus=compute.cpus_per_worker,
            num_gpus=compute.gpus_per_worker,
            memory=memory or None,
            max_retries=RETRIES,
        )(_do_alone)

    @property
    def over(self) -> bool:
        return not self._places and (self._stopping or self._next == len(self._items))

    @property
    def waiting(self) -> bool:
        return False

    def give_up(self) -> None:
        """End what still runs."""
        import ray

        for task in self._places:
            ray.cancel(task, force=True)

    def _look(self, seconds: float) -> None:
        import ray

        while not self._stopping and self._next < len(self._items) and len(self._places) < self._compute.workers:
            given = self._work, self._items[self._next], self._mailbox, self._compute.gpus_per_worker
            self._places[self._task.remote(*given, self._next)] = self._next
            self._next += 1
        if not self._places:
            return
        for task in ray.wait(list(self._places), timeout=seconds)[0]:
            place = self._places.pop(task)
            try:
                self.ended[place] = ray.get(task)
            except ray.exceptions.RayError as error:
                self.ended[place] = _gone_alone(error)


def _wants(compute: ComputeConfig) -> dict[str, float]:
    """What one worker asks the cluster for."""
    return {"CPU": compute.cpus_per_worker} | ({"GPU": compute.gpus_per_worker} if compute.gpus_per_worker else {})


def _trainer(work: Callable[..., Any], orders: Any, compute: ComputeConfig, mailbox: Any, scratch: str) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.config import LoggingConfig

    return TorchTrainer(
        _do_together,
        train_loop_config={"given": (work, orders, mailbox, compute.gpus_per_worker)},
        scaling_config=ScalingConfig(
            num_workers=compute.workers,
            use_gpu=compute.gpus_per_worker > 0,
            resources_per_worker=_wants(compute),
        ),
        run_config=RunConfig(
            storage_path=scratch,  # for Ray's own notes: no checkpoint passes through its hands
            # Whoever called decides what is tried again: Ray cannot tell a diverged training from a lost machine.
            failure_config=FailureConfig(max_failures=0, max_preemption_failures=0, controller_failure_limit=RETRIES),
            logging_config=LoggingConfig(log_level="CRITICAL"),
        ),
    )


def _do_together(config: dict[str, Any]) -> Any:
    from ray import train

    work, orders, mailbox, gpus = config["given"]
    number = train.get_context().get_world_rank()
    return _do(work, orders, mailbox, gpus, number, preempted=lambda: train.get_preemption_info() is not None)


def _do_alone(work: Callable[..., Any], orders: Any, mailbox: Any, gpus: float, number: int) -> Any:
    return _do(work, orders, mailbox, gpus, number)


def _do(
    work: Callable[..., Any],
    orders: Any,
    mailbox: Any,
    gpus: float,
    number: int,
    preempted: Callable[[], bool] | None = None,
) -> Any:
    """In a worker: do the work, with a line to the driver."""
    import ray

    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a worker that asked for none would share one with all the others
    told: list[Any] = []

    def tell(word: Word) -> None:
        told[:] = [mailbox.tell.remote(number, word)]

    due: dict[Reason, Callable[[], bool]] = {"stop": lambda: bool(ray.get(mailbox.stop_asked.remote()))}
    if preempted is not None:
        due["preempted"] = preempted
    try:
        return work(orders, Line(number, tell, due))
    finally:
        if told:
            ray.get(told)  # the last word has arrived, and with it all before


def _gone(error: BaseException) -> Gone | MlRunError:
    """What became of a group that did not end well."""
    from ray.exceptions import RayActorError
    from ray.train import ControllerError, PreemptionError, WorkerGroupError

    failures = list(error.worker_failures.values()) if isinstance(error, WorkerGroupError) else [error]
    causes = [getattr(failure, "health_check_failure", failure) for failure in failures]
    ours = [cause for cause in causes if isinstance(cause, MlRunError)]
    if ours:
        return ours[0]
    dead = [cause for cause in causes if isinstance(cause, RayActorError)]
    if isinstance(error, PreemptionError) or any(cause.preempted for cause in dead):
        return Gone("preempted", "the machine of a worker was taken away")
    if any(_OUT_OF_MEMORY in str(cause) for cause in dead):
        return Gone("memory", "a worker was killed for its memory")
    if dead or isinstance(error, ControllerError) or all(is_of_the_network(cause) for cause in causes):
        return Gone("lost", "a worker or its machine was lost")
    return Gone("failed", str(error))


def _gone_alone(error: BaseException) -> Gone | MlRunError:
    """What became of a piece of work that one worker did."""
    from ray.exceptions import OutOfMemoryError, RayTaskError

    first = original(error)
    if isinstance(first, MlRunError):
        return first
    if isinstance(error, OutOfMemoryError):
        return Gone("memory", "a worker was killed for its memory")
    if isinstance(error, RayTaskError):
        return Gone("failed", str(error))
    return Gone("lost", f"its worker was lost {RETRIES + 1} times")


# --- streams ----------------------------------------------------------------------------------------------------------


def flow(
    items: Sequence[Any], expand: Callable[[Any], Any], make: Callable[[], Callable[[Any], Any]], compute: ComputeConfig
) -> Iterator[Any]:
    """`engines.Engine.flow` by Ray Data: readers stream what they read to actors that stay.

    What a lost machine was at is done again elsewhere, so `make` must make what may be called twice for one part.
    """
    import ray

    ray.data.DataContext.get_current().target_max_block_size = _BLOCK
    # Readers ask for no CPU: where the workers take all that there are, they would wait for ever.
    parts = _data(items).flat_map(
        _Expanding(expand), num_cpus=0, compute=ray.data.TaskPoolStrategy(size=compute.workers)
    )
    results = parts.map_batches(
        _Worker,
        fn_constructor_args=(make,),
        batch_size=1,
        batch_format="numpy",
        num_cpus=compute.cpus_per_worker,
        num_gpus=compute.gpus_per_worker,
        compute=ray.data.ActorPoolStrategy(size=compute.workers),
    )
    try:
        for row in results.iter_rows():
            yield pickle.loads(row["packed"])  # noqa: S301 -- made by a worker of ours
    except ray.exceptions.RayError as error:
        raise _told(error) from None


def shuffle(
    items: Sequence[Any], spread: Callable[[Any], dict[str, Any]], gather: Callable[[dict[str, Any]], Any], parts: int
) -> list[dict[str, Any]]:
    """`engines.Engine.shuffle` by Ray Data: no machine holds more than some items, and some parts."""
    import ray

    rows = _data(items).map_batches(_Spreading(spread), batch_size=1, batch_format="numpy")
    try:
        found = rows.groupby("part", num_partitions=parts).map_groups(gather, batch_format="numpy")
        return list(found.iter_batches(batch_size=None, batch_format="numpy"))
    except ray.exceptions.RayError as error:
        raise _told(error) from None


class _Spreading:
    """A function from one item to columns, on a packed value."""

    def __init__(self, spread: Callable[[Any], dict[str, Any]]) -> None:
        self._spread = spread

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        (one,) = batch["packed"]
        return self._spread(pickle.loads(one))  # noqa: S301 -- made by the driver


def _data(items: Sequence[Any]) -> Any:
    """The items, packed, one a block; and Ray Data made to keep quiet."""
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    packed = [{"packed": pickle.dumps(item)} for item in items]
    return ray.data.from_items(packed, override_num_blocks=len(packed))


class _Expanding:
    """A function from one item to many, on packed values."""

    def __init__(self, expand: Callable[[Any], Any]) -> None:
        self._expand = expand

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, bytes]]:
        for part in self._expand(pickle.loads(row["packed"])):  # noqa: S301 -- made by the driver
            yield {"packed": pickle.dumps(part)}


class _Worker:
    """An actor: holds what is costly to make, and works on one part at a time."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._work = make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"packed": [pickle.dumps(self._work(pickle.loads(one))) for one in batch["packed"]]}  # noqa: S301
