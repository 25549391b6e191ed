"""Does the part of the texts that is cut off matter? A linear model reads more and more of their words.

The share of texts that are cut says nothing about that: of MasakhaNEWS Somali 91 % are longer than 512 tokens, and a
model that reads the first 64 words does better than one that reads all (data-quality.md, 2.8).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run.results import TruncationPoint
from ml_run.statistics import confusion_matrix, f1_by_class, macro_f1_difference_error, macro_f1_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.rows import Row

WORDS = (32, 64, 128, 256)
_CLOSE = 1.25
"""Points of `WORDS` within this factor of what `max_length` holds are left out: six fits at most."""
_TRAIN_ROWS = 2_000
_VAL_ROWS = 1_000
_TRAIN_CHARACTERS = 6_000_000
_VAL_CHARACTERS = 2_000_000
_MOST_WORDS = 4_000
"""Words of a text that are read at most: what follows is counted as lost by every model."""
_FEWEST_VAL_ROWS = 30
_MOST_CLASSES = 60


@dataclass(frozen=True)
class Ablation:
    """What reading more of the texts is worth to a linear model."""

    points: tuple[TruncationPoint, ...]
    """By words read, all words last."""
    covered: int
    """Words that `max_length` tokens hold; one of the points."""
    loss: float
    """Macro-F1 of reading all minus macro-F1 of reading `covered` words, on the same validation rows."""
    error: float
    """Standard error of that difference."""
    rows: int
    """Training rows read."""

    def costs(self, errors: float) -> bool:
        """True when the cut loses more than `errors` standard errors, and no shorter reading does as well as all.

        One standard error would be passed by chance in one case of six.
        """
        fewer = [point.macro_f1 for point in self.points if point.words is not None and point.words <= self.covered]
        return self.loss > errors * self.error and max(fewer) < self.point(None).macro_f1

    def point(self, words: int | None) -> TruncationPoint:
        """The point of so many words; None: all."""
        return next(point for point in self.points if point.words == words)


def sample_rows(rows: Sequence[Row], most: int, characters: int, seed: int) -> list[Row]:
    """At most `most` rows with about `characters` characters in all, drawn with `seed`, in their order; or all rows."""
    if len(rows) <= most and sum(len(row.text) for row in rows) <= characters:
        return list(rows)
    chance = random.Random(seed)  # noqa: S311 -- nothing secret
    kept: list[int] = []
    left = characters
    for number in chance.sample(range(len(rows)), min(most, len(rows))):
        left -= len(rows[number].text)
        if left < 0 and kept:
            break
        kept.append(number)
    return [rows[number] for number in sorted(kept)]


def ablate(train: Sequence[Row], val: Sequence[Row], covered: int, *, seed: int) -> Ablation | None:
    """Train a linear model on the first words of the texts, for some numbers of words, and on all of them.

    Character 3- and 4-grams within words, TF-IDF, a linear SVM with C = 0.5 and balanced classes: nearly the baseline
    of every run (which has 2- to 5-grams), at a third of its time. A text's n-grams are the sum of its words', so they
    are counted once a word of the vocabulary.

    Args:
        train: rows to train on; at most 2,000 are drawn.
        val: rows to score on; at most 1,000 are drawn.
        covered: words that `max_length` tokens hold.
        seed: of sampling, training and resampling.

    Returns:
        None where nothing can be said: fewer than 30 validation rows, a class without any, more than 60 classes.
    """
    import numpy as np

    some = sample_rows(train, _TRAIN_ROWS, _TRAIN_CHARACTERS, seed)
    judged = sample_rows(val, _VAL_ROWS, _VAL_CHARACTERS, seed)
    labels = sorted({row.label for row in some})
    known = {row.label for row in judged}
    if len(judged) < _FEWEST_VAL_ROWS or not 1 < len(labels) <= _MOST_CLASSES or known != set(labels):
        return None
    ids = {label: number for number, label in enumerate(labels)}
    true, given = (np.array([ids[row.label] for row in rows]) for rows in (judged, some))
    grams = _WordGrams([row.text for row in some], [row.text for row in judged])
    predicted = {words: grams.predict(words, given, seed) for words in _points(covered, grams.longest)}
    k = len(labels)
    difference = macro_f1_difference_error(true, predicted[None], predicted[covered], k, seed=seed)
    if difference is None:
        return None
    points = tuple(_point(words, true, ids_, k, seed) for words, ids_ in predicted.items())
    return Ablation(points, covered, *difference, rows=len(some))


def _points(covered: int, longest: int) -> list[int | None]:
    apart = [words for words in WORDS if not covered / _CLOSE < words < covered * _CLOSE and words < longest]
    return [*sorted([*apart, covered]), None]


def _point(
    words: int | None, true: NDArray[np.int64], predicted: NDArray[np.int64], k: int, seed: int
) -> TruncationPoint:
    matrix = confusion_matrix(true, predicted, k)
    score = float(f1_by_class(matrix).mean())
    return TruncationPoint(words=words, macro_f1=score, standard_error=macro_f1_error(matrix, seed=seed))


class _WordGrams:
    """The texts as words, and the words as n-grams of characters: a text's first words cost one sparse product.

    Args:
        train: texts to learn from.
        judged: texts to predict.
    """

    def __init__(self, train: Sequence[str], judged: Sequence[str]) -> None:
        from scipy.sparse import vstack
        from sklearn.feature_extraction.text import CountVectorizer

        vocabulary: dict[str, int] = {}
        self._train = _Words(train, vocabulary)
        learnt = len(vocabulary)
        self._judged = _Words(judged, vocabulary)
        words = list(vocabulary)
        counter = CountVectorizer(analyzer="char_wb", ngram_range=(3, 4), lowercase=False, dtype="float32")
        counted = [counter.fit_transform(words[:learnt])]
        if words[learnt:]:
            counted.append(counter.transform(words[learnt:]))
        self._grams = vstack(counted).tocsr()
        self.longest = self._train.longest

    def predict(self, words: int | None, given: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Labels of the judged texts by a model that reads the first `words` of all texts."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.svm import LinearSVC

        size = self._grams.shape[0]
        train, judged = (part.first(words, size) @ self._grams for part in (self._train, self._judged))
        weights = TfidfTransformer(sublinear_tf=True)
        # Predicts as the default tolerance does, on MasakhaNEWS, in half its time.
        model = LinearSVC(C=0.5, class_weight="balanced", tol=0.1, random_state=seed)
        model.fit(weights.fit_transform(train), given)
        predicted: NDArray[np.int64] = model.predict(weights.transform(judged))
        return predicted


class _Words:
    """Texts as numbers of words, growing `vocabulary` by the words it lacks."""

    def __init__(self, texts: Iterable[str], vocabulary: dict[str, int]) -> None:
        import numpy as np

        of_texts = [
            [vocabulary.setdefault(word, len(vocabulary)) for word in text.casefold().split()[:_MOST_WORDS]]
            for text in texts
        ]
        lengths = np.array([len(words) for words in of_texts])
        self._rows = np.repeat(np.arange(len(lengths)), lengths)
        self._words = np.array([word for words in of_texts for word in words], int)
        starts = np.cumsum(lengths) - lengths
        self._places = np.arange(len(self._words)) - np.repeat(starts, lengths)
        self._texts = len(lengths)
        self.longest = int(lengths.max(initial=0))

    def first(self, words: int | None, size: int) -> Any:
        """How often each of the first `words` words occurs in each text: a sparse matrix [texts, size]."""
        import numpy as np
        from scipy.sparse import coo_matrix

        kept = slice(None) if words is None else self._places < words
        rows, columns = self._rows[kept], self._words[kept]
        return coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), (self._texts, size)).tocsr()
