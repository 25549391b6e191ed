import pytest
import torch
from transformers import AutoModelForSequenceClassification

from ml_run.modeling import attention
from ml_run.modeling.dropout import dropped
from small_model import SHAPE, batch, small_model


def gradients(model, *, bf16, **values):
    model.train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logits = model(**values).logits.float()
    logits.pow(2).sum().backward()
    return logits.detach(), {
        name: weights.grad for name, weights in model.named_parameters() if weights.grad is not None
    }


@pytest.mark.parametrize("masked", [False, True])
def test_products_are_attention(masked):
    """In float64, the three products give what torch's own attention gives, and so do their gradients."""
    query, key, value = (torch.randn(2, 4, 6, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[1, :, :, 4:] = not masked
    ours = attention.by_products(query, key, value, mask if masked else None, scale=8**-0.5, dropout=0.0)
    theirs = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)
    assert torch.allclose(ours, theirs)
    weight = torch.randn_like(ours)
    for mine, other in zip(
        torch.autograd.grad((ours * weight).sum(), (query, key, value)),
        torch.autograd.grad((theirs * weight).sum(), (query, key, value)),
        strict=True,
    ):
        assert torch.allclose(mine, other)


def test_dropout_inside_the_products_is_that_of_the_weights():
    """With dropout, answer and gradients are those of plain attention with the same weights set to 0."""
    parts = [torch.randn(2, 4, 6, 8, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    torch.manual_seed(3)
    ours = attention.by_products(*parts, None, scale=8**-0.5, dropout=0.5)
    torch.manual_seed(3)
    stayed = 1 - dropped(torch.Size([8, 6, 6]), 0.5).view(2, 4, 6, 6)
    query, key, value = parts
    plain = (query @ key.transpose(-1, -2) * 8**-0.5).softmax(-1) * stayed * 2 @ value
    assert torch.allclose(ours, plain.transpose(1, 2))
    weight = torch.randn_like(ours)
    for mine, other in zip(
        torch.autograd.grad((ours * weight).sum(), parts),
        torch.autograd.grad((plain.transpose(1, 2) * weight).sum(), parts),
        strict=True,
    ):
        assert torch.allclose(mine, other)


def test_a_model_trains_the_same_with_products():
    """In bf16, loss and gradients with the products are those of the fused kernel, as far as bf16 tells them apart."""
    logits, found = {}, {}
    for products in (False, True):
        model = small_model(rate=0.0)
        if products:
            attention.use(model, dropout=False)
        logits[products], found[products] = gradients(model, bf16=True, **batch())
    assert torch.allclose(logits[True], logits[False], atol=0.02)
    for name, gradient in found[False].items():
        assert (found[True][name] - gradient).norm() <= 0.05 * gradient.norm() + 1e-6, name


def test_scores_are_those_of_the_model_as_it_was():
    """While scoring, nothing changes to the bit."""
    plain, changed = small_model().eval(), small_model().eval()
    attention.use(changed, dropout=False)
    with torch.no_grad():
        assert torch.equal(plain(**batch()).logits, changed(**batch()).logits)


@pytest.mark.parametrize("bf16", [False, True])
def test_attention_dropout_can_be_left_out(bf16):
    """Without dropout inside attention two passes agree; with it, they differ: in both arithmetics."""
    for dropout in (False, True):
        model = small_model(rate=0.5)
        attention.use(model, dropout=dropout)
        first, second = (gradients(model, bf16=bf16, **batch())[0] for _ in range(2))
        assert torch.equal(first, second) is not dropout


def test_what_is_saved_knows_nothing_of_it(tmp_path):
    """A saved model loads anywhere, with the attention and the dropout it came with."""
    model = small_model()
    attention.use(model, dropout=False)
    model.save_pretrained(tmp_path)
    assert "ml_run" not in (tmp_path / "config.json").read_text()
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert again.config._attn_implementation == "sdpa"
    assert again.config.attention_probs_dropout_prob == 0.1


def test_models_that_bring_their_own_attention_are_left_alone():
    """Of an architecture whose attention cannot be exchanged, that is said rather than tried."""
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    assert attention.can_be_set(small_model())
    own = DebertaV2ForSequenceClassification(DebertaV2Config(**SHAPE))
    assert not attention.can_be_set(own)
