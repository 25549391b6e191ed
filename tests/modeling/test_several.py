import hashlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ml_run.config import Config
from ml_run.errors import Interrupted
from ml_run.interruption import Interruption
from ml_run.modeling.fitting import Task
from ml_run.modeling.seeds import Part
from ml_run.modeling.several import Kind, Together, each
from ml_run.splits import SplitRows
from ray_harness import needs_ray, ray_nodes
from train_harness import Training, prepare

CONFIG = Config.model_validate({"data": {"train_path": "train.jsonl"}, "model": {"name": "scratch:tiny"}})
NOTHING = SplitRows([], [], [], [], [], [], [], [])


def tasks(count):
    one = Task(CONFIG, None, "inputs", NOTHING, NOTHING, Path("checkpoints"))
    return [replace(one, part=Part(number, count, 40 + number)) for number in range(1, count + 1)]


def step(done, total, speed=10.0):
    return {"event": "progress", "message": "step", "level": 20, "data": {
        "done": done, "total": total, "rows_per_second": speed, "seconds_left": 1.0, "seed": 41,
    }}  # fmt: skip


def test_progress_side_by_side_is_that_of_all():
    """Steps and rows a second add up over trainings, those that stood before included; one that ends counts whole."""
    together = Together([Part(2, 3, 42), Part(3, 3, 43)])
    first = together.merged(0, step(done=12 + 6, total=36))["data"]
    assert (first["done"], first["total"], first["rows_per_second"], first["seconds_left"]) == (18, 36, 10.0, None)
    second = together.merged(1, step(done=24 + 3, total=36, speed=5.0))["data"]
    assert (second["done"], second["rows_per_second"], second["seed"]) == (21, 15.0, 41)
    assert second["seconds_left"] is not None
    together.ended(0)
    assert together.merged(1, step(done=24 + 6, total=36, speed=5.0))["data"]["done"] == 30
    other = {"event": "note", "message": "x", "level": 20, "data": {}}
    assert together.merged(1, other) == other


def test_the_model_after_the_folds_is_not_counted_as_done():
    """Of two folds and the model on all rows, the folds at their end are two thirds."""
    together = Together([Part(1, 3, 7, "fold"), Part(2, 3, 7, "fold")])
    together.ended(0)
    assert together.merged(1, step(done=24, total=36))["data"]["done"] == 24


def test_what_stands_is_not_done_again():
    """One after the other, each training that does not stand is done, kept and then told."""
    seen = []
    kind = Kind(
        standing=lambda task: "stood" if task.part.number == 2 else None,
        work=lambda task, _: seen.append(("work", task.part.number)) or "done",
        keep=lambda task, result: seen.append(("keep", task.part.number, result)),
        tell=lambda task, result: seen.append(("tell", task.part.number, result)),
    )
    assert each(kind, tasks(3), Interruption()) == ["done", "stood", "done"]
    assert seen == [
        ("work", 1), ("keep", 1, "done"), ("tell", 1, "done"), ("tell", 2, "stood"),
        ("work", 3), ("keep", 3, "done"), ("tell", 3, "done"),
    ]  # fmt: skip


def test_a_stop_between_two_trainings():
    """A stop that came as a training ended is heeded once that training is kept."""
    kept = []
    with Interruption().installed() as interruption, interruption.shielded():

        def work(task, _):
            signal.raise_signal(signal.SIGTERM)
            return task.part.number

        kind = Kind(lambda _: None, work, lambda _, result: kept.append(result), lambda *_: None)
        with pytest.raises(Interrupted):
            each(kind, tasks(2), interruption)
    assert kept == [1]


# --- side by side -----------------------------------------------------------------------------------------------------


def work(folder, compute, **training):
    made = prepare(folder, train=49, precision="float32", **training)
    asked = made.config.compute.model_copy(update=compute)
    return replace(made, config=made.config.model_copy(update={"compute": asked}))


def weights(run):
    """SHA-256 of the weights of each seed."""
    found = sorted(run.experiment.seed_models.glob("seed_*/model.safetensors"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


ON_RAY = {"engine": "ray", "address": "auto", "workers": 2}
OF_THE_CLOCK = {"seconds": 0, "peak_memory_mb": None}


def timeless(trained):
    runs = tuple(one.model_copy(update={"seconds": 0}) for one in trained.seeds or ())
    return trained.model_copy(update={**OF_THE_CLOCK, "seeds": runs})


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_seeds_and_folds_side_by_side_are_those_in_sequence(tmp_path, monkeypatch):
    """Workers that train a seed or a fold each come to the weights, scores and candidate of one after the other."""
    here, there = (work(tmp_path / name, asked, seeds=(3, 5, 8)) for name, asked in (("here", {}), ("there", ON_RAY)))
    trained = here.train()
    storage = tmp_path / "storage"
    folded, away = (
        work(tmp_path / name, asked, folds=2, epochs=2)
        for name, asked in (("folds", {}), ("away", ON_RAY | {"workers": 1, "storage": f"file://{storage}"}))
    )
    found = folded.train()
    with ray_nodes(2, monkeypatch):
        assert timeless(there.train()) == timeless(trained)
        assert timeless(away.train()).folds.model_copy(update={"runs": ()}) == found.folds.model_copy(
            update={"runs": ()}
        )
    assert weights(there) == weights(here)
    assert there.weights() == here.weights()
    assert away.weights() == folded.weights()
    assert away.experiment.out_of_fold.read_bytes() == folded.experiment.out_of_fold.read_bytes()
    assert list(storage.iterdir()) == []
    assert sorted(path.name for path in there.experiment.checkpoints.iterdir()) == ["finished.json"]


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_killed_driver_repeats_no_seed(tmp_path):
    """A run that was killed with -9 goes on, and a seed that had ended is not trained again."""
    run = work(
        tmp_path, ON_RAY | {"address": "local", "workers": 1}, seeds=(3, 5), epochs=40, early_stopping_patience=40
    )
    training = Training(run)
    first = run.experiment.checkpoints / "seed_3" / "finished.json"
    second = run.experiment.checkpoints / "seed_5"
    end = time.monotonic() + 900
    while not (first.exists() and list(second.glob("checkpoint-*/manifest.json"))):
        assert time.monotonic() < end
        assert training.alive()
        time.sleep(0.05)
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    written = (run.experiment.seed_model(3) / "model.safetensors").stat().st_mtime_ns
    local = replace(run, config=run.config.model_copy(update={"compute": CONFIG.compute}))
    trained = local.train()
    assert [one.seed for one in trained.seeds] == [3, 5]
    assert (run.experiment.seed_model(3) / "model.safetensors").stat().st_mtime_ns == written
    whole = work(tmp_path / "whole", {}, seeds=(3, 5), epochs=40, early_stopping_patience=40)
    whole.train()
    assert weights(local) == weights(whole)
