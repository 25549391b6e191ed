import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from ml_run.config import Config
from ml_run.modeling import compute, machine
from small_model import small_model

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def config(**sections):
    given = {"data": {"train_path": "x"}, "model": {"name": "scratch:tiny"}}
    return Config.model_validate({name: given.get(name, {}) | sections.get(name, {}) for name in {*given, *sections}})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_by_default_the_machine_decides():
    """On a CPU: the precision it was measured to be faster in, the model's own dropout, memory kept."""
    settled = compute.settle(config(), small_model(), CPU)
    assert settled.why.startswith("bf16 was measured ")
    assert settled.attention_dropout is True
    assert settled.allocator == ("kept" if machine.keep_freed_memory() else "system")
    assert settled.threads == torch.get_num_threads()
    assert settled.embeddings == "read"


@pytest.mark.parametrize(
    ("threads", "precision", "lanes"),
    [(2, "bf16", 2), (4, "bf16", 2), (1, "bf16", 1), (3, "bf16", 1), (2, "float32", 2)],
)
def test_two_lanes_share_an_even_number_of_threads(threads, precision, lanes):
    """Halves of a batch are trained on side by side where threads can be shared, and what is dropped still repeats."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        settled = compute.settle(config(training={"precision": precision}), small_model(), CPU)
    finally:
        torch.set_num_threads(before)
    assert (settled.threads, settled.lanes) == (threads, lanes)


def test_each_is_turned_off_by_one_key():
    """training.precision and compute.allocator each leave things as they would be without."""
    off = config(training={"precision": "float32"}, compute={"allocator": "off"})
    settled = compute.settle(off, small_model(), CPU)
    assert (settled.precision, settled.attention_dropout, settled.allocator) == ("float32", True, "system")


def test_a_gpu_keeps_the_model_as_it_is():
    """What is slow on a CPU alone is left alone elsewhere."""
    settled = compute.settle(
        config(training={"precision": "bf16"}, model={"attention_dropout": "off"}), small_model(), GPU
    )
    assert (settled.attention_dropout, settled.allocator, settled.embeddings) == (True, "system", "whole")
    assert settled.lanes == 1
    model = small_model()
    compute.apply(settled, model, GPU)
    assert model.config._attn_implementation == "sdpa"


def test_what_was_settled_is_applied():
    """The model trains with the attention that was noted."""
    settled = compute.settle(
        config(training={"precision": "bf16"}, model={"attention_dropout": "off"}), small_model(), CPU
    )
    model = small_model()
    compute.apply(settled, model, CPU)
    assert model.config._attn_implementation == "ml_run_without_dropout"
    compute.apply(settled.model_copy(update={"precision": "float32", "attention_dropout": True}), model, CPU)
    assert model.config._attn_implementation == "ml_run_with_dropout"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
def test_the_weights_file_is_let_go(tmp_path):
    """A model about to be trained owns its weights: the file they came from no longer counts as memory in use."""
    small_model().save_pretrained(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    compute.apply(compute.settle(config(training={"precision": "bf16"}), model, CPU), model, CPU)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert all(torch.equal(weights, before[name]) for name, weights in model.named_parameters())
