"""Cheap models trained beside the candidate: the bar it has to clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

WORDS_READ = 64
"""The linear baseline reads the first 64 words: on news it beats reading all of them (data-quality.md, 2.8)."""


def majority_predictions(train_ids: Sequence[int], count: int) -> NDArray[np.int64]:
    """Predict the most frequent training label (the smaller id on a tie) `count` times."""
    import numpy as np

    return np.full(count, np.bincount(np.asarray(train_ids, int)).argmax(), dtype=np.int64)


def linear_predictions(
    train_texts: Sequence[str], train_ids: Sequence[int], texts: Sequence[str], *, seed: int
) -> NDArray[np.int64]:
    """Train a linear classifier on character n-grams and predict the labels of `texts`.

    TF-IDF of character 2- to 5-grams within word boundaries, a linear SVM with C = 0.5 and balanced class weights:
    the best of seven measured on MasakhaNEWS Somali (data-quality.md, 3.3), under two seconds on a thousand articles.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32)
    features = vectorizer.fit_transform(map(_opening, train_texts))
    classifier = LinearSVC(C=0.5, class_weight="balanced", random_state=seed)
    classifier.fit(features, np.asarray(train_ids, int))
    predicted: NDArray[np.int64] = classifier.predict(vectorizer.transform(map(_opening, texts))).astype(np.int64)
    return predicted


def _opening(text: str) -> str:
    return " ".join(text.split()[:WORDS_READ])
