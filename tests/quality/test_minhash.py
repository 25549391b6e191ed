import random
import time

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ml_run.quality.minhash import Likeness, similar_pairs
from ml_run.quality.near import comparable

SYLLABLES = [c + v for c in (*"btjxdrscgfqklmnwhy", "sh", "dh") for v in ("a", "e", "i", "o", "u", "aa")]


def _words(chance, count=3000):
    return ["".join(chance.choices(SYLLABLES, k=chance.choice((2, 2, 3, 4)))) for _ in range(count)]


def _texts(count, words, seed=0):
    chance = random.Random(seed)
    vocabulary = _words(chance)
    return [" ".join(chance.choices(vocabulary, k=words)) for _ in range(count)]


def _jaccard(one, other):
    one, other = ({text[start : start + 5] for start in range(len(text) - 4)} for text in (one, other))
    return len(one & other) / len(one | other)


def _changed(text, share, chance):
    words = text.split()
    for place in chance.sample(range(len(words)), k=max(1, int(share * len(words)))):
        words[place] = "".join(chance.choices(SYLLABLES, k=3))
    return " ".join(words)


def _found(pairs):
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def test_clean_texts_have_no_near_copies():
    """Texts of the same vocabulary that share no passage are never paired."""
    assert len(similar_pairs(_texts(3000, 15), Likeness()).left) == 0


@pytest.mark.parametrize(("words", "threshold"), [(16, 0.7), (250, 0.5)])
def test_pairs_are_exactly_those_above_the_threshold(words, threshold):
    """Nearly every pair at or above the threshold is found, none below it, each with its exact similarity."""
    chance = random.Random(1)
    texts, planted = _texts(600, words, seed=2), []
    for number in range(300):
        texts.append(_changed(texts[number], chance.choice((0.02, 0.1, 0.15, 0.2, 0.3, 0.4)), chance))
        planted.append((number, len(texts) - 1))
    pairs = similar_pairs(texts, Likeness())
    true = {pair for pair in planted if _jaccard(texts[pair[0]], texts[pair[1]]) >= threshold}
    assert 100 < len(true) < 290
    assert _found(pairs) <= true
    assert len(_found(pairs)) >= 0.98 * len(true)
    for left, right, jaccard in zip(*(column.tolist() for column in pairs), strict=True):
        assert jaccard == pytest.approx(_jaccard(texts[left], texts[right]), abs=1e-12)


def test_both_texts_must_be_long_for_the_lower_threshold():
    """Between a long text and a shorter one, the threshold of short texts decides."""
    [text] = _texts(1, 200, seed=3)
    long, longer = text[:1000], text[:1040]
    shorter, half = text[:999], text[:650]
    assert _found(similar_pairs([long, longer, "x" * 30], Likeness(short=1.0, long=0.9))) == {(0, 1)}
    assert _found(similar_pairs([shorter, longer], Likeness(short=1.0, long=0.9))) == set()
    assert _found(similar_pairs([half, longer], Likeness(short=0.6, long=0.9))) == {(0, 1)}


def test_short_texts_have_no_near_copies():
    """Below 20 characters two forms of a word would be near copies."""
    assert len(similar_pairs(["magaalooyinka", "magaalooyinkan", "waa magaalooyin"], Likeness()).left) == 0


def test_nothing_comes_of_nothing():
    """No text, one text, and only short ones are fine."""
    for texts in ([], ["x" * 50], ["x" * 3000], ["a", "", "b"]):
        assert len(similar_pairs(texts, Likeness()).left) == 0


def test_any_character_can_be_compared():
    """Lone surrogates, other scripts and characters beyond the first plane are characters like others."""
    text = "ሰላም ለዓለም ሁሉ \ud800 🙂🙂 ሰላም ለሁላችን ዛሬ ነገም ከነገ ወዲያም"
    pairs = similar_pairs([text, text + " ደግሞ"], Likeness())
    assert pairs.jaccard.tolist() == pytest.approx([_jaccard(text, text + " ደግሞ")])


def test_thousands_of_alike_texts_take_linear_time():
    """A template filled 4,000 times is one cluster, found without comparing 8 million pairs; none is left alone."""
    chance = random.Random(4)
    start = "qiimaha maanta ee suuqa bakaaraha ee magaalada muqdisho ayaa lagu sheegay inuu yahay"
    texts = sorted({f"{start} {chance.randrange(10**5)} shilin" for _ in range(4000)})
    began = time.perf_counter()
    pairs = similar_pairs(texts, Likeness())
    assert time.perf_counter() - began < 20
    assert len(pairs.left) < 40 * len(texts)
    links = csr_array((np.ones(len(pairs.left)), (pairs.left, pairs.right)), shape=(len(texts), len(texts)))
    assert connected_components(links, directed=False)[0] == 1


def test_one_text_of_another_kind_is_found_among_thousands():
    """In a large cluster every text is held against those of each other split, so that none keeps a leak."""
    start = "qiimaha maanta ee suuqa bakaaraha ee magaalada muqdisho ayaa lagu sheegay inuu yahay"
    texts = [f"{start} {number} shilin" for number in range(1000, 3000)]
    kinds = np.ones(len(texts), np.uint8)
    kinds[700] = 4
    pairs = similar_pairs(texts, Likeness(), kinds=kinds)
    of_it = {pair for pair in _found(pairs) if 700 in pair}
    alike = sum(_jaccard(texts[700], text) >= 0.7 for text in texts) - 1
    assert alike > 1500
    assert len(of_it) >= 0.99 * alike


def test_progress_is_told():
    """The last call says that all texts are done."""
    told = []
    similar_pairs(_texts(2000, 20), Likeness(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2000, 2000)
    assert len(told) > 1


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Waa MAXAY?!", "waa maxay"),
        ("RT @caalami: eeg https://x.so/a?b=1 hadda", "rt eeg hadda"),
        ("ba’da 🙂 … “haa”", "ba'da haa"),
        ("नमस्ते, दुनिया।", "नमस्ते दुनिया"),
        ("@caalami https://x.so", ""),
    ],
)
def test_what_near_copies_may_differ_in(text, form):
    """Case, addresses, @names, punctuation and symbols do not count; apostrophes and vowel signs do."""
    assert comparable(text, None) == form
