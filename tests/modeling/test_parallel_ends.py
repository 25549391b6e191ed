import signal

import pytest

from ml_run.config import Config
from ml_run.errors import NotReadyError, StoreError, TrainingError, UsageError
from ml_run.modeling import failures, parallel_ends

RAISED = [
    TrainingError("it diverged", kind="non_finite", where="here", remedy="lower it", curable=True),
    TrainingError("the disk is full", kind="disk_full"),
    UsageError("no such model", where="model.name", remedy="take another"),
    NotReadyError("no such file", where="data.unlabelled_path"),
]


def config(processes=2, batch_size=16):
    return Config.model_validate(
        {
            "data": {"train_path": "train.jsonl"},
            "model": {"name": "scratch:tiny", "max_length": 32},
            "training": {"batch_size": batch_size},
            "compute": {"processes": processes},
        }
    )


@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.found)
def test_an_error_is_the_same_in_the_parent(tmp_path, error):
    """What a process raised is raised by its parent: class, words, cause, and whether trying again may help."""
    assert parallel_ends.tell(tmp_path, 1, error)
    told = parallel_ends.told(tmp_path, 2)
    assert type(told) is type(error)
    assert vars(told) == vars(error)
    assert str(told) == str(error)


def test_the_first_error_counts(tmp_path):
    """Of the errors of several processes the first one's is told, and a half-written one is none."""
    assert parallel_ends.told(tmp_path, 2) is None
    (tmp_path / "failure-0.json").write_text('{"class": "Train')
    assert parallel_ends.told(tmp_path, 2) is None
    for number in (2, 1):
        parallel_ends.tell(tmp_path, number, UsageError(f"found by {number}"))
    assert parallel_ends.told(tmp_path, 3).found == "found by 1"


def test_an_error_that_no_training_raises(tmp_path):
    """An error of another room is left to the process's own output, as any bug is."""
    assert not parallel_ends.tell(tmp_path, 0, StoreError("away"))
    assert parallel_ends.told(tmp_path, 1) is None


def test_killed_for_its_memory(tmp_path):
    """A process that the system killed for its memory is a training that ran out of it, and may go on smaller."""
    ends = (1, -signal.SIGKILL)
    error = parallel_ends.untold(config(), tmp_path, tmp_path, ends, for_memory=True)
    assert vars(error) == vars(failures.out_of_memory(config()))
    assert (error.kind, error.curable) == ("out_of_memory", True)
    assert error.remedy == (
        "lower compute.processes, each of which holds the whole model, or set training.batch_size to 8 and "
        "training.gradient_accumulation_steps to 2 (the same step in smaller portions), or lower model.max_length; "
        "training.auto_batch: true does the first by itself"
    )


def test_a_row_each_cannot_be_halved():
    """Where each process trains on one row, smaller portions are no help."""
    error = failures.out_of_memory(config(processes=4, batch_size=4))
    assert not error.curable
    assert error.remedy.startswith("lower compute.processes, each of which holds the whole model, or lower model.")


def test_killed_by_somebody(tmp_path):
    """A process that was killed for no known reason is said to be, with both things to do."""
    error = parallel_ends.untold(config(), tmp_path, tmp_path, (1, -signal.SIGKILL), for_memory=False)
    assert (error.kind, error.curable, error.where) == ("killed", False, str(tmp_path))
    assert error.found == "process 2 of the 2 that trained was killed"
    assert error.remedy == (
        "go on from the last checkpoint with ml-run --resume; if nobody killed it, memory ran out: lower "
        "compute.processes, training.batch_size or model.max_length first"
    )


def test_a_bug_in_a_process(tmp_path):
    """A bug is told by the traceback of the process that met it."""
    parallel_ends.log(tmp_path, 0).write_text(
        "Traceback (most recent call last):\nZeroDivisionError: division by zero\n"
    )
    parallel_ends.log(tmp_path, 1).write_text("")
    error = parallel_ends.untold(config(), tmp_path, tmp_path, (1, 0), for_memory=False)
    assert type(error) is RuntimeError
    assert str(error).startswith("process 1, 1: Traceback")
    assert str(error).endswith("division by zero")


def test_the_system_counts_its_kills():
    """How often memory ended a process is a number that does not fall, 0 where the system does not tell."""
    before = parallel_ends.kills_for_memory()
    assert before >= 0
    assert parallel_ends.kills_for_memory() >= before
