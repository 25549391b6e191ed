"""Small real tokenizers of each kind, with models of the architectures that use them, for tests of trimming."""

import json
import random
from functools import cache
from pathlib import Path

from conftest import make_rows

KINDS = ("unigram", "wordpiece", "byte_bpe", "character_bpe")
_ALPHABETS = {
    "Latin": "abcdefghijklmnopqrstuvwxyzéñõ",
    "Cyrillic": "абвгдежзиклмнопрстуфхцчшщыьэюя",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "Ethiopic": "ሀሁሂሃሄህለሉሊላሌልመሙሚማሜም",
}
_SIGNS = "0 1 2 3 4 5 6 7 8 9 . , ! ? ' - ( ) € ° €"
_ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
TEXTS = [row["text"] for row in make_rows(60)]
"""The corpus to trim to."""


@cache
def world() -> tuple[str, ...]:
    """What the tokenizers are learnt from: the corpus, made-up words in four scripts, their letters, and signs."""
    chance = random.Random(1)
    texts = list(TEXTS) + [_SIGNS] * 3
    for letters in _ALPHABETS.values():
        words = ["".join(chance.choices(letters, k=chance.randint(2, 7))) for _ in range(150)]
        texts += [" ".join(chance.choices(words, k=12)) for _ in range(120)]
        texts += [" ".join(letters), " ".join(letter * 2 for letter in letters)]
    return tuple(texts)


@cache
def tokenizer_of(kind: str):
    """A tokenizer of about 1,500 pieces, of the class that transformers has for models of this kind."""
    return {
        "unigram": _unigram,
        "wordpiece": _wordpiece,
        "byte_bpe": _byte_bpe,
        "character_bpe": _character_bpe,
    }[kind]()


def _unigram():
    """As XLM-R's: `<s> <pad> </s> <unk>` first and `<mask>` last."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import XLMRobertaTokenizer

    learnt = Tokenizer(models.Unigram())
    learnt.normalizer = normalizers.NFKC()
    learnt.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=1500, special_tokens=special, unk_token="<unk>", show_progress=False)
    learnt.train_from_iterator(world(), trainer)
    ordered = sorted(learnt.get_vocab().items(), key=lambda item: item[1])
    scores = dict(json.loads(learnt.to_str())["model"]["vocab"])
    vocabulary = [(piece, scores[piece]) for piece, _ in ordered] + [("<mask>", 0.0)]
    return XLMRobertaTokenizer(vocab=vocabulary, model_max_length=40)


def _wordpiece():
    """As BERT's: special tokens behind a hundred places kept free."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    special = ["[PAD]", *(f"[unused{number}]" for number in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learnt = BertWordPieceTokenizer(strip_accents=False)
    learnt.train_from_iterator(world(), vocab_size=1500, special_tokens=special, show_progress=False)
    return BertTokenizer(vocab=learnt.get_vocab(), strip_accents=False, model_max_length=40)


def _byte_bpe():
    """As RoBERTa's."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    learnt = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    learnt.train_from_iterator(world(), vocab_size=1500, special_tokens=special, show_progress=False)
    model = json.loads(learnt.to_str())["model"]
    return RobertaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], model_max_length=40)


def _character_bpe():
    """Of characters, with a mark at the end of a word, and its padding token far from the front."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    learnt = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    learnt.normalizer = normalizers.Lowercase()
    learnt.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<unk>", "<s>", "</s>"], end_of_word_suffix="</w>", show_progress=False
    )
    learnt.train_from_iterator(world(), trainer)
    learnt.add_special_tokens(["<pad>", "<mask>"])
    learnt.post_processor = processors.Sequence(
        [processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])]
    )
    return PreTrainedTokenizerFast(tokenizer_object=learnt, model_max_length=40, **_ROLES)


def model_of(kind: str, tokenizer=None, **config):
    """A classifier with random weights, of the architecture that goes with a kind; more rows than pieces, as e5 has."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = tokenizer or tokenizer_of(kind)
    architecture = {"unigram": "xlm-roberta", "wordpiece": "bert", "byte_bpe": "roberta", "character_bpe": "bert"}[kind]
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    named = {
        "vocab_size": len(tokenizer) + 7,
        "max_position_embeddings": 64,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "num_labels": 3,
    }
    settings = AutoConfig.for_model(architecture, **(shape | named | config))
    return AutoModelForSequenceClassification.from_config(settings).eval()


def write_model(folder: Path, kind: str) -> Path:
    """The folder of a base model, as `save_pretrained` writes it."""
    model_of(kind).save_pretrained(folder)
    tokenizer_of(kind).save_pretrained(folder)
    return folder
