"""The model that a new config begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml_run.config.model_checks import is_cached
from ml_run.config.names import LINEAR

_ADAPTED = "Davlan/afro-xlmr-base"
_ADAPTED_TO = {"af", "am", "ha", "ig", "mg", "ny", "om", "pcm", "rn", "rw", "sn", "so", "st", "sw", "xh", "yo", "zu"}
_GENERAL = "xlm-roberta-base"
_SMALL = "intfloat/multilingual-e5-small"
_DEVICES = ("/dev/nvidia0", "/dev/kfd")


@dataclass(frozen=True)
class BaseChoice:
    """A model and the reason for it."""

    name: str
    why: str
    more: str = ""
    """What to do next about it."""

    @property
    def linear(self) -> bool:
        """True for the model that trains in seconds."""
        return self.name == LINEAR


def choose_base(language: str | None) -> BaseChoice:
    """The model to begin with, asking no network.

    The linear model, unless a pre-trained one is on this machine together with a GPU: it gives a first verdict within
    a minute wherever ml-run is installed, and is the baseline that each fine-tuned model is held against anyway.

    Args:
        language: code of the language of the texts, where it is known.
    """
    known = [_ADAPTED, _GENERAL, _SMALL] if language in _ADAPTED_TO else [_GENERAL, _SMALL]
    cached = [name for name in known if is_cached(name)]
    if cached and has_gpu():
        why = "pre-trained, on this machine already, and there is a GPU"
        return BaseChoice(cached[0], why, "linear, which it has to beat, is trained in every run as its baseline")
    later = cached[0] if cached else _GENERAL
    place = "is on this machine" if cached else "comes from the hub, 1.1 GB"
    return BaseChoice(
        LINEAR,
        "character n-grams: a first verdict in about a minute, offline, and what fine-tuning has to beat",
        f"after it: {later} {place}; ml-run doctor --set model.name={later} says whether it fits and how long it takes",
    )


def has_gpu() -> bool:
    """True where the system shows a GPU; nothing heavy is loaded to ask."""
    return any(Path(device).exists() for device in _DEVICES)
