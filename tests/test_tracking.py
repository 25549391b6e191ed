import hashlib
import importlib
import logging
import random
import socket
import sqlite3
import time
from urllib.parse import unquote

import pytest

import processes
from finished_run import events_of, finished_run, metrics_event, started_store, write_metrics
from harness import fork_server
from ml_run import files, tracking
from ml_run.config import Config
from ml_run.errors import Interrupted, StoreError
from ml_run.events import emit, recording
from ml_run.experiment import create_experiment
from ml_run.tracking import sqlite
from ml_run.tracking.store import connect, store_faults

SECRET = "s3cr3t-pass"


def make_config(**sections) -> Config:
    return Config.model_validate({"data": {"train_path": "x"}, "model": {"name": "scratch:tiny"}} | sections)


def make_experiment(project, name="a run"):
    return create_experiment(project, name, config_text="", command="ml-run", config_path=project / "ml_config.yaml")


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(autouse=True)
def _told(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(logging.getLogger("ml_run"), "level", logging.INFO)


@pytest.fixture
def project(tmp_path):
    """A project folder whose store has been started."""
    return started_store(tmp_path)


def mlflow_runs(project, config=None):
    store = connect(config or make_config(), project)
    folders = [e.experiment_id for e in store.client.search_experiments()]
    return store.client.search_runs(folders)


# --- the address --------------------------------------------------------------------------------------------------


def test_the_config_names_the_store_before_the_environment(tmp_path, monkeypatch):
    """tracking.uri wins over MLFLOW_TRACKING_URI, which wins over the project's own sqlite file."""
    assert tracking.tracking_uri(make_config(), tmp_path) == f"sqlite:///{tmp_path}/experiments/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:5000")
    assert tracking.tracking_uri(make_config(), tmp_path) == "http://elsewhere:5000"
    chosen = make_config(tracking={"uri": "sqlite:///mine.db"})
    assert tracking.tracking_uri(chosen, tmp_path) == f"sqlite:///{tmp_path}/mine.db"


def test_the_model_is_named_after_the_project_folder_in_characters_that_mlflow_takes(tmp_path):
    """Slashes, colons, dots and blanks of a folder name never reach the registry; registry.name is taken as given."""
    assert tracking.registered_name(make_config(), tmp_path / "af Soomaali: v1.2") == "af-Soomaali-v1-2"
    assert tracking.registered_name(make_config(), tmp_path / "...") == "ml-run"
    assert tracking.registered_name(make_config(registry={"name": "my model"}), tmp_path) == "my model"


# --- the first start ----------------------------------------------------------------------------------------------


def kill_first_starts(tmp_path, kills):
    chance = random.Random(3)
    for number in range(kills):
        project = tmp_path / f"p{number}"
        project.mkdir()
        child = processes.start(processes.first_start, make_config(), project)
        time.sleep(chance.uniform(0, 1.0))
        child.kill()
        child.join()
        assert processes.run(processes.first_start, make_config(), project) == 0, f"kill {number}"
        assert connect(make_config(), project).client.search_experiments()[0].name == "Default"
        left = {path.name for path in (project / "experiments").iterdir()}
        assert left == {"mlflow.db", ".mlflow.db.lock"}


def test_r3_killed_first_start_never_harms_the_next(tmp_path):
    """Kill -9 at any moment of the first sqlite start: the next start works, and nothing is left of the broken one."""
    kill_first_starts(tmp_path, 6)


@pytest.mark.slow
def test_r3_thirty_killed_first_starts(tmp_path):
    """As above, 30 times."""
    kill_first_starts(tmp_path, 30)


@pytest.mark.parametrize("crash_at", [1, 2])
def test_r3_killed_around_the_rename(tmp_path, crash_at):
    """Killed when the new database is whole but not yet, or only just, in place: the next start works."""
    assert processes.run(processes.first_start, make_config(), tmp_path, crash_at) == -9
    assert connect(make_config(), tmp_path).client.search_experiments()[0].name == "Default"


def test_r4_eight_first_starts_at_once(tmp_path):
    """8 processes that first-start one sqlite store: all end well, 8 versions, every metric there."""
    runs = [finished_run(tmp_path, seed=0) for _ in range(8)]
    for run in runs:
        write_metrics(run.experiment, 20)
    started = fork_server().Event()
    err = tmp_path / "err"
    children = [processes.start(processes.whole_life, r.config, r.experiment, started, err=err) for r in runs]
    started.set()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0] * 8, err.read_text()
    store = connect(runs[0].config, tmp_path)
    versions = store.client.search_model_versions()
    assert sorted(int(v.version) for v in versions) == list(range(1, 9))
    found = mlflow_runs(tmp_path)
    assert len({v.run_id for v in versions}) == len(found) == 8
    assert {len(store.client.get_metric_history(r.info.run_id, "loss")) for r in found} == {20}


def digests(project):
    files = [path for path in project.rglob("*") if path.is_file() and path.name != ".mlflow.db.lock"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


OLDER = "UPDATE alembic_version SET version_num = '451aebb31d03'"
NEWER = "UPDATE alembic_version SET version_num = 'ffffffffffff'"


@pytest.mark.parametrize(
    ("statement", "found", "remedy"),
    [
        (OLDER, "has the schema of an older MLflow", "make a copy of the file, then run: mlflow db upgrade sqlite:///"),
        (NEWER, "has the schema of a newer MLflow", "upgrade sqlite:///"),
        ("DROP TABLE datasets", "is half-migrated: it has no table datasets", "put a backup in its place"),
        ("CREATE TABLE _alembic_tmp_tags (a)", "is half-migrated: an upgrade of it was cut off", "put a backup"),
        ("DELETE FROM alembic_version", "is half-migrated: an upgrade of it was cut off", "put a backup"),
        ("DROP TABLE experiments", "is not MLflow's", "move it away"),
    ],
)
def test_r6_a_database_of_another_schema_is_left_as_it_is(project, statement, found, remedy):
    """Half-migrated, older or newer: a message that names backup and upgrade command, and not a byte is written."""
    path = project / "experiments/mlflow.db"
    with sqlite3.connect(path) as change:
        change.execute(statement)
    change.close()
    before = digests(project)
    with pytest.raises(StoreError) as caught:
        connect(make_config(), project)
    assert caught.value.found.startswith(f"the tracking database {found}")
    assert remedy in caught.value.remedy
    assert caught.value.where == str(path)
    assert digests(project) == before


def test_r6_a_file_that_is_no_database_is_left_as_it_is(project):
    """A text file in the database's place: said, and not a byte is written."""
    path = project / "experiments/mlflow.db"
    path.write_text("notes of mine, longer than the header of a database " * 20)
    before = digests(project)
    with pytest.raises(StoreError, match="is not a database"):
        connect(make_config(), project)
    assert digests(project) == before


def test_r6_an_empty_file_is_no_database_yet(project):
    """0 bytes, as sqlite leaves after a killed start: a new database is made, stale journals are not applied to it."""
    path = project / "experiments/mlflow.db"
    path.write_bytes(b"")
    path.with_name("mlflow.db-journal").write_bytes(b"stale")
    assert connect(make_config(), project).client.search_experiments()[0].name == "Default"
    assert not path.with_name("mlflow.db-journal").exists()


def test_a_database_whose_writer_was_killed_is_used_again(project):
    """Kill -9 in the middle of a write leaves a journal: it is played back, and the half-written rows are gone."""
    path = project / "experiments/mlflow.db"
    assert processes.run(processes.die_in_a_write, path) == -9
    assert path.with_name("mlflow.db-journal").stat().st_size > 0
    assert connect(make_config(), project).client.search_experiments()[0].name == "Default"
    with sqlite3.connect(path) as database:
        assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'junk'").fetchall()
    database.close()


# --- a store that is away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_store_that_is_away_is_said_soon_and_without_its_password(tmp_path, scheme):
    """Nobody listens: StoreError with the cause and a remedy, within seconds, no password in it."""
    config = make_config(tracking={"uri": f"{scheme}://me:{SECRET}@127.0.0.1:{closed_port()}/db"})
    start = time.monotonic()
    with pytest.raises(StoreError, match="the tracking store failed: Connection refused") as caught:
        tracking.aliases(config, tmp_path)
    assert time.monotonic() - start < 10
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__)
    assert "ml-run sync" in caught.value.remedy


@pytest.mark.parametrize("password", [SECRET, "pw", "p%40ss/w@rd"])
def test_r38_what_a_library_says_of_a_failure_is_shown_without_the_password(password):
    """A message that quotes the address, in whole or in part, decoded or short, reaches the user without it."""
    uri = f"postgresql://me:{password}@db/runs"
    with pytest.raises(StoreError) as caught, store_faults(uri):
        raise OSError(f"cannot open {uri}, that is me:{unquote(password)}@db")
    assert str(caught.value).startswith(
        "postgresql://me:***@db/runs: the tracking store failed:"
        " cannot open postgresql://me:***@db/runs, that is me:***@db"
    )
    assert caught.value.__cause__ is None


def test_a_bug_of_ours_is_not_told_as_a_fault_of_the_store(project):
    """A ValueError of our own code passes; one that MLflow or SQLAlchemy raises is the store's."""
    with pytest.raises(ValueError, match="invalid literal"), store_faults("sqlite:///x.db"):
        int("x")
    with pytest.raises(ModuleNotFoundError), store_faults("sqlite:///x.db"):
        importlib.import_module("ml_run.nothing")
    for uri, found in (
        ("postgresql://h:port/db", "Port could not be cast to integer"),
        ("mssql+nothing://h/db", "Can't load plugin|Connection|Name or service|resolution"),
        ("nothing://h/db", "unsupported URI"),
    ):
        with pytest.raises(StoreError, match=f"the tracking store failed: .*({found})"):
            tracking.aliases(make_config(tracking={"uri": uri}), project)


def test_a_first_start_that_never_ends_is_given_up(tmp_path, monkeypatch):
    """A stuck process that holds the lock of the database makes the next one say so, not wait for ever."""
    monkeypatch.setattr(sqlite, "_PATIENCE_SECONDS", 0.1)
    (tmp_path / "experiments").mkdir()
    lock = files.locked(tmp_path / "experiments/.mlflow.db.lock", wait=0, refusal=OSError)
    with lock, pytest.raises(StoreError, match=r"another process has been making the tracking database") as caught:
        connect(make_config(), tmp_path)
    assert "holds .mlflow.db.lock open" in caught.value.remedy
    assert not (tmp_path / "experiments/mlflow.db").exists()


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    """A server that takes the call and stays silent costs two timeouts, whatever its length is set to."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = make_config(tracking={"uri": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        start = time.monotonic()
        with pytest.raises(StoreError, match=r"timed out|timeout"):
            tracking.aliases(config, tmp_path)
    assert 1.5 < time.monotonic() - start < 6


def test_r38_the_store_being_away_does_not_stop_a_run_nor_betray_its_password(tmp_path):
    """The block inside `live` runs; the journal says once that the store failed, and nowhere the password."""
    config = make_config(tracking={"uri": f"http://me:{SECRET}@127.0.0.1:{closed_port()}"})
    experiment = make_experiment(tmp_path)
    walked = []
    with recording(experiment.logs), tracking.live(config, experiment):
        emit("metrics", "step", **metrics_event(1))
        walked.append("all")
    assert walked == ["all"]
    warnings = [event["message"] for event in events_of(experiment) if event["event"] == "warning"]
    assert len(warnings) == 1
    assert "Connection refused; the run goes on and is recorded in its folder" in warnings[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def fail_in(stage):
    emit("stage_started", stage, stage=stage)
    raise ZeroDivisionError


# --- the live mirror ----------------------------------------------------------------------------------------------


def test_metrics_reach_the_store_while_the_run_goes_on(project):
    """Metric events are in MLflow before the run ends, with their own steps and times; undefined ones are left out."""
    experiment = make_experiment(project)
    with tracking.live(make_config(), experiment):
        for step in range(5):
            emit("metrics", "step", **metrics_event(step))
        deadline = time.monotonic() + 15
        while "loss" not in (run := mlflow_runs(project)[0]).data.metrics and time.monotonic() < deadline:
            time.sleep(0.2)
        assert run.info.status == "RUNNING"
        store = connect(make_config(), project)
        history = store.client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.timestamp, m.value) for m in history] == [
        (s, 1_700_000_000_000 + s, 1 / (s + 1)) for s in range(5)
    ]
    assert "lr" not in run.data.metrics
    assert mlflow_runs(project)[0].info.status == "FINISHED"


def test_the_last_metrics_are_sent_before_the_run_is_closed(project):
    """What happened just before the end is in the store when the block is left."""
    experiment = make_experiment(project)
    with tracking.live(make_config(), experiment):
        emit("metrics", "step", **metrics_event(7))
    assert mlflow_runs(project)[0].data.metrics["gn"] == 2.0


def test_r22_an_exception_marks_the_run_failed_with_its_stage(project):
    """An exception in a stage: MLflow status FAILED, and the tag names the stage; it clears when a resume ends well."""
    experiment = make_experiment(project)
    with pytest.raises(ZeroDivisionError), tracking.live(make_config(), experiment):
        fail_in("train")
    [run] = mlflow_runs(project)
    assert run.info.status == "FAILED"
    assert run.data.tags["ml_run.stage"] == "train"
    with tracking.live(make_config(), experiment):
        assert mlflow_runs(project)[0].info.status == "RUNNING"
    [again] = mlflow_runs(project)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert "ml_run.stage" not in again.data.tags


def test_r22_an_interruption_marks_the_run_killed(project):
    """Ctrl-C and SIGTERM: MLflow status KILLED."""
    experiment = make_experiment(project)
    with pytest.raises(Interrupted), tracking.live(make_config(), experiment):
        raise Interrupted(15)
    assert mlflow_runs(project)[0].info.status == "KILLED"


def test_r22_a_run_left_running_by_a_kill_is_closed_by_the_next_start(project, tmp_path):
    """SIGKILL leaves the MLflow run RUNNING; the next start sets it KILLED, but never while its lock is held."""
    killed = make_experiment(project, "killed")
    child = processes.start(processes.walk_until_killed, make_config(), killed, tmp_path / "opened")
    while not (tmp_path / "opened").exists():
        time.sleep(0.05)

    def status_of_killed():
        return {r.data.tags["ml_run.experiment_id"]: r.info.status for r in mlflow_runs(project)}[killed.id]

    with tracking.live(make_config(), make_experiment(project, "beside")):
        assert status_of_killed() == "RUNNING"
    child.kill()
    child.join()
    assert status_of_killed() == "RUNNING"
    with tracking.live(make_config(), make_experiment(project, "next")):
        assert status_of_killed() == "KILLED"


# --- sending ------------------------------------------------------------------------------------------------------


def test_sending_twice_leaves_everything_once(project):
    """All of the run is in the store after one call, and a second call adds nothing (R20, the part of sync)."""
    run = finished_run(project)
    write_metrics(run.experiment, 30)
    first = tracking.send(run.config, run.experiment)
    store = connect(run.config, project)
    before = {
        name: len(store.client.get_metric_history(first.run_id, name)) for name in ("loss", "gn", "test/macro_f1")
    }
    assert tracking.send(run.config, run.experiment) == first
    after = {name: len(store.client.get_metric_history(first.run_id, name)) for name in before}
    assert before == after == {"loss": 30, "gn": 30, "test/macro_f1": 1}
    assert (len(mlflow_runs(project)), len(store.client.search_model_versions())) == (1, 1)
    assert (first.status, first.version, first.aliases, first.model_name) == (
        "sent", "1", ("candidate",), tracking.registered_name(run.config, project),
    )  # fmt: skip


def test_the_store_holds_what_the_run_was(project):
    """Parameters, tags, intervals, baselines, data fingerprints and reports of a run can be read in MLflow alone."""
    run = finished_run(project)
    run.experiment.report_md.write_text("# report")
    registration = tracking.send(run.config, run.experiment)
    store = connect(run.config, project)
    found = store.client.get_run(registration.run_id)
    assert found.info.status == "FINISHED"
    assert (found.data.params["training.learning_rate"], found.data.params["model.name"]) == ("2e-05", "scratch:tiny")
    assert found.data.metrics["test/macro_f1_low"] == 0.6
    assert found.data.metrics["baseline/majority/accuracy"] == 0.75
    assert found.data.metrics["test/f1/Northern"] == 0.75
    assert found.data.tags["ml_run.verdict"] == "PASS"
    assert found.data.tags["ml_run.synthetic"] == "false"
    inputs = {i.dataset.name: i.dataset.digest for i in found.inputs.dataset_inputs}
    assert inputs == {name: split.fingerprint[:36] for name, split in run.data.splits.items()}
    kept = {f.path for f in store.client.list_artifacts(registration.run_id)}
    assert kept == {"report.md", "config.yaml", "data", "evaluation"}
    tags = store.client.get_model_version(registration.model_name, "1").tags
    assert (tags["ml_run.verdict"], tags["ml_run.experiment_id"]) == ("PASS", run.experiment.id)
    assert (tags["ml_run.data_fingerprint"], tags["ml_run.base_model"]) == ("f" * 64, "scratch:tiny")


def test_a_model_that_did_not_pass_is_not_registered(project):
    """FAIL: the run is recorded, the registry stays empty."""
    run = finished_run(project, verdict="FAIL")
    registration = tracking.send(run.config, run.experiment)
    assert (registration.version, registration.aliases) == (None, ())
    assert connect(run.config, project).client.search_registered_models() == []


def test_the_registered_model_answers_through_mlflow(project, monkeypatch):
    """mlflow.pyfunc.load_model of an alias gives label and probabilities of our own scorer, long texts included."""
    import mlflow
    import pandas as pd

    from ml_run.modeling.scoring import load_scorer

    run = finished_run(project)
    registration = tracking.send(run.config, run.experiment)
    uri = tracking.tracking_uri(run.config, project)
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)
    model = mlflow.pyfunc.load_model(f"models:/{registration.model_name}@candidate")
    texts = ["gaaray " * 900, "guri yidhi", ""]
    answer = model.predict(pd.DataFrame({"text": texts}))
    expected = load_scorer(run.experiment.model).probabilities(texts)
    assert answer["label"].tolist() == [run.model.labels[i] for i in expected.argmax(1)]
    assert list(answer.columns) == ["label", *(f"p_{label}" for label in run.model.labels), "abstain"]
    assert list(answer.columns) == model.metadata.signature.outputs.input_names()
    assert abs(answer.iloc[:, 1:-1].to_numpy() - expected).max() < 1e-6
    assert model.metadata.signature.inputs.input_names() == ["text"]
    [requirements] = project.glob("experiments/mlruns/*/models/*/artifacts/requirements.txt")
    pins = dict(line.split("==") for line in requirements.read_text().split())
    assert pins.keys() >= {"mlflow", "torch", "transformers"}
    assert not any("+" in version for version in pins.values())
    assert not list(project.rglob("*.pkl"))
