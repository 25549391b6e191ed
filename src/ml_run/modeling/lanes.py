"""Parts of a batch trained on side by side, in threads of which each has its own share of a CPU's cores.

Two threads that share every operation wait for each other after each, several thousand times a step. Two that have
half of the rows each meet once a step, and one reads Python while the other computes.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

from ml_run.modeling import dropout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from transformers import PreTrainedModel

_SEED_BITS = 63
_TOKENS = 4
_T = TypeVar("_T")


class Lanes:
    """Threads that work side by side.

    Args:
        count: of them; what torch's threads are now is divided among them.
    """

    def __init__(self, count: int) -> None:
        import torch

        threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(count, "lane", _begin, (max(1, threads // count),))
        begun = Barrier(count)
        wait([self._pool.submit(begun.wait) for _ in range(count)])
        torch.set_num_threads(threads)  # for threads to come, too: each of ours has said otherwise for them

    def run(
        self, step: "Callable[[dict[str, torch.Tensor]], _T]", parts: "Sequence[dict[str, torch.Tensor]]"
    ) -> "list[_T]":
        """Do `step` for all of `parts` at once; what each drops follows from torch's generator, whichever is first.

        Autocast has to leave its cache alone in `step`: the threads share it.

        Raises:
            Exception: what a step raised, when no other is at work any more.
        """
        import torch

        seeds = torch.randint((1 << _SEED_BITS) - 1, (len(parts),)).tolist()
        at_work = [self._pool.submit(_seeded, step, part, seed) for part, seed in zip(parts, seeds, strict=True)]
        wait(at_work)
        return [lane.result() for lane in at_work]


def can_share(model: "PreTrainedModel", *, bf16: bool) -> bool:
    """True where all that `model` draws while it trains is drawn by `dropout.dropped`, of which each lane has its own.

    Threads that drew from torch's generator would draw in another order each time. One step of a few tokens shows it.

    Args:
        model: as it will be trained, on a CPU.
        bf16: in bf16.
    """
    import torch

    training, before = model.training, torch.get_rng_state()
    tokens = torch.ones((1, _TOKENS), dtype=torch.int64)
    model.train()
    with (
        torch.no_grad(),
        torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext(),
        dropout.drawing_from(torch.Generator()),
    ):
        model(input_ids=tokens, attention_mask=tokens)
    model.train(training)
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    return torch.equal(before, after)


def _begin(threads: int) -> None:
    import torch

    torch.get_num_threads()  # a thread that has never asked takes the number of the process, later than we say ours
    torch.set_num_threads(threads)


def _seeded(step: "Callable[[dict[str, torch.Tensor]], _T]", part: "dict[str, torch.Tensor]", seed: int) -> _T:
    import torch

    with dropout.drawing_from(torch.Generator().manual_seed(seed)):
        return step(part)
