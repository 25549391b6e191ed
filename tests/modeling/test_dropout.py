import pytest
import torch

from ml_run.modeling import dropout
from small_model import batch, small_model


def drop(values, rate):
    layer = torch.nn.Dropout(rate)
    dropout.use(layer)
    return layer(values)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_as_many_values_are_dropped_as_asked(rate, dtype):
    """Of a million values the share asked for becomes 0, the others grow so that the mean stays."""
    torch.manual_seed(0)
    found = drop(torch.ones(1000, 1001, dtype=dtype), rate)
    assert found.dtype == dtype
    assert float((found == 0).float().mean()) == pytest.approx(round(rate * 256) / 256, abs=0.001)
    assert float(found.max()) == pytest.approx(1 / (1 - rate), rel=0.01)
    assert float(found.float().mean()) == pytest.approx(1, abs=0.01)


def test_each_place_is_drawn_on_its_own():
    """Neighbours, and the eight values drawn in one number, are dropped independently; so are two draws."""
    torch.manual_seed(0)
    first, second = (dropout.dropped(torch.Size([400_000]), 0.5).float() for _ in range(2))
    for distance in range(1, 9):
        both = (first[:-distance] * first[distance:]).mean()
        assert float(both) == pytest.approx(0.25, abs=0.004)
    assert float((first * second).mean()) == pytest.approx(0.25, abs=0.004)
    assert [float(first[lane::8].mean()) for lane in range(8)] == pytest.approx([0.5] * 8, abs=0.009)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1023])
def test_any_number_of_values_can_be_drawn(size):
    """The numbers drawn hold eight values each; what is left over is cut off."""
    assert dropout.dropped(torch.Size([size]), 0.5).shape == (size,)


@pytest.mark.parametrize(("rate", "kept"), [(1.0, 0), (0.001, 64)])
def test_the_ends_of_the_scale(rate, kept):
    """All is dropped at 1, and a rate finer than 8 bits is rounded."""
    found = drop(torch.ones(64), rate)
    assert int((found == 1).sum()) == kept
    assert int((found == 0).sum()) == 64 - kept


def test_the_draws_follow_the_seed():
    """The same random state gives the same draws, so that a resumed training repeats them."""
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = dropout.dropped(torch.Size([999]), 0.3)
    torch.set_rng_state(state)
    assert torch.equal(dropout.dropped(torch.Size([999]), 0.3), first)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_gradient_goes_where_the_values_went(dtype):
    """What was dropped gets no gradient, what stayed gets its own, grown; also of values that lie across."""
    values = torch.randn(40, 30, dtype=dtype).t().requires_grad_()
    layer = torch.nn.Dropout(0.25)
    dropout.use(layer)
    out, weight = layer(values), torch.randn(30, 40, dtype=dtype)
    stayed = out != 0
    (gradient,) = torch.autograd.grad((out * weight).sum(), values)
    assert 0 < int(stayed.sum()) < stayed.numel()
    assert torch.allclose(out, stayed * values * 4 / 3, rtol=0.01)
    assert torch.allclose(gradient, stayed * weight * 4 / 3, rtol=0.01)


def test_a_model_drops_while_training_alone():
    """Two passes differ in training and agree in scoring; what was dropped gets no gradient."""
    model, plain = small_model(hidden=0.5), small_model(hidden=0.5)
    dropout.use(model)
    model.train()
    assert not torch.equal(model(**batch()).logits, model(**batch()).logits)
    assert torch.equal(model.eval()(**batch()).logits, plain.eval()(**batch()).logits)
    layer, values = torch.nn.Dropout(0.5), torch.ones(2, 50, requires_grad=True)
    dropout.use(layer)
    out = layer(values)
    out.sum().backward()
    assert torch.equal(values.grad, out.detach())


def test_what_is_saved_knows_nothing_of_it(tmp_path):
    """The weights and the config of a model with exchanged layers are those it has without."""
    model = small_model(hidden=0.5)
    names = list(model.state_dict())
    dropout.use(model)
    assert list(model.state_dict()) == names
    model.save_pretrained(tmp_path)
    assert '"hidden_dropout_prob": 0.5' in (tmp_path / "config.json").read_text()
