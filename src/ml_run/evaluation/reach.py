"""Which texts are longer than what a model reads of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.modeling.linear import LinearScorer
from ml_run.modeling.scoring import TokenScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import Scorer


def cut_texts(scorer: Scorer, texts: Sequence[str]) -> NDArray[np.bool_] | None:
    """Which of n texts go on where the model stops reading, [n]; None for a model that reads to the end.

    A linear model stops after a number of words, a transformer after a number of tokens; one that is moved over the
    whole text (`model.long_text: windows`) does not.
    """
    import numpy as np

    if isinstance(scorer, LinearScorer) and scorer.vocabulary.words is not None:
        words = scorer.vocabulary.words
        return np.array([len(text.split(None, words)) > words for text in texts], bool)
    if isinstance(scorer, TokenScorer) and scorer.long_text != "windows" and texts:
        # One token more than is read tells, whatever follows it.
        longest = scorer.max_length
        tokens = scorer.tokenizer(list(texts), truncation=True, max_length=longest + 1, verbose=False)["input_ids"]
        return np.array([len(one) > longest for one in tokens], bool)
    return None
