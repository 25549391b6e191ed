"""The pieces of a tokenizer, read from its own JSON: which ones a text needs, and the JSON with a part of them.

The JSON is that of the `tokenizers` library (`tokenizer.json`). Three kinds are known: Unigram (XLM-R, e5), WordPiece
(BERT) and BPE, of characters or of bytes (RoBERTa).
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from ml_run.quality.scripts import script_of

KINDS = ("Unigram", "WordPiece", "BPE")
_BLANK = "▁"
_STRAY = 0.001
"""Share of all letters below which a script is no script of the corpus: a name, a quotation."""


class Pieces:
    """The vocabulary of one tokenizer.

    Args:
        spec: its JSON; `model.type` is one of `KINDS`.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._model: Mapping[str, Any] = spec["model"]
        self._prefix = self._model.get("continuing_subword_prefix") or ""
        self._suffix = self._model.get("end_of_word_suffix") or ""
        around = str([spec.get("pre_tokenizer"), spec.get("normalizer")])
        self._bytes = _byte_of_symbol() if "'ByteLevel'" in around else {}

    @cached_property
    def names(self) -> dict[int, str]:
        """Every piece by its id, added tokens among them."""
        vocabulary = self._model["vocab"]
        if isinstance(vocabulary, list):
            names = {number: piece for number, (piece, _) in enumerate(vocabulary)}
        else:
            names = {number: piece for piece, number in vocabulary.items()}
        return names | {token["id"]: token["content"] for token in self._spec["added_tokens"]}

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of every piece."""
        return {piece: number for number, piece in self.names.items()}

    @cached_property
    def _texts(self) -> dict[int, str]:
        return {number: self._text(piece) for number, piece in self.names.items()}

    def always(self) -> set[int]:
        """Pieces without which the tokenizer would no longer do what it does: added, unknown, bytes, the last resort.

        A Unigram tokenizer charges an unknown character 10 more than its worst piece: without that piece it would
        charge less, and cut words beside unknown characters elsewhere.
        """
        kept = {token["id"] for token in self._spec["added_tokens"]}
        if self._model["type"] == "Unigram":
            scores = [score for _, score in self._model["vocab"]]
            kept.add(scores.index(min(scores)))
            kept |= {self._model["unk_id"]} - {None}
        else:
            kept |= self._known([self._model.get("unk_token")])
        if self._model.get("byte_fallback"):
            kept |= self._known(f"<0x{byte:02X}>" for byte in range(256))
        return kept | self._known(self._bytes)

    def spelling(self, counts: Mapping[int, int]) -> set[int]:
        """Pieces of one character that any text in the scripts of the corpus can be spelled with.

        All letters of its scripts, and whatever belongs to no other script: digits, punctuation, symbols.

        Args:
            counts: how often the corpus uses each piece, by id.
        """
        return {number for number in self.in_scripts(counts) if len(self._texts[number]) <= 1}

    def in_scripts(self, counts: Mapping[int, int]) -> set[int]:
        """Pieces without a character of another script than those of the corpus.

        A script is one of the corpus when one letter in a thousand belongs to it.

        Args:
            counts: how often the corpus uses each piece, by id.
        """
        letters: Counter[str] = Counter()
        for number, count in counts.items():
            for script in filter(None, map(_script, self._texts[number])):
                letters[script] += count
        used = {script for script, count in letters.items() if count >= _STRAY * letters.total()}
        characters = {character for text in self._texts.values() for character in text}
        others = {script for script in map(_script, characters) if script} - used
        foreign = {c for c in characters if (_script(c) or _named_script(c)) in others}
        return {number for number, text in self._texts.items() if foreign.isdisjoint(text)}

    def closed(self, kept: set[int]) -> set[int]:
        """`kept` and the pieces that its members are merged from, so that each of them can still be reached."""
        if self._model["type"] != "BPE":
            return set(kept)
        parts: dict[int, list[int]] = {}
        for left, right in self._model["merges"]:
            parts.setdefault(self.ids[self._merged(left, right)], []).extend((self.ids[left], self.ids[right]))
        found, new = set(kept), sorted(kept)
        while new:
            for part in parts.get(new.pop(), ()):
                if part not in found:
                    found.add(part)
                    new.append(part)
        return found

    def cut(self, new_ids: Mapping[int, int]) -> dict[str, Any]:
        """The JSON with the pieces in `new_ids` alone, under their new ids.

        Args:
            new_ids: old id → new id, in the same order and without gaps; closed, and holding all of `always`.
        """
        model = {**self._model, "vocab": self._cut_vocabulary(new_ids)}
        if model["type"] == "Unigram" and model["unk_id"] is not None:
            model["unk_id"] = new_ids[model["unk_id"]]
        if "merges" in model:
            model["merges"] = [pair for pair in model["merges"] if self._is_kept(pair, new_ids)]
        added = [{**token, "id": new_ids[token["id"]]} for token in self._spec["added_tokens"]]
        around = {"post_processor": _renumbered(self._spec.get("post_processor"), new_ids)}
        return {**self._spec, "model": model, "added_tokens": added, "truncation": None, "padding": None, **around}

    def _cut_vocabulary(self, new_ids: Mapping[int, int]) -> Any:
        vocabulary = self._model["vocab"]
        if isinstance(vocabulary, list):
            return [entry for number, entry in enumerate(vocabulary) if number in new_ids]
        return {piece: new_ids[number] for piece, number in vocabulary.items() if number in new_ids}

    def _is_kept(self, pair: list[str], new_ids: Mapping[int, int]) -> bool:
        return all(self.ids[piece] in new_ids for piece in (*pair, self._merged(*pair)))

    def _merged(self, left: str, right: str) -> str:
        return left + right.removeprefix(self._prefix)

    def _known(self, pieces: Iterable[str | None]) -> set[int]:
        return {self.ids[piece] for piece in pieces if piece is not None and piece in self.ids}

    def _text(self, piece: str) -> str:
        """What a piece stands for in a text, without the marks of where in a word it stands."""
        if self._bytes and all(symbol in self._bytes for symbol in piece):
            try:
                return bytes(self._bytes[symbol] for symbol in piece).decode("utf-8").removeprefix(" ")
            except UnicodeDecodeError:
                return piece  # a part of a character
        return piece.lstrip(_BLANK).removeprefix(self._prefix).removesuffix(self._suffix)


def _script(character: str) -> str | None:
    return script_of(character) if character.isalpha() else None


def _named_script(character: str) -> str:
    """The word that the Unicode name of a digit, mark or sign begins with: its script, if it has one."""
    return unicodedata.name(character, "").partition(" ")[0].partition("-")[0].capitalize()


def _renumbered(processor: Any, new_ids: Mapping[int, int]) -> Any:
    """A post-processor that adds the special tokens under their new ids."""
    if processor is None:
        return None
    kind = processor["type"]
    if kind == "Sequence":
        return {**processor, "processors": [_renumbered(inner, new_ids) for inner in processor["processors"]]}
    if kind == "TemplateProcessing":
        tokens = processor["special_tokens"]
        return {
            **processor,
            "special_tokens": {
                name: {**token, "ids": [new_ids[number] for number in token["ids"]]} for name, token in tokens.items()
            },
        }
    if kind in {"BertProcessing", "RobertaProcessing"}:
        return processor | {role: [processor[role][0], new_ids[processor[role][1]]] for role in ("cls", "sep")}
    return processor


def _byte_of_symbol() -> dict[str, int]:
    """The byte each symbol of a byte-level vocabulary stands for.

    Source: Radford et al. 2019, GPT-2's encoder: printable bytes stand for themselves, the others, in order, for 256
    and up.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(printable))
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
