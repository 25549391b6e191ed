"""The experiment folder: made once, found by its names, locked by its walker."""

import fcntl
import multiprocessing
import os
import threading

import pytest

from ml_run.errors import UsageError
from ml_run.events import logger
from ml_run.experiment import (
    Experiment,
    check_name,
    create_experiment,
    find_experiment,
    is_locked,
    list_experiments,
    locked,
)

HOSTILE = [
    "../x", "a/b", "$(id)", "-rf", "x" * 121, "a\0b", "a\nb", "\x1b[31mred", "\u202eabc", "a\\b", "a;b", "a|b", "`id`",
    "", "   ", "a\tb", "é/\u200f", "<script>", "a\u200bb", "a*b", "~root", "%2e%2e",
]  # fmt: skip


def make(folder, name=None):
    return create_experiment(folder, name, config_text="", command="ml-run", config_path=folder / "ml_config.yaml")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_r33_a_hostile_name_is_refused(name):
    """Anything but letters, digits, blanks and . _ - + , : ( ) is a usage error that says what was found."""
    with pytest.raises(UsageError) as refused:
        check_name(name)
    assert refused.value.remedy == "use 1-120 letters, digits, blanks and . _ - + , : ( ), not starting with -"


@pytest.mark.parametrize(
    "name",
    ["xlm-r-fine-tune-v2", "test augmented training data", "CON", "ሙከራ 1", "नमूना", "v1.2+b (rerun), x:y", "x" * 120],
)
def test_a_name_in_any_script_is_accepted(name):
    """Letters of any script, with their vowel signs, make a name; names never become paths."""
    assert check_name(name) == name


def test_eight_runs_started_at_once_get_eight_folders(tmp_path):
    """Runs of the same second get _2, _3, ...; none shares a folder with another (R5)."""
    with multiprocessing.get_context("fork").Pool(8) as pool:
        folders = pool.map(_make_folder, [tmp_path] * 8)
    assert len(set(folders)) == 8
    assert len(list_experiments(tmp_path)) == 8


def _make_folder(folder):
    return make(folder).id


def test_runs_are_listed_in_the_order_they_were_made(tmp_path):
    """_10 comes after _9 and _2, as it was made."""
    for stem in ("exp_20260101_000000", "exp_20260101_000000_10", "exp_20260101_000000_2", "exp_20251231_235959"):
        made = make(tmp_path)
        made.folder.rename(made.folder.with_name(stem))
    assert [e.id.removeprefix("exp_2026") for e in list_experiments(tmp_path)] == [
        "exp_20251231_235959", "0101_000000", "0101_000000_2", "0101_000000_10",
    ]  # fmt: skip


def test_a_run_is_found_by_folder_prefix_name_or_latest(tmp_path):
    """All four ways to name a run lead to it; what fits none or several is refused with what there is."""
    first, second = make(tmp_path, "first"), make(tmp_path, "twice")
    third = make(tmp_path, "twice")
    assert find_experiment(tmp_path, first.id) == first
    assert find_experiment(tmp_path, "first") == first
    assert find_experiment(tmp_path, "latest") == third
    assert find_experiment(tmp_path, third.id) == third
    with pytest.raises(UsageError, match="2 runs called 'twice'"):
        find_experiment(tmp_path, "twice")
    with pytest.raises(UsageError, match="no run called 'nothing'") as refused:
        find_experiment(tmp_path, "nothing")
    assert second.id in refused.value.remedy


def test_a_run_being_walked_is_refused_with_its_holder(tmp_path):
    """R5: the second walker is refused at once, naming pid, host and start; the lock goes with its process."""
    experiment = make(tmp_path)
    context = multiprocessing.get_context("fork")
    holding = context.Event()
    holder = context.Process(target=_hold, args=(experiment.folder, holding))
    holder.start()
    assert holding.wait(10)
    with pytest.raises(UsageError, match=f"process {holder.pid} on .*, started 20"), locked(experiment):
        pass
    assert is_locked(experiment)
    holder.kill()
    holder.join()
    assert not is_locked(experiment)
    with locked(experiment):
        assert os.getpid()


def _hold(folder, holding):
    with locked(Experiment(folder)):
        holding.set()
        while True:
            pass


def test_a_look_at_a_run_does_not_keep_it_from_being_walked(tmp_path):
    """A process that only asks whether the run is walked holds its lock for a moment: the walker waits that long."""
    experiment = make(tmp_path)
    with locked(experiment):
        pass  # leaves its note, which must not be taken for a holder
    looking, ended = threading.Event(), threading.Event()

    def look():
        with (experiment.folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            looking.set()
            ended.wait(0.1)

    onlooker = threading.Thread(target=look)
    onlooker.start()
    assert looking.wait(5)
    with locked(experiment):
        onlooker.join()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 3}', "\x00\xff"])
def test_a_damaged_run_hides_no_other(tmp_path, caplog, monkeypatch, content):
    """One unreadable run.json is left out with a warning; the others are listed and found by name."""
    monkeypatch.setattr(logger, "propagate", True)
    whole, damaged = make(tmp_path, "whole"), make(tmp_path, "hurt")
    damaged.run_file.write_text(content)
    assert list_experiments(tmp_path) == [whole]
    assert f"run {damaged.id} is left out: {damaged.run_file}: not a RunRecord this version can read" in caplog.text
    assert find_experiment(tmp_path, "whole") == find_experiment(tmp_path, "latest") == whole
    with pytest.raises(UsageError, match="no run called 'hurt'"):
        find_experiment(tmp_path, "hurt")
    with pytest.raises(UsageError, match="not a RunRecord"):
        find_experiment(tmp_path, damaged.id).read_run()


@pytest.mark.parametrize("reference", ["..", "", ".", "../experiments/exp_1", "exp_"])
def test_a_reference_is_never_a_path(tmp_path, reference):
    """Only folders that are listed are found, whatever is asked for; a prefix must be unique."""
    make(tmp_path), make(tmp_path)
    with pytest.raises(UsageError, match="called"):
        find_experiment(tmp_path, reference)


def test_r9_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    """R9: a file where experiments/ should be ends in one line with a remedy, not a trace."""
    (tmp_path / "experiments").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write here") as refused:
        make(tmp_path)
    assert refused.value.remedy == "start ml-run in a folder you may write to"


def test_r9_a_run_that_cannot_be_locked_is_one_clear_error(tmp_path):
    """R9: where the lock cannot be written, going on with a run ends in one line, too."""
    experiment = make(tmp_path)
    (experiment.folder / ".lock").mkdir()
    with pytest.raises(UsageError, match="cannot write here: Is a directory"), locked(experiment):
        pass


def test_the_run_record_names_no_person_and_no_host(tmp_path):
    """run.json is shared with others: it holds the machine's kind, never its name or its user's."""
    record = make(tmp_path, "x").read_run()
    assert set(record.host) == {"system", "machine", "cores"}
    assert record.versions["python"].startswith("3.")
