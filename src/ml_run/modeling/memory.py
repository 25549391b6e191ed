"""How much memory a training will need, said before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run.config.names import SCRATCH_PREFIX
from ml_run.modeling import scratch

if TYPE_CHECKING:
    from ml_run.config import Config, ModelConfig

_PROCESS = 700_000_000
"""Bytes of Python, torch and transformers, with no model."""
_PER_PARAMETER = 20
"""Bytes: the weights as they are loaded and as they are trained, their gradient, and AdamW's two moments."""


@dataclass(frozen=True)
class Size:
    """What of a model its memory follows from."""

    parameters: int
    layers: int
    hidden: int
    heads: int


def needed(config: Config) -> int:
    """Bytes that one training in one process will need at most, by estimate; 0 where the model cannot be looked at.

    Activations are those of V. Korthikanti et al., Reducing Activation Recomputation in Large Transformer Models
    (2022): tokens · hidden · (34 + 5 · heads · length / hidden) bytes a layer in 16 bits, twice that in 32. A
    vocabulary that will be trimmed counts whole: it is, while it is loaded.
    """
    from ml_run.modeling.trainer import MOST_TOKENS

    size = _size(config.model)
    if size is None:
        return 0
    length = config.model.max_length
    tokens = min(max(MOST_TOKENS, length), config.training.batch_size * length)
    a_layer = 2 * tokens * size.hidden * (34 + 5 * size.heads * length / size.hidden)
    return round(_PROCESS + _PER_PARAMETER * size.parameters + size.layers * a_layer)


def _size(model: ModelConfig) -> Size | None:
    if model.name.startswith(SCRATCH_PREFIX):
        return _of_shape(scratch.SHAPES[model.name]) if model.name in scratch.SHAPES else None
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    try:
        config: Any = AutoConfig.from_pretrained(model.name, trust_remote_code=False)
        with torch.device("meta"):
            whole: Any = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
        parameters = whole.num_parameters()
        return Size(parameters, config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    except (OSError, ValueError, AttributeError):
        return None  # whoever loads it says why it cannot be


def _of_shape(shape: scratch.Shape) -> Size:
    a_layer = 4 * shape.hidden**2 + 2 * shape.hidden * shape.intermediate
    return Size(shape.pieces * shape.hidden + shape.layers * a_layer, shape.layers, shape.hidden, shape.heads)
