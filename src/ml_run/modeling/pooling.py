"""A mean-pooled head that is an ordinary encoder layer, so that the model stays a folder that any transformers loads.

Encoders trained with mean pooling (sentence-transformers, e5) keep what a text says in the mean of its tokens; the
classifiers of transformers look at the first token. One layer more brings the one to the other: its attention looks at
all tokens alike and passes their mean on, so that its first token leaves it as LayerNorm(first token + mean of all).
It starts like that and is trained like any other layer.
"""

import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run.config import ModelConfig
from ml_run.errors import UsageError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_KEY = "ml_run_pooling"
_MEAN = "mean"
_AUTO_MEANS_MEAN = False
"""Whether `auto` takes `mean` for encoders that were trained with it: not before it is measured to be better."""
_MEAN_POOLED = re.compile(r"sentence-transformers/|(^|[/_-])e5([_-]|$)", re.IGNORECASE)
_RECORD = Path("1_Pooling", "config.json")
_PARTS = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
_NOISE = 0.02  # standard deviation that BERT and its kin start their weights with
_PROBE_TEXTS = 2
_PROBE_TOKENS = 24
_TOLERANCE = 1e-4


def wants_mean(config: ModelConfig) -> bool:
    """True when the config's `model` section comes to a mean-pooled head."""
    return config.pooling == _MEAN or (config.pooling == "auto" and _AUTO_MEANS_MEAN and trained_with_mean(config.name))


def trained_with_mean(name: str) -> bool:
    """True when the encoder `name` is known to be trained with mean pooling.

    Args:
        name: a local folder, which may say so as sentence-transformers writes it, or a hub id.
    """
    try:
        recorded = json.loads((Path(name) / _RECORD).read_text("utf-8"))
        return recorded.get("pooling_mode_mean_tokens") is True
    except (OSError, ValueError, AttributeError):
        return _MEAN_POOLED.search(Path(name).name if Path(name).is_dir() else name) is not None


def pool_by_mean(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], seed: int
) -> None:
    """Give `model`, in place, one encoder layer more, after which its first token holds the mean of all tokens.

    Does nothing to a model that was given that layer before. Two things are not at zero, though the mean would be the
    same: the query, since products of two zeros have no gradient and attention would never learn to look closer; and
    the inner weights of the feed-forward part, for the same reason.

    Args:
        model: on the CPU; it is in evaluation mode afterwards.
        tokenizer: its own.
        texts: a few to try it on.
        seed: of the weights that start at random.

    Raises:
        UsageError: its encoder is not built of BERT's layers.
    """
    if getattr(model.config, _KEY, None) == _MEAN:
        return
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if not layers or model.config.num_hidden_layers != len(layers) or not _has_parts(layers[-1]):
        raise _impossible(model)
    # A layer reads the model's own config, also later: its attention is set there.
    model.eval()  # type: ignore[no-untyped-call]
    added = copy.deepcopy(layers[-1], {id(model.config): model.config})
    _set(added, seed)
    layers.append(added)
    model.config.num_hidden_layers += 1
    setattr(model.config, _KEY, _MEAN)
    if not _gives_mean(model, added, tokenizer, texts):
        raise _impossible(model)


def _has_parts(layer: "torch.nn.Module") -> bool:
    return set(_PARTS) <= {name for name, _ in layer.named_modules()}


def _set(layer: "torch.nn.Module", seed: int) -> None:
    import torch

    generator = torch.Generator().manual_seed(seed)
    parts: list[Any] = [layer.get_submodule(name) for name in _PARTS]
    query, key, value, mixed, first_norm, inner, outer, last_norm = parts
    with torch.no_grad():
        for part in parts:
            part.bias.zero_()
        for part in (key, outer):
            part.weight.zero_()
        for part in (query, inner):
            part.weight.normal_(std=_NOISE, generator=generator)
        for part in (value, mixed):
            part.weight.copy_(torch.eye(len(part.weight)))
        for part in (first_norm, last_norm):
            part.weight.fill_(1.0)


def _gives_mean(
    model: "PreTrainedModel", layer: "torch.nn.Module", tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]
) -> bool:
    """Whether the first token leaves `layer` as LayerNorm(first token + mean of all), padding left out."""
    import torch

    seen: list[Any] = []
    hook = layer.register_forward_hook(lambda _, given, gave: seen.extend((given[0], _tensor(gave))))
    length = min(_PROBE_TOKENS, tokenizer.model_max_length)
    encoded = tokenizer([*texts[:_PROBE_TEXTS], ""], truncation=True, max_length=length)["input_ids"]
    batch = tokenizer.pad({"input_ids": encoded}, return_tensors="pt")
    try:
        with torch.inference_mode():
            model(**batch)
    finally:
        hook.remove()
    entering, leaving = seen
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = (entering * mask).sum(dim=1) / mask.sum(dim=1)
    expected = layer.get_submodule(_PARTS[-1])(entering[:, 0] + mean)
    return bool((leaving[:, 0] - expected).abs().max() < _TOLERANCE)


def _tensor(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _impossible(model: "PreTrainedModel") -> UsageError:
    return UsageError(
        f"a mean-pooled head cannot be built on {type(model).__name__}: its encoder is not made of BERT's layers",
        where="model.pooling",
        remedy="set it to cls, or use a model of the BERT, RoBERTa or XLM-R family",
    )
