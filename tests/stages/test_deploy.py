import json
import logging
import subprocess

import pytest

from finished_run import finished_run, started_store
from ml_run import deployments, files, tracking
from ml_run.errors import StoreError, UsageError
from ml_run.experiment import write_record
from ml_run.results import Served
from ml_run.stages.deploy import _fresh_process, deploy_experiment, deploy_model, production
from ml_run.tracking.store import connect


@pytest.fixture(autouse=True)
def _told(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(logging.getLogger("ml_run"), "level", logging.INFO)


def deploy(run):
    return deploy_model(run.config, run.experiment, *run.records)


def nothing_is_served(run):
    project = run.experiment.project
    return deployments.current_version(project) is None and tracking.aliases(run.config, project) in (
        {},
        {"candidate": "1"},
    )


def test_a_pass_is_verified_registered_and_promoted(tmp_path):
    """PASS with auto_deploy: verified in a fresh process, registered, alias and pointer on it, handoff written."""
    run = finished_run(tmp_path)
    deployment = deploy(run)
    assert (deployment.action, deployment.version, deployment.previous) == ("deployed", "1", None)
    assert deployment.reason == "version 1 is production"
    assert deployment.folder == "experiments/deployments/1"
    assert deployment.verification.rows == 32
    assert deployment.verification.same_labels
    assert deployment.verification.largest_difference < 1e-5
    assert 0 < deployment.verification.latency_ms_p50 <= deployment.verification.latency_ms_p95 < 10_000
    assert 100 < deployment.verification.memory_mb < 2000
    assert tracking.aliases(run.config, tmp_path) == {"production": "1"}
    assert deployments.current_version(tmp_path) == "1"
    assert files.folder_digest(tmp_path / deployment.folder) == run.model.digest
    assert json.loads(run.experiment.handoff.read_text())["version"] == "1"
    assert production(run.config, tmp_path).version == "1"
    assert sorted(path.name for path in deployments.root(tmp_path).iterdir()) == [
        ".lock", "1", "current", "history.jsonl",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_model_that_is_too_slow_where_it_is_deployed_is_not(tmp_path):
    """gate.max_latency_ms holds for the copy that will serve, too: exit 7, nothing registered, production unchanged."""
    run = finished_run(started_store(tmp_path), gate={"max_latency_ms": 0.001})
    deployment = deploy(run)
    assert deployment.action == "failed"
    assert deployment.reason.endswith("ms for one text (95th percentile), gate.max_latency_ms is 0.001")
    assert nothing_is_served(run)
    assert connect(run.config, tmp_path).client.search_registered_models() == []


@pytest.mark.slow
def test_a_model_that_is_too_slow_is_deployed_by_hand_with_a_reason(tmp_path):
    """Who overrides the verdict overrides the same criterion where it is measured once more."""
    run = finished_run(started_store(tmp_path), gate={"max_latency_ms": 0.001})
    assert deploy_experiment(run.config, run.experiment, "it is only slow").action == "deployed"


def test_how_the_model_answers_stands_in_the_record(tmp_path):
    """deployment.json says with which temperature and in which format the deployed model answers."""
    run = finished_run(started_store(tmp_path), deployment={"auto_deploy": False})
    served = Served(format="safetensors", rows=60, temperature=1.3)
    model = run.model.model_copy(update={"served": served})
    assert deploy_model(run.config, run.experiment, run.data, model, run.evaluation, run.verdict).served == served


def test_the_fresh_process_has_no_network_where_the_system_can_take_it_away():
    """R42: not only refused by Python: there is no device to reach anything with."""
    command = _fresh_process()
    if command[0] != "unshare":
        pytest.skip("this system lets nobody make a network namespace")
    asked = "from ml_run.modeling.verify import _is_cut_off; print(_is_cut_off())"
    ended = subprocess.run([*command, "-c", asked], capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE"])
def test_what_did_not_pass_stops(tmp_path, verdict):
    """FAIL and INCONCLUSIVE: nothing is registered, exported or handed off, and production is not even looked at."""
    run = finished_run(tmp_path, verdict=verdict)
    deployment = deploy(run)
    assert (deployment.action, deployment.reason) == (
        "stopped", f"the verdict is {verdict}; production is unchanged",
    )  # fmt: skip
    assert not (tmp_path / "experiments/mlflow.db").exists()
    assert not deployments.root(tmp_path).exists()
    assert not run.experiment.handoff.exists()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"auto_deploy": False}, "deployment.auto_deploy is false"),
        (
            {"auto_deploy": True, "first_deploy": "manual"},
            "there is no production model and deployment.first_deploy is manual",
        ),
    ],
)
def test_a_pass_waits_where_the_config_says_so(tmp_path, settings, why):
    """Registered with the alias `candidate`, handed off, and the command that deploys it is named."""
    run = finished_run(started_store(tmp_path), deployment=settings)
    deployment = deploy(run)
    assert deployment.action == "awaiting"
    assert deployment.reason == f"it passed and is registered as version 1; {why}"
    assert deployment.next_step == f"ml-run deploy {run.experiment.id}"
    assert tracking.aliases(run.config, tmp_path) == {"candidate": "1"}
    assert nothing_is_served(run)
    assert run.experiment.handoff.exists()


def test_a_forbidden_first_deployment_stops(tmp_path):
    """first_deploy: forbid without a production model: nothing is deployed, by hand neither without a reason."""
    run = finished_run(started_store(tmp_path), deployment={"auto_deploy": True, "first_deploy": "forbid"})
    assert deploy(run).action == "stopped"
    with pytest.raises(UsageError, match="a first deployment is forbidden"):
        deploy_experiment(run.config, run.experiment, None)
    assert nothing_is_served(run)


def test_a_model_that_answers_otherwise_is_not_deployed(tmp_path):
    """A logit beyond the tolerance: action failed, nothing registered, nothing served, nothing left behind."""
    run = finished_run(started_store(tmp_path))
    known = json.loads(run.experiment.reference.read_text())
    known["logits"][5][0] += 0.01
    run.experiment.reference.write_text(json.dumps(known))
    deployment = deploy(run)
    assert deployment.action == "failed"
    assert "the exported model could not be verified: a logit differs by 0.01" in deployment.reason
    assert deployment.next_step.endswith(f"ml-run --resume {run.experiment.id}")
    assert nothing_is_served(run)
    assert connect(run.config, tmp_path).client.search_registered_models() == []
    assert list(deployments.root(tmp_path).iterdir()) == []
    assert not run.experiment.handoff.exists()


@pytest.mark.slow
def test_a_model_of_other_label_names_is_not_deployed(tmp_path):
    """Equal logits under exchanged names: action failed, and the message is about names, not about logits."""
    run = finished_run(started_store(tmp_path))
    known = json.loads(run.experiment.reference.read_text())
    known["labels"].reverse()
    run.experiment.reference.write_text(json.dumps(known))
    deployment = deploy(run)
    assert deployment.action == "failed"
    assert (
        "could not be verified: its labels are Central, Northern, Southern, the trained model's are Southern, Northern"
    ) in deployment.reason
    assert nothing_is_served(run)


def test_a_damaged_reference_is_named_as_such(tmp_path):
    """The fresh process's own words reach the reason: what is damaged, without a traceback."""
    run = finished_run(started_store(tmp_path))
    run.experiment.reference.write_text("{")
    reason = deploy(run).reason
    assert "the exported model could not be verified: reference.json is damaged: JSONDecodeError" in reason
    assert nothing_is_served(run)


@pytest.mark.parametrize("digest", [None, "0" * 64])
@pytest.mark.parametrize("override", [None, "I know better"])
def test_a_verdict_on_another_model_never_deploys_this_one(tmp_path, digest, override):
    """Scores and verdict of a model that is no longer there, or of an unnamed one: refused, also with --override."""
    run = finished_run(started_store(tmp_path))
    stale = run.evaluation.model_copy(update={"model_digest": digest})
    with pytest.raises(UsageError, match="holds another model than the one its verdict is on") as caught:
        deploy_model(run.config, run.experiment, run.data, run.model, stale, run.verdict)
    assert caught.value.remedy == f"judge this one: ml-run --resume {run.experiment.id}"
    write_record(run.experiment.metrics, stale)
    with pytest.raises(UsageError, match="holds another model than the one its verdict is on"):
        deploy_experiment(run.config, run.experiment, override)
    assert nothing_is_served(run)
    assert not run.experiment.handoff.exists()


def test_a_model_exchanged_after_the_verdict_is_not_deployed(tmp_path):
    """The records agree, but the sealed folder is another model's: refused."""
    run = finished_run(started_store(tmp_path))
    (run.experiment.model / "README.md").write_text("another model")
    files.seal_folder(run.experiment.model)
    with pytest.raises(UsageError, match="holds another model than the one its verdict is on"):
        deploy_experiment(run.config, run.experiment)
    assert nothing_is_served(run)


@pytest.mark.parametrize("auto_deploy", [True, False])
def test_a_store_that_is_away_fails_the_deployment_and_changes_nothing(tmp_path, auto_deploy):
    """No tracking store: action failed with the cause, production unchanged, no pointer, no handoff."""
    run = finished_run(tmp_path, deployment={"auto_deploy": auto_deploy}, tracking={"uri": "http://127.0.0.1:9"})
    deployment = deploy(run)
    assert deployment.action == "failed"
    assert deployment.reason == "http://127.0.0.1:9: the tracking store failed: Connection refused"
    assert not deployments.root(tmp_path).exists()
    assert not run.experiment.handoff.exists()


def test_a_run_that_did_not_pass_is_deployed_by_hand_only_with_a_reason(tmp_path):
    """`ml-run deploy ID` names the verdict and the flag; with the flag, the reason is kept in registry and record."""
    run = finished_run(started_store(tmp_path), verdict="FAIL")
    with pytest.raises(UsageError, match="did not pass: FAIL: it is FAIL") as caught:
        deploy_experiment(run.config, run.experiment, None)
    assert f'ml-run deploy {run.experiment.id} --override "the reason"' in caught.value.remedy
    with pytest.raises(UsageError, match="the reason given with --override is empty"):
        deploy_experiment(run.config, run.experiment, " ")
    assert nothing_is_served(run)
    deployment = deploy_experiment(run.config, run.experiment, "the test split is wrong")
    assert (deployment.action, deployment.override) == ("deployed", "the test split is wrong")
    assert deployment.reason == "version 1 is production, by hand: the test split is wrong"
    tags = tracking.version_tags(run.config, tmp_path, "1")
    assert (tags["ml_run.override"], tags["ml_run.verdict"]) == ("the test split is wrong", "FAIL")
    assert deployments.history(tmp_path)[-1].override == "the test split is wrong"


def test_a_waiting_run_is_not_deployed_over_a_production_it_was_not_compared_with(tmp_path):
    """`ml-run deploy ID` after production changed: refused before anything is exported."""
    run = finished_run(started_store(tmp_path), deployment={"auto_deploy": False, "min_f1": 0.5})
    deploy(run)
    tracking.point_alias(run.config, tmp_path, tracking.PRODUCTION, "1")
    other = finished_run(tmp_path, deployment={"auto_deploy": False, "min_f1": 0.5}, seed=1)
    with pytest.raises(StoreError, match="production changed meanwhile: it was none, it is"):
        deploy_experiment(other.config, other.experiment, None)
    assert tracking.aliases(run.config, tmp_path)["production"] == "1"


def test_a_run_without_verdict_is_not_deployed(tmp_path):
    """A run that was cut off before the gate: named, with the command that goes on."""
    run = finished_run(tmp_path)
    run.experiment.verdict.unlink()
    with pytest.raises(UsageError, match="has no verdict yet"):
        deploy_experiment(run.config, run.experiment, None)
