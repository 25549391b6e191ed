"""The deployed model's tokenizer, as far as counting needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_run.modeling.linear import is_linear
from ml_run.modeling.scoring import quiet_libraries
from ml_run.quality.token_counts import reader_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

CountTokens = Callable[[Sequence[str]], "tuple[NDArray[np.int64], NDArray[np.int64]]"]
"""Pieces of each text [n], and how many of them are unknown [n]."""
_LONGEST = 4000
"""Characters of a text that are cut into pieces."""
_BATCH = 256


def tokens_of(folder: Path) -> CountTokens | None:
    """How the model in `folder` cuts texts; None for a linear model.

    Raises:
        OSError, ValueError: its tokenizer cannot be loaded.
    """
    if is_linear(folder):
        return None
    from transformers import AutoTokenizer

    with quiet_libraries():
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    reader = reader_of(folder.name, tokenizer)
    knows = cache(reader.knows)

    def count(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        import numpy as np

        lengths, unknown = [], []
        for start in range(0, len(texts), _BATCH):
            for ids in reader.encode([text[:_LONGEST] for text in texts[start : start + _BATCH]]):
                lengths.append(len(ids) - reader.special)
                unknown.append(sum(not knows(number) for number in ids))
        return np.array(lengths, np.int64), np.array(unknown, np.int64)

    return count
