"""Whether the model hub may be asked, and what keeps a process from asking it."""

import os

ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Of a process that must find everything on this machine."""
_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = {"1", "TRUE", "YES", "ON"}


def forbidden_by() -> str | None:
    """The environment variable that forbids to ask the hub; None where none does. Read as huggingface_hub reads it."""
    return next((name for name in _VARIABLES if os.environ.get(name, "0").upper() in _TRUE), None)
