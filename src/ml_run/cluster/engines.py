"""Where work is done: in this process, or on the workers of a cluster. What is done does not know which."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from ml_run.cluster import on_ray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ml_run.config.sections import ComputeConfig

    Columns = dict[str, NDArray[Any]]

_ELSEWHERE: ContextVar[ComputeConfig | None] = ContextVar("elsewhere", default=None)


class Engine(Protocol):
    """Does work of ours, given as functions of a module, on values that can be pickled."""

    def each(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """`function` of each item, in the order of the items."""

    def flow(
        self, items: Sequence[Any], expand: Callable[[Any], Iterable[Any]], make: Callable[[], Callable[[Any], Any]]
    ) -> Iterator[Any]:
        """What workers make of all that `expand` makes of each item, in any order, some of it at a time.

        Args:
            items: what there is to do.
            expand: takes an item apart; read by one worker, while others work on what it has made.
            make: called once on each worker; what it returns is called with each part.
        """

    def shuffle(
        self, items: Sequence[Any], spread: Callable[[Any], Columns], gather: Callable[[Columns], Columns], parts: int
    ) -> list[Columns]:
        """What `gather` makes of all rows of a part, wherever `spread` found them; parts in any order.

        Args:
            items: what there is to do.
            spread: rows of an item, in columns of one length, whole numbers all; `part` says to which each belongs.
            gather: given all rows of one part, in any order.
            parts: how many there are, about.
        """


class _Here:
    """This process does all of it, one after the other."""

    def each(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [function(item) for item in items]

    def flow(
        self, items: Sequence[Any], expand: Callable[[Any], Iterable[Any]], make: Callable[[], Callable[[Any], Any]]
    ) -> Iterator[Any]:
        work = None
        for item in items:
            for part in expand(item):
                work = work or make()
                yield work(part)

    def shuffle(
        self,
        items: Sequence[Any],
        spread: Callable[[Any], Columns],
        gather: Callable[[Columns], Columns],
        parts: int,  # noqa: ARG002 -- for who has to make room for them
    ) -> list[Columns]:
        import numpy as np

        found = [spread(item) for item in items]
        rows = {name: np.concatenate([one[name] for one in found]) for name in (found[0] if found else ())}
        numbers = np.unique(rows["part"]).tolist() if rows else []
        return [gather({name: column[rows["part"] == part] for name, column in rows.items()}) for part in numbers]


class _OnRay:
    """The workers of a cluster do it."""

    def __init__(self, compute: ComputeConfig) -> None:
        self._compute = compute

    def each(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return on_ray.run_tasks(function, items, cpus=self._compute.cpus_per_worker)

    def flow(
        self, items: Sequence[Any], expand: Callable[[Any], Iterable[Any]], make: Callable[[], Callable[[Any], Any]]
    ) -> Iterator[Any]:
        return on_ray.flow(items, expand, make, self._compute)

    def shuffle(
        self, items: Sequence[Any], spread: Callable[[Any], Columns], gather: Callable[[Columns], Columns], parts: int
    ) -> list[Columns]:
        return on_ray.shuffle(items, spread, gather, parts)


@contextmanager
def engine(compute: ComputeConfig) -> Iterator[Engine]:
    """The engine that `compute` names, for as long as the block lasts.

    Raises:
        UsageError: Ray is not installed, or no cluster answers.
    """
    if compute.engine == "local":
        yield _Here()
        return
    with on_ray.connect(compute):
        yield _OnRay(compute)


@contextmanager
def using(compute: ComputeConfig) -> Iterator[None]:
    """Within the block, `elsewhere` is what `compute` names."""
    token = _ELSEWHERE.set(compute if compute.engine != "local" else None)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def elsewhere() -> ComputeConfig | None:
    """Where work goes that is too much for this process; None: nowhere."""
    return _ELSEWHERE.get()
