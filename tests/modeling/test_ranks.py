import pytest
import torch

from ml_run.modeling.batches import Padding
from ml_run.modeling.ranks import ALONE, Ranks, current
from ml_run.modeling.trainer import loss_function

ROWS = [{"input_ids": [[0] * length], "labels": length % 3} for length in (9, 8, 7, 5, 4)]


def test_shares_are_the_batch():
    """Every row of a batch goes to one process, and rows sorted by length make parts of like length."""
    parts = [Ranks(number, 2).share(ROWS) for number in range(2)]
    assert [[len(row["input_ids"][0]) for row in part] for part in parts] == [[9, 7, 4], [8, 5, 9]]
    assert [row["labels"] for row in parts[1]] == [2, 2, -100]
    assert ALONE.share(ROWS) == ROWS


def test_a_share_of_no_row():
    """A process that no row is left for takes one whose label counts nowhere, and the batch's own row stays."""
    row = {"input_ids": [[5, 6, 7]], "labels": 2}
    share = Ranks(1, 2).share([row])
    assert share == [{"input_ids": [[5, 6, 7]], "labels": -100}]
    assert row["labels"] == 2
    labels = Padding(pad_id=1, longest=8, accelerated=False)(share)["labels"]
    logits = torch.tensor([[0.1, 0.2, 0.3]], requires_grad=True)
    for weights in (None, (1.0, 2.0, 3.0)):
        loss = loss_function(weights)(type("Out", (), {"logits": logits}), labels, num_items_in_batch=1)
        loss.backward()
        assert loss.item() == 0
        assert logits.grad.abs().sum() == 0


def test_a_process_alone_asks_nobody():
    """One process decides by itself, and finds itself to be the first."""
    assert current() is ALONE
    assert ALONE.first
    assert ALONE.any(True, False) == (True, False)
    assert ALONE.total(1.5) == 1.5
    assert ALONE.decided(lambda: "here") == "here"
    assert ALONE.collected(b"state") == [b"state"]
    ALONE.meet()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_first_is_one(number):
    """One of several processes writes and tells."""
    assert Ranks(number, 3).first == (number == 0)
