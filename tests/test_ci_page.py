"""docs/ci.md: its files are valid as they are copied, and their scripts do what the page says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import write_project
from junit_schema import outcomes, parsed
from ml_run.errors import ExitCode
from test_claude_files import ROOT, check_invocation

PAGE = ROOT / "docs/ci.md"
GITHUB, GITLAB = (
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
)
STEPS = {step.get("name", step.get("uses")): step for step in GITHUB["jobs"]["gate"]["steps"]}
SCRIPTS = [*(step["run"] for step in STEPS.values() if "run" in step), *GITLAB["model"]["script"]]


def in_a_shell(script, folder, **env):
    """Run the script of a step as CI does: bash that stops at the first command that fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_RUN_NUMBER": "7"} | env
    return subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=env, capture_output=True, text=True)


def test_the_workflow_is_one_that_github_can_read():
    """Triggers, permissions and steps by their documented names; each step uses an action or runs a script."""
    assert set(GITHUB) == {"name", True, "permissions", "concurrency", "jobs"}  # YAML 1.1 takes `on` for true
    assert set(GITHUB[True]) == {"workflow_dispatch", "pull_request"}
    assert GITHUB["permissions"] == {"contents": "read", "pull-requests": "write"}
    job = GITHUB["jobs"]["gate"]
    assert set(job) == {"runs-on", "timeout-minutes", "env", "steps"}
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert set(step) <= {"name", "id", "if", "uses", "with", "run", "env", "continue-on-error"}
        assert re.fullmatch(r"actions/[\w/-]+@v\d+", step.get("uses", "actions/x@v1"))


def test_no_words_of_other_people_reach_a_script():
    """An expression of GitHub stands in `env` or `with`, never in a script, where it would be code."""
    assert not any("${{" in script for script in SCRIPTS)


def test_what_a_gate_that_says_no_leaves_behind_is_kept():
    """Report, caches and comment follow in any case: a job whose gate fails is the one they are for."""
    names = list(STEPS)
    for name in names[names.index("Run") + 1 :]:
        assert STEPS[name]["if"].startswith("always()"), name
    assert GITLAB["model"]["artifacts"]["when"] == "always"
    assert GITLAB["model"]["artifacts"]["reports"] == {"junit": "gate.xml"}


def test_every_call_of_ml_run_exists():
    """The scripts call commands and options that the program has, and one call asks for the gate and for its files."""
    calls = [line.strip() for script in SCRIPTS for line in script.splitlines() if line.strip().startswith("ml-run ")]
    assert len(calls) == 2
    for call in calls:
        check_invocation(re.split(r" > ", call)[0])
        assert shlex.split(call)[1:7] == ["run", "--json", "--until", "gate", "--junit", "gate.xml"]


def test_the_page_explains_every_exit_code():
    """Each exit code that a run can have is in the table."""
    rows = re.findall(r"^\| ([\d, ]+)(?: and others)? \|", PAGE.read_text("utf-8"), re.MULTILINE)
    explained = {int(code) for row in rows for code in row.split(", ")}
    assert explained == set(map(int, ExitCode)) - {ExitCode.DRIFT} | {137}


def test_the_script_of_the_step_tells_what_stopped_it(tmp_path):
    """A config that is not valid: the step fails with its code, says so, and leaves tests and comment to show."""
    done = in_a_shell(STEPS["Run"]["run"], tmp_path)
    assert done.returncode == 2
    assert done.stdout == "::error title=ml-run::no verdict, exit code 2: see the job summary\n"
    assert outcomes(parsed((tmp_path / "gate.xml").read_bytes())) == {"run": "error config"}
    assert (tmp_path / "comment.md").read_text() == (tmp_path / "summary.md").read_text()
    assert json.loads((tmp_path / "result.json").read_text())["exit_code"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "code", "says", "expected"),
    [({}, 0, "", "passed"), ({"max_latency_ms": 1e-6}, 5, "verdict FAIL: see the job summary", "failure FAIL")],
)
def test_the_script_of_the_step_passes_a_verdict_on(tmp_path, gate, code, says, expected):
    """PASS and FAIL of a real run: exit code, tests, comment and what is printed agree; nothing is registered."""
    write_project(tmp_path, model={"name": "linear"}, gate=gate)
    done = in_a_shell(STEPS["Run"]["run"], tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stdout
    assert list(outcomes(parsed((tmp_path / "gate.xml").read_bytes())).values())[-1] == expected
    assert (tmp_path / "comment.md").read_text().startswith(f"\n## ml-run: {'PASS' if code == 0 else 'FAIL'}\n")
    assert "deploy" not in json.loads((tmp_path / "result.json").read_text())["stages"]


@pytest.mark.slow
def test_the_line_for_gitlab_leaves_the_same(tmp_path):
    """The same gate from the other file: exit code, tests and summary."""
    write_project(tmp_path, model={"name": "linear"})
    done = in_a_shell(GITLAB["model"]["script"][-1], tmp_path, CI_MERGE_REQUEST_IID="12")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "result.json").read_text())["name"] == "MR 12"
    assert (tmp_path / "summary.md").read_text().startswith("\n## ml-run: PASS\n")
