import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import XLMRobertaForSequenceClassification

from conftest import LABELS, make_rows
from ml_run import events
from ml_run.config.names import SCRATCH_TINY
from ml_run.errors import TrainingError
from ml_run.modeling import checkpoints, scratch
from ml_run.stages.train import train_inputs
from train_harness import Training, prepare

ROWS = 49  # in batches of 16, the last is of one row, and one of two processes has none


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def work(folder, processes, **training):
    made = prepare(folder, train=ROWS, model=training.pop("model", None), precision="float32", **training)
    compute = made.config.compute.model_copy(update={"processes": processes})
    return replace(made, config=made.config.model_copy(update={"compute": compute}))


def without_dropout(folder):
    """A saved scratch:tiny that draws no noise: what is left to differ is the order of sums."""
    torch.manual_seed(3)
    tokenizer = scratch.train_tokenizer([row["text"] for row in make_rows(ROWS)], pieces=500, max_length=32)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: n for n, label in enumerate(LABELS)}}
    model = scratch.build_model(SCRATCH_TINY, tokenizer, 32, **names)
    model.config.hidden_dropout_prob = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"name": str(folder), "trim_vocabulary": "off"}


def children(pid):
    """Processes whose parent is `pid`, by their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name.isdecimal() and int(fields[1]) == pid and fields[0] != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
        except OSError:
            continue  # it has ended
    return sorted(number for number, line in found.items() if "parallel_worker" in line)


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def sealed(run):
    return list(run.experiment.checkpoints.glob("checkpoint-*/manifest.json"))


def gone(numbers):
    return not any(Path(f"/proc/{number}").exists() for number in numbers)


def most_operations(checkpoint):
    """Of a training on whole rows of 32 tokens, each once an epoch; processes that did the same work would do more."""
    model = XLMRobertaForSequenceClassification.from_pretrained(checkpoint.folder)
    epochs, steps = divmod(checkpoint.step, 4)
    return 6 * model.num_parameters(exclude_embeddings=True) * 32 * (ROWS * epochs + 16 * steps)


def test_two_processes_train_as_one(tmp_path):
    """Loss, gradient, every epoch's scores and the weights are those of one process, up to the order of sums."""
    model = without_dropout(tmp_path / "base")
    model |= {"max_length": 12, "long_text": "windows"}
    settings = {
        "model": model,
        "class_weights": "balanced",
        "gradient_accumulation_steps": 2,
        "epochs": 2,
        "learning_rate": 2e-4,
    }
    one, two = (work(tmp_path / str(count), count, **settings) for count in (1, 2))
    assert train_inputs(one.config, one.data) == train_inputs(two.config, two.data)
    told = []
    for run in (one, two):
        with events.recording(run.experiment.folder / "logs"):
            told.append(run.train())
    for alone, together in zip(told[0].curve, told[1].curve, strict=True):
        assert together.step == alone.step
        assert together.train_loss == pytest.approx(alone.train_loss, abs=1e-3)
        assert together.val_loss == pytest.approx(alone.val_loss, abs=1e-3)
        assert together.val_macro_f1 == alone.val_macro_f1
    assert (told[0].compute.threads, told[1].compute.threads) == (2, 1)
    weights = [load_file(run.experiment.model / "model.safetensors") for run in (one, two)]
    for name, values in weights[0].items():
        assert torch.allclose(values, weights[1][name], atol=1e-3), name
    lines = [
        [json.loads(line) for line in (run.experiment.folder / "logs" / "events.jsonl").read_text().splitlines()]
        for run in (one, two)
    ]
    kinds = [[line["event"] for line in some if line["event"] != "progress"] for some in lines]
    assert kinds[0] == kinds[1]
    measured = [[line for line in some if line["event"] == "metrics"] for some in lines]
    for alone, together in zip(*measured, strict=True):
        assert together["step"] == alone["step"]
        assert together["values"] == pytest.approx(alone["values"], abs=1e-3)
    assert " on cpu in 2 processes: 49 rows" in (two.experiment.folder / "logs" / "run.log").read_text()


@pytest.mark.slow
def test_a_stopped_training_goes_on_in_another_number_of_processes(tmp_path):
    """SIGTERM to the run ends both processes with a checkpoint that one process goes on from, exit code 143."""
    run = work(tmp_path, 2, epochs=12, early_stopping_patience=12)
    training = Training(run)
    wait_for(lambda: sealed(run))
    workers = children(training.pid)
    assert len(workers) == 2
    os.kill(training.pid, signal.SIGTERM)
    outcome = training.wait()
    assert (outcome.code, outcome.error, outcome.err) == (143, "Interrupted", "")
    assert gone(workers)
    inputs = train_inputs(run.config, run.data)
    last = checkpoints.newest_verified(run.experiment.checkpoints, inputs)
    assert last is not None
    assert 4 <= last.step < 48
    assert {file.name for file in last.folder.iterdir()} == {
        "config.json", "manifest.json", "ml_run.json", "model.safetensors", "optimizer.pt", "rng_state.pth",
        "rng_state_0.pth", "rng_state_1.pth", "scheduler.pt", "tokenizer.json", "tokenizer_config.json",
        "trainer_state.json", "training_args.bin",
    }  # fmt: skip
    assert last.state["total_flos"] <= 1.1 * most_operations(last)
    trained = work(tmp_path, 1, epochs=12, early_stopping_patience=12).train()
    assert (trained.global_step, len(trained.curve)) == (48, 12)
    assert trained.best_val_macro_f1 > 0.8


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path):
    """In the same number of processes, a stopped and resumed training ends with the weights of an undisturbed one."""
    settings = {"epochs": 12, "early_stopping_patience": 12}
    whole, stopped = (work(tmp_path / name, 2, **settings) for name in ("whole", "stopped"))
    whole.train()
    training = Training(stopped)
    wait_for(lambda: sealed(stopped))
    os.kill(training.pid, signal.SIGTERM)
    assert training.wait().code == 143
    assert sealed(stopped)
    stopped.train()
    assert stopped.weights() == whole.weights()


@pytest.mark.slow
def test_a_killed_process(tmp_path):
    """A process that is killed ends the training with an error that says so; its checkpoint stands, nobody is left."""
    run = work(tmp_path, 2, epochs=400, early_stopping_patience=400)
    training = Training(run)
    wait_for(lambda: sealed(run))
    workers = children(training.pid)
    os.kill(workers[1], signal.SIGKILL)
    outcome = training.wait()
    assert (outcome.code, outcome.error, outcome.kind, outcome.err) == (4, "TrainingError", "killed", "")
    assert "of the 2 that trained was killed" in outcome.message
    assert gone(workers)
    assert checkpoints.newest_verified(run.experiment.checkpoints, train_inputs(run.config, run.data)) is not None
    assert all((path / "manifest.json").exists() for path in run.experiment.checkpoints.glob("checkpoint-*"))


@pytest.mark.slow
def test_a_killed_parent(tmp_path):
    """Processes do not outlive the one that started them, and leave nothing behind."""
    run = work(tmp_path, 2, epochs=400, early_stopping_patience=400)
    training = Training(run)
    wait_for(lambda: sealed(run))
    workers = children(training.pid)
    assert len(workers) == 2
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    wait_for(lambda: gone(workers), 10)


@pytest.mark.slow
def test_a_stop_before_the_first_step(tmp_path):
    """A stop that comes while the processes start ends them at once: there is nothing to save."""
    run = work(tmp_path, 2)
    training = Training(run)
    workers = wait_for(lambda: found if len(found := children(training.pid)) == 2 else None)
    os.kill(training.pid, signal.SIGTERM)
    outcome = training.wait(10)
    assert (outcome.code, outcome.error, outcome.err) == (143, "Interrupted", "")
    assert gone(workers)
    assert not list(run.experiment.checkpoints.glob("checkpoint-*"))


@pytest.mark.slow
def test_a_training_that_fails_fails_alike(tmp_path):
    """A training that goes wrong is told in the same words by one process and by two."""
    settings = {
        "model": without_dropout(tmp_path / "base"), "learning_rate": 1.0, "on_collapse": "stop", "warmup_ratio": 0.0,
    }  # fmt: skip
    errors = []
    for count in (1, 2):
        with pytest.raises(TrainingError) as caught:
            work(tmp_path / str(count), count, **settings).train()
        errors.append(caught.value)
    assert errors[0].kind == errors[1].kind
    assert errors[0].curable == errors[1].curable
    assert errors[0].remedy == errors[1].remedy
