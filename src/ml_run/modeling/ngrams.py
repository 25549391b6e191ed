"""Texts as weighted character n-grams: what the linear model sees.

The n-grams are those of scikit-learn's `char_wb` analyzer, their weights those of its `TfidfVectorizer` with
`sublinear_tf`; the tests hold both against it. A text's n-grams are the sum of its words', so they are cut once a word
of the batch, which is several times faster, and needs neither scikit-learn nor a second of import.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SHORTEST, LONGEST = 2, 5


def ngrams(word: str) -> list[str]:
    """The n-grams of 2 to 5 characters of `word` between two blanks; of a word shorter than n, all of it, once."""
    padded = f" {word} "
    found: list[str] = []
    for n in range(SHORTEST, LONGEST + 1):
        if len(padded) <= n:
            return [*found, padded]
        found += [padded[start : start + n] for start in range(len(padded) - n + 1)]
    return found


@dataclass(frozen=True)
class Vocabulary:
    """The n-grams that a model knows, and how it reads a text."""

    words: int | None
    """Words read of a text; None: all."""
    terms: tuple[str, ...]
    idf: NDArray[np.float32]
    """Weight of each term [terms]: the rarer, the higher."""

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.terms)}

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF of each text, sparse [texts, terms], float64; each row has length 1, or 0 for a text of unknown terms.

        Weight of a term that occurs f times: (1 + ln f) · idf.
        """
        occurring, distinct = _count_words(texts, self.words)
        known = self._numbers
        counts = occurring @ _count([[known[n] for n in ngrams(w) if n in known] for w in distinct], len(known))
        return _weighed(counts, self.idf)


def learn_vocabulary(texts: Sequence[str], words: int | None, fewest: int) -> tuple[Vocabulary, csr_matrix]:
    """Find the n-grams that occur in at least `fewest` of `texts`.

    idf = 1 + ln((1 + texts) / (1 + texts with the term)).

    Args:
        texts: of the training rows.
        words: words read of a text; None: all.
        fewest: texts a term must occur in.

    Returns:
        The vocabulary, in the order its terms were first seen, and the features of `texts`.
    """
    import numpy as np

    occurring, distinct = _count_words(texts, words)
    numbers: dict[str, int] = {}
    cut = [[numbers.setdefault(n, len(numbers)) for n in ngrams(word)] for word in distinct]
    counts = occurring @ _count(cut, len(numbers))
    frequency = counts.getnnz(axis=0)
    kept = np.flatnonzero(frequency >= fewest)
    idf = (1 + np.log((1 + len(texts)) / (1 + frequency[kept]))).astype(np.float32)
    terms = list(numbers)
    vocabulary = Vocabulary(words, tuple(terms[number] for number in kept), idf)
    return vocabulary, _weighed(counts[:, kept], idf)


def _count_words(texts: Sequence[str], words: int | None) -> tuple[csr_matrix, list[str]]:
    """How often each distinct word occurs in each text [texts, distinct words], and the words."""
    numbers: dict[str, int] = {}
    most = -1 if words is None else words
    read = (text.split(None, most)[:words] for text in texts)
    occurring = [[numbers.setdefault(word.lower(), len(numbers)) for word in found] for found in read]
    return _count(occurring, len(numbers)), list(numbers)


def _count(rows: list[list[int]], columns: int) -> csr_matrix:
    """Counts of the numbers in each row, sparse [rows, columns]; a number's are not added up before a product is."""
    from itertools import accumulate, chain

    import numpy as np
    from scipy.sparse import csr_matrix

    ends = np.fromiter(accumulate(map(len, rows), initial=0), np.int64, len(rows) + 1)
    numbers = np.fromiter(chain.from_iterable(rows), np.int32, int(ends[-1]))
    return csr_matrix((np.ones(len(numbers)), numbers, ends), shape=(len(rows), columns))


def _weighed(counts: csr_matrix, idf: NDArray[np.float32]) -> csr_matrix:
    import numpy as np

    weighed: Any = counts.tocsr()
    weighed.sort_indices()  # sums in one order, whatever the product's was
    weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    weighed.data *= np.repeat(scale, np.diff(weighed.indptr))
    return weighed
