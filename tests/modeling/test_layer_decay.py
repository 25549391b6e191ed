"""A learning rate for each layer."""

import pytest
import torch
from transformers import AlbertConfig, AlbertForSequenceClassification

from ml_run.errors import UsageError
from ml_run.modeling.layer_decay import depths, split
from small_model import SHAPE, small_model

PLACES = {"classifier.": 0, "encoder.layer.1.": 1, "encoder.layer.0.": 2, "embeddings.": 3}


def depth_of(name):
    (found,) = (depth for place, depth in PLACES.items() if place in name)
    return found


def test_every_parameter_has_its_depth():
    """The head is at 0, the last of two layers at 1, the first at 2, and all that comes before it at 3."""
    model = small_model()
    found = depths(model)
    assert {name: found[id(one)] for name, one in model.named_parameters()} == {
        name: depth_of(name) for name, _ in model.named_parameters()
    }


def test_each_group_has_the_rate_of_its_layer():
    """Nothing is lost or doubled, weight decay stays; the first group has the full rate, which is what is logged."""
    model = small_model()
    heavy = [one for name, one in model.named_parameters() if "bias" not in name]
    light = [one for name, one in model.named_parameters() if "bias" in name]
    groups = [{"params": heavy, "lr": 0.1, "weight_decay": 0.3}, {"params": light, "lr": 0.1, "weight_decay": 0.0}]
    found = split(groups, model, 0.5)
    assert found[0]["lr"] == 0.1
    assert len(found) == 8
    seen = {id(one): (group["lr"], group["weight_decay"]) for group in found for one in group["params"]}
    assert sum(len(group["params"]) for group in found) == len(seen) == len(heavy) + len(light)
    for name, one in model.named_parameters():
        assert seen[id(one)] == (0.1 * 0.5 ** depth_of(name), 0.0 if "bias" in name else 0.3), name


def test_layers_that_are_one_are_refused():
    """ALBERT uses one layer over and over: no rate could be given to each, and the error names the key."""
    shape = SHAPE | {"embedding_size": 16, "num_labels": 3}
    with torch.device("meta"):
        model = AlbertForSequenceClassification(AlbertConfig(**shape))
    with pytest.raises(UsageError) as caught:
        depths(model)
    assert caught.value.where == "training.layer_decay"
    assert caught.value.found == "the layers of AlbertForSequenceClassification cannot be told apart"
