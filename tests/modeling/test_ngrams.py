"""N-grams of words and their weights, against scikit-learn."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from conftest import make_rows
from ml_run.modeling.ngrams import Vocabulary, learn_vocabulary, ngrams

TEXTS = [
    *(row["text"] for row in make_rows(40)),
    "A a ab Abc  abcd\tabcde\nabcdef ee",
    "İstanbul ΣΑΣ Straße ጤና ይስጥልኝ ላንተ",
    "sh'ab sh’ab 🙂🙂 a\u0301a",
    "nul\x00 \x00 lone \ud800 \u00a0blank\u3000blank",
    "",
    " \n ",
]


@pytest.mark.parametrize("word", ["a", "ab", "abc", "abcd", "abcde", "abcdef", "aaaaaaaa", "🙂"])
def test_ngrams_of_a_word(word):
    """A word has the n-grams that scikit-learn's char_wb analyzer finds in it, short words counted once."""
    assert sorted(ngrams(word)) == sorted(
        CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()(word)
    )


@pytest.mark.parametrize(("words", "fewest"), [(None, 1), (None, 3), (4, 2), (1, 1)])
def test_features_are_scikit_learns(words, fewest):
    """Terms, weights and their order in a row are TfidfVectorizer's, on texts learnt from and on others."""
    known, others = TEXTS[:-20], TEXTS[-20:]
    oracle = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=fewest)
    expected = oracle.fit_transform([" ".join(text.split()[:words]) for text in known])
    vocabulary, features = learn_vocabulary(known, words, fewest)
    columns = [oracle.vocabulary_[term] for term in vocabulary.terms]
    assert sorted(columns) == list(range(expected.shape[1]))
    assert abs(expected[:, columns] - features).max() < 1e-7
    judged = oracle.transform([" ".join(text.split()[:words]) for text in others])[:, columns]
    assert abs(judged - vocabulary.features(others)).max() < 1e-7


def test_words_beyond_the_limit_are_not_read():
    """Two texts that differ after the last word that is read have the same features."""
    vocabulary, _ = learn_vocabulary(TEXTS, 3, 1)
    one, other = vocabulary.features(["guri wadan biyo dadka", "guri wadan biyo suuq maanta"]).toarray()
    assert (one == other).all()
    assert one.any()


def test_a_text_has_the_same_features_in_any_company():
    """To the bit, whatever else is in the batch."""
    vocabulary, _ = learn_vocabulary(TEXTS, None, 1)
    together = vocabulary.features(TEXTS[::-1]).toarray()[::-1]
    alone = np.vstack([vocabulary.features([text]).toarray() for text in TEXTS])
    assert (together == alone).all()


def test_nothing_known_is_no_feature():
    """An empty text, and one of unknown n-grams, have a row of zeros, not of NaN; no texts have no rows."""
    vocabulary = Vocabulary(None, ("ab", "b "), np.ones(2, np.float32))
    with np.errstate(all="raise"):
        assert vocabulary.features(["", "  ", "zz"]).toarray().tolist() == [[0, 0]] * 3
    assert vocabulary.features([]).shape == (0, 2)
