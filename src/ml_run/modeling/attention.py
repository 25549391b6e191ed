"""Attention while training on a CPU: without the dropout, and without the kernel, that take it most of its time."""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_FUSED = "sdpa"
_OURS = "ml_run_"


def can_be_set(model: "PreTrainedModel") -> bool:
    """True when `model` leaves attention to a function that can be exchanged, as most encoders do."""
    present = model.config._attn_implementation or ""  # noqa: SLF001
    return (present == _FUSED or present.startswith(_OURS)) and model._can_set_attn_implementation()  # noqa: SLF001


def use(model: "PreTrainedModel", *, dropout: bool) -> None:
    """Exchange the attention of `model`, until it is loaded again: what it saves does not know of it.

    Args:
        model: one that `can_be_set`.
        dropout: keep the model's own dropout inside attention.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    name = f"{_OURS}{'with' if dropout else 'without'}_dropout"
    AttentionInterface.register(name, partial(_attend, keep_dropout=dropout))
    AttentionMaskInterface.register(name, sdpa_mask)
    model.set_attn_implementation(name)


def _attend(
    module: "torch.nn.Module",
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    dropout: float = 0.0,
    scaling: float | None = None,
    *,
    keep_dropout: bool,
    **more: Any,
) -> tuple["torch.Tensor", None]:
    """What transformers calls: query, key and value [rows, heads, tokens, size] to [rows, tokens, heads, size]."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rate = dropout if keep_dropout else 0.0
    plain = (
        module.training
        and (query.dtype == torch.bfloat16 or rate > 0)
        and query.shape == key.shape == value.shape
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and not more.get("is_causal", getattr(module, "is_causal", True))
        and more.get("position_bias") is None
    )
    if plain:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        return by_products(query, key, value, attention_mask, scale=scale, dropout=rate), None
    attended: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=rate, scaling=scaling, **more
    )
    return attended


def by_products(
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    mask: "torch.Tensor | None",
    *,
    scale: float,
    dropout: float,
) -> "torch.Tensor":
    """Attention as two matrix products and a softmax between them.

    Torch's fused kernel for the CPU is slow in bf16, its gradient above all. Processor time, forward and backward, one
    thread: 8 rows of 12 heads and 256 tokens 64 ms, this 28, with dropout 36; 512 tokens 270 and 104; 32 tokens (16
    rows) 13.6 and 2.5. In float32 the fused kernel is the faster one, but it knows no dropout: with it, torch computes
    products too, 85 ms for 8 rows of 256 tokens where this takes 61. This one holds the weights in memory: 2 or 4 bytes
    for each pair of tokens and head, and 1 for whether they were dropped.

    Args:
        query: [rows, heads, tokens, size], like `key` and `value`.
        key: like `query`.
        value: like `query`.
        mask: [rows, 1, tokens, tokens], False where a token is not to be looked at.
        scale: of the scores.
        dropout: rate of the weights set to 0.

    Returns:
        [rows, tokens, heads, size].
    """
    import torch

    from ml_run.modeling.gradients import Attended

    bias = None
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)
    found: torch.Tensor = Attended.apply(query, key, value, bias, scale, dropout)  # type: ignore[no-untyped-call]
    return found.transpose(1, 2).contiguous()
