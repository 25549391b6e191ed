"""Promotion through the front door: two candidates at once, and `ml-run deploy` killed on its way."""

import json
import signal

import pytest

from harness import Command, ml_run
from ml_run import deployments, files, tracking
from ml_run.config.file import load_config
from test_linear_run import linear_project, read, runs

pytestmark = pytest.mark.slow


def waiting(project, name, *more):
    """A run that passed and waits to be deployed; returns its folder."""
    done = ml_run(name, "--json", *more, cwd=project)
    assert done.code == 0, done.err
    return project / json.loads(done.out)["folder"]


def standing(project):
    """Aliases and the version that `current` points at."""
    config = load_config(project / "ml_config.yaml").config
    return tracking.aliases(config, project), deployments.current_version(project)


def check_named_are_whole(project):
    """Whatever alias or pointer names is registered, and as it was verified."""
    pointing, current = standing(project)
    assert pointing["production"] in {"1", "2"}
    for version in {current, pointing["production"]}:
        assert files.manifest_fault(deployments.version_folder(project, version)) is None


def test_r23_of_two_candidates_at_once_one_wins_and_the_loser_is_judged_against_it(tmp_path):
    """One exit 0, one exit 7 that names the next command; which judges it anew, and then it may be deployed."""
    project = linear_project(
        tmp_path, noise=0.2, deployment={"auto_deploy": False}, gate={"max_regression": 0.5}, train=200
    )
    candidates = [waiting(project, name, "--set", f"training.seed={seed}") for seed, name in enumerate("ab", 1)]
    commands = [Command(["deploy", run.name, "--json"], project) for run in candidates]
    ended = [command.wait() for command in commands]
    assert sorted(done.code for done in ended) == [0, 7], [done.err for done in ended]
    lost = candidates[[done.code for done in ended].index(7)]
    said = next(done for done in ended if done.code == 7).err
    assert "production changed meanwhile: it was none, it is version" in said
    assert f"ml-run --resume {lost.name}" in said
    won = standing(project)[1]
    again = ml_run("--resume", lost.name, "--json", cwd=project)
    assert again.code == 0, again.err
    assert read(lost, "evaluation/metrics.json")["production_version"] == won
    criteria = {one["name"] for one in read(lost, "evaluation/verdict.json")["criteria"]}
    assert "max_regression" in criteria
    done = ml_run("deploy", lost.name, cwd=project)
    assert done.code == 0, done.err
    other = {"1": "2", "2": "1"}[won]
    assert standing(project) == ({"production": other, "previous": won}, other)


def test_r24_deploy_killed_on_its_way_is_completed_by_the_next(tmp_path):
    """Kill -9 from the first flush to the report: named are whole versions only, and the same command completes it."""
    project = linear_project(tmp_path, deployment={"auto_deploy": False})
    first, second = (waiting(project, name, "--set", f"training.seed={seed}") for seed, name in enumerate("ab", 1))
    assert ml_run("deploy", first.name, cwd=project).code == 0
    assert ml_run("--resume", second.name, cwd=project).code == 0  # judged against the first
    trace = tmp_path / "trace"
    assert ml_run("deploy", second.name, cwd=project, env={"TRACE_CRASH_POINTS": str(trace)}).code == 0
    points = len(trace.read_text().split("\n")) - 1
    assert points > 20
    for point in range(1, points + 1, 4):
        assert ml_run("rollback", cwd=project).code == 0
        killed = ml_run("deploy", second.name, cwd=project, env={"MLRUN_CRASH_AT": str(point)})
        assert killed.code in {0, -signal.SIGKILL}
        check_named_are_whole(project)
        done = ml_run("deploy", second.name, cwd=project)
        assert done.code == 0, f"point {point} of {points}: {done.err}"
        assert standing(project) == ({"production": "2", "previous": "1"}, "2")
        assert read(second, "deployment.json")["deployment"]["action"] == "deployed"
        assert read(second, "result.json")["deployment"]["version"] == "2"
        assert read(second, "registration.json")["aliases"] == ["production"]
    assert len(runs(project)) == 2
