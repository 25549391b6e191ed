"""Which pieces of a vocabulary belong together, seen in its JSON alone."""

import json
from collections import Counter

import pytest

from ml_run.modeling.pieces import Pieces
from vocabularies import KINDS, TEXTS, tokenizer_of


def spec_of(kind):
    tokenizer = tokenizer_of(kind)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return json.loads(tokenizer.backend_tokenizer.to_str())


def used_by(kind, texts):
    rows = tokenizer_of(kind)(list(texts), add_special_tokens=False)["input_ids"]
    return Counter(number for row in rows for number in row)


def cut(kind, texts):
    """The backend with what `texts` need, and the new id of each piece."""
    from tokenizers import Tokenizer

    pieces = Pieces(spec_of(kind))
    kept = pieces.closed(pieces.always() | set(used_by(kind, texts)))
    new_ids = {old: new for new, old in enumerate(sorted(kept))}
    return Tokenizer.from_str(json.dumps(pieces.cut(new_ids))), new_ids


@pytest.mark.parametrize("kind", KINDS)
def test_every_piece_has_one_name_and_one_id(kind):
    """Names and ids are those of the tokenizer itself, added tokens included."""
    pieces = Pieces(spec_of(kind))
    assert pieces.ids == tokenizer_of(kind).get_vocab()
    assert {number: piece for piece, number in pieces.ids.items()} == pieces.names


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_the_vocabulary_is_a_whole_tokenizer(kind):
    """Ids have no gap and keep their order; one word's pieces are found again under their new ids."""
    backend, new_ids = cut(kind, TEXTS[:1])
    assert sorted(backend.get_vocab().values()) == list(range(len(new_ids)))
    assert len(new_ids) < len(tokenizer_of(kind)) / 3
    old = tokenizer_of(kind)(TEXTS[0])["input_ids"]
    assert backend.encode(TEXTS[0]).ids == [new_ids[number] for number in old]


@pytest.mark.parametrize("kind", ["byte_bpe", "character_bpe"])
def test_what_a_bpe_piece_is_merged_from_stays(kind):
    """Each piece that is kept can be reached from single symbols, though no text uses those on the way."""
    spec = spec_of(kind)
    pieces = Pieces(spec)
    used = set(used_by(kind, TEXTS))
    closed = pieces.closed(used)
    assert closed > used
    made = {"".join(pair): [pieces.ids[part] for part in pair] for pair in spec["model"]["merges"]}
    for number in closed:
        assert closed.issuperset(made.get(pieces.names[number], ()))


def test_a_bpe_prefix_is_not_part_of_the_merged_piece():
    """BPE with a mark for what goes on in a word joins `a` and `##b` to `ab`."""
    model = {"type": "BPE", "continuing_subword_prefix": "##", "end_of_word_suffix": None, "unk_token": None}
    vocabulary = {piece: number for number, piece in enumerate(["a", "##b", "##c", "ab", "##bc", "x"])}
    spec = {"model": model | {"vocab": vocabulary, "merges": [["a", "##b"], ["##b", "##c"]]}, "added_tokens": []}
    pieces = Pieces(spec)
    assert pieces.closed({vocabulary["ab"]}) == {0, 1, 3}
    assert pieces.closed({vocabulary["##bc"]}) == {1, 2, 4}
    cut_to_ab = pieces.cut({0: 0, 1: 1, 3: 2})["model"]
    assert cut_to_ab["vocab"] == {"a": 0, "##b": 1, "ab": 2}
    assert cut_to_ab["merges"] == [["a", "##b"]]


def test_the_worst_piece_of_a_unigram_vocabulary_stays():
    """An unknown character costs 10 more than it: without it, `x` would become unknown to have the cheap `ab`."""
    from tokenizers import Tokenizer

    vocabulary = [["gone", -20.0], ["<unk>", 0.0], ["xa", -16.0], ["b", -15.0], ["ab", -3.0], ["rare", -50.0]]
    model = {"type": "Unigram", "unk_id": 1, "vocab": vocabulary, "byte_fallback": False}
    spec = {"version": "1.0", "model": model, "added_tokens": []}
    pieces = Pieces(spec)
    assert pieces.always() == {1, 5}
    cut_spec = pieces.cut({old: old - 1 for old in range(1, 6)})
    assert cut_spec["model"]["unk_id"] == 0
    cut_down = Tokenizer.from_str(json.dumps(cut_spec))
    assert cut_down.encode("xab").tokens == Tokenizer.from_str(json.dumps(spec)).encode("xab").tokens == ["xa", "b"]


def test_bytes_are_never_given_up():
    """A byte-level vocabulary keeps its 256 symbols, and one with bytes to fall back on its 256 byte pieces."""
    pieces = Pieces(spec_of("byte_bpe"))
    assert sum(len(pieces.names[number]) == 1 for number in pieces.always()) == 256
    vocabulary = [["<unk>", 0.0], *([f"<0x{byte:02X}>", -9.0] for byte in range(256)), ["a", -1.0], ["b", -2.0]]
    model = {"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": True}
    assert Pieces({"model": model, "added_tokens": []}).always() == set(range(257))


def test_letters_marks_and_digits_go_with_their_script_and_signs_with_all():
    """Of single characters, those of another script go; digits and signs that belong to none stay."""
    characters = [*"aéАяक़ा०٣ب1₂.,…€한漢カー", "▁", "▁a", "▁я", "▁ab", "ab", "яя"]
    model = {"type": "Unigram", "unk_id": None, "vocab": [[piece, -1.0] for piece in characters]}
    pieces = Pieces({"model": model, "added_tokens": []})

    def kept(*used, select=pieces.spelling):
        return {characters[number] for number in select({characters.index(piece): 5 for piece in used})}

    signs = {*"1₂.,…€", "▁"}
    assert kept("a") == signs | {"a", "é", "▁a"}
    assert kept("a", select=pieces.in_scripts) == signs | {"a", "é", "▁a", "ab", "▁ab"}
    assert kept("क") == signs | {*"क़ा०"}
    assert kept("a", "яя") == signs | {"a", "é", "▁a", "А", "я", "▁я"}
