import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from ml_run.modeling import used_pieces
from small_model import batch, small_model

PIECES = np.unique(batch()["input_ids"].numpy())[:-8]  # some 20 of 50


def few():
    values = batch()
    values["input_ids"] = values["input_ids"].clamp(max=int(PIECES[-1]))
    return values


def trained(model, steps=4, decay=0.0):
    torch.manual_seed(1)
    trainable = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2, weight_decay=decay, fused=True)
    model.train()
    for _ in range(steps):
        loss = model(**few()).logits.pow(2).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def table(model):
    return model.get_input_embeddings()


def test_the_model_learns_what_it_would_have_learnt():
    """Without weight decay, training the used pieces alone gives the same weights to the bit, under the same names."""
    whole, part = trained(small_model()), small_model()
    assert used_pieces.train_only(part, PIECES)
    trained(part)
    expected, found = whole.state_dict(), part.state_dict()
    assert list(expected) == list(found)
    assert all(torch.equal(found[name], weights) for name, weights in expected.items())
    assert not torch.equal(table(part).weight, table(small_model()).weight)


def test_pieces_that_no_text_uses_stay_as_they_were():
    """Weight decay shrinks what is trained, and nothing else."""
    part = small_model()
    used_pieces.train_only(part, PIECES)
    after = trained(part, decay=0.1).state_dict()["roberta.embeddings.word_embeddings.weight"]
    before = table(small_model()).weight
    unused = np.setdiff1d(np.arange(50), [*PIECES, 1])
    assert torch.equal(after[unused], before[unused])
    assert not torch.equal(after[PIECES], before[PIECES])


def test_a_saved_model_is_whole(tmp_path):
    """The folder that is saved in the middle of a training loads anywhere and answers as the model does."""
    part = small_model()
    used_pieces.train_only(part, PIECES)
    trained(part).save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(again.eval()(**few()).logits, part.eval()(**few()).logits)


def test_a_loaded_state_is_taken_up():
    """A model that goes on from a saved state trains on what was learnt, and no key is reported missing."""
    first, second = small_model(), small_model()
    for model in (first, second):
        used_pieces.train_only(model, PIECES)
    found = second.load_state_dict(trained(first).state_dict(), strict=False)
    assert found.missing_keys == found.unexpected_keys == []
    assert torch.equal(table(second).used_pieces, table(first).used_pieces)


def test_the_optimizer_sees_the_used_pieces_alone():
    """No gradient, and so no moments, for the table; one row for each piece in use and for the padding."""
    part = small_model()
    used_pieces.train_only(part, PIECES)
    part(**few()).logits.sum().backward()
    assert table(part).weight.grad is None
    assert table(part).used_pieces.grad.shape == (len(PIECES) + (1 not in PIECES), 32)
    assert not table(part).used_pieces.grad[int(table(part).used_pieces_places[1])].any()


def test_a_table_that_is_used_is_left_alone():
    """Where most pieces occur, as in a vocabulary learnt from the texts, there is nothing to spare."""
    model = small_model()
    assert not used_pieces.train_only(model, np.arange(30))
    assert table(model).weight.requires_grad
    assert "used_pieces" not in dict(table(model).named_parameters())


def test_a_shared_table_is_left_alone():
    """A table that another layer uses as well is trained as a whole."""
    model = small_model()
    model.output = torch.nn.Linear(32, 50, bias=False)
    model.output.weight = table(model).weight
    assert not used_pieces.train_only(model, PIECES)


def test_a_piece_that_was_not_announced_is_an_error():
    """A text with a piece outside of those announced is refused, not read as another piece."""
    part = small_model()
    used_pieces.train_only(part, PIECES)
    with pytest.raises(IndexError):
        part(input_ids=torch.tensor([[49]]))
