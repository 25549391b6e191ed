"""Is `model.name` a model that can be trained here, and can it read as many tokens as `model.max_length` asks for?"""

import json
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ml_run.config.checks import Subject, nearest_file
from ml_run.config.names import LINEAR, SCRATCH_MODELS, SCRATCH_PREFIX

_HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_LONGEST_CONFIG = 10_000_000
# RoBERTa's descendants number positions from pad_token_id + 1, so that many entries of their table are never reached.
_OFFSET_POSITIONS = {
    "camembert", "data2vec-text", "esm", "ibert", "lilt", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
# Tokenizers without a limit of their own write 10^30.
_NO_LIMIT = 1_000_000


def check_model(subject: Subject) -> None:
    """Note every fault of the model section that can be seen without loading a model."""
    name = subject.get("model.name")
    if not name:
        return
    folder = subject.path(name)
    if name == LINEAR:
        _warn_of_revision(subject)
    elif name.startswith(SCRATCH_PREFIX):
        _check_scratch(subject, name)
    elif folder.is_dir():
        _check_folder(subject, name, folder)
    elif folder.exists():
        subject.fault("model.name", f"model.name is {name}, which is a file", "name the folder that holds config.json")
    elif not _HUB_ID.fullmatch(name):
        found = f"model.name is {name}: there is no such folder, and a hub id looks otherwise"
        subject.fault("model.name", found, nearest_file(folder))
    else:
        _check_hub_id(subject, name, folder)


def longest_input(config: Mapping[str, Any]) -> int | None:
    """The most tokens a model can read, special tokens included, by its `config.json`; None where that is not said.

    RoBERTa and its descendants reach `max_position_embeddings - pad_token_id - 1` (512 of 514), all others their
    `max_position_embeddings`; DeBERTa's relative positions have no end.
    """
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    if not isinstance(positions, int) or isinstance(positions, bool) or positions <= 0:
        return None
    kind = config.get("model_type")
    if kind in {"deberta", "deberta-v2"} and config.get("position_biased_input") is False:
        return None
    if kind in _OFFSET_POSITIONS:
        padding = config.get("pad_token_id")
        return positions - (padding if isinstance(padding, int) else 1) - 1
    return positions


def _check_scratch(subject: Subject, name: str) -> None:
    if name not in SCRATCH_MODELS:
        near = get_close_matches(name, SCRATCH_MODELS, n=1, cutoff=0.8)
        remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(SCRATCH_MODELS)}"
        subject.fault("model.name", f"model.name is {name}, which is no model from scratch", remedy)
    _warn_of_revision(subject)


def _check_folder(subject: Subject, name: str, folder: Path) -> None:
    _warn_of_revision(subject)
    config = _read_json(folder / "config.json")
    if config is None:
        found = f"model.name is {name}: the folder has no config.json that can be read"
        subject.fault("model.name", found, "name the folder that save_pretrained wrote, or a hub id")
    if not any(folder.glob("*.safetensors")):
        subject.fault("model.name", *_no_weights(name, folder))
    limit = longest_input(config or {})
    if limit is None:
        stated = (_read_json(folder / "tokenizer_config.json") or {}).get("model_max_length")
        limit = int(stated) if isinstance(stated, int | float) and 0 < stated < _NO_LIMIT else None
    _check_length(subject, name, limit)


def _no_weights(name: str, folder: Path) -> tuple[str, str]:
    if any(folder.glob("*.bin")):
        found = f"model.name is {name}: the folder holds its weights as .bin only; only safetensors are loaded"
        remedy = (
            "a .bin file can run code when it is loaded. If you trust where it came from, convert it once: python -c "
            f'\'from transformers import AutoModel as M; M.from_pretrained("{name}").save_pretrained("{name}")\''
        )
        return found, remedy
    found = f"model.name is {name}: the folder holds no weights (*.safetensors)"
    return found, "name the folder that save_pretrained wrote, or a hub id"


def _check_hub_id(subject: Subject, name: str, folder: Path) -> None:
    if "/" in name and folder.parent.is_dir():
        text = f"model.name is {name}: there is no such folder beside the config file, so it is taken for a hub id"
        subject.warn("model.name", text)
    config = _cached_config(name, subject.get("model.revision") or "main")
    _check_length(subject, name, longest_input(config or {}))


def _check_length(subject: Subject, name: str, limit: int | None) -> None:
    length = subject.get("model.max_length")
    if limit is not None and length is not None and length > limit:
        written = "" if "model.max_length" in subject.values.places else ", its default"
        found = f"model.max_length is {length}{written}, but {name} reads at most {limit} tokens"
        subject.fault("model.max_length", found, f"write max_length: {limit}, or less")


def _warn_of_revision(subject: Subject) -> None:
    if subject.get("model.revision"):
        subject.warn("model.revision", "model.revision changes nothing: model.name is not on the hub")


def is_cached(name: str, revision: str | None = None) -> bool:
    """True when a hub model was fetched before, with its weights as safetensors."""
    folder = cached_folder(name, revision or "main")
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def cached_folder(name: str, revision: str) -> Path:
    """Where a hub model is if it was fetched before; the layout is huggingface_hub's documented one."""
    home = Path(os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser())
    repository = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs" / revision).read_text("utf-8").strip()
    except (OSError, ValueError):
        commit = revision
    return repository / "snapshots" / commit


def _cached_config(name: str, revision: str) -> dict[str, Any] | None:
    return _read_json(cached_folder(name, revision) / "config.json")


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _LONGEST_CONFIG:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
