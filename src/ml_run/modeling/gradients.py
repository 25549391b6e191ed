"""What a training step on a CPU spends its time in, forward and backward, each with a gradient of its own.

Torch derives the same gradients from the same operations; these need fewer passes over memory for them. All of them
keep the numbers that bf16 autocast works with: products in bf16, what they are summed in, weights and their gradients
in float32.

Imports torch at the top, because its Function is extended: import this module inside functions only.
"""

from typing import Any

import torch

from ml_run.modeling import dropout


class Dropped(torch.autograd.Function):
    """Dropout: `apply(values, rate)`, of any shape."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rate: float) -> torch.Tensor:
        """Set some values to 0, and let the others grow."""
        chosen = dropout.dropped(values.shape, rate)
        ctx.save_for_backward(chosen)
        ctx.growth = dropout.growth(rate)
        return dropout.zeroed(values, chosen).mul_(ctx.growth)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient of the values that stayed, grown as they were."""
        (chosen,) = ctx.saved_tensors
        return dropout.zeroed(gradients[0], chosen).mul_(ctx.growth), None


class Attended(torch.autograd.Function):
    """Attention as matrix products: `apply(query, key, value, bias, scale, rate)`.

    It keeps the weights, 2 or 4 bytes for each pair of tokens and head, and which of them were dropped, 1 byte.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor | None,
        scale: float,
        rate: float,
    ) -> torch.Tensor:
        """Attend: query, key and value [rows, heads, tokens, size], bias [rows, 1, tokens, tokens] to be added."""
        shape = query.shape
        flat = [part.reshape(-1, *shape[2:]) for part in (query * scale, key, value)]
        scores = torch.bmm(flat[0], flat[1].transpose(1, 2))
        if bias is not None:
            scores.view(*shape[:3], shape[2]).add_(bias)
        weights = torch.softmax(scores, dim=-1)
        chosen = dropout.dropped(weights.shape, rate) if rate else None
        ctx.scale, ctx.growth = scale, dropout.growth(rate)
        flat[2] = flat[2] * ctx.growth if rate else flat[2]
        ctx.save_for_backward(*flat, weights, chosen)
        return torch.bmm(_stay(weights, chosen), flat[2]).view(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of query, key and value."""
        query, key, value, weights, chosen = ctx.saved_tensors
        shape = gradients[0].shape
        gradient = gradients[0].reshape(value.shape)
        of_value = torch.bmm(_stay(weights, chosen).transpose(1, 2), gradient)
        of_weights = _stay(torch.bmm(gradient, value.transpose(1, 2)), chosen)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)  # noqa: SLF001
        of_query = torch.bmm(of_scores, key) * ctx.scale
        of_key = torch.bmm(of_scores.transpose(1, 2), query)
        if chosen is not None:
            of_value *= ctx.growth
        return of_query.view(shape), of_key.view(shape), of_value.view(shape), None, None, None


def _stay(values: torch.Tensor, chosen: torch.Tensor | None) -> torch.Tensor:
    return values if chosen is None else dropout.zeroed(values, chosen)
