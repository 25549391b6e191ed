"""What a model reads of a text: the one place that turns texts into windows of tokens, for training and for scoring.

A text that fits `model.max_length` is one window, its tokens as the tokenizer gives them. Of a longer one,
`model.long_text` decides. A trained model carries the setting in its config.json, as a key that transformers keeps and
does not look at, so that whoever scores needs nothing beside the folder.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

LongText = Literal["truncate", "head_tail", "windows"]
MOST_WINDOWS = 8
"""Windows of a text, at most, in training and in scoring; a text that would have more gets them spread evenly."""
OVERLAP = 0.25
"""Share of a window that the next one repeats, at least, where the text needs no more than `MOST_WINDOWS`."""
HEAD = 0.75
"""Share of the tokens that `head_tail` takes from the beginning of a text, the rest from its end.

After Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", who take a quarter (128 of 510). Three quarters
are for news, which says first what it is about, and for fewer tokens, of which a quarter is little.
"""
_KEY = "ml_run_long_text"
_TEXTS_AT_ONCE = 256  # the tokenizer's answer, lists of Python numbers, is nine times what is kept of it


def read(
    texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", long_text: LongText
) -> "Iterator[list[NDArray[np.int32]]]":
    """Turn each of `texts` into the windows that a model reads.

    Args:
        texts: any number of texts; an empty one is a window of special tokens.
        tokenizer: its `model_max_length` is the length of a window, special tokens included.
        long_text: what becomes of a text that is longer. `truncate`: its beginning; `head_tail`: its beginning and its
            end, in one window; `windows`: at most `MOST_WINDOWS` windows, all full, special tokens around each.

    Yields:
        For each text its windows, at least one, in the order of the text.
    """
    import numpy as np

    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        some = list(texts[start : start + _TEXTS_AT_ONCE])
        if long_text == "truncate":
            cut = tokenizer(some, truncation=True, max_length=tokenizer.model_max_length)
            yield from ([np.array(tokens, dtype=np.int32)] for tokens in cut["input_ids"])
            continue
        whole = tokenizer(some, truncation=False, return_special_tokens_mask=True, verbose=False)
        for tokens, special in zip(whole["input_ids"], whole["special_tokens_mask"], strict=True):
            yield _windows(np.array(tokens, dtype=np.int32), special, tokenizer.model_max_length, long_text)


def _windows(
    tokens: "NDArray[np.int32]", special: list[int], longest: int, long_text: LongText
) -> "list[NDArray[np.int32]]":
    import numpy as np

    if len(tokens) <= longest:
        return [tokens]
    # A special token that the text itself spells is not marked, and part of the text.
    before, after = special.index(0), special[::-1].index(0)
    first, text, last = np.split(tokens, [before, len(tokens) - after])
    room = longest - before - after
    if long_text == "head_tail":
        head = round(HEAD * room)
        return [np.concatenate([first, text[:head], text[len(text) - (room - head) :], last])]
    return [np.concatenate([first, text[start : start + room], last]) for start in starts(len(text), room)]


def starts(tokens: int, room: int) -> list[int]:
    """Where the windows of a text begin: the first at its first token, the last ends with its last, evenly between.

    Args:
        tokens: of the text, without special ones; more than `room`.
        room: tokens of the text in a window.
    """
    step = room - int(OVERLAP * room)
    gaps = min(-(-(tokens - room) // step), MOST_WINDOWS - 1)
    return [number * (tokens - room) // gaps for number in range(gaps + 1)]


def pool(logits: "torch.Tensor", counts: "torch.Tensor") -> "torch.Tensor":
    """Average the logits of the windows of each row, in float32.

    Args:
        logits: [windows, labels], the windows of a row together.
        counts: windows of each row, [rows].

    Returns:
        [rows, labels].
    """
    import torch

    return torch.stack([windows.mean(dim=0) for windows in torch.split(logits.float(), counts.tolist())])


def note(config: "PreTrainedConfig", long_text: LongText) -> None:
    """Write into the `config` of a model what it is trained to read of long texts."""
    if long_text != "truncate":
        setattr(config, _KEY, long_text)
    elif hasattr(config, _KEY):
        delattr(config, _KEY)


def noted(config: "PreTrainedConfig") -> LongText:
    """What the model of `config` reads of long texts; `truncate` where nobody noted anything.

    Raises:
        ValueError: it was trained to read them in a way that is not known here.
    """
    found: Any = getattr(config, _KEY, "truncate")
    if found not in get_args(LongText):
        raise ValueError(f"its config.json has {_KEY}: {found}, which this version of ml-run does not know")
    known: LongText = found
    return known


def told(long_text: LongText, longest: int) -> str:
    """What a model reads of a text, for people, to go on after "Tokens read of a text"."""
    if long_text == "head_tail":
        return f"at most {longest:,}; of a longer text three quarters of them from its beginning, the rest from its end"
    if long_text == "windows":
        return f"windows of {longest:,}, up to {MOST_WINDOWS} of them spread over all of it; their scores are averaged"
    return f"at most {longest:,}; the rest is not read"
