"""A mean-pooled head is one ordinary layer more, which starts as the mean and can be trained away from it."""

import json

import pytest
import torch

from conftest import LABELS, make_rows
from ml_run.config import ModelConfig
from ml_run.errors import UsageError
from ml_run.modeling import attention, dropout, pooling, scratch
from ml_run.modeling.loading import load_base
from ml_run.modeling.scoring import load_scorer
from vocabularies import tokenizer_of

TEXTS = [row["text"] for row in make_rows(20)]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
FAMILIES = {"bert": "wordpiece", "roberta": "byte_bpe", "xlm-roberta": "unigram", "camembert": "unigram"}


def write_model(family, folder, kind=None, **config):
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(0)
    tokenizer = tokenizer_of(kind or FAMILIES[family])
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": None}
    shape = SHAPE | {"vocab_size": len(tokenizer), "max_position_embeddings": 600, "initializer_range": 0.2} | ids
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **(shape | config)))
    for name, weights in model.named_parameters():  # as if trained: no norm and no bias is where it began
        if name.endswith("bias") or "LayerNorm" in name:
            weights.data += 0.1 * torch.randn_like(weights)
        if "LayerNorm" in name:  # e5's last layer gives values of a tenth of what a fresh model's gives
            weights.data *= 0.1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def base_of(folder, seed=3, **config):
    return load_base(ModelConfig(**{"name": str(folder), "max_length": 32} | config), LABELS, TEXTS, seed=seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model("xlm-roberta", tmp_path_factory.mktemp("xlm-roberta"))


def batch_of(base):
    return base.tokenizer([TEXTS[0], "guri", ""], padding=True, return_tensors="pt")


def states(model, batch):
    """What each layer gives, [rows, tokens, hidden], the embeddings first."""
    with torch.inference_mode():
        return model.base_model(**batch, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_token_leaves_the_layer_as_the_mean_beside_itself(family, tmp_path):
    """Before training: LayerNorm(first token + mean of all tokens), padding left out; all layers below as they were."""
    base = base_of(write_model(family, tmp_path), pooling="mean", trim_vocabulary="off")
    batch = batch_of(base)
    *below, entering, leaving = states(base.model, batch)
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = (entering * mask).sum(dim=1) / mask.sum(dim=1)
    expected = torch.nn.functional.layer_norm(entering[:, 0] + mean, (32,), eps=base.model.config.layer_norm_eps)
    assert (leaving[:, 0] - expected).abs().max() < 1e-5
    plain = base_of(tmp_path, pooling="cls", trim_vocabulary="off")
    for one, other in zip([*below, entering], states(plain.model, batch), strict=True):
        assert torch.equal(one, other)
    assert base.model.config.num_hidden_layers == 3
    assert type(base.model.base_model.encoder.layer[2]) is type(base.model.base_model.encoder.layer[1])


def test_the_saved_folder_loads_with_plain_transformers(folder, tmp_path):
    """No code of ours is needed: one layer more in config.json and in the weights, equal logits."""
    from transformers import AutoModelForSequenceClassification

    base = base_of(folder, pooling="mean")
    base.model.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["num_hidden_layers"] == 3
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path, local_files_only=True).eval()
    with torch.inference_mode():
        assert torch.equal(plain(**batch_of(base)).logits, base.model(**batch_of(base)).logits)
    assert load_scorer(tmp_path).model.num_parameters() == base.model.num_parameters()


def test_every_weight_of_the_layer_can_learn(folder):
    """Query times key and the feed-forward part start as products of zero, yet two steps move all of them."""
    base = base_of(folder, pooling="mean")
    layer = base.model.base_model.encoder.layer[2].train()
    before = {name: weights.clone() for name, weights in layer.named_parameters()}
    optimizer = torch.optim.SGD(base.model.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        logits = base.model(**batch_of(base)).logits
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
        optimizer.step()
    unmoved = {name for name, weights in layer.named_parameters() if torch.equal(weights, before[name])}
    # A key's bias shifts all scores of a token alike, which a softmax does not see.
    assert unmoved <= {"attention.self.key.bias"}


def test_the_layer_follows_the_seed(folder):
    """The same seed gives the same layer, another one another, whatever else draws from the global generator."""
    first, second, other = (base_of(folder, seed, pooling="mean").model for seed in (3, 3, 4))
    name = "base_model.encoder.layer.2.attention.self.query.weight"
    weights = [model.get_parameter(name) for model in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    plain = base_of(folder, pooling="cls").model
    assert torch.equal(first.classifier.dense.weight, plain.classifier.dense.weight)


def test_a_model_that_has_the_layer_gets_no_second_one(folder, tmp_path):
    """Fine-tuning goes on from a model of ours with the head that it has."""
    base = base_of(folder, pooling="mean")
    base.model.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    again = base_of(tmp_path, pooling="mean").model
    assert again.config.num_hidden_layers == len(again.base_model.encoder.layer) == 3


def test_the_layer_trains_with_the_attention_and_dropout_of_the_others(folder):
    """What is exchanged for training on a CPU is exchanged in the new layer, too."""
    model = base_of(folder, pooling="mean").model
    dropout.use(model)
    attention.use(model, dropout=False)
    configs = {id(layer.attention.self.config) for layer in model.base_model.encoder.layer}
    assert configs == {id(model.config)}
    assert "forward" in vars(model.base_model.encoder.layer[2].output.dropout)


def test_models_from_scratch_can_have_it_too():
    """The layer goes on what was just built."""
    base = base_of("scratch:tiny", pooling="mean")
    assert base.model.config.num_hidden_layers == 3


@pytest.mark.parametrize("family", ["distilbert", "deberta-v2", "roberta-prelayernorm", "esm"])
def test_an_encoder_of_other_layers_is_refused(family, tmp_path):
    """No half-mean is ever trained: where the layer would not give the mean, nothing is."""
    more = {"distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, "esm": {"mask_token_id": 4}}
    with pytest.raises(UsageError) as caught:
        base_of(write_model(family, tmp_path, "unigram", **more.get(family, {})), pooling="mean", trim_vocabulary="off")
    error = caught.value
    assert error.found.startswith("a mean-pooled head cannot be built on ")
    assert error.found.endswith("ForSequenceClassification: its encoder is not made of BERT's layers")
    assert (error.where, error.remedy) == (
        "model.pooling",
        "set it to cls, or use a model of the BERT, RoBERTa or XLM-R family",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intfloat/multilingual-e5-small", True),
        ("models/e5_base", True),
        ("sentence-transformers/LaBSE", True),
        ("xlm-roberta-base", False),
        ("someone/base5-e50", False),
    ],
)
def test_encoders_trained_with_mean_pooling_are_known_by_name(name, expected):
    """Of a hub model, only its name says how it was trained before it is fetched."""
    assert pooling.trained_with_mean(name) is expected


@pytest.mark.parametrize("mean", [True, False])
def test_a_folder_of_sentence_transformers_says_itself_how_it_pools(tmp_path, mean):
    """What the folder says counts more than its name."""
    record = tmp_path / "e5" / "1_Pooling" / "config.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"pooling_mode_mean_tokens": mean, "pooling_mode_cls_token": not mean}))
    assert pooling.trained_with_mean(str(tmp_path / "e5")) is mean
    (record.parent / "config.json").write_text("[]")
    assert pooling.trained_with_mean(str(tmp_path / "e5")) is True


@pytest.mark.parametrize(("chosen", "mean"), [("auto", False), ("cls", False), ("mean", True)])
def test_only_mean_asks_for_the_layer(chosen, mean):
    """`auto` is `cls`, also for encoders that were trained with the mean."""
    assert pooling.wants_mean(ModelConfig(name="intfloat/multilingual-e5-small", pooling=chosen)) is mean


def test_scratch_tokenizer_is_not_asked_for_more_than_it_has():
    """A model that reads eight tokens, the shortest the config allows, can have the layer."""
    texts = ["guri biyo dadka suuq"] * 3
    tokenizer = scratch.train_tokenizer(texts, pieces=300, max_length=8)
    model = scratch.build_model("scratch:tiny", tokenizer, 8)
    pooling.pool_by_mean(model, tokenizer, texts, seed=1)
    assert model.config.num_hidden_layers == 3
