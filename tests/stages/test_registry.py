from finished_run import finished_run, started_store
from ml_run.stages.registry import register_run


def test_a_store_that_is_away_leaves_the_run_pending(tmp_path, monkeypatch):
    """No tracking store: status pending with address and cause, no exception, every file of the run kept."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = finished_run(tmp_path, tracking={"uri": "http://me:s3cret@127.0.0.1:9"}, registry={"name": "dialects"})
    before = {path for path in run.experiment.folder.rglob("*") if path.is_file()}
    registration = register_run(run.config, run.experiment)
    assert registration.status == "pending"
    assert registration.tracking_uri == "http://me:***@127.0.0.1:9"
    assert registration.reason == "http://me:***@127.0.0.1:9: the tracking store failed: Connection refused"
    assert (registration.model_name, registration.run_id, registration.version) == ("dialects", None, None)
    assert {path for path in run.experiment.folder.rglob("*") if path.is_file()} == before


def test_what_was_pending_is_sent_once_the_store_is_back(tmp_path, monkeypatch):
    """The same call completes the store later: run, and a version as candidate for the model that passed."""
    run = finished_run(started_store(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert register_run(run.config, run.experiment).status == "pending"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    registration = register_run(run.config, run.experiment)
    assert (registration.status, registration.version, registration.aliases) == ("sent", "1", ("candidate",))
