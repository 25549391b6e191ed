"""An embedding table of which training holds only the rows that it reads; the others rest, and are there all the same.

A batch reads a few hundred rows of a table of ten thousands, and no batch ever reads most of them. Their gradient is
zero in every step, and so are both of AdamW's moments: all that a step does to them is weight decay, the same factor
for each. So they need no gradient, no moments and no place in the checkpoint's optimizer, and their values follow from
those before the first step. The rows that are read learn as ever, to the bit.

Imports torch at the top, because its Embedding is extended: import this module inside functions only.
"""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel


class RestingEmbedding(torch.nn.Embedding):
    """Stands for `whole` while it is trained: same answers, same entry in a state dict, one parameter of few rows.

    Args:
        whole: the embedding; its weight is taken over, not copied, and never written to.
        read: ids that training reads, rising.
    """

    def __init__(self, whole: torch.nn.Embedding, read: torch.Tensor) -> None:
        super().__init__(1, whole.embedding_dim, device="meta")
        self.num_embeddings = whole.num_embeddings
        self.weight = torch.nn.Parameter(whole.weight.detach()[read])
        self.decayed: Callable[[], float] = lambda: 1.0
        """What weight decay has made of 1 by now."""
        self._before = whole.weight.detach()
        self._read = read
        self._places = torch.full((whole.num_embeddings,), -1).scatter_(0, read, torch.arange(len(read)))
        self.padding_idx = None if whole.padding_idx is None else int(self._places[whole.padding_idx])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors of `ids` [...]: [..., size]; in training, only of those that are read.

        Raises:
            IndexError: training reads an id that it was not said to read.
        """
        places = self._places[ids]
        if self.training:
            return torch.nn.functional.embedding(places, self.weight, self.padding_idx)
        rests = places < 0
        found = torch.nn.functional.embedding(places.clamp_(min=0), self.weight)
        found[rests] = self._before[ids[rests]] * self.decayed()
        return found

    def extra_repr(self) -> str:
        """Rows, columns and rows in training."""
        return f"{self.num_embeddings}, {self.embedding_dim}, in training {len(self._read)}"

    def whole(self) -> torch.Tensor:
        """The table as it is by now, [num_embeddings, embedding_dim]."""
        found = self._before * self.decayed()
        found[self._read] = self.weight.detach()
        return found

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:  # noqa: ARG002
        destination[prefix + "weight"] = self.whole()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        name = prefix + "weight"
        here = {**state_dict, name: state_dict[name][self._read]} if name in state_dict else state_dict
        super()._load_from_state_dict(here, prefix, *more)


def can_rest(model: "PreTrainedModel") -> bool:
    """True where rows of the embedding table of `model` are read by their ids and for nothing else."""
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return False
    if type(table) is not torch.nn.Embedding or table.max_norm is not None or table.scale_grad_by_freq:
        return False
    modules = model.modules()
    owners = [module for module in modules if any(own is table.weight for own in module.parameters(recurse=False))]
    return owners == [table] and table.weight.requires_grad


def use(model: "PreTrainedModel", read: "NDArray[np.integer[Any]]") -> RestingEmbedding:
    """Exchange the embedding table of `model`, which `can_rest`, until it is loaded again.

    Args:
        model: about to be trained.
        read: ids that training reads, in any order.
    """
    table: Any = model.get_input_embeddings()
    resting = RestingEmbedding(table, torch.tensor(sorted({*read.tolist(), table.padding_idx} - {None})))
    for module in list(model.modules()):
        for name, child in module.named_children():
            if child is table:
                setattr(module, name, resting)
    return resting
