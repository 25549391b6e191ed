import json
import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from ml_run import events
from ml_run.cluster import Gone
from ml_run.errors import TrainingError, UsageError
from ml_run.modeling import checkpoints
from ml_run.modeling.spread import LOSSES, PREEMPTIONS, Patience
from ml_run.stages.train import train_inputs
from ray_harness import children, line_of, needs_ray, ray_nodes, workers_of
from train_harness import Training, prepare

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("raylet", "gcs_server", "ray::")
LOST, TAKEN = (Gone(kind, "a machine is gone") for kind in ("lost", "preempted"))
ROWS = 49
TRAINER = "RayTrainWorker"


def work(folder, compute, **training):
    """A run with dropout, whose bits would show any noise drawn twice."""
    made = prepare(folder, train=ROWS, precision="float32", **training)
    asked = made.config.compute.model_copy(update=compute)
    return replace(made, config=made.config.model_copy(update={"compute": asked}))


def on_ray(workers=2, **compute):
    return {"engine": "ray", "address": "auto", "workers": workers} | compute


def told(run):
    path = run.experiment.folder / "logs" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def sealed(run):
    return list(run.experiment.checkpoints.glob("checkpoint-*/manifest.json"))


def wait_for(what, seconds=900):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_losses_and_preemptions_have_budgets_of_their_own():
    """What is spent on machines that die is not missing for those taken away, and a new checkpoint fills both again."""
    patience = Patience(4)
    for number in range(1, LOSSES + 1):
        assert patience.spend(LOST, 4) == f"{number} of 3 times in a row"
    assert patience.spend(TAKEN, 4) == "1 of 20 times in a row"
    assert patience.spend(LOST, 8) == "1 of 3 times in a row"
    for _ in range(LOSSES - 1):
        patience.spend(LOST, 8)
    with pytest.raises(TrainingError) as caught:
        patience.spend(LOST, 8)
    assert caught.value.kind == "killed"
    assert caught.value.found == "a machine is gone, 4 times with no new checkpoint in between"
    assert not caught.value.curable
    assert PREEMPTIONS > LOSSES


@needs_ray
@pytest.mark.slow
def test_a_killed_node(tmp_path, monkeypatch):
    """A training goes on from its last verified checkpoint when a node is killed, and ends with the same bits."""
    settings = {"epochs": 12, "early_stopping_patience": 12}
    whole = work(tmp_path / "whole", {"processes": 2}, **settings)
    whole.train()
    run = work(tmp_path / "killed", on_ray(), **settings)
    with ray_nodes(3, monkeypatch) as (cluster, nodes):
        killer = threading.Thread(target=kill_a_node, args=(run, cluster, nodes))
        killer.start()
        with events.recording(run.experiment.folder / "logs"):
            trained = run.train()
        killer.join()
    assert (trained.global_step, len(trained.curve)) == (48, 12)
    assert run.weights() == whole.weights()
    warnings = [line for line in told(run) if line["event"] == "warning"]
    assert [line["kind"] for line in warnings] == ["lost"]
    assert warnings[0]["message"].startswith("a worker or its machine was lost: training goes on from step ")
    assert warnings[0]["message"].endswith(" of 48 (1 of 3 times in a row)")
    assert [path.name for path in run.experiment.checkpoints.iterdir()] == ["finished.json"]


def kill_a_node(run, cluster, nodes):
    """Kill the first node that trains, once a checkpoint is sealed."""
    wait_for(lambda: sealed(run))
    cluster.remove_node(next(node for node in nodes if workers_of(node, TRAINER)), allow_graceful=False)


@needs_ray
@pytest.mark.slow
def test_a_node_that_is_to_be_taken_away(tmp_path, monkeypatch):
    """With notice, workers save after the step and go on elsewhere, from that very step, to the same bits."""
    settings = {"epochs": 12, "early_stopping_patience": 12}
    whole = work(tmp_path / "whole", {"processes": 2}, **settings)
    whole.train()
    run = work(tmp_path / "taken", on_ray(), **settings)
    monkeypatch.setenv("RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S", "0.5")
    with ray_nodes(3, monkeypatch) as (cluster, nodes):
        taker = threading.Thread(target=take_a_node, args=(run, cluster, nodes))
        taker.start()
        with events.recording(run.experiment.folder / "logs"):
            run.train()
        taker.join()
    assert run.weights() == whole.weights()
    warnings = [line for line in told(run) if line["event"] == "warning"]
    assert [line["kind"] for line in warnings] == ["preempted"]
    assert warnings[0]["message"].endswith(" of 48 (1 of 20 times in a row)")


def take_a_node(run, cluster, nodes):
    """Give notice, as a cloud does of a spot machine, to the first node that trains, once a checkpoint is sealed."""
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    wait_for(lambda: sealed(run))
    node = next(node for node in nodes if workers_of(node, TRAINER))
    until = int((time.time() + 600) * 1000)
    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    accepted, why = GcsClient(address=cluster.address).drain_node(node.node_id, reason, "spot", until)
    assert accepted, why


@needs_ray
@pytest.mark.slow
def test_a_stopped_training_goes_on_without_a_cluster(tmp_path):
    """SIGTERM ends workers and cluster with a checkpoint, from which processes go on to the bits of the whole."""
    settings = {"epochs": 12, "early_stopping_patience": 12}
    whole = work(tmp_path / "whole", {"processes": 2}, **settings)
    whole.train()
    run = work(tmp_path / "stopped", on_ray(address="local"), **settings)
    training = Training(run)
    wait_for(lambda: sealed(run))
    started = family(training.pid)
    assert any("RayTrainWorker" in line_of(number) for number in started)
    os.kill(training.pid, signal.SIGTERM)
    outcome = training.wait()
    assert (outcome.code, outcome.error, outcome.err) == (143, "Interrupted", "")
    assert wait_for(lambda: not [number for number in started if line_of(number)], 10)
    last = checkpoints.newest_verified(run.experiment.checkpoints, train_inputs(run.config, run.data))
    assert last is not None
    assert 4 <= last.step < 48
    again = replace(run, config=whole.config)
    assert train_inputs(again.config, again.data) == train_inputs(run.config, run.data)
    again.train()
    assert again.weights() == whole.weights()


def family(number):
    """Process ids of all that descend from `number` and belong to Ray."""
    found = [number]
    for one in found:
        found += children(one)
    return [one for one in found[1:] if any(name in line_of(one) for name in NAMES)]


@needs_ray
@pytest.mark.slow
def test_workers_train_as_processes_do(tmp_path, monkeypatch):
    """One worker ends with the bits of one process, two with those of two, wherever checkpoints go."""
    storage = tmp_path / "storage"
    with ray_nodes(2, monkeypatch):
        alone, there = (work(tmp_path / name, asked) for name, asked in (("a", {}), ("b", on_ray(1))))
        assert there.train().curve == alone.train().curve
        assert there.weights() == alone.weights()
        two, copied = (
            work(tmp_path / name, asked)
            for name, asked in (("c", {"processes": 2}), ("d", on_ray(storage=f"file://{storage}")))
        )
        told_two = two.train()
        with events.recording(copied.experiment.folder / "logs"):
            told_copied = copied.train()
        assert told_copied.curve == told_two.curve
        assert copied.weights() == two.weights()
        assert list(storage.iterdir()) == []
        assert " on cpu on 2 workers: 49 rows" in (copied.experiment.folder / "logs" / "run.log").read_text()
        assert [line["done"] for line in told(copied) if line["event"] == "progress"][-1] == 12


@needs_ray
@pytest.mark.slow
def test_errors_are_those_of_processes(tmp_path, monkeypatch):
    """A training that collapses and a model that cannot be loaded are told in the same words, and not tried again."""
    settings = {"learning_rate": 1.0, "on_collapse": "stop", "warmup_ratio": 0.0}
    (tmp_path / "no_model").mkdir()
    cases = ((TrainingError, settings), (UsageError, {"model": {"name": str(tmp_path / "no_model")}}))
    with ray_nodes(2, monkeypatch):
        for kind, training in cases:
            errors = []
            for name, asked in (("processes", {"processes": 2}), ("workers", on_ray())):
                with pytest.raises(kind) as caught:
                    work(tmp_path / f"{name}_{kind.__name__}", asked, **training).train()
                errors.append(vars(caught.value) | {"where": ""})
            assert errors[0] == errors[1]
