"""Whether the model hub may be asked, and programs that must not ask it."""

import os
import subprocess
from collections.abc import Sequence

_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = {"1", "TRUE", "YES", "ON"}


def forbidden_by() -> str | None:
    """The environment variable that forbids to ask the hub; None where none does. Read as huggingface_hub reads it."""
    return next((name for name in _VARIABLES if os.environ.get(name, "0").upper() in _TRUE), None)


def run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program that must find everything on this machine, and keep what it writes.

    Raises:
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    environment = os.environ | _ENVIRONMENT
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
