"""Texts as the model's tokenizer cuts them: how many tokens a row has, and how many of them it does not know."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ml_run.config.names import SCRATCH_PREFIX
from ml_run.events import emit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from ml_run.config import ModelConfig
    from ml_run.quality.rows import Row

_BATCH = 1_000
_LEARNT_FROM = 200_000
"""Characters from which a tokenizer of a model from scratch is learnt here: 0.3 s; training learns from all."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_NO_LIMIT = 1_000_000

Encode = Callable[[list[str]], list[list[int]]]


@dataclass(frozen=True)
class Reader:
    """A tokenizer, as far as counting needs it."""

    name: str
    """As it is called in findings."""
    encode: Encode
    """Ids of each text, uncut, special tokens included."""
    special: int
    """Special tokens of each text."""
    knows: Callable[[int], bool]
    """False for an id that stands for what the tokenizer does not know: <unk>, or a byte of a character."""
    longest: int | None = None
    """Most tokens the model reads, where its tokenizer says so."""
    made_for_words: bool = True
    """False where many tokens a word are no fault: it reads characters or bytes by design, or learns from the texts."""
    estimate: bool = False
    """True where training will learn a tokenizer from more texts than this one saw."""


@dataclass(frozen=True)
class Counted:
    """The rows looked at; all arrays [n], in their order."""

    rows: list[Row]
    lengths: NDArray[np.int64]
    """Tokens, special tokens included, uncut."""
    unknown: NDArray[np.int64]
    """Tokens that are unknown."""
    words: NDArray[np.int64]
    """Words, by blanks."""

    def by_label(self) -> dict[str, Counted]:
        """The rows of each class, classes by name."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(self.rows):
            places[row.label].append(place)
        return {
            label: Counted([self.rows[i] for i in found], self.lengths[found], self.unknown[found], self.words[found])
            for label, found in sorted(places.items())
        }


def count_tokens(reader: Reader, rows: Sequence[Row], split: str) -> Counted:
    """Cut the texts of `rows` into tokens and count them; tells its progress."""
    import numpy as np

    knows = cache(reader.knows)
    lengths: list[int] = []
    unknown: list[int] = []
    for start in range(0, len(rows), _BATCH):
        encoded = reader.encode([row.text for row in rows[start : start + _BATCH]])
        lengths += map(len, encoded)
        lost = {number for number in set().union(*encoded) if not knows(number)}
        unknown += [sum(number in lost for number in ids) if lost else 0 for ids in encoded]
        if len(rows) > _BATCH:
            done = min(start + _BATCH, len(rows))
            emit("progress", f"counting tokens of {split}", stage="data", done=done, total=len(rows))
    words = [len(row.text.split()) for row in rows]
    return Counted(list(rows), np.array(lengths, int), np.array(unknown, int), np.array(words, int))


def load_reader(config: ModelConfig, train: Sequence[Row]) -> Reader:
    """The tokenizer that training will use; for a model from scratch the one it will learn, or an estimate of it.

    Args:
        config: the config's `model` section.
        train: training rows.

    Raises:
        UsageError: the tokenizer cannot be had.
    """
    if config.name.startswith(SCRATCH_PREFIX):
        return _scratch_reader(config, train)
    from ml_run.modeling.loading import load_tokenizer
    from ml_run.modeling.scoring import quiet_libraries

    with quiet_libraries():
        return reader_of(config.name, load_tokenizer(config))


def _scratch_reader(config: ModelConfig, train: Sequence[Row]) -> Reader:
    from ml_run.modeling.scratch import SHAPES, learn_pieces

    texts: list[str] = []
    left = _LEARNT_FROM
    for row in train:
        left -= len(row.text)
        if left < 0 and texts:
            break
        texts.append(row.text[:_LEARNT_FROM])
    whole = len(texts) == len(train)
    # Training keeps every character it sees, so none of them may be unknown here.
    alphabet = [] if whole else [" ".join(sorted(set().union(*(row.text for row in train))))]
    tokenizer = learn_pieces(texts + alphabet, SHAPES[config.name].pieces)
    unknown = tokenizer.token_to_id("<unk>")

    def encode(batch: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(batch)]

    return Reader(
        config.name,
        encode,
        tokenizer.num_special_tokens_to_add(is_pair=False),
        lambda number: number != unknown,
        made_for_words=False,
        estimate=not whole,
    )


def reader_of(name: str, tokenizer: PreTrainedTokenizerBase) -> Reader:
    """A tokenizer of transformers, as far as counting needs it; `name` is what it is called in findings."""

    def encode(batch: list[str]) -> list[list[int]]:
        wanted = {"return_attention_mask": False, "return_token_type_ids": False}
        encoded: list[list[int]] = tokenizer(batch, truncation=False, verbose=False, **wanted)["input_ids"]
        return encoded

    stated = tokenizer.model_max_length
    return Reader(
        name,
        encode,
        tokenizer.num_special_tokens_to_add(pair=False),
        _knowledge(tokenizer),
        longest=int(stated) if stated < _NO_LIMIT else None,
        made_for_words=tokenizer.is_fast,
    )


def _knowledge(tokenizer: PreTrainedTokenizerBase) -> Callable[[int], bool]:
    """Which ids stand for something known.

    Tokenizers that fall back to bytes have no unknown token: there a character is unknown that is cut into its bytes.
    """
    unknown = tokenizer.unk_token_id
    bytewise = tokenizer.is_fast and "ByteLevel" in repr(tokenizer.backend_tokenizer.decoder)
    special = set(tokenizer.all_special_ids) - {unknown}

    def knows(number: int) -> bool:
        if number == unknown:
            return False
        if not tokenizer.is_fast or number in special:
            return True
        piece = str(tokenizer.convert_ids_to_tokens(number))
        return _whole_characters(piece) if bytewise else not _BYTE.fullmatch(piece)

    return knows


def _whole_characters(piece: str) -> bool:
    """True when a piece of a byte-level vocabulary, in which each character stands for a byte, is valid UTF-8."""
    try:
        bytes(_bytes_by_character()[character] for character in piece).decode("utf-8")
    except UnicodeDecodeError:
        return False
    except KeyError:  # an added token, written as it is
        return True
    return True


@cache
def _bytes_by_character() -> dict[str, int]:
    """GPT-2's writing of bytes: printable Latin-1 as itself, the others in order from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(0x100) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + place): byte for place, byte in enumerate(rest)}
