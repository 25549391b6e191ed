import gzip
import json
import pickle
import shutil

import pytest

from conftest import LABELS, make_rows
from ml_run.config import ModelConfig
from ml_run.config.model_checks import longest_input
from ml_run.errors import UsageError
from ml_run.modeling import scratch
from ml_run.modeling.loading import load_base

TEXTS = [row["text"] for row in make_rows(20)]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A local model folder that reads 40 tokens at most, with four labels of its own."""
    folder = tmp_path_factory.mktemp("pretrained")
    tokenizer = scratch.train_tokenizer(TEXTS, pieces=300, max_length=40)
    scratch.build_model("scratch:tiny", tokenizer, 40, num_labels=4).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def base_of(name, max_length=32, **config):
    return load_base(ModelConfig(name=str(name), max_length=max_length, **config), LABELS, TEXTS, seed=3)


def refused(name, **config):
    with pytest.raises(UsageError) as caught:
        base_of(name, **config)
    return caught.value


def changed_copy(folder, target, name, **values):
    shutil.copytree(folder, target)
    path = target / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return target


def test_a_local_folder_becomes_a_classifier_of_our_labels(pretrained):
    """Names in order, float32, the configured cut-off, and the weights' hash as its revision."""
    base = base_of(pretrained)
    assert base.model.config.id2label == dict(enumerate(LABELS))
    assert base.model.config.num_labels == 3
    assert {str(parameter.dtype) for parameter in base.model.parameters()} == {"torch.float32"}
    assert len(base.tokenizer("guri " * 100, truncation=True)["input_ids"]) == 32
    assert len(base.revision) == 64
    assert base.revision == base_of(pretrained).revision


def test_new_weights_follow_the_seed(pretrained):
    """The classifier's head, which no checkpoint has, is drawn from the seed."""
    heads = [base_of(pretrained).model.classifier.out_proj.weight for _ in range(2)]
    assert heads[0].equal(heads[1])


def test_more_tokens_than_the_model_reads_are_refused(pretrained):
    """A text longer than the table of positions would crash in the middle of training."""
    assert base_of(pretrained, max_length=40).tokenizer.model_max_length == 40
    error = refused(pretrained, max_length=41)
    assert (error.where, error.remedy) == ("model.max_length", "set it to 40 or less")
    assert error.found == f"41 tokens are more than {str(pretrained)!r} can read: 40"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("config.json", "auto_map"),
        ("config.json", "_attn_implementation_internal"),
        ("tokenizer_config.json", "auto_map"),
    ],
)
def test_r34_a_model_with_its_own_code_is_refused(pretrained, tmp_path, name, key):
    """A model folder can never make ml-run load code, whatever transformers would do with it."""
    folder = changed_copy(pretrained, tmp_path / "m", name, **{key: {"AutoModel": "evil.Model"}})
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    error = refused(folder)
    assert error.found == f"the model brings its own code ({key!r})"
    assert error.where == str(folder / name)
    assert not (tmp_path / "canary").exists()


class Evil:
    """What a pickle does as it is loaded."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def with_pickles(folder, target, canary):
    """A copy of a model folder with every kind of file that can run code, each of which would make the canary."""
    shutil.copytree(folder, target)
    for name in ("pytorch_model.bin", "model.pt", "weights.pkl", "training_args.bin", "optimizer.pt"):
        (target / name).write_bytes(pickle.dumps(Evil(canary)))
    (target / "weights.pkl.gz").write_bytes(gzip.compress(pickle.dumps(Evil(canary))))
    for name in ("modeling_evil.py", "config.py", "tokenizer.py", "sitecustomize.py"):
        (target / name).write_text(f"open({str(canary)!r}, 'w')")
    return target


def test_r34_files_that_can_run_code_are_never_opened(pretrained, tmp_path):
    """R34: hub folders hold pickles beside safetensors: only these are read, and without them the model is refused."""
    canary = tmp_path / "canary"
    folder = with_pickles(pretrained, tmp_path / "m", canary)
    assert base_of(folder).revision == base_of(pretrained).revision
    (folder / "model.safetensors").unlink()
    assert "holds no model that can be loaded" in refused(folder).found
    assert not canary.exists()


def test_r34_a_kind_of_model_that_nobody_knows_is_refused(pretrained, tmp_path):
    """R34: no code of its own is looked for where transformers does not know the kind by itself."""
    canary = tmp_path / "canary"
    folder = changed_copy(
        with_pickles(pretrained, tmp_path / "p", canary), tmp_path / "m", "config.json", model_type="x"
    )
    assert "holds no model that can be loaded" in refused(folder).found
    assert not canary.exists()


def test_weights_in_pickles_are_refused(pretrained, tmp_path):
    """Only safetensors are read."""
    import torch

    folder = tmp_path / "m"
    shutil.copytree(pretrained, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    error = refused(folder)
    assert "holds no model that can be loaded" in error.found
    assert "safetensors" in error.remedy


def test_a_folder_without_tokenizer_is_refused(pretrained, tmp_path):
    """Transformers makes up an empty tokenizer where there is none, to which every text is the same."""
    folder = tmp_path / "m"
    shutil.copytree(pretrained, folder)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    error = refused(folder)
    assert error.found == f"the tokenizer of {str(folder)!r} does not know 100.0 % of the pieces of the training texts"
    assert error.remedy.startswith("its files are missing from the model, or it was not made for this script")


def test_a_hub_model_that_is_out_of_reach_says_what_to_do(monkeypatch):
    """Offline, a hub id ends in one sentence with the ways out, not in a stack trace."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    error = refused("nobody/no-such-model")
    assert error.found.startswith("the model 'nobody/no-such-model' cannot be loaded: ")
    assert error.where == "model.name"
    assert "without a network give a local folder" in error.remedy
    assert "scratch:tiny" in error.remedy


def test_an_unknown_model_from_scratch_is_refused():
    """A misspelt size is not looked for on the hub."""
    error = refused("scratch:huge")
    assert error.remedy == "use scratch:tiny or scratch:small"


@pytest.mark.parametrize(
    "kind", ["bert", "distilbert", "xlm-roberta", "camembert", "mpnet", "esm", "lilt", "luke", "nystromformer"]
)
def test_the_longest_input_is_what_a_model_can_really_read(kind):
    """One formula serves the config check and training: a text of that length passes the model, one more token fails.

    RoBERTa and its kin keep the first rows of the table of positions for themselves.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    shape = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    shape |= {"n_layers": 1, "dim": 24, "n_heads": 2, "hidden_dim": 8} if kind == "distilbert" else {}
    config = AutoConfig.for_model(kind, **shape, vocab_size=20, max_position_embeddings=64, pad_token_id=1)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    longest = longest_input(model.config.to_dict())
    model(input_ids=torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, longest + 1), 5))
