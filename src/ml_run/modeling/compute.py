"""How the machine is used to train: settled once, noted in the checkpoints, and done again as it was by a resume."""

from typing import TYPE_CHECKING

from ml_run.config import Config
from ml_run.modeling import attention, dropout, failures, lanes, machine, precision, ranks
from ml_run.results import Compute

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_LANES = 2


def settle(config: Config, model: "PreTrainedModel", device: "torch.device") -> Compute:
    """Decide how to train `model`, measuring where the config leaves it to the machine, and `apply` it.

    Args:
        config: `training.precision`, `model.attention_dropout` and `compute.allocator` decide.
        model: about to be trained.
        device: where.
    """
    import torch

    from ml_run.modeling import resting

    choice = precision.choose(config.training.precision, device)
    without = config.model.attention_dropout == "off" and device.type == "cpu" and attention.can_be_set(model)
    kept = config.compute.allocator == "auto" and device.type == "cpu" and machine.keep_freed_memory()
    found = Compute(
        precision=choice.precision,
        why=choice.why,
        attention_dropout=not without,
        allocator="kept" if kept else "system",
        threads=torch.get_num_threads(),
        embeddings="read" if device.type == "cpu" and resting.can_rest(model) else "whole",
    )
    apply(found, model, device)
    return shared(found, model, device)


def shared(compute: Compute, model: "PreTrainedModel", device: "torch.device") -> Compute:
    """`compute`, in two lanes where `model`, to which it was applied, can train in them and threads can be divided."""
    alone = device.type == "cpu" and ranks.current().count == 1
    even = compute.threads % _LANES == 0
    both = alone and even and lanes.can_share(model, bf16=compute.precision == "bf16")
    return compute.model_copy(update={"lanes": _LANES if both else 1})


def apply(compute: Compute, model: "PreTrainedModel", device: "torch.device") -> None:
    """Make this process and `model`, which is to train on `device`, train as `compute` says."""
    if device.type != "cpu":
        return
    _own_weights(model)
    failures.release_memory()
    if compute.allocator == "kept":
        machine.keep_freed_memory()
    dropout.use(model)
    if attention.can_be_set(model):
        attention.use(model, dropout=compute.attention_dropout)


def _own_weights(model: "PreTrainedModel") -> None:
    # As loaded, they are pages of the mapped weights file, all of which stay in memory as long as one is in use: also
    # those of a vocabulary that was trimmed away.
    for weights in model.parameters():
        weights.data = weights.data.clone()
