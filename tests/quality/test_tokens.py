import random
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import make_rows
from ml_run.config import Config
from ml_run.modeling import scratch
from ml_run.quality.max_length import advise_length, histogram
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.token_counts import Reader, _whole_characters, count_tokens
from ml_run.quality.tokens import check_tokens
from ml_run.quality.truncation import Ablation
from ml_run.results import TruncationPoint

_E5 = Path("~/.cache/ml-run-models/multilingual-e5-small").expanduser()
_WORDS = [f"erey{letter}{other}" for letter in "bdfgklmnrst" for other in "aeiou"]


def rows_of(texts, split="train", labels=("A", "B")):
    return [Row(f"{split}.jsonl", n + 1, text, labels[n % len(labels)], None, {}) for n, text in enumerate(texts)]


def small_splits(train=200, val=50, test=50):
    sizes = {"train": train, "val": val, "test": test}
    return {
        name: [Row(name, n + 1, row["text"], row["label"], None, row) for n, row in enumerate(make_rows(count, seed))]
        for seed, (name, count) in enumerate(sizes.items())
    }


def config_of(name, max_length=512):
    return Config(data={"train_path": "train.jsonl"}, model={"name": str(name), "max_length": max_length})


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A model folder whose tokenizer knows Latin letters and words of `make_rows`."""
    folder = tmp_path_factory.mktemp("model")
    texts = [row["text"] for row in make_rows(300, 9)] + _WORDS + ["abcdefghijklmnopqrstuvwxyz 0123456789"]
    tokenizer = scratch.train_tokenizer(texts, pieces=300, max_length=256)
    scratch.build_model("scratch:tiny", tokenizer, 256, num_labels=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory):
    """A model folder whose tokenizer falls back to bytes and has no unknown token: it has seen Latin letters only."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bytes")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<pad>"],
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator([row["text"] for row in make_rows(100)] + ["café"] * 20, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=64).save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "roberta", "pad_token_id": 0}')
    return folder


def found(result):
    return {one.rule: one for one in result.findings}


# --- counting -------------------------------------------------------------------------------------------------------


def test_tokens_are_those_that_training_will_see(local):
    """Lengths are the real tokenizer's, uncut, with special tokens; tokens a word without them."""
    from transformers import AutoTokenizer

    splits = small_splits()
    check = check_tokens(splits, config_of(local), Checks()).check
    real = AutoTokenizer.from_pretrained(local)
    lengths = [len(ids) for ids in real([row.text for row in splits["train"]])["input_ids"]]
    words = sum(len(row.text.split()) for row in splits["train"])
    train = check.splits[0]
    assert [stats.name for stats in check.splits] == ["train", "val", "test"]
    assert (train.rows, train.tokens.minimum, train.tokens.maximum) == (200, min(lengths), max(lengths))
    assert train.tokens.mean == pytest.approx(np.mean(lengths))
    assert train.tokens_per_word == pytest.approx((sum(lengths) - 2 * 200) / words)
    assert [stats.name for stats in check.classes] == ["Central", "Northern", "Southern"]
    assert sum(stats.rows for stats in check.classes) == 200
    assert sum(check.histogram) == 200
    assert (check.tokenizer, check.max_length) == (str(local), 512)


def test_clean_rows_give_no_finding(local):
    """Words the tokenizer knows, and all of them read: nothing to say but the advice."""
    result = check_tokens(small_splits(), config_of(local), Checks())
    assert result.findings == []
    longest = int(result.check.splits[0].tokens.maximum)
    assert result.check.advice == f"keep max_length 512: no training text is cut, the longest has {longest} tokens"


def test_what_is_cut_is_counted_exactly(local):
    """The share of rows that are longer and of tokens that are lost, from the lengths of the rows."""
    splits = small_splits()
    check = check_tokens(splits, config_of(local, 20), Checks()).check
    from transformers import AutoTokenizer

    real = AutoTokenizer.from_pretrained(local)
    lengths = np.array([len(ids) for ids in real([row.text for row in splits["train"]])["input_ids"]])
    train = check.splits[0]
    assert 0 < train.cut == pytest.approx((lengths > 20).mean())
    assert train.lost == pytest.approx(np.maximum(lengths - 20, 0).sum() / lengths.sum())
    assert check.splits[0].tokens.maximum == lengths.max(), "lengths are told uncut"


def test_a_text_as_long_as_max_length_is_not_cut(local):
    """max_length is the number of tokens that are read: the longest text of exactly that many is whole."""
    splits = small_splits()
    longest = int(check_tokens(splits, config_of(local), Checks()).check.splits[0].tokens.maximum)
    whole, cut = (check_tokens(splits, config_of(local, length), Checks()) for length in (longest, longest - 1))
    assert (whole.check.splits[0].cut, whole.check.splits[0].lost, whole.findings) == (0.0, 0.0, [])
    assert cut.check.splits[0].cut > 0
    assert found(cut)["truncation"].count == round(cut.check.splits[0].cut * 200)


# --- unknown tokens -------------------------------------------------------------------------------------------------


def test_letters_the_tokenizer_lacks_are_found(local):
    """Ethiopic words in 30 of 100 rows: the share of tokens, the rows with most of them first."""
    texts = [f"guri wadan biyo {n}" for n in range(70)] + [f"guri ሰላም ዓለም {n}" for n in range(29)]
    splits = {"train": rows_of([*texts, "ሰላም ዓለም ሰላም ዓለም"])}
    unknown = found(check_tokens(splits, config_of(local), Checks()))["unknown_tokens"]
    assert (unknown.severity, unknown.count, unknown.share) == ("warning", 30, 0.3)
    assert unknown.examples[0].line == 100
    assert unknown.message.endswith(f"are unknown to the tokenizer of {local}, in 30 rows")


def test_unknown_tokens_are_judged_by_their_share_of_tokens(local):
    """One odd character a row is in every row and less than 1 % of the tokens: no finding."""
    long = " ".join(["guri wadan biyo dadka"] * 40)
    splits = {"train": rows_of([f"{long} ☕ {n}" for n in range(20)])}
    result = check_tokens(splits, config_of(local), Checks())
    assert "unknown_tokens" not in found(result)
    assert 0 < result.check.splits[0].unknown < 0.01


def test_a_character_cut_into_bytes_is_unknown(bytewise):
    """Without an unknown token, the bytes of a character it never saw count; é, which it saw, does not."""
    seen = check_tokens({"train": rows_of(["café guri"] * 20)}, config_of(bytewise, 64), Checks())
    assert seen.check.splits[0].unknown == 0.0
    foreign = check_tokens({"train": rows_of(["ሰላም", "guri"] * 10)}, config_of(bytewise, 64), Checks())
    assert found(foreign)["unknown_tokens"].count == 10
    assert foreign.check.classes[0].unknown == 1.0
    assert foreign.check.classes[1].unknown == 0.0


def test_pieces_of_a_byte_level_vocabulary_are_told_apart():
    """A piece is known when its bytes are whole characters; special tokens are written as they are."""
    assert _whole_characters("Ġguri")
    assert _whole_characters("âĢĻ")  # U+2019
    assert not _whole_characters("âĢ")
    assert not _whole_characters("Ļ")
    assert _whole_characters("<mask→>")


# --- tokens a word --------------------------------------------------------------------------------------------------


def test_words_cut_to_pieces_are_found(local):
    """Words of a language that the tokenizer was not made for fall into single letters."""
    chance = random.Random(1)
    texts = [" ".join("".join(chance.choices("qvxzjpw", k=9)) for _ in range(8)) for _ in range(30)]
    cut = found(check_tokens({"train": rows_of(texts)}, config_of(local), Checks()))["tokens_per_word"]
    assert cut.severity == "warning"
    assert cut.message.startswith(f"the tokenizer of {local} cuts a word into ")
    limit = Checks({}, {"tokens_per_word.tokens": 100})
    assert "tokens_per_word" not in found(check_tokens({"train": rows_of(texts)}, config_of(local), limit))


def test_scripts_without_blanks_have_no_tokens_a_word(local):
    """A Thai or Chinese sentence is one word by blanks: nothing is said of it, however many tokens it has."""
    texts = ["วันนี้อากาศดีมากและเราจะไปตลาด", "我们今天去市场买东西然后回家"] * 10
    result = check_tokens({"train": rows_of(texts)}, config_of(local), Checks({"unknown_tokens": "off"}))
    assert "tokens_per_word" not in found(result)


# --- what is cut off ------------------------------------------------------------------------------------------------


def long_rows(count, split, *, place):
    chance = random.Random(f"{split}{count}")
    texts = []
    for number in range(count):
        words = chance.choices(_WORDS, k=80)
        words[place] = ("guri", "biyo")[number % 2]
        texts.append(" ".join(words))
    return rows_of(texts, split)


@pytest.mark.parametrize(("place", "severity"), [(76, "warning"), (2, "info")], ids=["at the end", "at the start"])
def test_only_a_cut_that_costs_is_a_warning(local, place, severity):
    """The same share is cut both times; only where the word that tells the label is cut off is it a warning."""
    splits = {"train": long_rows(160, "train", place=place), "val": long_rows(80, "val", place=place)}
    result = check_tokens(splits, config_of(local, 48), Checks())
    cut = found(result)["truncation"]
    assert (cut.severity, cut.count, cut.share) == (severity, 160, 1.0)
    assert cut.message.startswith("100.0 % of the training texts are longer than model.max_length 48, which cuts off ")
    assert ("; a linear model loses by it: macro-F1 " in cut.message) is (severity == "warning")
    assert result.check.ablation[-1].words is None
    assert cut.remedy == result.check.advice
    assert cut.remedy.startswith("the cut part helps: max_length " if severity == "warning" else "keep max_length 48")


def test_hardly_any_cut_row_costs_no_training(local):
    """At 2 % or less no linear model is asked; the finding is a note."""
    texts = ["guri wadan " * 8] * 1 + ["guri wadan biyo"] * 99
    result = check_tokens({"train": rows_of(texts)}, config_of(local, 16), Checks())
    cut = found(result)["truncation"]
    assert (cut.severity, cut.count, cut.share) == ("info", 1, 0.01)
    assert result.check.ablation == ()
    assert result.check.advice == "keep max_length 16: 99.0 % of the training texts fit it"


# --- advice and histogram -------------------------------------------------------------------------------------------


def reader_of(longest=None, *, estimate=False):
    return Reader("m", lambda batch: [], 2, lambda number: True, longest, estimate=estimate)


def ablation_of(scores, covered, error=0.01):
    points = tuple(TruncationPoint(words=w, macro_f1=f, standard_error=0.02) for w, f in scores.items())
    return Ablation(points, covered, scores[None] - scores[covered], error, 100)


LENGTHS = np.array([300] * 50 + [900] * 50)


@pytest.mark.parametrize(
    ("lengths", "max_length", "reader", "ablation", "advice"),
    [
        (
            np.array([60] * 97 + [4000] * 3), 512, reader_of(), ablation_of({128: 0.8, 256: 0.8, None: 0.8}, 256),
            "keep max_length 512: a linear model does not clearly lose by what is cut off",
        ),
        (
            np.array([60] * 98 + [5000] * 2), 4096, reader_of(), None,
            "95 % of the training texts fit 64 tokens: max_length 64 would take about 43 % of the time",
        ),
        (
            LENGTHS, 512, reader_of(), ablation_of({64: 0.83, 256: 0.75, None: 0.76}, 256),
            ("try max_length 192 first: a linear model does at least as well on the 64 words it holds (macro-F1 0.830) "
            "as on 256 (0.750), and training takes about 47 % of the time"),
        ),
        (
            LENGTHS, 512, reader_of(), ablation_of({64: 0.5, 256: 0.6, None: 0.8}, 256),
            ("the cut part helps: max_length 1024 would hold 100.0 % of the training texts whole, at about 1.5 times "
            "the time"),
        ),
        (
            LENGTHS, 512, reader_of(512), ablation_of({64: 0.5, 256: 0.6, None: 0.8}, 256),
            ("the cut part helps: m reads no more than 512 tokens, so divide long texts, put first what matters, or "
            "take a model that reads more"),
        ),
        (
            LENGTHS, 256, reader_of(512, estimate=True), None,
            ("max_length 512 would hold 50.0 % of the training texts whole, at about 1.6 times the time; whether that "
            "helps could not be seen beforehand (estimated with a tokenizer learnt from a part of the texts)"),
        ),
    ],
    ids=["outliers", "shorter", "less is more", "raise", "no room", "unknown"],
)  # fmt: skip
def test_the_advice_says_what_a_max_length_costs_and_brings(lengths, max_length, reader, ablation, advice):
    """One sentence, with the next sensible length and the time it takes relative to now."""
    assert advise_length(lengths, max_length, reader, ablation, 2) == advice


@pytest.mark.parametrize("max_length", [8, 32, 127, 128, 512, 4096])
def test_the_histogram_holds_every_row_and_marks_max_length(max_length):
    """About 20 bins from 0 to the longest text; max_length is an edge where it divides well."""
    lengths = np.random.default_rng(1).integers(3, 900, 500)
    lengths[0] = 7000
    counts, edges = histogram(lengths, max_length)
    assert sum(counts) == 500
    assert len(edges) == len(counts) + 1
    assert (edges[0], edges[-1]) == (0, 7000)
    assert 10 <= len(counts) <= 41
    assert len(set(np.diff(edges[:-1]))) == 1
    assert (max_length in edges) is (max_length in {32, 128, 512})


# --- models from scratch, and tokenizers that cannot be had ---------------------------------------------------------


def test_a_model_from_scratch_is_counted_with_what_it_will_learn():
    """Few texts: the very tokenizer that training will learn; nothing is unknown to it."""
    splits = small_splits()
    check = check_tokens(splits, config_of("scratch:tiny"), Checks()).check
    texts = [row.text for row in splits["train"]]
    real = scratch.train_tokenizer(texts, pieces=3000, max_length=512)
    assert check.splits[0].tokens.mean == pytest.approx(np.mean([len(ids) for ids in real(texts)["input_ids"]]))
    assert check.splits[0].unknown == 0.0
    assert "estimated" not in check.advice


def test_long_texts_of_a_model_from_scratch_are_estimated():
    """Beyond 200,000 characters it learns from a part, knows every letter all the same, and says so."""
    texts = [" ".join(_WORDS) + f" {number}" for number in range(700)]
    check = check_tokens({"train": rows_of([*texts, "ሰላም"])}, config_of("scratch:tiny"), Checks()).check
    assert check.advice.endswith("(estimated with a tokenizer learnt from a part of the texts)")
    assert check.splits[0].unknown == 0.0


def test_three_hundred_short_rows_cost_little():
    """Once libraries are loaded, 300 rows are counted in less than 0.3 s: hundreds of tests pay for it."""
    splits = small_splits()
    check_tokens(splits, config_of("scratch:tiny", 32), Checks())
    best = min(_seconds(lambda: check_tokens(splits, config_of("scratch:tiny", 32), Checks())) for _ in range(3))
    assert best < 0.3


def _seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


@pytest.mark.parametrize("offline", ["0", "1"], ids=["no network", "told to be offline"])
def test_a_hub_model_out_of_reach_is_a_note(offline, tmp_path, monkeypatch):
    """No retries for most of a minute, no failure: a note says why tokens were not counted."""
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens there
    start = time.monotonic()
    result = check_tokens(small_splits(), config_of("nobody/no-such-model"), Checks())
    assert time.monotonic() - start < 15
    assert result.check is None
    [note] = result.findings
    assert (note.rule, note.severity) == ("tokens_not_checked", "info")
    assert note.message.startswith("tokens were not counted: the model 'nobody/no-such-model' cannot be loaded: ")


def test_a_tokenizer_that_transformers_made_up_is_none(local, tmp_path):
    """A folder without tokenizer files has no tokens to count, whatever transformers makes up in their place."""
    (tmp_path / "config.json").write_text((local / "config.json").read_text())
    [note] = check_tokens(small_splits(), config_of(tmp_path), Checks()).findings
    assert note.rule == "tokens_not_checked"
    assert note.message.endswith("its tokenizer's files are missing")


def test_rules_that_are_off_cost_nothing(tmp_path):
    """With all rules on tokens off no tokenizer is looked for."""
    off = Checks(dict.fromkeys(("unknown_tokens", "tokens_per_word", "truncation"), "off"))
    result = check_tokens(small_splits(), config_of(tmp_path / "nothing"), off)
    assert (result.findings, result.check) == ([], None)


def test_a_sample_is_said_to_be_one(local):
    """Of a split too large to count whole a seeded sample is counted, and the finding says of how many rows."""
    splits = {"train": rows_of(["ሰላም guri"] * 20_500)}
    result = check_tokens(splits, config_of(local), Checks())
    assert found(result)["unknown_tokens"].message.endswith("in 20,000 rows (in a sample of 20,000 rows)")
    assert result.check.splits[0].rows == 20_000
    assert result == check_tokens(splits, config_of(local), Checks())


def test_batches_change_nothing():
    """Rows are cut into tokens a thousand at a time; the counts are those of one go."""
    reader = Reader("m", lambda batch: [[7] * len(text) for text in batch], 0, lambda number: number != 7)
    counted = count_tokens(reader, rows_of(["x" * (n % 5 + 1) for n in range(2300)]), "train")
    assert counted.lengths.tolist() == counted.unknown.tolist() == [n % 5 + 1 for n in range(2300)]


@pytest.mark.skipif(not _E5.is_dir(), reason="needs the multilingual-e5-small folder that ../shared/models builds")
@pytest.mark.slow
def test_a_real_tokenizer_knows_somali():
    """The tokenizer of multilingual-e5-small cuts Somali words into fewer than three tokens and knows all of them."""
    check = check_tokens(small_splits(), config_of(_E5, 128), Checks()).check
    assert check.splits[0].unknown == 0.0
    assert 1 < check.splits[0].tokens_per_word < 3
