"""The live mirror when the store fails in the middle of a run: nothing waits for it, and nothing is lost."""

import importlib
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager

import pytest

from finished_run import events_of, metrics_event, started_store
from ml_run import tracking
from ml_run.events import emit, recording
from ml_run.tracking.store import connect
from test_tracking import make_config, make_experiment, mlflow_runs

live = importlib.import_module("ml_run.tracking.live")  # the package names its function so
STEPS = 500
OF_A_STEP = 0.001
"""Seconds: 5 % of a step of the smallest model."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose mirror sends twenty times a second."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(live, "_SECONDS_BETWEEN", 0.05)
    return started_store(tmp_path)


@contextmanager
def changing(project, *statements):
    """Somebody else's connection to the store's database, which has done `statements`."""
    with closing(sqlite3.connect(project / "experiments/mlflow.db", isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)
        yield


def warnings(experiment):
    return [event["message"] for event in events_of(experiment) if event["event"] == "warning"]


def test_r20_a_store_that_hangs_holds_up_neither_the_steps_nor_the_end(project, monkeypatch):
    """While the store takes no write, telling it of a step costs next to nothing, and the end waits a bounded time."""
    monkeypatch.setattr(live, "_SECONDS_TO_END", 0.5)
    experiment = make_experiment(project)
    with recording(experiment.logs), ExitStack() as held:
        with tracking.live(make_config(), experiment):
            held.enter_context(changing(project, "BEGIN EXCLUSIVE"))
            emit("metrics", "step", **metrics_event(0))
            time.sleep(0.2)  # the mirror waits for the database now, and would for twenty seconds
            before = time.monotonic()
            for step in range(1, STEPS):
                emit("metrics", "step", **metrics_event(step))
            told = time.monotonic()
        ended = time.monotonic()
    assert (told - before) / STEPS < OF_A_STEP
    assert ended - told < 5
    (said,) = warnings(experiment)
    assert "the tracking store did not answer within 0.5 seconds; the run goes on and is recorded in its folder" in said


def test_r20_what_the_store_did_not_take_is_sent_once_it_is_well(project):
    """A store that failed for a while has the whole history at the end of the run; that it failed is said once."""
    experiment = make_experiment(project)
    with recording(experiment.logs), tracking.live(make_config(), experiment):
        emit("metrics", "step", **metrics_event(0))
        with changing(project, "ALTER TABLE metrics RENAME TO metrics_away"):
            for step in range(1, 4):
                emit("metrics", "step", **metrics_event(step))
                time.sleep(0.2)
        with changing(project, "ALTER TABLE metrics_away RENAME TO metrics"):
            emit("metrics", "step", **metrics_event(4))
    [run] = mlflow_runs(project)
    history = connect(make_config(), project).client.get_metric_history(run.info.run_id, "loss")
    assert sorted(metric.step for metric in history) == [0, 1, 2, 3, 4]
    assert run.info.status == "FINISHED"
    (said,) = warnings(experiment)
    assert "no such table" in said
