import hashlib

import pytest

from conftest import make_rows
from harness import fork_server
from ml_run.modeling import scratch

SCRIPTS = {
    "Latin with apostrophes": "Waxaan ka imid Hargeysa, ma'aan arkin go'aanka",
    "Ethiopic": "ሰላም ለዓለም እንዴት ነህ",
    "Arabic": "السلام عليكم ورحمة الله",
    "Osmanya": "𐒈𐒝𐒑𐒛𐒐𐒘 𐒖𐒍 𐒒𐒖𐒁𐒁𐒖𐒆",
    "Chinese": "天地玄黄宇宙洪荒日月盈昃辰宿列张",
    "emoji": "😀 guri 👨‍👩‍👧",
}


def tokenizer_for(texts, pieces=500, max_length=32):
    return scratch.train_tokenizer(texts, pieces=pieces, max_length=max_length)


def digest():
    tokenizer = tokenizer_for([row["text"] for row in make_rows(150)])
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def _send_digest(pipe):
    pipe.send(digest())


def test_the_tokenizer_is_the_same_in_every_process():
    """The trainer of the tokenizers library is not deterministic; ours is, or no two runs would give one model."""
    context = fork_server()
    ours, theirs = context.Pipe()
    process = context.Process(target=_send_digest, args=(theirs,))
    process.start()
    assert {ours.recv(), *(digest() for _ in range(3))} == {digest()}
    process.join()


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_any_script_is_spelt_without_unknowns(text):
    """Every character of the training texts is in the vocabulary, and the text comes back from its pieces."""
    tokenizer = tokenizer_for([text] * 3)
    ids = tokenizer(text)["input_ids"]
    assert (ids[0], ids[-1]) == (0, 2)
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text


def test_characters_never_seen_become_unknown():
    """A character from outside the training texts is <unk>, not an error."""
    tokenizer = tokenizer_for(["guri biyo"] * 3)
    assert tokenizer("ሰ")["input_ids"].count(tokenizer.unk_token_id) == 1


def test_special_tokens_stand_where_xlm_r_has_them():
    """<s> 0, <pad> 1, </s> 2, <unk> 3, so that XLM-R's position counting holds."""
    tokenizer = tokenizer_for(["guri biyo"] * 3)
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert tokenizer.convert_tokens_to_ids(names) == [0, 1, 2, 3, 4]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (1, 4)


def test_blanks_and_composed_characters_are_normalised():
    """The same text with other blanks or decomposed accents is the same to the model."""
    tokenizer = tokenizer_for(["café guri"] * 3)
    assert tokenizer("  cafe\u0301 \t\n guri ")["input_ids"] == tokenizer("café guri")["input_ids"]


def test_the_vocabulary_is_bounded():
    """A large corpus does not blow the vocabulary up."""
    tokenizer = tokenizer_for([row["text"] for row in make_rows(300)], pieces=60)
    assert len(tokenizer) <= 60


@pytest.mark.parametrize(("name", "layers", "hidden"), [("scratch:tiny", 2, 128), ("scratch:small", 4, 256)])
def test_the_model_reads_max_length_tokens(name, layers, hidden):
    """The two sizes are XLM-R-shaped and take inputs of exactly max_length tokens, which XLM-R counts from 2."""
    import torch

    tokenizer = tokenizer_for(["guri biyo"] * 3)
    model = scratch.build_model(name, tokenizer, 24, num_labels=3)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (layers, hidden)
    assert model.config.model_type == "xlm-roberta"
    assert model(torch.full((1, 24), 5)).logits.shape == (1, 3)
