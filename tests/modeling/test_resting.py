import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BartConfig, BartForSequenceClassification

from conftest import LABELS, make_rows
from ml_run.config import ModelConfig, TrainingConfig
from ml_run.interruption import Interruption
from ml_run.modeling import resting, trainer
from ml_run.modeling.batches import EncodedRows
from ml_run.modeling.checkpoints import Note
from ml_run.modeling.loading import load_base
from ml_run.results import Compute
from small_model import SHAPE, batch, small_model

READ = np.unique(batch()["input_ids"])
TABLE = "roberta.embeddings.word_embeddings.weight"
STEPS, RATE, DECAY = 5, 0.01, 0.1


def trained(model, rate=RATE):
    """`model` after some steps of AdamW with weight decay, not clipped: a norm is rounded by the way it is summed."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=DECAY, fused=True)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(**batch()).logits.pow(2).sum().backward()
        optimizer.step()
    return model.eval()


def rested(model, read=READ):
    table = resting.use(model, read)
    table.decayed = lambda: (1 - RATE * DECAY) ** STEPS
    return model


def test_it_learns_what_the_whole_table_learns():
    """After steps of AdamW, all that training read is the same to the bit, and what rested has the same decay."""
    whole, ours = trained(small_model(0.0)).state_dict(), trained(rested(small_model(0.0))).state_dict()
    assert list(ours) == list(whole)
    assert len(READ) < len(whole[TABLE])
    assert torch.equal(ours[TABLE][READ], whole[TABLE][READ])
    assert torch.allclose(ours[TABLE], whole[TABLE], rtol=1e-6, atol=0)
    assert all(torch.equal(ours[name], whole[name]) for name in whole if name != TABLE)


def test_only_what_is_read_is_trained():
    """One parameter stands in the table's place, under its name, of the rows that training reads and padding."""
    model = small_model()
    table = resting.use(model, READ[READ != 1])
    named = dict(model.named_parameters())
    assert named[TABLE] is table.weight
    assert table.weight.shape == (len(READ), SHAPE["hidden_size"])
    assert table.num_embeddings == SHAPE["vocab_size"]
    assert repr(table) == f"RestingEmbedding(50, 32, in training {len(READ)})"


def test_scores_know_every_piece():
    """While scoring, pieces that training never reads have their vectors, decayed; in training they are refused."""
    model = rested(small_model(0.0))
    never = torch.tensor([[0, *sorted({*range(5, 50)} - {*READ.tolist()})[:3], 2]])
    plain = small_model(0.0).eval()
    with torch.no_grad():
        table = plain.get_input_embeddings().weight
        table *= torch.tensor([1.0 if row in READ else (1 - RATE * DECAY) ** STEPS for row in range(50)]).unsqueeze(1)
        assert torch.allclose(model.eval()(input_ids=never).logits, plain(input_ids=never).logits, atol=1e-6)
    with pytest.raises(IndexError):
        model.train()(input_ids=never)


def test_what_is_saved_is_an_ordinary_model(tmp_path):
    """A saved model loads with plain transformers, gives the same logits, and can be loaded back into training."""
    model = trained(rested(small_model(0.0)))
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(again(**batch()).logits, model(**batch()).logits)
    fresh = rested(small_model(0.0))
    assert fresh.load_state_dict(load_file(tmp_path / "model.safetensors")).missing_keys == []
    assert torch.equal(fresh.state_dict()[TABLE], model.state_dict()[TABLE])


def test_a_padding_row_that_does_not_learn_does_not_learn_here_either():
    """The padding piece gets no gradient where the model keeps its row still."""
    model = small_model(0.0).train()
    table = resting.use(model, READ)
    assert model.get_input_embeddings().padding_idx == list(READ).index(1)
    model(**batch()).logits.sum().backward()
    assert not table.weight.grad[table.padding_idx].any()
    assert table.weight.grad.any()


def test_tables_that_are_used_otherwise_are_left_alone():
    """A table that two modules share, that does not learn or has a limit of its own is not exchanged."""
    assert resting.can_rest(small_model())
    shape = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 8, "vocab_size": 20, "max_position_embeddings": 9}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    assert not resting.can_rest(BartForSequenceClassification(BartConfig(**shape, **heads)))
    frozen, limited = small_model(), small_model()
    frozen.get_input_embeddings().weight.requires_grad_(requires_grad=False)
    limited.get_input_embeddings().max_norm = 1.0
    assert not resting.can_rest(frozen)
    assert not resting.can_rest(limited)


def build(folder, embeddings, **training):
    rows = make_rows(24)
    note = Compute(
        precision="float32", why="", attention_dropout=True, allocator="system", threads=1, embeddings=embeddings
    )
    texts = [row["text"] for row in rows]
    config = TrainingConfig(epochs=2, batch_size=8, weight_decay=0.5, **training)
    base = load_base(ModelConfig(name="scratch:tiny", max_length=80), LABELS, texts, 42)
    train, val = (
        EncodedRows(texts[some], [LABELS.index(row["label"]) for row in rows[some]], base.tokenizer)
        for some in (slice(6), slice(24))
    )
    carried = Note(
        inputs="", seconds=0, base_revision=None, device="cpu", class_weights=None, peak_memory_mb=None, compute=note
    )
    return trainer.build_trainer(base, train, val, config, folder=folder, note=carried, interruption=Interruption())


def test_a_training_ends_with_the_same_model(tmp_path):
    """A training on six rows, scored on all: scores and the last checkpoint are those of the whole table."""
    found = {}
    for embeddings in ("whole", "read"):
        job = build(tmp_path / embeddings, embeddings)
        job.train()
        last = tmp_path / embeddings / f"checkpoint-{job.state.max_steps}"
        optimizer = torch.load(last / "optimizer.pt")
        held = sum(state["exp_avg"].numel() for state in optimizer["state"].values())
        found[embeddings] = load_file(last / "model.safetensors"), job.state.log_history[-2], held
    (whole, scores, all_), (ours, our_scores, held) = found.values()
    assert held < all_
    assert our_scores["eval_log_loss"] == pytest.approx(scores["eval_log_loss"], rel=1e-5)
    for name, weights in whole.items():
        assert torch.allclose(ours[name], weights, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("layer_decay", [1, 0.5])
def test_the_decay_is_that_of_all_steps(tmp_path, layer_decay):
    """What rests shrinks by its learning rate times weight decay in each step, by the schedule of the training."""
    job = build(tmp_path, "read", layer_decay=layer_decay)
    job.train()
    rates = [entry["learning_rate"] for entry in job.state.log_history if "learning_rate" in entry]
    table = job.model.get_input_embeddings()
    assert job.state.max_steps == len(rates) == 2
    assert 0 < table.decayed() < 1
    slower = layer_decay ** (job.model.config.num_hidden_layers + 1)
    assert table.decayed() == pytest.approx(math.prod(1 - 0.5 * slower * rate for rate in rates), abs=1e-9)
