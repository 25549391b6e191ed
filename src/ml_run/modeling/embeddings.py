"""The embedding table of a model, with all else in it that goes by the ids of pieces."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ID_KEY = "_token_id"


class EmbeddingTable:
    """The input embeddings of a classifier, which `cut` replaces by a part of their rows.

    Args:
        model: any that `AutoModelForSequenceClassification` loads.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        from torch import nn

        self._model = model
        self._weight: Any = model.get_input_embeddings().weight
        # An encoder and a decoder can share the table, each through a module of its own.
        self._modules: list[Any] = [
            module for module in model.modules() if isinstance(module, nn.Embedding) and module.weight is self._weight
        ]
        self._configs = {id(config): config for config in (model.config, model.config.get_text_config())}.values()
        self._before: list[tuple[Any, str, Any]] = []

    @property
    def rows(self) -> int:
        """Rows of the table as the model came."""
        return int(self._weight.shape[0])

    @property
    def is_alone(self) -> bool:
        """True when no other weight has a row for each piece, and the config counts the rows."""
        named = [*self._model.parameters(), *self._model.buffers()]
        others = [weights for weights in named if weights is not self._weight and weights.shape[:1] == (self.rows,)]
        return not others and all(getattr(config, "vocab_size", None) == self.rows for config in self._configs)

    @property
    def share(self) -> float:
        """Its share of all parameters, as the model came."""
        rest = sum(weights.numel() for weights in self._model.parameters() if weights is not self._weight)
        return float(self._weight.numel() / (self._weight.numel() + rest))

    @property
    def padding(self) -> int | None:
        """The id of the padding token."""
        padding = self._model.config.get_text_config().pad_token_id
        return padding if isinstance(padding, int) else None

    @property
    def counts_from_padding(self) -> bool:
        """True when more than the table goes by the padding token's id: RoBERTa's kin count positions from it."""
        return any(
            vars(module).get("padding_idx") is not None
            for module in self._model.modules()
            if not any(module is table for table in self._modules)
        )

    @property
    def named_ids(self) -> set[int]:
        """The ids that the model's config names, such as `pad_token_id`."""
        found: set[int] = set()
        for _, _, value in self._named():
            found.update(value if isinstance(value, list) else [value])
        return found

    def cut(self, new_ids: Mapping[int, int]) -> None:
        """Keep the rows of `new_ids` (old id → new id, rising), and name pieces by their new ids everywhere."""
        import torch

        with torch.no_grad():
            rows = torch.nn.Parameter(self._weight[torch.tensor(list(new_ids))].clone())
        for config, key, value in self._named():
            several = isinstance(value, list)
            self._set(config, key, [new_ids.get(v, v) for v in value] if several else new_ids.get(value, value))
        for config in self._configs:
            self._set(config, "vocab_size", len(new_ids))
        for owner in self._model.modules():
            if vars(owner).get("vocab_size") == self.rows:
                self._set(owner, "vocab_size", len(new_ids))
        for module in self._modules:
            self._set(module, "padding_idx", new_ids.get(module.padding_idx))
            self._set(module, "num_embeddings", len(new_ids))
            self._set(module, "weight", rows)

    def put_back(self) -> None:
        """Undo `cut`."""
        for owner, name, value in reversed(self._before):
            setattr(owner, name, value)

    def _named(self) -> list[tuple[Any, str, Any]]:
        return [
            (config, key, value)
            for config in self._configs
            for key, value in config.to_dict().items()
            if key.endswith(_ID_KEY) and isinstance(value, int | list)
        ]

    def _set(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)
