"""Lower layers learn more slowly: a learning rate for each layer of an encoder.

What lower layers know of a language serves any task; what a task needs is learnt by the upper ones. With a decay of d,
the head learns at the full rate, the layer below it at d times as much, the next at d², the embeddings last (C. Sun et
al., How to Fine-Tune BERT for Text Classification?, 2019; after J. Howard and S. Ruder, Universal Language Model
Fine-tuning for Text Classification, 2018).
"""

from typing import TYPE_CHECKING, Any

from ml_run.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_FEWEST = 2


def split(groups: list[dict[str, Any]], model: "PreTrainedModel", decay: float) -> list[dict[str, Any]]:
    """Groups of an optimizer, taken apart so that each has the learning rate of its layer; the head's come first.

    Args:
        groups: each with its `params` and its learning rate, `lr`.
        model: whose parameters they are.
        decay: the rate of a layer, as a share of that of the layer above it.

    Raises:
        UsageError: the model has no layers that can be told apart.
    """
    depth = depths(model)
    found = []
    for layers in sorted(set(depth.values())):
        for group in groups:
            own = [parameter for parameter in group["params"] if depth[id(parameter)] == layers]
            if own:
                found.append({**group, "params": own, "lr": group["lr"] * decay**layers})
    return found


def depths(model: "PreTrainedModel") -> dict[int, int]:
    """How far below the head each parameter of `model` lies, by its `id`.

    0: the head, and all that follows the layers; 1: the last layer; n + 1: what comes before the first of n layers.

    Raises:
        UsageError: the model has no layers that can be told apart.
    """
    import torch

    encoder = model.base_model
    lists = [module for module in encoder.modules() if isinstance(module, torch.nn.ModuleList)]
    layers = max(lists, key=len, default=())
    if len(layers) < _FEWEST:
        raise UsageError(
            f"the layers of {type(model).__name__} cannot be told apart",
            where="training.layer_decay",
            remedy="set it to 1: all layers then learn at the same rate",
        )
    found = {id(own): len(layers) - number for number, layer in enumerate(layers) for own in layer.parameters()}
    for parameter in encoder.parameters():  # in the order in which they are read
        if id(parameter) in found:
            break
        found[id(parameter)] = len(layers) + 1
    return {id(parameter): found.get(id(parameter), 0) for parameter in model.parameters()}
