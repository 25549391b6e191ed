"""The whole road under fire: killed at any moment, interrupted, started twice; it always arrives at the same place."""

import json
import random
import signal
import sqlite3
import time

import pytest

from conftest import write_project
from harness import Command, ml_run
from ml_run import files
from ml_run.results import STAGES


def only_run(project):
    (folder,) = (project / "experiments").glob("exp_*")
    return folder


def outcome(project):
    """What a run arrived at, less what depends on the clock."""
    folder = only_run(project)
    metrics = json.loads((folder / "evaluation/metrics.json").read_text())
    for key in ("latency_ms_p50", "latency_ms_p95"):
        metrics.pop(key)
    metrics["look"].pop("head")  # of a line that holds the time
    return {
        "weights": files.hash_file(folder / "model/model.safetensors"),
        "metrics": metrics,
        "curve": json.loads((folder / "training.json").read_text())["curve"],
        "verdict": json.loads((folder / "evaluation/verdict.json").read_text()),
        "status": json.loads((folder / "run.json").read_text())["status"],
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run nobody disturbs: what it arrived at, and the stage of each of its crash points."""
    project = write_project(tmp_path_factory.mktemp("undisturbed"))
    trace = project / "trace"
    done = ml_run(cwd=project, env={"TRACE_CRASH_POINTS": str(trace)})
    assert done.code == 0, done.err
    return outcome(project), trace.read_text().split("\n")[:-1]


def killed_and_resumed(folder, point):
    """Kill a run at a crash point, resume it; return what the resumed command said."""
    write_project(folder)
    killed = ml_run(cwd=folder, env={"MLRUN_CRASH_AT": str(point)})
    assert killed.code == -signal.SIGKILL
    if not list((folder / "experiments").glob("exp_*/run.json")):
        return ml_run(cwd=folder)  # killed before there was a run to go on with
    (listed,) = json.loads(ml_run("list", "--json", cwd=folder).out)["runs"]
    assert listed["status"] in {"killed", "finished"}
    return ml_run("--resume", listed["id"], cwd=folder)


SLOW_STAGES = {"data", "evaluate", "gate", "registry"}
KILLED_IN = [pytest.param(s, marks=pytest.mark.slow) if s in SLOW_STAGES else s for s in STAGES]


@pytest.mark.parametrize("stage", KILLED_IN)
def test_r1_a_run_killed_in_any_stage_arrives_at_the_same_place(tmp_path, undisturbed, stage):
    """Kill -9 in the middle of each stage, then --resume: same weights, curve and scores, nothing walked twice."""
    expected, trace = undisturbed
    points = [number for number, running in enumerate(trace, 1) if running == stage]
    done = killed_and_resumed(tmp_path, points[len(points) // 2])
    assert done.code == 0, done.err
    assert outcome(tmp_path) == expected
    assert done.err.count("done before") == STAGES.index(stage)
    _production_is_whole(tmp_path)


@pytest.mark.slow
def test_r1_a_run_killed_at_every_crash_point_arrives_at_the_same_place(tmp_path, undisturbed):
    """The same at each of the instrumented points of the run, before and after every flush and rename."""
    expected, trace = undisturbed
    for point in range(1, len(trace) + 1):
        folder = tmp_path / str(point)
        folder.mkdir()
        done = killed_and_resumed(folder, point)
        assert done.code == 0, f"point {point} of {len(trace)}, in {trace[point - 1]!r}: {done.err}"
        runs = list((folder / "experiments").glob("exp_*/config.yaml"))
        if len(runs) == 1 and len(list((folder / "experiments").glob("exp_*"))) == 1:
            assert outcome(folder) == expected, f"point {point}"
        _production_is_whole(folder)


@pytest.mark.slow
def test_r2_a_run_killed_at_random_times_is_always_readable(tmp_path, undisturbed):
    """Twenty kills at random times: the list of runs answers after each, and the run arrives in the end."""
    chance = random.Random(11)
    write_project(tmp_path)
    assert ml_run("--until", "data", cwd=tmp_path).code == 0
    run_id = only_run(tmp_path).name
    for _ in range(20):
        command = Command(["--resume", run_id], tmp_path)
        time.sleep(chance.uniform(0.1, 8))
        command.kill()
        (listed,) = json.loads(ml_run("list", "--json", cwd=tmp_path).out)["runs"]
        assert listed["id"] == run_id
    assert ml_run("--resume", run_id, cwd=tmp_path).code == 0
    assert outcome(tmp_path) == undisturbed[0]


def _production_is_whole(project):
    deployments = project / "experiments/deployments"
    version = (deployments / "current").resolve()
    assert files.manifest_fault(version) is None
    database = sqlite3.connect(project / "experiments/mlflow.db")
    aliases = dict(database.execute("select alias, version from registered_model_aliases").fetchall())
    assert str(aliases["production"]) == version.name
    assert len(list(deployments.glob("[0-9]*"))) == 1


# --- interrupted ----------------------------------------------------------------------------------------------------


def start_training(project):
    """Start a run that trains for a while and return it once it has made some steps."""
    write_project(project, train=600, training={"epochs": 40, "early_stopping_patience": 0})
    command = Command([], project)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for journal in (project / "experiments").glob("exp_*/logs/events.jsonl"):
            steps = [line for line in journal.read_text().splitlines() if '"metrics"' in line]
            if len(steps) > 2:
                return command
        assert command.alive(), command.err()
        time.sleep(0.05)
    raise TimeoutError(command.err())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_r13_r14_a_stop_signal_saves_the_run_and_prints_how_to_go_on(tmp_path, number, code):
    """SIGTERM and Ctrl-C in training: a verified checkpoint, the exit code, the resume command, no verdict."""
    command = start_training(tmp_path)
    command.send(number)
    done = command.wait(60)
    folder = only_run(tmp_path)
    assert done.code == code, done.err
    assert f"ml-run --resume {folder.name}" in done.err
    run = json.loads((folder / "run.json").read_text())
    assert (run["status"], run["stages"]["train"]["status"], run["exit_code"]) == ("interrupted", "interrupted", code)
    assert not {"evaluate", "gate", "deploy"} & set(run["stages"])
    (newest,) = sorted((folder / "checkpoints").glob("checkpoint-*"))[-1:]
    assert files.manifest_fault(newest) is None
    assert _mlflow_status(tmp_path) == "KILLED"
    assert json.loads((folder / "result.json").read_text())["error"]["kind"] == "interrupted"


def _mlflow_status(project):
    database = sqlite3.connect(project / "experiments/mlflow.db")
    ((status,),) = database.execute("select status from runs").fetchall()
    return status


def test_r14_a_second_ctrl_c_stops_at_once(tmp_path):
    """The second signal does not wait for anything."""
    command = start_training(tmp_path)
    command.send(signal.SIGINT)
    command.send(signal.SIGINT)
    start = time.monotonic()
    assert command.wait(10).code == 130
    assert time.monotonic() - start < 2


def test_r5_a_run_being_walked_is_not_resumed_twice(tmp_path):
    """--resume of a run that another process walks is refused at once, naming it; after kill -9 it is free."""
    command = start_training(tmp_path)
    refused = ml_run("--resume", "latest", cwd=tmp_path)
    assert refused.code == 2
    assert f"is being walked by process {command.pid} on " in refused.err
    command.kill()
    assert "killed" in ml_run("list", cwd=tmp_path).out.split("\n")[1].split()


def test_a_run_whose_config_file_changed_goes_on_with_its_own(tmp_path):
    """A run resumes with the config saved in it, whatever the file in the project says by now."""
    write_project(tmp_path)
    assert ml_run("--until", "data", cwd=tmp_path).code == 0
    write_project(tmp_path, training={"epochs": 1}, deployment={"auto_deploy": False})
    done = ml_run("--resume", "--until", "train", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert len(json.loads((only_run(tmp_path) / "training.json").read_text())["curve"]) == 3


@pytest.mark.slow
def test_data_that_changed_is_read_again_on_resume(tmp_path):
    """A resumed run whose source files changed walks the data stage again, and everything after it."""
    write_project(tmp_path)
    assert ml_run("--until", "evaluate", cwd=tmp_path).code == 0
    with (tmp_path / "data/train.jsonl").open("a") as file:
        file.write('{"text": "guri cusub oo gaadhay yidhi dawlad", "label": "Northern"}\n')
    done = ml_run("--resume", "latest", "--until", "evaluate", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "done before" not in done.err
    assert "151 train" in done.err


def test_r9_no_home_and_no_cache_folder_do_not_matter(tmp_path):
    """HOME unset and a cache folder that cannot be written: the run needs neither."""
    write_project(tmp_path)
    (tmp_path / "a file").write_text("")
    blocked = str(tmp_path / "a file" / "cache")
    done = ml_run(
        "--until", "evaluate", cwd=tmp_path, env={"HF_HOME": blocked, "HOME": blocked, "TRANSFORMERS_CACHE": blocked}
    )
    assert done.code == 0, done.err


def test_a_stage_walked_again_takes_all_later_answers_back(tmp_path):
    """After new data a run that passed has no verdict any more: nothing can be deployed on the old one."""
    write_project(tmp_path, deployment={"auto_deploy": False})
    assert ml_run("--until", "gate", cwd=tmp_path).code == 0
    with (tmp_path / "data/train.jsonl").open("a") as file:
        file.write('{"text": "guri cusub oo gaadhay yidhi dawlad", "label": "Northern"}\n')
    done = ml_run("--resume", "latest", "--until", "train", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert json.loads(done.out)["verdict"] is None
    assert set(json.loads(done.out)["stages"]) == {"data", "train"}
    refused = ml_run("deploy", "latest", cwd=tmp_path)
    assert refused.code == 2
    assert "has no verdict yet" in refused.err


def test_corrections_in_the_review_queue_are_kept_on_resume(tmp_path):
    """Writing into review_queue.csv is no damage: the data stage is not walked again over it."""
    write_project(tmp_path)
    assert ml_run("--until", "data", cwd=tmp_path).code == 0
    queue = only_run(tmp_path) / "data/review_queue.csv"
    queue.write_text(queue.read_text("utf-8-sig") + "mine,1,train,x,y,z,Northern\n")
    done = ml_run("--resume", "--until", "data", cwd=tmp_path)
    assert "data: done before" in done.err
    assert "mine,1,train" in queue.read_text()


@pytest.mark.slow
def test_a_run_stopped_after_it_deployed_is_not_judged_against_itself(tmp_path):
    """When production is this run's own model, a resume keeps the verdict that led there."""
    write_project(tmp_path, gate={"min_improvement": 0.01})
    assert ml_run(cwd=tmp_path).code == 0
    run_file = only_run(tmp_path) / "run.json"
    run = json.loads(run_file.read_text())
    run["status"] = run["stages"]["deploy"]["status"] = "interrupted"
    del run["stages"]["registry"]
    run_file.write_text(json.dumps(run))
    done = ml_run("--resume", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert json.loads(done.out)["deployment"]["version"] == "1"
    assert "evaluate: done before" in done.err
