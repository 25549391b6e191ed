"""Can the model that the config names be had: in its folder, in the cache, or from the hub?"""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import offline
from ml_run.config.model_checks import cached_folder, is_cached
from ml_run.config.names import LINEAR, SCRATCH_PREFIX, SCRATCH_TINY
from ml_run.events import one_line
from ml_run.fitness.record import Check

if TYPE_CHECKING:
    from ml_run.config import ModelConfig

_PATIENCE = 4.0  # seconds
_TOKENIZERS = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "vocab.txt", "vocab.json")
_CODES = {401: "it asks for a token", 403: "your token may not read it", 404: "there is no such model"}


def model_check(model: ModelConfig) -> Check:
    """Where the model will come from, and what to do where it cannot."""
    if model.name == LINEAR or model.name.startswith(SCRATCH_PREFIX):
        return Check("model", "ok", f"{model.name}: made here, needs nothing from elsewhere")
    if Path(model.name).is_dir():
        return _in_folder(Path(model.name), f"the folder {model.name}")
    if is_cached(model.name, model.revision):
        return _in_folder(
            cached_folder(model.name, model.revision or "main"), f"{model.name}: in the Hugging Face cache"
        )
    if forbids := offline.forbidden_by():
        return _missing(model, f"not on this machine, and {forbids} forbids to fetch it")
    answer = _ask(model)
    if answer is None:
        return Check("model", "ok", f"{model.name}: not on this machine yet; the hub answers, the first run fetches it")
    return _missing(model, f"not on this machine, and the hub cannot be asked: {answer}")


def _in_folder(folder: Path, said: str) -> Check:
    if any((folder / name).is_file() for name in _TOKENIZERS):
        return Check("model", "ok", said)
    return Check(
        "model",
        "error",
        f"{said}, but without a tokenizer's files",
        f"save the tokenizer into it as well: it needs one of {', '.join(_TOKENIZERS[:3])}",
    )


def _missing(model: ModelConfig, why: str) -> Check:
    name = shlex.quote(model.name)
    revision = f" --revision {shlex.quote(model.revision)}" if model.revision else ""
    return Check(
        "model",
        "error",
        f"{model.name}: {why}",
        f"where there is a network: hf download {name}{revision} --local-dir DIR, bring DIR here and set model.name to "
        f"it; or set model.name to {LINEAR} or {SCRATCH_TINY}, which need none",
    )


def _ask(model: ModelConfig) -> str | None:
    """Ask the hub once for the model's config file; what went wrong, None when it answers."""
    answers: list[str | None] = []
    thread = threading.Thread(target=lambda: answers.append(_answer(model)), daemon=True)  # resolving has no time limit
    thread.start()
    thread.join(_PATIENCE + 1)
    return answers[0] if answers else f"no answer within {_PATIENCE:.0f} seconds"


def _answer(model: ModelConfig) -> str | None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        get_hf_file_metadata(hf_hub_url(model.name, "config.json", revision=model.revision), timeout=_PATIENCE)
    except Exception as error:  # noqa: BLE001 -- the hub's client lets through whatever its transport raises
        code = getattr(getattr(error, "response", None), "status_code", None)
        return _CODES.get(code or 0) or one_line(str(error).strip().partition("\n")[0])[:200] or type(error).__name__
    return None
