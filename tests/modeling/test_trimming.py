"""A trimmed model reads every text of its corpus as the whole one did, and stays an ordinary model."""

import copy
import json
import logging
import os
import random
from pathlib import Path

import pytest

from conftest import LABELS, SHARED
from ml_run.config import ModelConfig
from ml_run.errors import UsageError
from ml_run.modeling import trimming
from ml_run.modeling.loading import load_base
from ml_run.modeling.trimming import NotTrimmedError, trim_vocabulary
from vocabularies import KINDS, TEXTS, model_of, tokenizer_of, world, write_model

NEW_WORDS = ["zorvoo qhuxhir baydheela", "WAXYAALO, (iyo) 'waxbarasho' — 2026!", "é ñ õ €5"]
E5 = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ml-run-models" / "multilingual-e5-small"


def trimmed(kind, texts=TEXTS, model=None, **options):
    """A model and its tokenizer, trimmed to `texts` whatever that saves."""
    model = model or model_of(kind)
    return model, trim_vocabulary(model, tokenizer_of(kind), texts, **({"always": True} | options))


def pieces(tokenizer, texts):
    encoded = tokenizer(list(texts), truncation=True, max_length=40)["input_ids"]
    return [tokenizer.convert_ids_to_tokens(row) for row in encoded]


def logits(model, tokenizer, texts):
    import torch

    batch = tokenizer(list(texts), truncation=True, max_length=40, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def unknown(tokenizer, texts):
    """How many tokens are the unknown one."""
    return sum(row.count(tokenizer.unk_token_id) for row in tokenizer(list(texts))["input_ids"])


@pytest.mark.parametrize("kind", KINDS)
def test_kept_texts_are_the_same_pieces_and_get_the_same_logits(kind):
    """Fewer than half of the pieces are left, and nothing that training sees has changed."""
    whole, texts = model_of(kind), [*TEXTS, "", " ".join(TEXTS[:9])]
    model, done = trimmed(kind)
    assert done.before == len(tokenizer_of(kind)) + 7
    assert done.after == len(done.tokenizer) == model.get_input_embeddings().weight.shape[0] == model.config.vocab_size
    assert done.after < done.before / 2 + (256 if kind == "byte_bpe" else 0)
    assert pieces(done.tokenizer, texts) == pieces(tokenizer_of(kind), texts)
    assert logits(model, done.tokenizer, texts).equal(logits(whole, tokenizer_of(kind), texts))
    parameters = [m.num_parameters() for m in (whole, model)]
    assert parameters[0] - parameters[1] == (done.before - done.after) * 32


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_loads_with_plain_transformers(kind, tmp_path):
    """The folder is an ordinary one: class, special tokens, cut-off, pieces and logits, no trace of its making."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    before = tokenizer_of(kind)
    model, done = trimmed(kind)
    model.save_pretrained(tmp_path)
    done.tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    model_loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path, local_files_only=True)
    assert type(loaded) is type(before)
    assert loaded.special_tokens_map == before.special_tokens_map
    assert loaded.model_max_length == before.model_max_length == 40
    assert loaded.convert_ids_to_tokens(loaded.all_special_ids) == before.convert_ids_to_tokens(before.all_special_ids)
    assert pieces(loaded, TEXTS + NEW_WORDS) == pieces(done.tokenizer, TEXTS + NEW_WORDS)
    assert logits(model_loaded, loaded, TEXTS).equal(logits(model, done.tokenizer, TEXTS))
    saved = "".join(path.read_text("utf-8") for path in tmp_path.glob("*.json"))
    assert "/tmp" not in saved
    assert done.tokenizer.name_or_path == before.name_or_path


@pytest.mark.parametrize("kind", KINDS)
def test_any_text_in_the_scripts_of_the_corpus_can_be_spelled(kind):
    """Words never seen, in letters, digits and signs that the tokenizer knew, hold no unknown that was none before."""
    _, done = trimmed(kind)
    assert unknown(done.tokenizer, NEW_WORDS) == unknown(tokenizer_of(kind), NEW_WORDS)


def test_letters_of_other_scripts_become_unknown_and_bytes_never_do():
    """What the corpus has no script of is the price, where a tokenizer has no bytes to fall back on."""
    foreign = ["щыьэ тсфх"]
    for kind in ("unigram", "wordpiece", "character_bpe"):
        assert unknown(tokenizer_of(kind), foreign) == 0
        assert unknown(trimmed(kind)[1].tokenizer, foreign) >= 2
    assert (
        trimmed("byte_bpe")[1].tokenizer.decode(
            trimmed("byte_bpe")[1].tokenizer(foreign[0], add_special_tokens=False)["input_ids"]
        )
        == foreign[0]
    )


def test_a_script_that_is_quoted_is_kept_only_where_it_is_used_enough():
    """One letter in a thousand makes a script the corpus's own; below that only the pieces seen are kept."""
    quoting = [*TEXTS * 3, "мир"]
    assert unknown(trimmed("unigram", quoting)[1].tokenizer, ["щ"]) > 0
    assert unknown(trimmed("unigram", [*TEXTS, *["мир труд"] * 5])[1].tokenizer, ["щ"]) == 0
    done = trimmed("unigram", quoting)[1]
    assert pieces(done.tokenizer, ["мир"]) == pieces(tokenizer_of("unigram"), ["мир"])


def test_words_beside_unknown_characters_are_cut_as_before():
    """What was unknown to the tokenizer stays so, and takes nothing of its neighbours with it."""
    texts = [f"{word}𝔘{word[::-1]}𝔙" for text in TEXTS for word in text.split()]
    _, done = trimmed("unigram", texts)
    assert unknown(done.tokenizer, texts) > 500
    assert pieces(done.tokenizer, texts) == pieces(tokenizer_of("unigram"), texts)


def test_special_tokens_move_with_all_that_names_them():
    """BERT's tokens come together at the front; the config, the padding row and the tokenizer agree on their ids."""
    model, done = trimmed("wordpiece")
    tokenizer = done.tokenizer
    assert tokenizer_of("wordpiece").convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]"]) == [0, 100, 101]
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]"]) == [0, 1, 2]
    assert tokenizer("guri")["input_ids"][0] == 2
    model, done = trimmed("character_bpe")
    assert model.config.pad_token_id == done.tokenizer.pad_token_id == done.after - 2
    assert model.get_input_embeddings().padding_idx == done.tokenizer.pad_token_id
    assert (model.config.bos_token_id, model.config.eos_token_id) == (1, 2)


def test_pieces_that_the_config_names_stay():
    """An id in the config that no tokenizer calls special is still the same piece's."""
    model, done = trimmed("wordpiece", model=model_of("wordpiece", eos_token_id=50))
    assert done.tokenizer.convert_ids_to_tokens(model.config.eos_token_id) == "[unused49]"
    assert done.tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["[PAD]", "[unused49]", "[UNK]"]


def test_a_padding_token_that_positions_are_counted_from_keeps_its_id(tmp_path):
    """What stands before it is kept for that, and the saved model gives the logits of the whole one."""
    from transformers import AutoModelForSequenceClassification

    tokenizer = copy.deepcopy(tokenizer_of("wordpiece"))
    tokenizer.pad_token = "[unused49]"
    model = model_of("byte_bpe", tokenizer, max_position_embeddings=120)
    whole = logits(model, tokenizer, TEXTS)
    done = trim_vocabulary(model, tokenizer, TEXTS, always=True)
    assert model.config.pad_token_id == done.tokenizer.pad_token_id == 50
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path, local_files_only=True)
    assert logits(loaded, done.tokenizer, TEXTS).equal(whole)


def test_positions_are_counted_from_the_padding_token_as_before():
    """RoBERTa counts positions from the padding token's id: where that would have to move, the model stays whole."""
    tokenizer = tokenizer_of("character_bpe")
    model = model_of("unigram", tokenizer, max_position_embeddings=tokenizer.pad_token_id + 60)
    found = f"its positions are counted from its padding token's id, {tokenizer.pad_token_id:,}"
    with pytest.raises(NotTrimmedError, match=found):
        trim_vocabulary(model, tokenizer, TEXTS, always=True)
    assert trimmed("unigram")[0].config.pad_token_id == 1


def test_a_model_whose_logits_would_change_is_put_back():
    """Whatever a model makes of the ids themselves: nothing of it has changed when it is said to stay whole."""
    from transformers import BertForSequenceClassification

    class Odd(BertForSequenceClassification):
        def forward(self, input_ids, **inputs):
            answer = super().forward(input_ids, **inputs)
            answer.logits = answer.logits + input_ids.sum()
            return answer

    model = model_of("wordpiece")
    model.__class__ = Odd
    whole, config = logits(model, tokenizer_of("wordpiece"), TEXTS), model.config.to_dict()
    with pytest.raises(NotTrimmedError, match=r"its logits would change \(Odd\)"):
        trimmed("wordpiece", model=model)
    assert model.config.to_dict() == config
    assert model.get_input_embeddings().num_embeddings == len(tokenizer_of("wordpiece")) + 7
    assert logits(model, tokenizer_of("wordpiece"), TEXTS).equal(whole)


def test_a_second_table_of_pieces_is_not_touched():
    """Weights that go by the vocabulary and are not the table could not be loaded again: such a model stays whole."""
    import torch

    model = model_of("wordpiece")
    model.extra = torch.nn.Linear(4, model.config.vocab_size)
    with pytest.raises(NotTrimmedError, match="more than its embedding table goes by the vocabulary"):
        trimmed("wordpiece", model=model)


def test_a_tokenizer_that_cannot_be_built_anew_leaves_the_model_whole(tmp_path):
    """Whatever the library says of its JSON, it is a reason and no crash."""
    tokenizer = tokenizer_of("unigram")
    tokenizer.save_pretrained(tmp_path)
    found = r"its tokenizer \(XLMRobertaTokenizer\) cannot be built from a part of its vocabulary"
    with pytest.raises(NotTrimmedError, match=found):
        trimming._rebuilt(tokenizer, {"model": {"type": "Unigram", "vocab": []}}, tmp_path)


def test_the_same_texts_give_the_same_vocabulary():
    """A run that resumes trims again, and must get what its checkpoint holds; the order of the texts is no matter."""
    first, again, shuffled = (
        trimmed("unigram", texts)[1].tokenizer.backend_tokenizer.to_str()
        for texts in (TEXTS, TEXTS, random.Random(3).sample(TEXTS, len(TEXTS)))
    )
    assert first == again == shuffled


def test_whole_texts_count_not_what_the_model_reads_of_them():
    """Whatever part of a long text training reads, its pieces are there."""
    longest = " ".join(TEXTS)
    _, done = trimmed("unigram", [longest])
    assert pieces(done.tokenizer, TEXTS) == pieces(tokenizer_of("unigram"), TEXTS)


def test_unlabelled_texts_keep_their_pieces(tmp_path):
    """Their words stay whole, which the training texts alone would have spelled; a packed file reads alike."""
    import gzip

    words = "щыьэ тсфх абвг"
    (tmp_path / "more.txt").write_text(words + "\n", "utf-8")
    (tmp_path / "more.txt.gz").write_bytes(gzip.compress(words.encode()))
    assert pieces(trimmed("unigram")[1].tokenizer, [words]) != pieces(tokenizer_of("unigram"), [words])
    for name in ("more.txt", "more.txt.gz"):
        _, done = trimmed("unigram", unlabelled=tmp_path / name)
        assert pieces(done.tokenizer, [words, *TEXTS]) == pieces(tokenizer_of("unigram"), [words, *TEXTS])


def test_auto_leaves_a_model_that_would_save_little():
    """A table that is a small part of the model is not worth a vocabulary that fits one corpus only."""
    model = model_of("unigram", num_hidden_layers=24, intermediate_size=400)
    with pytest.raises(NotTrimmedError, match=r"trimming would save \d\.\d % of its parameters only"):
        trim_vocabulary(model, tokenizer_of("unigram"), TEXTS)


def test_too_few_texts_are_told_with_what_to_do(tmp_path, caplog):
    """The line says what was kept instead, by which number, and what would help."""
    folder = write_model(tmp_path / "m", "unigram")
    with caplog.at_level(logging.INFO, "ml_run"):
        base_of(folder, ["guri biyo wadan", "guri biyo ilmo", "guri biyo hilib"])
    (line,) = [record.message for record in caplog.records if record.name == "ml_run"]
    assert line.startswith(
        "vocabulary trimmed to the scripts of the corpus (its texts are too few for more: 29.2 % of their tokens are "
        "in one text only; data.unlabelled_path can add texts): 920 → "
    )


@pytest.mark.parametrize("kind", KINDS)
def test_auto_keeps_all_pieces_in_the_scripts_of_a_corpus_too_small_to_know_its_language(kind):
    """Tokens that one text alone has say how many a new text would miss: then new texts, too, read as before."""
    model, new = model_of(kind), [text for text in world() if text[0] in "abcdefghij"]
    done = trim_vocabulary(model, tokenizer_of(kind), ["guri biyo wadan", "guri biyo ilmo", "guri biyo hilib"])
    assert done.by_scripts
    assert 0.2 < done.unseen < 0.5
    assert done.after < 0.7 * done.before
    assert len(new) > 50
    assert pieces(done.tokenizer, [*new, "2026 €?"]) == pieces(tokenizer_of(kind), [*new, "2026 €?"])


def test_what_is_missing_of_new_texts_is_what_leaving_each_out_would_miss():
    """The share of tokens whose piece no other text has, however often the one text repeats it."""
    texts = ["guri guri guri biyo", "biyo qorrax qorrax", "xidid biyo", *TEXTS[:4]]
    rows = tokenizer_of("unigram")(texts, add_special_tokens=False)["input_ids"]
    alone = [
        token
        for number, row in enumerate(rows)
        for token in row
        if not any(token in other for place, other in enumerate(rows) if place != number)
    ]
    assert len(alone) > len(set(alone)) > 0
    assert trimmed("unigram", texts)[1].unseen == pytest.approx(len(alone) / sum(map(len, rows)))


def test_unlabelled_texts_make_up_for_few_training_texts(tmp_path):
    """With them, the pieces that the corpus needs are known, and the others go."""
    few = ["guri biyo wadan", "guri biyo ilmo", "guri biyo hilib"]
    (tmp_path / "more.txt").write_text("\n".join(TEXTS), "utf-8")
    done = trim_vocabulary(model_of("unigram"), tokenizer_of("unigram"), few, tmp_path / "more.txt")
    assert (done.unseen, done.by_scripts) == (0, False)
    assert done.after < done.before / 3


# --- in load_base ---------------------------------------------------------------------------------------------------


def base_of(folder, texts=TEXTS * 2, unlabelled=None, **config):
    return load_base(ModelConfig(name=str(folder), max_length=32, **config), LABELS, texts, 3, unlabelled)


def test_training_starts_from_the_trimmed_model_and_says_so(tmp_path, caplog):
    """By default; the cut-off, the labels and the head drawn from the seed are those of the whole one."""
    folder = write_model(tmp_path / "m", "unigram")
    with caplog.at_level(logging.INFO, "ml_run"):
        base, whole = base_of(folder), base_of(folder, trim_vocabulary="off")
    assert (base.whole_vocabulary, whole.whole_vocabulary) == (len(tokenizer_of("unigram")) + 7, None)
    (line,) = [record.message for record in caplog.records if record.name == "ml_run"]
    assert line == (
        f"vocabulary trimmed to the corpus: {whole.model.config.vocab_size:,} → {base.model.config.vocab_size:,} "
        "pieces, 0.0 M → 0.0 M parameters"
    )
    assert base.tokenizer.model_max_length == 32
    assert base.model.config.id2label == dict(enumerate(LABELS))
    assert base.model.classifier.out_proj.weight.equal(whole.model.classifier.out_proj.weight)
    assert logits(base.model, base.tokenizer, TEXTS).equal(logits(whole.model, whole.tokenizer, TEXTS))


def test_auto_says_why_a_model_stays_whole_and_corpus_insists(tmp_path, caplog):
    """An unknown kind of tokenizer is no reason to fail, unless trimming was asked for."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["<unk>", "<pad>", *{w for t in TEXTS for w in t.split()}])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    model_of("wordpiece", tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    reason = "its tokenizer is of the kind WordLevel; those trimmed are Unigram, WordPiece and BPE"
    with caplog.at_level(logging.INFO, "ml_run"):
        assert base_of(tmp_path).whole_vocabulary is None
    assert [r.message for r in caplog.records if r.name == "ml_run"] == [f"the vocabulary stays whole: {reason}"]
    with pytest.raises(UsageError) as caught:
        base_of(tmp_path, trim_vocabulary="corpus")
    assert caught.value.found == f"the vocabulary of {str(tmp_path)!r} cannot be trimmed: {reason}"
    assert caught.value.where == "model.trim_vocabulary"


def test_what_is_trained_depends_on_the_unlabelled_texts(tmp_path):
    """A checkpoint of other texts has another vocabulary and is not gone on from; untrimmed, they do not matter."""
    from ml_run.stages.train import train_inputs
    from train_harness import prepare

    path = tmp_path / "more.txt"
    work = prepare(tmp_path)
    digests = []
    for content, mode in (("guri", "auto"), ("biyo", "auto"), ("guri", "off"), ("biyo", "off")):
        path.write_text(content)
        data = work.config.data.model_copy(update={"unlabelled_path": str(path)})
        model = work.config.model.model_copy(update={"trim_vocabulary": mode})
        digests.append(train_inputs(work.config.model_copy(update={"data": data, "model": model}), work.data))
    assert digests[0] != digests[1]
    assert digests[2] == digests[3]


@pytest.mark.slow
def test_a_resumed_training_of_a_trimmed_model_gives_the_same_weights(tmp_path):
    """R12: stopped in its second epoch, it trims again to the same pieces, and ends to the bit as if undisturbed."""
    from ml_run.modeling import scratch
    from train_harness import prepare, train_apart

    tokenizer = tokenizer_of("unigram")
    scratch.build_model("scratch:tiny", tokenizer, 40, num_labels=3).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = {"name": str(tmp_path), "trim_vocabulary": "corpus"}
    whole, stopped = (prepare(tmp_path / name, model=model) for name in ("whole", "stopped"))
    assert train_apart(whole).code == 0
    assert train_apart(stopped, signals=(15,), at=7).error == "Interrupted"
    assert train_apart(stopped).code == 0
    assert stopped.weights() == whole.weights()
    trained = whole.train()
    assert trained.whole_vocabulary == len(tokenizer)
    assert trained.vocabulary < len(tokenizer) / 2
    card = (whole.experiment.model / "README.md").read_text("utf-8")
    assert f"| Vocabulary | {trained.vocabulary:,} pieces, trimmed from {len(tokenizer):,} |" in card


@pytest.mark.slow
@pytest.mark.skipif(not E5.is_dir(), reason="multilingual-e5-small is not here")
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")
def test_e5_trimmed_to_somali_news_keeps_a_quarter_of_its_parameters():
    """The real thing: 118 M → 27 M parameters, the training articles as before, the test articles hardly longer."""
    import csv

    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def articles(split):
        with (SHARED / f"data/masakhanews/som/{split}.tsv").open(encoding="utf-8") as file:
            return [f"{row['headline']} {row['text']}" for row in csv.DictReader(file, delimiter="\t")]

    train, test = articles("train"), articles("test")
    tokenizer = AutoTokenizer.from_pretrained(E5, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(E5, num_labels=7, local_files_only=True)
    model.eval()
    before = logits(model, tokenizer, train[:8])
    done = trim_vocabulary(model, tokenizer, train)
    assert (done.before, done.after) == (250_037, 14_619)
    assert model.num_parameters() == pytest.approx(27.3e6, rel=0.01)
    assert logits(model, done.tokenizer, train[:8]).equal(before)
    assert pieces(done.tokenizer, train) == pieces(tokenizer, train)
    lengths = [sum(map(len, t(test, add_special_tokens=False)["input_ids"])) for t in (tokenizer, done.tokenizer)]
    assert lengths[1] / lengths[0] < 1.006
    assert unknown(done.tokenizer, test) == unknown(tokenizer, test)
    assert json.loads(done.tokenizer.backend_tokenizer.to_str())["model"]["unk_id"] == 3
