"""Which texts go on where a model stops reading: of a linear model, and of a real (untrained) transformer."""

import numpy as np
import pytest

from finished_run import finished_run
from ml_run.evaluation.reach import cut_texts
from ml_run.modeling.linear import LinearScorer
from ml_run.modeling.ngrams import learn_vocabulary
from ml_run.modeling.scoring import load_scorer
from ml_run.modeling.windows import note


def linear(words):
    vocabulary, _ = learn_vocabulary(["gaari guri", "guri gaari"], words, 1)
    weights = np.zeros((2, len(vocabulary.terms)), np.float32)
    return LinearScorer(("a", "b"), vocabulary, weights, np.zeros(2, np.float32))


def test_a_linear_model_stops_after_its_number_of_words():
    """A text of exactly that many words is read whole; one that reads all words has no cut texts at all."""
    texts = ["one two three", " one  two three four", "", "one"]
    assert cut_texts(linear(3), texts).tolist() == [False, True, False, False]
    assert cut_texts(linear(None), texts) is None


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    return load_scorer(finished_run(tmp_path_factory.mktemp("run")).experiment.model, device="cpu")


def test_a_transformer_stops_after_its_number_of_tokens(transformer):
    """A text is cut when the tokenizer gives it more tokens than the model reads, special tokens included."""
    texts = ["guri " * count for count in (1, 5, 60, 400)]
    lengths = [len(transformer.tokenizer(text, verbose=False)["input_ids"]) for text in texts]
    assert cut_texts(transformer, texts).tolist() == [length > transformer.max_length for length in lengths]
    assert cut_texts(transformer, texts).tolist() == [False, False, True, True]
    assert cut_texts(transformer, []) is None


def test_a_transformer_that_is_moved_over_the_whole_text_reads_to_its_end(transformer):
    """With model.long_text: windows no text is cut; with head_tail the middle of a long one is."""
    try:
        for long_text, expected in (("head_tail", [False, True]), ("windows", None)):
            note(transformer.model.config, long_text)
            found = cut_texts(transformer, ["guri", "guri " * 400])
            assert expected == (None if found is None else found.tolist())
    finally:
        note(transformer.model.config, "truncate")


def test_looking_does_not_change_what_is_read(transformer):
    """The tokenizer's limit is the model's again after one token more was asked for."""
    before = transformer.logits(["guri " * 400])
    cut_texts(transformer, ["guri " * 400])
    assert np.array_equal(before, transformer.logits(["guri " * 400]))
