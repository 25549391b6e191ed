"""Where work is done: in this process, or on the workers of a cluster. What is done does not know which."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ml_run.cluster import on_ray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ml_run.config.sections import ComputeConfig


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
