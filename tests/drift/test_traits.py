import numpy as np

from conftest import make_rows
from ml_run.drift.traits import TextReference, learn_texts, measure

TRAIN, TEST = ([row["text"] for row in make_rows(200, seed)] for seed in (0, 2))


def count(texts):
    """A tokenizer of one piece a character, which does not know x."""
    return np.array([len(text) for text in texts]), np.array([text.count("x") for text in texts])


def test_new_texts_are_measured_as_the_reference_was():
    """The reference texts themselves are at no distance from what was remembered of them, after a trip over JSON."""
    known = TextReference.model_validate_json(learn_texts(TRAIN, TEST, "so", count, seed=1).model_dump_json())
    found = measure(TEST, known, count)
    assert (known.n, known.language, known.foreign) == (200, "so", int(found.foreign.sum()))
    assert np.allclose(np.sort(found.unseen), known.unseen.values, rtol=1e-5)
    assert np.allclose(np.sort(found.pieces), known.pieces.values, rtol=1e-5)
    assert known.unknown == found.unknown.sum() == 200
    assert found.characters.tolist() == [len(text) for text in TEST]


def test_no_text_is_remembered_and_the_size_is_bounded():
    """What is kept of texts holds no word of them, and stays under a megabyte however many there are."""
    secret = "qarsoodi aad u weyn"
    texts = [f"{text} {number * 7919} {secret}" for number, text in enumerate(TRAIN * 15)]
    kept = learn_texts(texts, texts, "so", count, seed=1).model_dump_json()
    assert "qarsoodi" not in kept
    assert len(kept) < 1_000_000


def test_a_language_that_nobody_knows_is_not_checked():
    """Without a language, or an identifier of it, there is no share of foreign texts, rather than one of 0."""
    for code in (None, "mym"):
        known = learn_texts(TRAIN, TEST, code, None, seed=1)
        assert (known.language, known.foreign, known.pieces, known.unknown) == (None, None, None, None)
        assert measure(TEST, known, None).foreign is None
