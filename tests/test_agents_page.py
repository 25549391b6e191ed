"""docs/agents.md: what agents rely on is what the code does."""

import ast
import json
import re
from pathlib import Path

import pytest

from conftest import make_rows, write_jsonl, write_project
from finished_run import finished_run
from harness import ml_run
from ml_run.comparison.record import RunComparison
from ml_run.conclusion import conclude
from ml_run.errors import ExitCode
from ml_run.outside.record import _OF_RUNS, OutsideResult
from ml_run.predicting.record import Predicted
from ml_run.results import CriterionResult, Deployment, Estimate, Registration, RunError, RunResult
from ml_run.watching.record import MonitorResult
from test_claude_files import ROOT, check_invocation

PAGE = ROOT / "docs/agents.md"
SOURCE = ROOT / "src/ml_run"
EVENTS_OF_ANY_LINE = {"seq", "time", "elapsed", "event", "level", "message"}


def section(title):
    """The text below a heading, up to the next of its level or above."""
    level = len(title) - len(title.lstrip("#"))
    after = PAGE.read_text("utf-8").split(f"\n{title}\n", 1)[1]
    return re.split(rf"\n#{{1,{level}}} ", after)[0]


def rows(text):
    """The rows of all tables in a text, as lists of cells, without heads and rules."""
    cells = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in text.splitlines() if line[:1] == "|"]
    rules = [number for number, row in enumerate(cells) if set("".join(row)) <= set("-| ")]
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


def emitted():
    """By kind: the fields of every `emit` in the sources."""
    kinds = {}
    for path in SOURCE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and _name(call.func) == "emit" and len(call.args) == 2:
                for kind in _kinds(call.args[0], path):
                    assert all(word.arg for word in call.keywords), f"{path}: fields given by **"
                    kinds.setdefault(kind, set()).update(word.arg for word in call.keywords if word.arg != "level")
    return kinds


def _name(function):
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _kinds(kind, path):
    if isinstance(kind, ast.Constant):
        return [kind.value]
    assert path.name == "walk.py", "the kind of an event is a word in its call"
    return ["stage_finished", "stage_failed"]


def test_every_kind_of_event_and_every_field_is_documented():
    """The table of events has the kinds and fields that the sources emit, no fewer and no more."""
    kinds = {named(row[0])[0]: set(named(row[1])) for row in rows(section("## events.jsonl")) if len(row) == 3}
    assert kinds.pop("log") == set()
    assert kinds == emitted()


def test_every_line_of_a_real_journal_is_as_documented(tmp_path):
    """A run's lines have the common fields, and beside them only what the table says of their kind."""
    write_project(tmp_path, train=20, val=10, test=10)
    assert ml_run("run", "--quiet", cwd=tmp_path).code == 3
    kinds = {named(row[0])[0]: row[1] for row in rows(section("## events.jsonl")) if len(row) == 3}
    common = {name for row in rows(section("## events.jsonl")) if len(row) == 2 for name in named(row[0])}
    assert common == EVENTS_OF_ANY_LINE
    lines = next(tmp_path.glob("experiments/*/logs/events.jsonl")).read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert {"run_started", "stage_started", "finding", "stage_failed", "run_finished"} <= {
        line["event"] for line in told
    }
    for line in told:
        always = set(re.findall(r"(?<!\()`(\w+)`", kinds[line["event"]]))
        assert common | always <= set(line) <= common | set(named(kinds[line["event"]])), line


def test_every_field_of_the_result_is_documented(tmp_path):
    """The table of the result has the fields of a real finished run, those of its parts among them."""
    fields = {name: row for row in rows(section("### The result")) for name in named(row[0])}
    run = finished_run(tmp_path)
    result = json.loads(conclude(run.config, run.experiment).model_dump_json())
    assert set(fields) == set(result) == set(RunResult.model_fields)
    for part, kind in (
        ("criteria", CriterionResult), ("deployment", Deployment), ("registration", Registration), ("error", RunError),
        ("scores", Estimate),
    ):  # fmt: skip
        assert set(kind.model_fields) <= set(named(fields[part][1])), part
    assert set(result["criteria"][0]) <= set(named(fields["criteria"][1]))
    assert set(result["scores"]["candidate"]) <= set(named(fields["scores"][1]))
    assert json.loads(run.experiment.result.read_text("utf-8")) == result


def test_what_other_commands_print_is_documented(tmp_path):
    """The objects of evaluate, list, compare, show and of an error have the fields that the page names."""
    said = {name: row[1] for row in rows(section("## What commands print")) for name in named(row[0])}
    own, without = said["evaluate"].split("; without ")
    assert set(named(own)) == set(OutsideResult.model_fields) - set(RunResult.model_fields)
    assert set(named(without)) == _OF_RUNS | {"error"}
    assert named(said["compare A B"]) == list(RunComparison.model_fields)
    assert named(said["monitor FILE"])[:6] == ["status", "exit_code", "reasons", "checks", "retrain", "next_step"]
    assert set(named(said["monitor FILE"])) <= set(MonitorResult.model_fields)
    assert set(named(said["predict IN OUT"])) <= set(Predicted.model_fields)
    run = finished_run(tmp_path)
    conclude(run.config, run.experiment)
    listed = json.loads(ml_run("list", "--json", cwd=tmp_path).out)
    assert named(said["list"]) == ["runs", *listed["runs"][0], "omitted"]
    assert list(listed) == ["runs", "omitted"]
    assert list(json.loads(ml_run("show", "latest", "--json", cwd=tmp_path).out)) == ["run", "result"]
    failed = json.loads(ml_run("show", "none", "--json", cwd=tmp_path).out)
    assert list(failed) == ["status", "exit_code", "errors"]
    assert list(failed["errors"][0]) == ["found", "where", "remedy"]
    checked = json.loads(ml_run("doctor", "--json", "--quiet", cwd=tmp_path).out)
    assert named(said["doctor"]) == ["exit_code", "fit", "checks", *checked["checks"][0], "checks_left_out", "estimate"]
    assert set(checked) <= set(named(said["doctor"]))
    write_jsonl(tmp_path / "rows.jsonl", make_rows(90))
    assert named(said["init"]) == list(json.loads(ml_run("init", "rows.jsonl", "--json", cwd=tmp_path).out))


def test_every_exit_code_is_explained():
    """Each exit code has its row, and no row has a code that does not exist."""
    assert [int(row[0]) for row in rows(section("## Exit codes"))] == sorted(map(int, ExitCode))


@pytest.mark.parametrize("page", ["agents.md", "ci.md"])
def test_every_command_on_the_page_exists(page):
    """Every `ml-run …` on the pages for agents and CI has a command and options that the program has."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    lines = re.findall(r"^\s*(?:- )?(ml-run .*)$", text, re.MULTILINE) + re.findall(r"`(ml-run [^`\n]+)`", text)
    assert len(lines) > 2
    for line in lines:
        check_invocation(re.split(r" (?:>|\|\|?|&&) ", line)[0])


def test_every_file_on_the_page_is_one_of_the_experiment_folder():
    """Paths named are those that a run leaves."""
    known = (ROOT / "docs/architecture.md").read_text("utf-8") + Path(SOURCE / "experiment.py").read_text("utf-8")
    for name in re.findall(r"`(?:[\w/]+/)?(\w+\.(?:json|jsonl|csv|log|html))`", PAGE.read_text("utf-8")):
        assert name in known, name
