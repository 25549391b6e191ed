import signal
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
