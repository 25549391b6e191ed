import numpy as np
import pytest
import torch

from ml_run.modeling import scratch, windows
from ml_run.modeling.batches import EncodedRows, LengthGroupedOrder, Padding, halves, portions


def rows_of(*lengths):
    """A row for each of `lengths`; a tuple is a row of several windows."""
    windows = [n if isinstance(n, tuple) else (n,) for n in lengths]
    return [{"input_ids": [np.arange(5, 5 + n, dtype=np.int32) for n in row], "labels": sum(row)} for row in windows]


def test_rows_come_back_as_they_were_encoded():
    """The flat store of tokens gives each row its own."""
    texts = ["guri", "guri biyo dadka", "", "suuq maanta"]
    tokenizer = scratch.train_tokenizer(texts, pieces=300, max_length=8)
    rows = EncodedRows(texts, [0, 1, 2, 0], tokenizer)
    assert len(rows) == 4
    stored = [[window.tolist() for window in rows[i]["input_ids"]] for i in range(4)]
    assert stored == [[tokens] for tokens in tokenizer(texts, truncation=True, max_length=8)["input_ids"]]
    assert [rows[i]["labels"] for i in range(4)] == [0, 1, 2, 0]


def test_a_row_of_several_windows_comes_back_as_they_were_read():
    """The windows of a long text stay together and in order; its length is that of all of them."""
    texts = ["guri", "guri biyo dadka suuq maanta wadan", "suuq"]
    tokenizer = scratch.train_tokenizer(texts, pieces=300, max_length=8)
    rows = EncodedRows(texts, [0, 1, 2], tokenizer, "windows")
    read = [[window.tolist() for window in row] for row in windows.read(texts, tokenizer, "windows")]
    assert [[window.tolist() for window in rows[i]["input_ids"]] for i in range(3)] == read
    assert [len(row) > 1 for row in read] == [False, True, False]
    assert rows.lengths == [sum(map(len, row)) for row in read]


def test_a_batch_is_what_the_tokenizer_would_pad():
    """Tokens, mask and labels are those of the library's own padding, longest row first."""
    texts = ["guri", "guri biyo dadka", "suuq maanta"]
    tokenizer = scratch.train_tokenizer(texts, pieces=300, max_length=40)
    rows = EncodedRows(texts, [0, 1, 2], tokenizer)
    batch = Padding(tokenizer.pad_token_id, 40, accelerated=False)([rows[i] for i in range(3)])
    order = sorted(range(3), key=lambda i: -rows.lengths[i])
    expected = tokenizer([texts[i] for i in order], padding=True, pad_to_multiple_of=2, return_tensors="pt")
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    assert batch["labels"].tolist() == order
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    assert next(iter(batch)) == "labels"  # by the first of them the Trainer counts the rows it has scored


def test_a_batch_of_windows_knows_whose_they_are():
    """The windows of a row stand together, longest row first; rows of one window are told from those of several."""
    batch = Padding(1, 64, accelerated=False)(rows_of(3, (8, 8, 8), (8, 8)))
    assert set(batch) == {"labels", "input_ids", "attention_mask", "windows"}
    assert batch["windows"].tolist() == [3, 2, 1]
    assert batch["labels"].tolist() == [24, 16, 3]
    assert batch["attention_mask"].sum(dim=1).tolist() == [8, 8, 8, 8, 8, 3]
    assert batch["input_ids"].shape == (6, 8)


@pytest.mark.parametrize(
    ("accelerated", "longest", "width"),
    [
        (False, 21, 22),
        (False, 22, 22),
        (True, 21, 24),
        (True, 24, 24),
        (True, 509, 510),
        (False, 509, 510),
        (True, 1, 8),
    ],
)
def test_widths_are_rounded_up_but_never_beyond_what_the_model_reads(accelerated, longest, width):
    """Widths are even on a CPU, divisible by 8 on an accelerator, and at most what the model has room for: 510."""
    batch = Padding(1, 510, accelerated=accelerated)(rows_of(longest, 1))
    assert batch["input_ids"].shape == (2, width)
    assert batch["attention_mask"].sum(dim=1).tolist() == [longest, 1]
    assert (batch["input_ids"][0, longest:] == 1).all()


def test_a_model_without_a_stated_limit_is_padded_all_the_same():
    """A row that is longer than the tokenizer's limit, as a caller may hand in, is not cut here."""
    assert Padding(1, 4, accelerated=False)(rows_of(9))["input_ids"].shape == (1, 9)


@pytest.mark.parametrize(("most", "sizes"), [(50, [5]), (1000, [5]), (40, [4, 1]), (20, [2, 2, 1]), (3, [1] * 5)])
def test_portions_hold_as_many_rows_as_their_tokens_allow(most, sizes):
    """No portion holds more tokens than allowed, unless a single row does; together they are the batch."""
    batch = Padding(1, 64, accelerated=False)(rows_of(10, 9, 8, 7, 3))
    parts = list(portions(batch, most))
    assert [len(part["labels"]) for part in parts] == sizes
    for name, values in batch.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), values)


@pytest.mark.parametrize(("most", "sizes"), [(1000, [4]), (40, [1, 3]), (39, [1, 2, 1]), (24, [1, 1, 2]), (1, [1] * 4)])
def test_no_portion_divides_the_windows_of_a_row(most, sizes):
    """The loss is on what all windows of a row say together, so they are held together, however many they are."""
    batch = Padding(1, 64, accelerated=False)(rows_of((8, 8, 8, 8), (8, 8, 8), (8,), (5,)))
    parts = list(portions(batch, most))
    assert [len(part["labels"]) for part in parts] == sizes
    assert all(len(part["input_ids"]) == part["windows"].sum() for part in parts)
    for name, values in batch.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), values)


@pytest.mark.parametrize(
    ("rows", "shapes"),
    [
        ([10], [(1, 10)]),
        ([8, 8, 8, 8], [(2, 8), (2, 8)]),
        ([12, 6, 4, 3, 3], [(1, 12), (4, 6)]),
        ([9, 2], [(1, 10), (1, 2)]),
        ([(6, 6, 3), 5, 4], [(3, 6), (2, 6)]),
        ([(3, 3), 5, 5, 5], [(2, 4), (3, 6)]),
    ],
)
def test_halves_hold_all_rows_and_little_padding(rows, shapes):
    """Every token comes with its row's label and mask; neither half is wider than its longest window, made even."""
    batch = Padding(pad_id=1, longest=512, accelerated=False)(rows_of(*rows))
    parts = halves(batch)
    assert [tuple(part["input_ids"].shape) for part in parts] == shapes
    assert torch.cat([part["labels"] for part in parts]).tolist() == batch["labels"].tolist()
    for name in ("input_ids", "attention_mask"):
        found = torch.cat([part[name].flatten()[part["attention_mask"].flatten() == 1] for part in parts])
        assert torch.equal(found, batch[name][batch["attention_mask"] == 1])
    if "windows" in batch:
        assert torch.cat([part["windows"] for part in parts]).tolist() == batch["windows"].tolist()


def test_the_order_of_rows_follows_seed_and_epoch_alone():
    """A resumed run sees the batches of the run it resumes, whatever the global random state."""
    lengths = [number % 7 for number in range(100)]

    def order(seed, epoch):
        made = LengthGroupedOrder(lengths, 4, seed)
        made.epoch = epoch
        torch.rand(3)
        return list(made)

    assert order(1, 0) == order(1, 0)
    assert sorted(order(1, 0)) == list(range(100))
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1, 2)}) == 6


def test_headlines_lose_little_to_padding():
    """Rows of like length come together: of lengths spread as headlines are, less than 8 % of a batch is padding."""
    lengths = np.clip(np.random.default_rng(0).normal(22, 5, 1000), 8, 39).astype(int).tolist()
    order, padding = LengthGroupedOrder(lengths, 16, 1), Padding(1, 128, accelerated=False)
    drawn = list(order)
    batches = [[lengths[row] for row in drawn[start : start + 16]] for start in range(0, len(drawn), 16)]
    held = sum(len(batch) * padding.width(max(batch)) for batch in batches)
    assert 1 - sum(lengths) / held < 0.08
