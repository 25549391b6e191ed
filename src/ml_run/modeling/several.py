"""Several trainings that know nothing of one another, such as seeds and folds: one after the other, or side by side.

Side by side they are on workers of a cluster, each of which trains alone, as a process of this machine would. What they
come to is put in their own order, whichever ended first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ml_run import cluster
from ml_run.errors import Interrupted, MlRunError
from ml_run.modeling import copies, memory, spread
from ml_run.modeling.spread_worker import at_hand, be_alone_or_together
from ml_run.modeling.telling import Asked, handing, pass_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml_run.cluster import Line
    from ml_run.interruption import Interruption
    from ml_run.modeling.fitting import Task
    from ml_run.modeling.seeds import Part
    from ml_run.modeling.telling import Told

MODEL = "model"
"""Folder in a task's folder where its work leaves a model, sealed."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kind(Generic[Result]):
    """What the trainings are, and what is made of each."""

    standing: Callable[[Task], Result | None]
    """What a training has come to that had ended before the run was killed."""
    work: Callable[[Task, Interruption], Result]
    """Trains, wherever that is: a function of a module. A model is left in the task's folder, in `MODEL`."""
    keep: Callable[[Task, Result], None]
    """Makes sure that a training which has ended is not done again."""
    tell: Callable[[Task, Result], None]
    """Says what one has come to."""


def each(kind: Kind[Result], tasks: Sequence[Task], interruption: Interruption) -> list[Result]:
    """Do every training that does not stand yet.

    Returns:
        What each has come to, in the order of `tasks`.

    Raises:
        UsageError: the model cannot be loaded, or the cluster cannot be used.
        TrainingError: one of them cannot be trained.
        Interrupted: a stop was asked for; the state is saved.
    """
    if tasks[0].config.compute.engine == "local":
        return [_one(kind, task, interruption) for task in tasks]
    results = {place: found for place, task in enumerate(tasks) if (found := kind.standing(task)) is not None}
    for place, result in results.items():
        kind.tell(tasks[place], result)
    rest = [place for place in range(len(tasks)) if place not in results]

    def ended(number: int, result: Result) -> None:
        results[rest[number]] = result
        kind.keep(tasks[rest[number]], result)
        kind.tell(tasks[rest[number]], result)

    if rest:
        _side_by_side(kind.work, [tasks[place] for place in rest], interruption, ended)
    return [results[place] for place in range(len(tasks))]


def _one(kind: Kind[Result], task: Task, interruption: Interruption) -> Result:
    result = kind.standing(task)
    if result is None:
        result = kind.work(task, interruption)
        kind.keep(task, result)
    interruption.check()
    kind.tell(task, result)
    return result


# --- side by side -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Orders:
    """What the worker of one training is given."""

    work: Callable[[Task, Interruption], Any]
    task: Task
    cpus: int
    sign: str | None
    """File in the task's folder that the worker must see; None where copies go to storage in place of it."""


@dataclass(frozen=True)
class _Done:
    """The answer of a training that was not stopped."""

    result: Any


def _side_by_side(
    work: Callable[[Task, Interruption], Result],
    tasks: Sequence[Task],
    interruption: Interruption,
    ended: Callable[[int, Result], None],
) -> None:
    """Train on the cluster; `ended` is told what each has come to, with its place, as it ends."""
    config = tasks[0].config
    together, known = Together([task.part for task in tasks]), set[int]()

    def look(answers: dict[int, Any]) -> None:
        for place in sorted(answers.keys() - known):
            known.add(place)
            together.ended(place)
            if (done := _answer(answers[place], tasks[place])) is not None:
                ended(place, done.result)

    with (
        cluster.connect(config.compute),
        interruption.deferred(),
        spread.visible([task for task in tasks if task.copies is None]) as sign,
        cluster.apart(
            _work, [_orders(work, task, sign) for task in tasks], config.compute, memory.needed(config)
        ) as crew,
    ):
        for number, told in spread.follow(crew, interruption):
            pass_on(together.merged(number, told))
            look(crew.ended)
        look(crew.ended)


def _orders(work: Callable[[Task, Interruption], Any], task: Task, sign: str) -> Orders:
    """For a worker that trains alone."""
    compute = task.config.compute
    alone = task.config.model_copy(update={"compute": compute.model_copy(update={"engine": "local", "processes": 1})})
    return Orders(work, replace(task, config=alone), compute.cpus_per_worker, None if task.copies else sign)


def _work(orders: Orders, line: Line) -> _Done | None:
    """In a worker: do one training; None where it was stopped, with its state saved."""
    from ml_run.modeling import scoring

    asked = Asked()
    line.heed(asked.ask)
    be_alone_or_together(1, orders.cpus)
    with handing(line.tell), scoring.quiet_libraries(), at_hand(orders.task, orders.sign) as task:
        try:
            result = orders.work(task, asked)
        except Interrupted:
            return None
        if task.copies:
            copies.push(task.folder, task.copies)
    return _Done(result)


def _answer(answer: Any, task: Task) -> _Done | None:
    if isinstance(answer, MlRunError):
        raise answer
    if isinstance(answer, cluster.Gone):
        raise spread.raised(answer, task.config)
    if isinstance(answer, _Done) and task.copies:
        copies.fetch(task.copies, task.folder, only=MODEL)
        copies.clear(task.copies)
    return answer if isinstance(answer, _Done) else None


class Together:
    """Progress of trainings side by side, told as that of all of them."""

    def __init__(self, parts: Sequence[Part | None]) -> None:
        self._parts = [part for part in parts if part is not None]
        self._shares = dict.fromkeys(range(len(self._parts)), 0.0)
        self._speeds: dict[int, float] = {}
        self._began: tuple[float, float] | None = None

    def ended(self, number: int) -> None:
        """Count training `number` as whole, however early it stopped."""
        self._shares[number] = 1.0
        self._speeds.pop(number, None)

    def merged(self, number: int, told: Told) -> Told:
        """What training `number` told, with the progress of all in place of its own."""
        if told["event"] != "progress":
            return told
        data, part = told["data"], self._parts[number]
        self._shares[number] = data["done"] / data["total"] * part.count - (part.number - 1)
        self._speeds[number] = data["rows_per_second"]
        stood = part.count - (part.kind == "fold") - len(self._parts)
        whole = (stood + sum(self._shares.values())) / part.count
        facts = {
            "done": round(whole * data["total"]),
            "rows_per_second": round(sum(self._speeds.values()), 2),
            "seconds_left": self._left(whole),
        }
        return told | {"data": data | facts}

    def _left(self, whole: float) -> float | None:
        now = time.monotonic()
        self._began = self._began or (now, whole)
        made = whole - self._began[1]
        return round((1 - whole) * (now - self._began[0]) / made, 1) if made > 0 else None
