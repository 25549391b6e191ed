"""Training of the pieces that the texts use, and of no others, where a model's table of pieces is mostly unused."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

_MOST_USED = 0.5
_NAME = "used_pieces"


def train_only(model: "PreTrainedModel", pieces: "NDArray[np.integer[Any]]") -> bool:
    """Let only the rows of `pieces` in the table of pieces be trained, until `model` is loaded again.

    The others have no gradient in any step, so AdamW would do nothing to them but shrink them by the weight decay; they
    stay as they are instead. Spared are their gradient, its norm and the optimizer's two moments, in each step, in
    memory and in each checkpoint. What the model saves and loads is the whole table, as without.

    Args:
        model: about to be trained.
        pieces: ids of all pieces that the model will be shown.

    Returns:
        False where nothing was done: most of the table is used, or another layer shares it.
    """
    import numpy as np
    import torch

    table = model.get_input_embeddings()
    if type(table) is not torch.nn.Embedding or table.max_norm is not None or _is_shared(model, table.weight):
        return False
    ids = np.union1d(pieces, [] if table.padding_idx is None else [table.padding_idx]).astype(np.int64)
    if len(ids) > _MOST_USED * table.num_embeddings:
        return False
    _exchange(table, torch.from_numpy(ids))
    return True


def _is_shared(model: "PreTrainedModel", weight: "torch.Tensor") -> bool:
    return sum(one is weight for _, one in model.named_parameters(remove_duplicate=False)) > 1


def _exchange(table: Any, ids: "torch.Tensor") -> None:
    import torch

    places = torch.full((table.num_embeddings,), -1)
    places[ids] = torch.arange(len(ids))
    padding = None if table.padding_idx is None else int(places[table.padding_idx])
    table.weight.requires_grad_(requires_grad=False)
    table.register_parameter(_NAME, torch.nn.Parameter(table.weight[ids].clone()))
    table.register_buffer(f"{_NAME}_ids", ids, persistent=False)
    table.register_buffer(f"{_NAME}_places", places, persistent=False)

    def look_up(tokens: "torch.Tensor") -> "torch.Tensor":
        return torch.nn.functional.embedding(table.used_pieces_places[tokens], table.used_pieces, padding)

    table.forward = look_up
    table.register_state_dict_post_hook(_put_back)
    table.register_load_state_dict_post_hook(_take_out)


def _put_back(table: Any, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    """Give the whole table what was learnt, as it is asked for to be saved."""
    table.weight.data[table.used_pieces_ids] = table.used_pieces.data
    del state[f"{prefix}{_NAME}"]


def _take_out(table: Any, keys: Any) -> None:
    """Take what was learnt out of the whole table that was loaded."""
    table.used_pieces.data.copy_(table.weight.data[table.used_pieces_ids])
    keys.missing_keys[:] = [key for key in keys.missing_keys if key.rpartition(".")[2] != _NAME]
