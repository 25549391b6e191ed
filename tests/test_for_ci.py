"""What CI gets to see, through the front door: JUnit XML and the job's summary, however a command ends."""

import json
import os
import signal
import time

import pytest

from conftest import write_jsonl, write_project
from harness import Command, ml_run
from junit_schema import outcomes, parsed, properties
from test_cli import WITHOUT_STORE
from test_evaluate_command import predictions

STALE = "<?xml version='1.0'?><testsuites/>"


@pytest.fixture
def folder(tmp_path):
    """A folder with predictions that reach a macro-F1 of about 0.9, and what an earlier job left."""
    write_jsonl(tmp_path / "p.jsonl", predictions())
    (tmp_path / "gate.xml").write_text(STALE)
    return tmp_path


def evaluate(folder, threshold, *args, **env):
    return ml_run(
        "evaluate", "p.jsonl", "--set", f"deployment.min_f1={threshold}", "--quiet", *args, cwd=folder, env=env
    )


def cases_in(folder):
    return outcomes(parsed((folder / "gate.xml").read_bytes()))


def test_a_verdict_is_told_in_three_ways_that_agree(folder):
    """Exit code, JUnit XML and summary of one FAIL; the summary is appended to what another step wrote."""
    (folder / "summary.md").write_text("before\n")
    done = evaluate(folder, 0.99, "--junit", "out/gate.xml", GITHUB_STEP_SUMMARY="summary.md")
    assert done.code == 5
    assert done.err == ""
    assert cases_in(folder / "out") == {"min_f1": "failure FAIL"}
    assert (folder / "summary.md").read_text().startswith("before\n\n## ml-run: FAIL\n\n**The model does not meet")


def test_exit_zero_changes_the_code_alone(folder):
    """A job that must not turn red still shows the criterion that was missed."""
    assert evaluate(folder, 0.99, "--exit-zero", "--junit", "gate.xml").code == 0
    assert cases_in(folder) == {"min_f1": "failure FAIL"}
    assert properties(parsed((folder / "gate.xml").read_bytes()))["exit_code"] == "0"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["run", "--config", "none.yaml", "--junit", "gate.xml"], "error config"),
        (["--set", "trainig.epochs=1", "--junit=gate.xml", "a name"], "error config"),
        (["quickstart", "--junit", "gate.xml", "--no-such-option"], "error usage"),
        (["evaluate", "--junit", "gate.xml", "none.jsonl"], "error usage"),
        (["run", "--junit", "gate.xml", "--", "../x"], "error usage"),
    ],
)
def test_no_early_end_leaves_the_file_of_an_earlier_run(folder, arguments, kind):
    """Wrong words, a config with faults, a file that is not there: exit 2, and the file says why."""
    write_project(folder, train=20, val=10, test=10)
    done = ml_run(*arguments, cwd=folder, env={"GITHUB_STEP_SUMMARY": "summary.md"})
    assert done.code == 2
    assert cases_in(folder) == {"run": kind}
    assert (folder / "summary.md").read_text().startswith("\n## ml-run: ERROR\n\nNothing was run (exit code 2).")


def test_data_that_is_not_ready_is_an_error_of_its_stage(folder):
    """Exit 3: the error stands under the stage that found it, and says what to do."""
    write_project(folder, train=20, val=10, test=10)
    done = ml_run("run", "--junit", "gate.xml", "--quiet", cwd=folder, env={"GITHUB_STEP_SUMMARY": "summary.md"})
    assert done.code == 3
    assert cases_in(folder) == {"data": "error notready"}
    assert "what to do: " in parsed((folder / "gate.xml").read_bytes()).find(".//error").text
    assert (folder / "summary.md").read_text().startswith("\n## ml-run: NOT READY\n")


def test_a_run_that_is_stopped_says_so_and_one_that_is_killed_too(folder):
    """While it runs the file holds an error, so SIGKILL leaves one; Ctrl-C replaces it by the command that goes on."""
    write_project(folder)
    running = Command(["run", "--junit", "gate.xml"], folder)
    while "▸ data" not in running.err():
        assert running.alive()
        time.sleep(0.02)
    assert cases_in(folder) == {"run": "error unfinished"}
    running.send(signal.SIGINT)
    assert running.wait().code == 130
    assert list(cases_in(folder).values()) == ["error interrupted"]
    assert "what to do: ml-run --resume exp_" in parsed((folder / "gate.xml").read_bytes()).find(".//error").text


def test_what_is_no_earlier_report_is_never_replaced(folder):
    """A folder, the config, a data file: refused before anything is done, and as it was."""
    before = (folder / "p.jsonl").read_bytes()
    for wrong in ("p.jsonl", ".", "p.jsonl/gate.xml", os.devnull):
        done = evaluate(folder, 0.5, "--junit", wrong, "--json")
        assert done.code == 2, wrong
        (error,) = json.loads(done.out)["errors"]
        assert error["where"] == f"--junit {wrong}"
        assert error["remedy"] == "name a file in a folder you may write to: --junit gate.xml"
    assert (folder / "p.jsonl").read_bytes() == before
    assert not (folder / "experiments").exists()


def test_a_summary_that_cannot_be_written_changes_nothing_but_a_warning(folder):
    """A folder or a pipe that nobody reads in place of the summary: verdict and code come out, without delay."""
    os.mkfifo(folder / "pipe")
    for wrong in (".", "pipe", "none/summary.md"):
        done = evaluate(folder, 0.5, GITHUB_STEP_SUMMARY=wrong)
        assert done.code == 0
        assert done.err.startswith("⚠ the job summary could not be written: ")
        assert done.err.count("\n") == 1


def test_commands_without_a_verdict_leave_no_summary(folder):
    """`list`, `show` and the like tell CI nothing, also when they fail."""
    assert ml_run("show", "none", cwd=folder, env={"GITHUB_STEP_SUMMARY": "summary.md"}).code == 2
    assert not (folder / "summary.md").exists()


def test_a_dry_run_has_nothing_to_tell_the_gate(folder):
    """--junit with --dry-run is refused: a file of passed tests would be taken for a verdict."""
    write_project(folder, train=20, val=10, test=10)
    done = ml_run("run", "--dry-run", "--junit", "gate.xml", cwd=folder)
    assert done.code == 2
    assert cases_in(folder) == {"run": "error usage"}


@pytest.mark.slow
def test_a_whole_run_whose_store_is_away(folder):
    """Exit 7 after a PASS: the criteria pass, and the store that has to be sent to is an error beside them."""
    write_project(folder, model={"name": "linear"})
    done = ml_run("run", "--junit", "gate.xml", "--quiet", cwd=folder, env=WITHOUT_STORE)
    assert done.code == 7
    passed = {"min_accuracy": "passed", "min_f1": "passed"}
    assert cases_in(folder) == passed | {"deploy": "error failed", "registry": "error pending"}
