"""Dropout for training on a CPU: the same chance, drawn eight bits at a time and applied to the bits of the values."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_VALUES = 1 << 8
_SEED_BITS = 63
_BYTES = 8  # in one drawn number
_here = threading.local()


def use(model: "torch.nn.Module") -> None:
    """Have all dropout layers of `model` draw by `dropped`, until it is loaded again.

    Torch draws a double for each value on a CPU, in one thread however many there are, and multiplies: an eighth of the
    time of a step on two cores, more on more.
    """
    import torch

    for layer in model.modules():
        if type(layer) is torch.nn.Dropout and not layer.inplace:
            layer.forward = partial(_drop, layer)  # type: ignore[method-assign]


def _drop(layer: "torch.nn.Dropout", values: "torch.Tensor") -> "torch.Tensor":
    if not layer.training or layer.p == 0.0:
        return values
    from ml_run.modeling.gradients import Dropped

    found: torch.Tensor = Dropped.apply(values, layer.p)  # type: ignore[no-untyped-call]
    return found


@contextmanager
def drawing_from(generator: "torch.Generator") -> Iterator[None]:
    """Have this thread draw seeds from `generator`, rather than from torch's own that all threads share."""
    _here.generator = generator
    try:
        yield
    finally:
        del _here.generator


def dropped(shape: "torch.Size", rate: float) -> "torch.Tensor":
    """Draw which of the values of a tensor become 0.

    The numbers come from SFC64, which takes a third of the time of torch's generator; its seed is drawn from torch's,
    so that a training that goes on from a checkpoint draws what it would have drawn.

    Args:
        shape: of the tensor.
        rate: probability of each, taken to the nearest 256th: .1 is .1016.

    Returns:
        int8 of `shape`, 1 where a value becomes 0.
    """
    import numpy as np
    import torch

    if _of(rate) == _VALUES:
        return torch.ones(shape, dtype=torch.int8)
    seed = int(torch.randint((1 << _SEED_BITS) - 1, (), generator=getattr(_here, "generator", None)))
    drawn = np.random.Generator(np.random.SFC64(seed)).integers(
        0, (1 << 64) - 1, size=-(-shape.numel() // _BYTES), dtype=np.uint64, endpoint=True
    )
    chosen = drawn.view(np.uint8)[: shape.numel()] < np.uint8(_of(rate))
    return torch.from_numpy(chosen.view(np.int8)).view(shape)


def growth(rate: float) -> float:
    """What the values that stay are multiplied with, so that the mean stays; 0 where none does."""
    stay = _VALUES - _of(rate)
    return _VALUES / stay if stay else 0.0


def zeroed(values: "torch.Tensor", chosen: "torch.Tensor") -> "torch.Tensor":
    """`values` with 0 where `chosen`, what `dropped` gave, is 1.

    Bits are cleared, which takes a tenth of the time that a product with a mask does.
    """
    import torch

    bits = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[values.element_size()]
    kept = chosen.to(bits).sub_(1)  # all bits set where a value stays
    return kept.bitwise_and_(values.contiguous().view(bits)).view(values.dtype)


def _of(rate: float) -> int:
    return round(rate * _VALUES)
