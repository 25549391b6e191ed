"""What one of several processes that train one model together knows of the others, and how they agree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

NO_LABEL = -100  # cross-entropy leaves it out, and the Trainer does not count it
_T = TypeVar("_T")


@dataclass(frozen=True)
class Ranks:
    """One process among those of a training. All of them must ask the same questions in the same order."""

    number: int = 0
    count: int = 1
    group: "ProcessGroup | None" = None
    """Over which the processes agree, on the CPU: asking must not wait for a GPU. None for a process alone."""

    @property
    def first(self) -> bool:
        """True in the one process that writes and tells."""
        return self.number == 0

    def any(self, *wishes: bool) -> tuple[bool, ...]:
        """Each wish, if any process has it."""
        if self.group is None:
            return wishes
        import torch

        flags = torch.tensor(wishes, dtype=torch.int32)
        torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX, group=self.group)
        return tuple(flags.bool().tolist())

    def total(self, value: float) -> float:
        """The sum of every process's `value`."""
        if self.group is None:
            return value
        import torch

        whole = torch.tensor([value], dtype=torch.float64)
        torch.distributed.all_reduce(whole, group=self.group)
        return float(whole)

    def decided(self, decide: Callable[[], _T]) -> _T:
        """What `decide` returns in the first process, which alone calls it."""
        if self.group is None:
            return decide()
        import torch

        told: list[Any] = [decide() if self.first else None]
        torch.distributed.broadcast_object_list(told, src=0, group=self.group)
        answer: _T = told[0]
        return answer

    def collected(self, value: bytes) -> list[bytes]:
        """Every process's `value`, in their order."""
        if self.group is None:
            return [value]
        import torch

        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value, group=self.group)
        return values

    def meet(self) -> None:
        """Wait until every process is here."""
        if self.group is not None:
            import torch

            torch.distributed.barrier(group=self.group)

    def share(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """This process's part of a batch: every `count`-th row, so that rows sorted by length make even parts.

        All parts have as many rows, since all processes must walk through the model together and their answers are
        put together: what is missing is the batch's first row without its label, which adds nothing to loss and scores.
        """
        part = list(rows[self.number :: self.count])
        missing = -(-len(rows) // self.count) - len(part)
        return part + missing * [{**rows[0], "labels": NO_LABEL}]


ALONE = Ranks()


def current() -> Ranks:
    """Where this process stands among those that `modeling.parallel_worker` has joined; alone where there are none."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return Ranks(distributed.get_rank(), distributed.get_world_size(), _group())


def _group() -> "ProcessGroup":
    from torch import distributed

    if distributed.get_backend() == "gloo":
        assert distributed.group.WORLD is not None
        return distributed.group.WORLD
    global _agreeing  # noqa: PLW0603 -- one group a process: making one is itself a question to all
    if _agreeing is None:
        made = distributed.new_group(backend="gloo")
        assert made is not None
        _agreeing = made
    return _agreeing


_agreeing: "ProcessGroup | None" = None
