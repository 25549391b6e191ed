"""How large the model that the config names is, without loading it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run.config.model_checks import cached_folder
from ml_run.config.names import SCRATCH_PREFIX

if TYPE_CHECKING:
    from ml_run.config import ModelConfig

_POSITIONS = 514
_USUAL_PIECES = 15_000
"""What a corpus of a thousand articles leaves of a multilingual vocabulary (docs/training.md)."""
_WORTH_TRIMMING = 50_000


@dataclass(frozen=True)
class ModelShape:
    """An encoder in numbers."""

    layers: int
    hidden: int
    heads: int
    inner: int
    """Width of the feed-forward part."""
    pieces: int
    """Rows of its vocabulary."""

    @property
    def parameters(self) -> int:
        """Weights of a BERT-shaped classifier: embeddings, layers with biases and norms, and the classifier's layer."""
        layer = 4 * self.hidden * (self.hidden + 1) + 2 * self.hidden * self.inner + self.inner + 5 * self.hidden
        return (self.pieces + _POSITIONS + 3) * self.hidden + self.layers * layer + self.hidden * (self.hidden + 1)

    def trimmed(self) -> ModelShape:
        """With a vocabulary as trimming usually leaves it."""
        return replace(self, pieces=min(self.pieces, _USUAL_PIECES))

    @property
    def worth_trimming(self) -> bool:
        """True for a vocabulary of many languages."""
        return self.pieces > _WORTH_TRIMMING


_XLM_R = ModelShape(layers=12, hidden=768, heads=12, inner=3072, pieces=250_002)
_KNOWN = {
    "xlm-roberta-base": _XLM_R,
    "xlm-roberta-large": ModelShape(layers=24, hidden=1024, heads=16, inner=4096, pieces=250_002),
    "afro-xlmr-base": _XLM_R,
    "xlm-roberta-base-finetuned-somali": _XLM_R,
    "multilingual-e5-small": ModelShape(layers=12, hidden=384, heads=12, inner=1536, pieces=250_037),
    "afriberta_base": ModelShape(layers=8, hidden=768, heads=6, inner=3072, pieces=70_006),
    "bert-base-multilingual-cased": ModelShape(layers=12, hidden=768, heads=12, inner=3072, pieces=119_547),
}
"""Models worth naming, by the end of their hub id, for a machine that has not fetched them."""


def shape_of(model: ModelConfig) -> ModelShape | None:
    """The size of a model: from scratch, in a local folder, in the cache, or known by name; None: unknown."""
    if model.name.startswith(SCRATCH_PREFIX):
        from ml_run.modeling.scratch import SHAPES

        ours = SHAPES[model.name]
        return ModelShape(ours.layers, ours.hidden, ours.heads, ours.intermediate, ours.pieces)
    folder = Path(model.name)
    if not folder.is_dir():
        folder = cached_folder(model.name, model.revision or "main")
    return _read(folder / "config.json") or _KNOWN.get(model.name.rpartition("/")[2].lower())


def _read(path: Path) -> ModelShape | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        hidden = int(content["hidden_size"])
        return ModelShape(
            layers=int(content["num_hidden_layers"]),
            hidden=hidden,
            heads=int(content["num_attention_heads"]),
            inner=int(content["intermediate_size"]),
            pieces=int(content["vocab_size"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, or of another kind of network
