"""What a model reads of a text: the same in training, in scoring and in whoever loads the folder later."""

import json
import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from conftest import LABELS, make_rows
from ml_run import files
from ml_run.config import ModelConfig, TrainingConfig
from ml_run.errors import StoreError
from ml_run.interruption import Interruption
from ml_run.modeling import scratch, windows
from ml_run.modeling import trainer as training
from ml_run.modeling.batches import EncodedRows
from ml_run.modeling.checkpoints import Note
from ml_run.modeling.loading import load_base
from ml_run.modeling.pyfunc_model import PyfuncModel
from ml_run.modeling.scoring import load_scorer
from ml_run.modeling.verify import verify
from train_harness import Faults, Training, prepare
from vocabularies import KINDS, tokenizer_of

pytestmark = pytest.mark.usefixtures("one_thread")

MODES = ("truncate", "head_tail", "windows")
SHORT = [row["text"][:20] for row in make_rows(9)]
LONG = " ".join(row["text"] for row in make_rows(4, seed=3))
LENGTH = 24


@pytest.fixture(scope="module")
def tokenizer():
    return scratch.train_tokenizer([*SHORT, LONG], pieces=300, max_length=LENGTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A sealed model with random weights, trained to read windows, as its config.json says."""
    torch.manual_seed(1)
    model = scratch.build_model("scratch:tiny", tokenizer, LENGTH, id2label=dict(enumerate(LABELS)))
    windows.note(model.config, "windows")
    with files.atomic_folder(tmp_path_factory.mktemp("windows") / "model") as path:
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
    return next(path.parent.glob("model"))


def with_long_text(folder, target, long_text):
    """A copy of the model that reads long texts in another way."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(files.MANIFEST))
    path = target / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"ml_run_long_text": long_text}))
    return target


def read(tokenizer, text, long_text):
    (found,) = windows.read([text], tokenizer, long_text)
    return [window.tolist() for window in found]


def bare(tokenizer, text):
    return tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"]


# --- from a text to its windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("long_text", MODES)
def test_a_text_that_fits_is_read_as_the_tokenizer_gives_it(tokenizer, long_text):
    """Whatever is done about long texts, the others are one window, of the very tokens they always were."""
    fits = tokenizer.decode(bare(tokenizer, LONG)[: LENGTH - 2])
    texts = [*SHORT, "", fits] * 40  # more than are encoded at once
    expected = tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]
    assert max(map(len, expected)) == LENGTH
    found = windows.read(texts, tokenizer, long_text)
    assert [[window.tolist() for window in text] for text in found] == [[tokens] for tokens in expected]


def test_head_and_tail_are_three_quarters_and_one(tokenizer):
    """Of 22 places, 16 hold the beginning and 6 the end; the special tokens stand around them once."""
    whole = bare(tokenizer, LONG)
    assert read(tokenizer, LONG, "head_tail") == [[0, *whole[:16], *whole[-6:], 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_windows_cover_a_text_and_overlap(kind):
    """Each is full, special tokens around it; the first begins and the last ends the text; a quarter is read twice."""
    tokenizer = tokenizer_of(kind)  # 40 tokens
    words = " ".join([LONG] * 3).split()
    text = next(t for n in range(len(words)) if len(bare(tokenizer, t := " ".join(words[:n]))) > 150)
    whole = bare(tokenizer, text)
    first, last = tokenizer("")["input_ids"]
    found = read(tokenizer, text, "windows")
    inner = [window[1:-1] for window in found]
    assert found[0] == tokenizer(text, truncation=True, max_length=40)["input_ids"]
    assert {len(window) for window in found} == {40}
    assert {(window[0], window[-1]) for window in found} == {(first, last)}
    begins = windows.starts(len(whole), 38)
    assert 3 <= len(begins) < windows.MOST_WINDOWS
    assert inner == [whole[start : start + 38] for start in begins]
    assert inner[-1] == whole[-38:]
    assert all(b - a <= 38 - 9 for a, b in pairwise(begins))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (101, [0, 1]),
        (175, [0, 75]),
        (176, [0, 38, 76]),
        (625, [0, 75, 150, 225, 300, 375, 450, 525]),
        (626, [0, 75, 150, 225, 300, 375, 450, 526]),
        (70_100, [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000]),
    ],
)
def test_windows_are_as_few_as_overlap_by_a_quarter_and_eight_at_most(tokens, expected):
    """Windows of 100 tokens begin 75 apart or less; where eight are not enough, they are spread over the whole text."""
    assert windows.starts(tokens, 100) == expected


def test_special_tokens_that_a_text_spells_are_its_own(tokenizer):
    """A text that begins with `<s>` or ends with `</s>` loses neither: only what the tokenizer added is set around."""
    text = f"<s> {LONG} </s>"
    whole = tokenizer(text, truncation=False)["input_ids"]
    found = read(tokenizer, text, "windows")
    assert found[0] == [*whole[: LENGTH - 1], 2]
    assert found[-1] == [0, *whole[-(LENGTH - 1) :]]


# --- the setting travels with the model -----------------------------------------------------------------------------


def test_the_setting_is_a_key_of_the_config():
    """`truncate`, which is what plain transformers does, leaves no trace, whatever was noted before."""
    config = SimpleNamespace()
    assert windows.noted(config) == "truncate"
    windows.note(config, "head_tail")
    assert (windows.noted(config), vars(config)) == ("head_tail", {"ml_run_long_text": "head_tail"})
    windows.note(config, "truncate")
    assert (windows.noted(config), vars(config)) == ("truncate", {})


def test_a_base_model_of_ours_is_trained_as_the_config_says(folder):
    """What a model was trained to read before says nothing about how it is to be trained now."""
    for long_text in MODES:
        config = ModelConfig(name=str(folder), max_length=LENGTH, long_text=long_text)
        assert windows.noted(load_base(config, LABELS, SHORT, seed=1).model.config) == long_text


def test_a_way_to_read_that_is_not_known_is_refused(folder, tmp_path):
    """A model of a later version is not scored as if it had been trained to truncate."""
    with pytest.raises(StoreError) as caught:
        load_scorer(with_long_text(folder, tmp_path / "m", "summary"))
    assert caught.value.found == (
        "no model can be loaded: its config.json has ml_run_long_text: summary, which this version of ml-run does not "
        "know"
    )


def test_the_folder_loads_with_plain_transformers_which_truncates(folder, tmp_path):
    """To transformers the key means nothing: same weights, and the beginning of a long text."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer, model = (kind.from_pretrained(folder) for kind in (AutoTokenizer, AutoModelForSequenceClassification))
    with torch.inference_mode():
        plain = model.eval()(**tokenizer([LONG], truncation=True, return_tensors="pt")).logits.numpy()
    assert (plain == load_scorer(with_long_text(folder, tmp_path / "m", "truncate")).logits([LONG])).all()
    assert np.abs(plain - load_scorer(folder).logits([LONG])).max() > 1e-3


# --- scoring --------------------------------------------------------------------------------------------------------


def test_texts_that_fit_score_the_same_to_the_bit(folder, tmp_path):
    """Windows and head_tail cost short texts nothing, not even a digit."""
    scores = [
        load_scorer(with_long_text(folder, tmp_path / mode, mode)).logits([*SHORT, ""], batch_size=4) for mode in MODES
    ]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] == scores[2]).all()


def test_a_long_text_scores_as_the_mean_of_its_windows(folder, tokenizer):
    """Logits are averaged over windows, each with the weight of one, wherever its text stands among others."""
    scorer = load_scorer(folder)
    with torch.inference_mode():
        by_hand = torch.stack(
            [scorer.model(torch.tensor([window])).logits[0] for window in read(tokenizer, LONG, "windows")]
        ).mean(dim=0)
    together = scorer.logits([SHORT[0], LONG, SHORT[1], f"{LONG} {LONG}", LONG], batch_size=3)
    assert np.abs(together[1] - by_hand.numpy()).max() < 1e-5
    assert np.abs(together[4] - together[1]).max() < 1e-5
    assert np.abs(together[[0, 2]] - scorer.logits(SHORT[:2])).max() < 1e-5


def test_pooling_by_torch_is_that_mean_too():
    """What training does to logits is what scoring does to them."""
    logits = torch.randn(6, 3)
    pooled = windows.pool(logits.to(torch.bfloat16), torch.tensor([1, 3, 2]))
    assert pooled.dtype == torch.float32
    expected = [part.float().mean(dim=0) for part in logits.to(torch.bfloat16).split([1, 3, 2])]
    assert torch.equal(pooled, torch.stack(expected))


def test_scoring_holds_no_more_windows_at_once_than_texts(folder):
    """Memory does not grow with the length of texts; progress counts texts and ends with all of them."""
    scorer = load_scorer(folder)
    held, told = [], []
    hook = scorer.model.register_forward_pre_hook(
        lambda _, args, given: held.append(len(given["input_ids"])), with_kwargs=True
    )
    scorer.logits([LONG] * 3 + SHORT, batch_size=4, progress=lambda done, total: told.append((done, total)))
    hook.remove()
    assert max(held) == 4
    assert sum(held) > 12 + len(SHORT)
    assert told == sorted(told)
    assert told[-1] == (12, 12)


# --- training -------------------------------------------------------------------------------------------------------


def build(folder, where, long_text="windows", count=10, texts=None, **config):
    """A Trainer on rows of which most are long, unless others are given, without dropout."""
    texts = [f"{row['text']} {LONG[: 30 * n]}" for n, row in enumerate(make_rows(count))] if texts is None else texts
    base = load_base(ModelConfig(name=str(folder), max_length=LENGTH, long_text=long_text), LABELS, SHORT, seed=1)
    for layer in base.model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    ids = [number % 3 for number in range(len(texts))]
    encoded = EncodedRows(texts, ids, base.tokenizer, long_text)
    note = Note(inputs="", seconds=0, base_revision=None, device="cpu", class_weights=None, peak_memory_mb=None)
    job = training.build_trainer(
        base, encoded, encoded, TrainingConfig(**config), folder=where, note=note, interruption=Interruption()
    )
    return job, texts, torch.tensor(ids)


def long_rows(count, seed):
    """Rows of three sentences, each of which tells the label."""
    rows = make_rows(3 * count, seed)
    of_label = [[row["text"] for row in rows if row["label"] == label] for label in LABELS]
    return [
        {"text": " ".join(of_label[n % 3][n // 3 * 3 : n // 3 * 3 + 3]), "label": LABELS[n % 3]} for n in range(count)
    ]


def gradients(model):
    return [weights.grad.clone() for weights in model.parameters() if weights.grad is not None]


@pytest.mark.parametrize("most_tokens", [100_000, 200, 1])
def test_the_loss_is_that_of_the_averaged_logits(folder, tmp_path, tokenizer, monkeypatch, most_tokens):
    """One step over long and short rows, in whatever portions, is the step of the mean over windows, written out."""
    monkeypatch.setattr(training, "MOST_TOKENS", most_tokens)
    job, texts, labels = build(folder, tmp_path, batch_size=10)
    (batch,) = job.get_train_dataloader()
    assert len(batch["labels"]) == 10 < len(batch["input_ids"])
    loss = float(job.training_step(job.model, batch, num_items_in_batch=10))
    found = gradients(job.model)
    job.model.zero_grad()
    each = [torch.tensor(read(tokenizer, text, "windows")) for text in texts]
    logits = torch.stack([job.model(tokens).logits.mean(dim=0) for tokens in each])
    expected = torch.nn.functional.cross_entropy(logits, labels)
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, gradients(job.model), strict=True))


def test_texts_that_fit_train_the_same_to_the_bit(folder, tmp_path):
    """A batch without a long text is the batch it always was: the same tensors, so the same weights."""
    batches = []
    for mode in MODES:
        job, _, _ = build(folder, tmp_path / mode, mode, texts=SHORT)
        batches += list(job.get_train_dataloader())
    assert [set(batch) for batch in batches] == [{"labels", "input_ids", "attention_mask"}] * 3
    assert all(torch.equal(batch[name], batches[0][name]) for batch in batches for name in batch)


def test_validation_while_training_is_the_scoring_afterwards(folder, tmp_path):
    """The Trainer's own evaluation gives each row the logits of the one scoring code, a batch of windows at a time."""
    job, texts, labels = build(folder, tmp_path, batch_size=3)
    held = []
    job.model.register_forward_pre_hook(lambda _, args, given: held.append(len(given["input_ids"])), with_kwargs=True)
    metrics = job.evaluate()
    assert max(held) == job.args.per_device_eval_batch_size == 6
    logits = load_scorer(folder).logits(texts).astype(np.float64)
    assert metrics["eval_log_loss"] == pytest.approx(
        float(torch.nn.functional.cross_entropy(torch.tensor(logits), labels)), rel=1e-5
    )
    assert metrics["eval_accuracy"] == (logits.argmax(axis=1) == labels.numpy()).mean()
    assert sum(metrics["eval_predicted"]) == 10


@pytest.mark.slow
def test_a_killed_training_on_windows_and_mean_ends_as_an_undisturbed_one(tmp_path):
    """Through the train stage: learns, resumes to the bit, passes verification, and serves what was trained."""
    import pandas as pd
    from sklearn.metrics import f1_score

    rows = {name: long_rows(count, seed) for seed, (name, count) in enumerate({"train": 48, "val": 18}.items())}
    model = {"max_length": 24, "long_text": "windows", "pooling": "mean"}
    work, killed = (prepare(tmp_path / name, rows=rows, model=model, epochs=2, batch_size=8) for name in ("a", "b"))
    training = Training(killed, Faults(signals=(9,), at=8, every_step=True))
    trained = work.train()
    assert training.wait().code == -9
    killed.train()
    assert killed.weights() == work.weights()
    config = json.loads((work.experiment.model / "config.json").read_text())
    assert (config["ml_run_long_text"], config["ml_run_pooling"], config["num_hidden_layers"]) == ("windows", "mean", 3)
    checked = verify(work.experiment.model, work.experiment.reference)
    assert (checked.largest_difference, checked.same_labels) == (0.0, True)
    answers = PyfuncModel(load_scorer(work.experiment.model)).predict(pd.DataFrame(rows["val"]))
    right = [row["label"] for row in rows["val"]]
    assert f1_score(right, answers["label"], average="macro") == pytest.approx(trained.best_val_macro_f1)
