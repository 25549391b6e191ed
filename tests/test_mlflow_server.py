"""A real MLflow server on a real PostgreSQL: whole runs against it, eight at once, killed and flaky."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

import processes
from conftest import make_rows, write_project
from finished_run import finished_run, write_metrics
from flaky_proxy import Flaky
from harness import Command, fork_server, ml_run
from ml_run import tracking
from ml_run.config.file import load_config
from ml_run.modeling.scoring import load_scorer
from ml_run.tracking.store import connect
from store_servers import PASSWORD, MlflowServer, dump, free_port, needs_postgres, new_database, postgres, wait_for_http
from test_linear_run import linear_project, only_run, read

pytestmark = [pytest.mark.slow, needs_postgres]
TEXTS = [row["text"] for row in make_rows(12, 4)] + ["", "gaaray " * 900]


@pytest.fixture(scope="module")
def database():
    """The address of a running PostgreSQL with an empty database."""
    with postgres() as address:
        yield address


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """An MLflow server on that PostgreSQL, which starts from nothing."""
    folder = tmp_path_factory.mktemp("server")
    with MlflowServer(new_database(database, "mlflow"), folder / "artefacts", folder / "log") as running:
        yield running


@pytest.fixture
def told_where(monkeypatch):
    """MLflow's own commands and calls ask the store at this address, as its users have it."""

    def tell(uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)

    return tell


def config_of(project):
    return load_config(project / "ml_config.yaml").config


def store_of(project):
    """The client of the store, past a proxy that the run may have had."""
    return connect(config_of(project), project).client


def journal(run):
    """Every metric value that the run noted: name to its (step, time, value), in order."""
    found = {}
    for line in (run / "logs/events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "metrics":
            for name, value in event["values"].items():
                if value is not None:
                    found.setdefault(name, []).append((event["step"], event["time_ms"], value))
    return found


def mirrored(client, run_id, names):
    """The same as the store has it."""
    return {name: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, name)] for name in names}


def told_values(histories):
    return sum(map(len, histories.values()))


def in_order(histories):
    return {name: sorted(points) for name, points in histories.items()}


# --- what a run leaves there ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployed(server, tmp_path_factory):
    """A project whose one run put a linear model into production on the server."""
    project = linear_project(
        tmp_path_factory.mktemp("deployed"), tracking={"uri": server.uri}, registry={"name": "dialects"}
    )
    done = ml_run("first", "--json", cwd=project)
    assert done.code == 0, done.err
    return project, json.loads(done.out)


def test_a_run_registers_on_the_server_and_mlflow_loads_it_from_there(deployed, server, told_where):
    """`mlflow.pyfunc.load_model("models:/NAME@production")` says of each text what our own scorer says."""
    import mlflow
    import pandas as pd

    project, result = deployed
    assert result["registration"]["status"] == "sent"
    assert (result["registration"]["version"], result["registration"]["aliases"]) == ("1", ["production"])
    told_where(server.uri)
    model = mlflow.pyfunc.load_model("models:/dialects@production")
    answer = model.predict(pd.DataFrame({"text": TEXTS}))
    scorer = load_scorer(only_run(project) / "model")
    expected = scorer.probabilities(TEXTS)
    assert answer["label"].tolist() == [scorer.labels[number] for number in expected.argmax(1)]
    assert abs(answer.iloc[:, 1:-1].to_numpy() - expected).max() < 1e-6


def test_the_server_keeps_signature_example_and_pins(deployed, server, tmp_path):
    """What others need to use the model stands in its artefacts: input and output, an example, exact requirements."""
    import yaml
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client = store_of(deployed[0])
    source = client.get_model_version_download_uri("dialects", "1")
    folder = get_artifact_repository(source, server.uri, server.uri).download_artifacts("", str(tmp_path))
    described = yaml.safe_load((tmp_path / "MLmodel").read_text())
    inputs, outputs = (json.loads(described["signature"][side]) for side in ("inputs", "outputs"))
    assert [(one["name"], one["type"]) for one in inputs] == [("text", "string")]
    assert [one["name"] for one in outputs] == ["label", "p_Central", "p_Northern", "p_Southern", "abstain"]
    example = json.loads((tmp_path / described["saved_input_example_info"]["artifact_path"]).read_text())
    assert example == {"columns": ["text"], "data": [["text to classify"]]}
    pins = dict(line.split("==") for line in (tmp_path / "requirements.txt").read_text().split())
    assert {"mlflow", "scikit-learn", "skops"} <= pins.keys()
    assert "torch" not in pins
    assert not [path for path in os.walk(folder) for path in path[2] if path.endswith((".pkl", ".bin", ".pt"))]


def test_mlflow_models_serve_answers_as_the_scorer_does(deployed, server, tmp_path):
    """`mlflow models serve` from the registry, in this environment, over HTTP: the same labels and probabilities."""
    port, log = free_port(), tmp_path / "log"
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/dialects@production", "--env-manager",
        "local", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    activated = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it starts uvicorn by name
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": server.uri, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": activated,
    }  # fmt: skip
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)
    try:
        wait_for_http(port, "/ping", process, log)
        body = json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS]}}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)["predictions"]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
    scorer = load_scorer(only_run(deployed[0]) / "model")
    expected = scorer.probabilities(TEXTS)
    assert [one["label"] for one in found] == [scorer.labels[number] for number in expected.argmax(1)]
    for row, shares in zip(found, expected, strict=True):
        assert [row[f"p_{label}"] for label in scorer.labels] == pytest.approx(list(shares), abs=1e-6)


# --- eight at once --------------------------------------------------------------------------------------------------


def eight_at_once(folder, uri):
    """Eight runs that passed register at once; returns one of them."""
    settings = {"tracking": {"uri": uri}, "deployment": {"auto_deploy": False, "min_f1": 0.5}}
    runs = [finished_run(folder, seed=0, **settings) for _ in range(8)]
    for run in runs:
        write_metrics(run.experiment, 20)
    started, err = fork_server().Event(), folder / "err"
    children = [processes.start(processes.pass_and_send, run, started, err=err) for run in runs]
    started.set()
    for child in children:
        child.join(300)
    assert [child.exitcode for child in children] == [0] * 8, err.read_text()
    return runs[0]


def check_nothing_lost(run, uri, project):
    """Eight runs with all their values, eight versions, none twice, and an alias at one of them."""
    client = connect(run.config, project).client
    name = tracking.registered_name(run.config, project)
    versions = [v for v in client.search_model_versions() if v.name == name]
    assert sorted(int(v.version) for v in versions) == list(range(1, 9))
    assert len({v.run_id for v in versions}) == len({v.tags["ml_run.experiment_id"] for v in versions}) == 8
    assert {v.status for v in versions} == {"READY"}
    for version in versions:
        points = mirrored(client, version.run_id, ["loss", "gn"])
        assert [len(points[metric]) for metric in ("loss", "gn")] == [20, 20]
    assert tracking.aliases(run.config, project).keys() == {"candidate"}
    [mirror] = client.search_experiments(filter_string=f"name = '{project.name}'")
    assert len(client.search_runs([mirror.experiment_id])) == 8


def test_eight_runs_register_at_once_and_nothing_is_lost(server, tmp_path):
    """On the server: 8 versions, each of a run of its own with every metric value; the alias points at one of them."""
    check_nothing_lost(eight_at_once(tmp_path, server.uri), server.uri, tmp_path)


def test_r4_eight_first_starts_on_a_fresh_postgres(database, tmp_path):
    """Without a server, eight processes that find an empty PostgreSQL: one makes the tables, all register."""
    uri = new_database(database, "fresh")
    run = eight_at_once(tmp_path, uri)
    check_nothing_lost(run, uri, tmp_path)
    assert (tmp_path / "experiments/mlruns").is_dir()
    assert not (tmp_path / "mlruns").exists()


def test_r38_a_database_password_is_in_no_file_and_not_in_the_store(database, tmp_path):
    """`tracking.uri` with a password: neither the project's files nor what is in the database hold it."""
    uri = new_database(database, "secretive")
    project = linear_project(tmp_path, tracking={"uri": "${STORE}"})
    done = ml_run("quiet", cwd=project, env={"STORE": uri})
    assert done.code == 0, done.err
    assert PASSWORD not in done.out + done.err
    assert "dialect" not in PASSWORD
    assert "quiet" in dump(uri)
    assert PASSWORD not in dump(uri)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


# --- a store that fails ---------------------------------------------------------------------------------------------


def start_training(project):
    """A run that trains for a while and has told some steps of it."""
    command = Command([], project)
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        for run in (project / "experiments").glob("exp_*"):
            if (run / "logs/events.jsonl").is_file() and told_values(journal(run)) > 8:
                return command
        assert command.alive(), command.err()
        time.sleep(0.05)
    raise TimeoutError(command.err())


def check_all_files_are_there(run):
    for name in (
        "model/manifest.json", "evaluation/metrics.json", "evaluation/verdict.json", "evaluation/predictions.parquet",
        "deployment.json", "registration.json", "report.md", "report.html", "result.json",
    ):  # fmt: skip
        assert (run / name).is_file(), name


def test_r20_a_server_killed_in_training_costs_nothing_and_sync_completes_it(server, tmp_path):
    """Kill -9 of the server: exit 7 with every file; `ml-run sync` brings the store to an equal history, once."""
    project = write_project(
        tmp_path, train=600, training={"epochs": 8, "early_stopping_patience": 0}, tracking={"uri": server.uri}
    )
    command = start_training(project)
    server.kill()
    start = time.monotonic()
    try:
        done = command.wait(300)
        print(f"the run ended {time.monotonic() - start:.1f} s after the kill")  # noqa: T201 -- shown by pytest -s
    finally:
        server.start()
    assert done.code == 7, done.err
    run = only_run(project)
    check_all_files_are_there(run)
    assert read(run, "result.json")["verdict"] == "PASS"
    assert read(run, "deployment.json")["deployment"]["action"] == "failed"
    synced = ml_run("sync", "--json", cwd=project)
    assert synced.code == 0, synced.err
    assert json.loads(synced.out)["sent"] == [{"id": run.name, "status": "sent", "reason": ""}]
    client, run_id = store_of(project), read(run, "registration.json")["run_id"]
    told = journal(run)
    assert told_values(told) > 20
    assert in_order(mirrored(client, run_id, told)) == in_order(told)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert json.loads(ml_run("sync", "--json", cwd=project).out)["sent"] == []
    _send_again(project, run)
    assert in_order(mirrored(client, run_id, told)) == in_order(told)
    check_once(client, project, versions=1)
    deployed = ml_run("deploy", run.name, cwd=project)
    assert deployed.code == 0, deployed.err
    assert tracking.aliases(config_of(project), project) == {"production": "1"}


def _send_again(project, run):
    from ml_run.experiment import find_experiment

    tracking.send(config_of(project), find_experiment(project, run.name))


def check_once(client, project, *, versions):
    """One MLflow run that is not deleted, and so many versions."""
    [mirror] = client.search_experiments(filter_string=f"name = '{project.name}'")
    assert len(client.search_runs([mirror.experiment_id])) == 1
    name = tracking.registered_name(config_of(project), project)
    assert len([v for v in client.search_model_versions() if v.name == name]) == versions


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_r21_a_server_that_fails_at_random_loses_and_doubles_nothing(server, tmp_path, monkeypatch, seed):
    """One call in five is spoilt: the run keeps all its files; once the server is well, sync makes the store equal."""
    project = write_project(tmp_path / f"flaky{seed}", training={"epochs": 4})
    with Flaky(server.port, share=0.2, seed=seed, silence=4) as flaky:
        environment = {"MLFLOW_TRACKING_URI": flaky.uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "3"}
        done = ml_run("shaken", cwd=project, env=environment, timeout=900)
        assert done.code in {0, 7}, done.err
        run = only_run(project)
        check_all_files_are_there(run)
        assert sum(flaky.met.values()) >= 5, flaky.met
        print(f"exit {done.code}; {flaky.passed} calls passed, spoilt: {flaky.met}")  # noqa: T201 -- shown by pytest -s
        first = ml_run("sync", cwd=project, env=environment, timeout=900)
        assert first.code in {0, 7}, first.err
        flaky.share = 0
        synced = ml_run("sync", cwd=project, env={"MLFLOW_TRACKING_URI": flaky.uri}, timeout=900)
        assert synced.code == 0, synced.err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    registration = read(run, "registration.json")
    assert registration["status"] == "sent"
    client, told = store_of(project), journal(run)
    assert in_order(mirrored(client, registration["run_id"], told)) == in_order(told)
    assert client.get_run(registration["run_id"]).info.status == "FINISHED"
    check_once(client, project, versions=1)
    _loads(project, registration["version"], server.uri)


def _loads(project, version, uri):
    """The version is whole in the store: fetched anew, it is what was registered."""
    folder = project / "fetched"
    tracking.download_model(config_of(project), project, version, folder)
    assert load_scorer(folder).labels
