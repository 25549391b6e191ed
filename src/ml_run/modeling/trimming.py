"""Vocabulary trimming: a pre-trained model without the pieces that its corpus never uses, before it is fine-tuned.

Most of a multilingual model is the table of its pieces' embeddings (XLM-R: 192 of 278 million parameters), of which a
corpus in one language uses a twentieth; gradients, optimizer and files are as large. Source: Abdaoui et al. 2020,
"Load What You Need"; here the pieces come from the corpus itself, and every text of it reads as before.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run.modeling.embeddings import EmbeddingTable
from ml_run.modeling.pieces import KINDS, Pieces
from ml_run.modeling.unlabelled import texts_in
from ml_run.wording import listed, percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LEAST_SAVED = 0.1
"""Share of all parameters below which the gain is not worth a vocabulary that fits this corpus alone."""
_MOST_UNSEEN = 0.02
"""Share of tokens that occur in one training text only, above which the texts are too few to know the vocabulary.

Measured with frozen e5-small and a linear head on Somali headlines (docs/training.md): 6 % cost .01 of macro-F1, 9 %
.03, 31 % .08.
"""
_TOKENIZER = "tokenizer.json"
_COMPARED = 100
_PROBE_TOKENS = 32
_LOGITS_TOLERANCE = 1e-5
_CHARACTERS_AT_ONCE = 1 << 20
_HIGHEST_FIXED = 256


class NotTrimmedError(Exception):
    """The model stays as it is; the message says why, to go on after a colon."""


@dataclass(frozen=True)
class Trimmed:
    """What became of the model and its tokenizer."""

    tokenizer: "PreTrainedTokenizerBase"
    before: int
    """Rows of the embedding table as the model came."""
    after: int
    unseen: float
    """Share of the training tokens whose piece occurs in no other text: what new texts need and the corpus lacks."""
    by_scripts: bool
    """The corpus is too small to know which pieces new texts need: all in its scripts are kept."""


@dataclass(frozen=True)
class _Counts:
    """How often a corpus uses each piece; arrays by id."""

    tokens: "NDArray[np.int64]"
    texts: "NDArray[np.int64]"


def trim_vocabulary(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    unlabelled: Path | None = None,
    *,
    always: bool = False,
) -> Trimmed:
    """Take the pieces that `texts` and `unlabelled` do not need out of `model`, in place, and out of its tokenizer.

    Kept are the special and added tokens, the pieces the texts are read as, all that any text in their scripts can be
    spelled with, and what a BPE tokenizer merges these from. So every one of the texts is read as the same pieces and
    gets the same logits; both are checked here before the model is given back. The same texts give the same pieces.

    Where the texts are too few to know which pieces new texts need, all pieces in their scripts are kept, and new texts
    read as before, too.

    Args:
        model: on the CPU, in evaluation mode.
        tokenizer: its own; it is not changed, but for truncation and padding, which every call sets anew.
        texts: the training split. Validation and test must not be among them: they stand for texts never seen.
        unlabelled: a text file, one text a line, see `unlabelled.texts_in`.
        always: also where little is saved, and to the pieces of the texts however few they are.

    Raises:
        NotTrimmedError: the model is as it was.
        NotReadyError: `unlabelled` cannot be read.
    """
    table = EmbeddingTable(model)
    if not table.is_alone:
        raise NotTrimmedError(f"more than its embedding table goes by the vocabulary ({type(model).__name__})")
    if not always:
        _check_saving(table, after=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = _read_pieces(tokenizer, model, folder)
        known = _count(tokenizer, texts, table.rows)
        more = _count(tokenizer, texts_in(unlabelled) if unlabelled else (), table.rows)
        unseen = _share_unseen(known, more)
        by_scripts = unseen > _MOST_UNSEEN and not always
        kept = _choose(pieces, known.tokens + more.tokens, table, by_scripts=by_scripts)
        if not always:
            _check_saving(table, after=len(kept))
        new_ids = {old: new for new, old in enumerate(kept)}
        trimmed = _rebuilt(tokenizer, pieces.cut(new_ids), folder)
    _check_pieces(tokenizer, trimmed, texts, new_ids)
    _swap(model, table, new_ids, (tokenizer, trimmed), texts)
    return Trimmed(trimmed, table.rows, len(kept), unseen, by_scripts)


# --- the tokenizer --------------------------------------------------------------------------------------------------


def _read_pieces(tokenizer: "PreTrainedTokenizerBase", model: "PreTrainedModel", folder: Path) -> Pieces:
    """Write the tokenizer into `folder` as the trained model's folder will hold it, and read its pieces from there."""
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise NotTrimmedError(f"its tokenizer is not one of the tokenizers library ({type(tokenizer).__name__})")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    model.config.save_pretrained(folder)  # AutoTokenizer asks it which class the tokenizer is of
    tokenizer.save_pretrained(folder)
    spec = json.loads((folder / _TOKENIZER).read_text("utf-8"))
    kind = spec["model"]["type"]
    if kind not in KINDS:
        raise NotTrimmedError(f"its tokenizer is of the kind {kind}; those trimmed are {listed(KINDS)}")
    return Pieces(spec)


def _rebuilt(tokenizer: "PreTrainedTokenizerBase", spec: Mapping[str, Any], folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of the trimmed JSON, as plain transformers loads it from a folder."""
    from transformers import AutoTokenizer

    (folder / _TOKENIZER).write_text(json.dumps(spec, ensure_ascii=False), "utf-8")
    settings = folder / "tokenizer_config.json"
    kept = json.loads(settings.read_text("utf-8"))
    kept.pop("added_tokens_decoder", None)  # repeats the JSON's added tokens under their old ids
    settings.write_text(json.dumps(kept), "utf-8")
    try:
        trimmed = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # every class of tokenizer fails in a way of its own
        name = type(tokenizer).__name__
        raise NotTrimmedError(f"its tokenizer ({name}) cannot be built from a part of its vocabulary") from error
    trimmed.name_or_path = trimmed.init_kwargs["name_or_path"] = tokenizer.name_or_path
    return trimmed


def _check_pieces(
    before: "PreTrainedTokenizerBase", after: "PreTrainedTokenizerBase", texts: Sequence[str], new_ids: dict[int, int]
) -> None:
    """Raise unless a sample of the texts, special tokens and all, is read as the same pieces."""
    sample = list(texts[:: max(1, len(texts) // _COMPARED)])
    old, new = (
        tokenizer(sample, truncation=True, max_length=before.model_max_length)["input_ids"]
        for tokenizer in (before, after)
    )
    if [[new_ids.get(number) for number in row] for row in old] != new:
        raise NotTrimmedError(f"its tokenizer ({type(before).__name__}) would read the texts otherwise")


# --- which pieces ---------------------------------------------------------------------------------------------------


def _count(tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str], rows: int) -> _Counts:
    """Count the pieces of whole texts, whatever the model reads of them."""
    import numpy as np

    size = max(rows, len(tokenizer))
    counts = _Counts(np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64))
    for batch in _batches(texts):
        encoded = tokenizer.backend_tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        ids = [np.asarray(row.ids, dtype=np.int64) for row in encoded]
        flat = np.concatenate(ids)
        text = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
        counts.tokens[:] += np.bincount(flat, minlength=size)
        counts.texts[:] += np.bincount(np.unique(text * size + flat) % size, minlength=size)
    return counts


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= _CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _share_unseen(known: _Counts, more: _Counts) -> float:
    """Share of the tokens of one text that no other text has, on average over the texts, weighted by their length.

    What leaving each text out in turn would find: an estimate for texts that are yet to come.
    """
    alone = (known.texts == 1) & (more.texts == 0)
    return float(known.tokens[alone].sum() / max(known.tokens.sum(), 1))


def _choose(pieces: Pieces, tokens: "NDArray[np.int64]", table: EmbeddingTable, *, by_scripts: bool) -> list[int]:
    """The old ids of the pieces to keep, rising."""
    used = {int(number): int(tokens[number]) for number in tokens.nonzero()[0]}
    others = pieces.in_scripts(used) if by_scripts else pieces.spelling(used)
    kept = pieces.closed(pieces.always() | set(used) | others | table.named_ids & pieces.names.keys())
    padding = table.padding
    if padding is not None and table.counts_from_padding:
        if padding > _HIGHEST_FIXED:
            raise NotTrimmedError(f"its positions are counted from its padding token's id, {padding:,}")
        kept |= {number for number in pieces.names if number <= padding}
    if max(kept) >= table.rows:
        raise NotTrimmedError(f"its tokenizer has pieces beyond the {table.rows:,} rows of its embedding table")
    return sorted(kept)


def _check_saving(table: EmbeddingTable, *, after: int) -> None:
    saved = table.share * (1 - after / table.rows)
    if saved < _LEAST_SAVED:
        raise NotTrimmedError(f"trimming would save {percent(saved)} of its parameters only")


# --- the model ------------------------------------------------------------------------------------------------------


def _swap(
    model: "PreTrainedModel",
    table: EmbeddingTable,
    new_ids: dict[int, int],
    tokenizers: tuple["PreTrainedTokenizerBase", "PreTrainedTokenizerBase"],
    texts: Sequence[str],
) -> None:
    """Cut the embedding table; put it back and raise where any logit is no longer what it was."""
    before = _logits(model, tokenizers[0], texts)
    table.cut(new_ids)
    if (before - _logits(model, tokenizers[1], texts)).abs().max() > _LOGITS_TOLERANCE:
        table.put_back()
        raise NotTrimmedError(f"its logits would change ({type(model).__name__})")


def _logits(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> Any:
    import torch

    length = min(_PROBE_TOKENS, tokenizer.model_max_length // 2)
    encoded = tokenizer(list(texts[:1]), truncation=True, max_length=length)["input_ids"]
    padded: dict[str, Any] = {"padding": "max_length", "max_length": 2 * length, "return_tensors": "pt"}
    with torch.inference_mode():
        return model(**tokenizer.pad({"input_ids": encoded}, **padded)).logits
