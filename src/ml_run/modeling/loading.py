"""The model that training starts from: a hub model, a local folder or one from scratch; never a model's own code."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import events, files, offline
from ml_run.config import ModelConfig
from ml_run.config.model_checks import longest_input
from ml_run.config.names import SCRATCH_MODELS, SCRATCH_PREFIX, SCRATCH_TINY
from ml_run.errors import UsageError
from ml_run.modeling import pooling, scratch, trimming, windows
from ml_run.wording import percent

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_KEY = "model.name"
_CODE_KEYS = ("auto_map", "custom_pipelines", "_attn_implementation_internal")
_WEIGHTS = "*.safetensors"
_SAMPLE = 200
_MOST_UNKNOWN = 0.5
_MOST_SPECIAL = 10
_PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class BaseModel:
    """A classifier about to be trained."""

    model: "PreTrainedModel"
    """On the CPU, in float32; its config holds the label names."""
    tokenizer: "PreTrainedTokenizerBase"
    """Truncates at `model.max_length`."""
    revision: str | None
    """Commit of a hub model, or SHA-256 of a local folder's weights; None for a model from scratch."""
    whole_vocabulary: int | None = None
    """Rows of its embedding table before its vocabulary was trimmed; None where it was not."""


def load_base(
    config: ModelConfig, labels: Sequence[str], texts: Sequence[str], seed: int, unlabelled: Path | None = None
) -> BaseModel:
    """Load or build the classifier that `config` names: one output a label, its head as asked, its vocabulary trimmed.

    Args:
        config: the config's `model` section.
        labels: label names in the order of their ids.
        texts: the training split; a model from scratch learns its tokenizer from it, a vocabulary is trimmed to it.
        seed: of the weights that are not pre-trained.
        unlabelled: `data.unlabelled_path`: texts whose pieces are kept, too.

    Raises:
        UsageError: the model is not reachable, has no safe weights or tokenizer, brings its own code, reads fewer
            tokens than `model.max_length`, or cannot be trimmed or given a mean-pooled head where it must be.
        NotReadyError: `unlabelled` cannot be read.
    """
    from transformers import set_seed

    set_seed(seed)
    base = _begin(config, labels, texts)
    windows.note(base.model.config, config.long_text)
    if pooling.wants_mean(config):
        pooling.pool_by_mean(base.model, base.tokenizer, texts, seed)
    if config.trim_vocabulary == "off" or config.name.startswith(SCRATCH_PREFIX):
        return base
    return _trimmed(base, config, texts, unlabelled)


def _begin(config: ModelConfig, labels: Sequence[str], texts: Sequence[str]) -> BaseModel:
    if config.name.startswith(SCRATCH_PREFIX):
        return _from_scratch(config, labels, texts)
    if Path(config.name).is_dir():
        refuse_own_code(Path(config.name))
    try:
        base = _from_pretrained(config, labels)
    except (OSError, ValueError, ImportError) as error:
        raise _unreachable(config, error) from error
    _check_tokenizer(base, config, texts)
    _check_max_length(base, config)
    return base


def load_tokenizer(config: ModelConfig) -> "PreTrainedTokenizerBase":
    """Load the tokenizer that training will use, and nothing else of the model.

    Looks into the local folder or the cache first. Only a hub model that is not there is asked for over the network,
    and only after its config file has answered once: transformers alone would try again for 46 s without a network.

    Args:
        config: the config's `model` section; not a model from scratch.

    Raises:
        UsageError: there is no tokenizer, it cannot be reached, or it brings its own code.
    """
    from transformers import AutoTokenizer

    local = Path(config.name).is_dir()
    if local:
        refuse_own_code(Path(config.name))
    origin: dict[str, Any] = {"revision": None if local else config.revision, "trust_remote_code": False}
    try:
        try:
            return _not_made_up(AutoTokenizer.from_pretrained(config.name, local_files_only=True, **origin))
        except (OSError, ValueError):
            if local or offline.forbidden_by():
                raise
        _answers(config)
        return _not_made_up(AutoTokenizer.from_pretrained(config.name, **origin))
    except Exception as error:  # the hub's client lets its transport's errors through, of whichever library it uses
        raise _unreachable(config, error) from error


def _not_made_up(tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    # Where a tokenizer's files are missing, transformers makes one up of the special tokens alone.
    if len(tokenizer) <= _MOST_SPECIAL:
        raise OSError("its tokenizer's files are missing")
    return tokenizer


def _answers(config: ModelConfig) -> None:
    """Ask for the model's config file, once; any error of the hub's client says why there is no answer."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    get_hf_file_metadata(hf_hub_url(config.name, "config.json", revision=config.revision), timeout=_PATIENCE)


def _from_scratch(config: ModelConfig, labels: Sequence[str], texts: Sequence[str]) -> BaseModel:
    shape = scratch.SHAPES.get(config.name)
    if shape is None:
        raise UsageError(
            f"there is no from-scratch model {config.name!r}", where=_KEY, remedy=f"use {' or '.join(SCRATCH_MODELS)}"
        )
    tokenizer = scratch.train_tokenizer(texts, pieces=shape.pieces, max_length=config.max_length)
    model = scratch.build_model(config.name, tokenizer, config.max_length, **_label_names(labels))
    return BaseModel(model, tokenizer, None)


def _from_pretrained(config: ModelConfig, labels: Sequence[str]) -> BaseModel:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    local = Path(config.name).is_dir()
    origin: dict[str, Any] = {
        "revision": None if local else config.revision,
        "local_files_only": local or offline.forbidden_by(),
        "trust_remote_code": False,
    }
    tokenizer = AutoTokenizer.from_pretrained(config.name, **origin)
    tokenizer.model_max_length = config.max_length
    model = AutoModelForSequenceClassification.from_pretrained(
        config.name,
        **origin,
        use_safetensors=True,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # a folder that was a classifier before may have had other labels
        problem_type="single_label_classification",
        **_label_names(labels),
    )
    revision = _weights_digest(Path(config.name)) if local else getattr(model.config, "_commit_hash", None)
    return BaseModel(model, tokenizer, revision)


def _trimmed(base: BaseModel, config: ModelConfig, texts: Sequence[str], unlabelled: Path | None) -> BaseModel:
    must = config.trim_vocabulary == "corpus"
    parameters = base.model.num_parameters()
    try:
        done = trimming.trim_vocabulary(base.model, base.tokenizer, texts, unlabelled, always=must)
    except trimming.NotTrimmedError as reason:
        if must:
            raise UsageError(
                f"the vocabulary of {config.name!r} cannot be trimmed: {reason}",
                where="model.trim_vocabulary",
                remedy="set it to auto, which leaves such a model as it is",
            ) from reason
        events.logger.info(f"the vocabulary stays whole: {reason}")
        return base
    saved = f"{parameters / 1e6:.1f} M → {base.model.num_parameters() / 1e6:.1f} M parameters"
    kept = "the corpus"
    if done.by_scripts:
        few = f"{percent(done.unseen)} of their tokens are in one text only"
        kept = f"the scripts of the corpus (its texts are too few for more: {few}; data.unlabelled_path can add texts)"
    events.logger.info(f"vocabulary trimmed to {kept}: {done.before:,} → {done.after:,} pieces, {saved}")
    return replace(base, tokenizer=done.tokenizer, whole_vocabulary=done.before)


def refuse_own_code(folder: Path) -> None:
    """Raise UsageError when a JSON file of the model in `folder` asks for code to be loaded with it."""
    for name in ("config.json", "tokenizer_config.json"):
        try:
            content = json.loads((folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue  # transformers says better than we could what it misses
        asked = [key for key in _CODE_KEYS if isinstance(content, dict) and key in content]
        if asked:
            raise UsageError(
                f"the model brings its own code ({asked[0]!r})",
                where=str(folder / name),
                remedy="ml-run never runs a model's code; use a model that transformers knows by itself",
            )


def _label_names(labels: Sequence[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}


def _unreachable(config: ModelConfig, error: Exception) -> UsageError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if Path(config.name).is_dir():
        return UsageError(
            f"the folder {config.name} holds no model that can be loaded: {reason}",
            where=_KEY,
            remedy="it needs config.json, weights as safetensors and the tokenizer's files, as save_pretrained writes",
        )
    return UsageError(
        f"the model {config.name!r} cannot be loaded: {reason}",
        where=_KEY,
        remedy="check the name and the network; without a network give a local folder, fill the Hugging Face cache "
        f"beforehand (hf download), or use {SCRATCH_TINY}",
    )


def _check_tokenizer(base: BaseModel, config: ModelConfig, texts: Sequence[str]) -> None:
    if base.tokenizer.pad_token is None:
        raise UsageError(
            f"the tokenizer of {config.name!r} has no padding token",
            where=_KEY,
            remedy="use an encoder such as xlm-roberta-base, which has one",
        )
    # Where a tokenizer's files are missing, transformers makes an empty one up without a word.
    unknown = _unknown_share(base.tokenizer, texts[:_SAMPLE])
    if unknown > _MOST_UNKNOWN:
        raise UsageError(
            f"the tokenizer of {config.name!r} does not know {percent(unknown)} of the pieces of the training texts",
            where=_KEY,
            remedy="its files are missing from the model, or it was not made for this script; "
            f"{' and '.join(SCRATCH_MODELS)} learn a tokenizer from the texts",
        )


def _unknown_share(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> float:
    encoded = tokenizer(list(texts), add_special_tokens=False, truncation=True)["input_ids"]
    pieces = [piece for row in encoded for piece in row]
    return pieces.count(tokenizer.unk_token_id) / max(len(pieces), 1)


def _check_max_length(base: BaseModel, config: ModelConfig) -> None:
    limit = longest_input(base.model.config.to_dict())
    if limit is not None and config.max_length > limit:
        raise UsageError(
            f"{config.max_length} tokens are more than {config.name!r} can read: {limit}",
            where="model.max_length",
            remedy=f"set it to {limit} or less",
        )


def _weights_digest(folder: Path) -> str:
    weights = sorted(folder.glob(_WEIGHTS))
    return files.hash_value({file.name: files.hash_file(file) for file in weights})
