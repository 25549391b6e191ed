import json
import logging
import re
import shutil

import pytest

import processes
from finished_run import finished_run, started_store
from ml_run import deployments, files, promotion, tracking
from ml_run.config import Config
from ml_run.deployments import Change
from ml_run.errors import StoreError, UsageError
from ml_run.events import utc_now
from ml_run.tracking.store import connect


@pytest.fixture(autouse=True)
def _told(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(logging.getLogger("ml_run"), "level", logging.INFO)


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """A project with two versions registered and in place, none of them production; and its config."""
    project = started_store(tmp_path_factory.mktemp("shop"))
    for seed in (1, 2):
        run = finished_run(project, seed=seed)
        version = tracking.register_version(run.config, run.experiment)
        deployments.adopt(project, deployments.export(project, run.experiment.id, run.experiment.model), version)
    return project, run.config


@pytest.fixture
def shop(registered):
    """The same with version 1 in production and nothing before it."""
    project, config = registered
    for alias in (tracking.PREVIOUS, tracking.CANDIDATE):
        if alias in tracking.aliases(config, project):
            tracking.point_alias(config, project, alias, None)
    tracking.point_alias(config, project, tracking.PRODUCTION, "1")
    deployments.switch(project, "1")
    for name in ("history.jsonl", "intent.json"):
        (deployments.root(project) / name).unlink(missing_ok=True)
    return project, config


def change(project, version, previous, action="deploy"):
    digest = files.folder_digest(deployments.version_folder(project, version))
    return Change(action=action, version=version, previous=previous, digest=digest, time=utc_now())


def standing(project, config):
    """Where alias and pointer stand."""
    return tracking.aliases(config, project).get("production"), deployments.current_version(project)


def away(config) -> Config:
    return config.model_copy(update={"tracking": config.tracking.model_copy(update={"uri": "http://127.0.0.1:9"})})


def test_promotion_moves_alias_pointer_and_previous_together(shop):
    """Production, previous and `current` change in one promotion; the candidate's alias goes, the history grows."""
    project, config = shop
    tracking.point_alias(config, project, tracking.CANDIDATE, "2")
    promotion.promote(config, project, change(project, "2", "1"))
    assert tracking.aliases(config, project) == {"production": "2", "previous": "1"}
    assert deployments.current_version(project) == "2"
    assert [(c.version, c.previous) for c in deployments.history(project)] == [("2", "1")]
    assert deployments.intent(project) is None


def test_promoting_what_is_production_already_changes_nothing(shop):
    """A resumed run that had promoted before it was killed promotes again without harm."""
    project, config = shop
    promotion.promote(config, project, change(project, "2", "1"))
    promotion.promote(config, project, change(project, "2", "1"))
    assert tracking.aliases(config, project) == {"production": "2", "previous": "1"}
    assert len(deployments.history(project)) == 1


@pytest.mark.parametrize("expected", [None, "2"])
def test_r23_promotion_is_refused_when_production_changed_since_the_evaluation(shop, expected):
    """Compare-and-set: a candidate that was compared with another model than the one in production loses."""
    project, config = shop
    wanted = change(project, "2", expected)
    with pytest.raises(StoreError, match=r"production changed meanwhile: it was .*, it is version 1"):
        promotion.promote(config, project, wanted)
    assert standing(project, config) == ("1", "1")


def test_r23_of_two_promotions_at_once_exactly_one_wins(shop):
    """Two processes promote onto the same production model: one ends well, the other says that production changed."""
    project, config = shop
    tracking.point_alias(config, project, tracking.PRODUCTION, None)
    children = [processes.start(processes.promote, config, project, change(project, v, None)) for v in "12"]
    for child in children:
        child.join(60)
    codes = [child.exitcode for child in children]
    assert sorted(codes) == [0, 1]
    won = "12"[codes.index(0)]
    assert standing(project, config) == (won, won)


def test_r24_a_crash_at_any_point_leaves_old_or_new_and_the_next_start_makes_it_whole(shop):
    """Kill -9 at every crash point of a promotion: only verified versions are named, and recovery agrees on one."""
    project, config = shop
    crash_at, outcomes = 0, []
    while True:
        crash_at += 1
        old = standing(project, config)[0]
        new = {"1": "2", "2": "1"}[old]
        code = processes.run(processes.promote, config, project, change(project, new, old), crash_at)
        alias, pointer = standing(project, config)
        assert {alias, pointer} <= {"1", "2"}
        if code == 0:
            break
        assert code == -9
        promotion.recover(config, project)
        assert deployments.intent(project) is None
        alias, pointer = standing(project, config)
        assert alias == pointer
        outcomes.append("new" if alias == new else "old")
        if alias == new:
            assert tracking.aliases(config, project)["previous"] == old
            assert deployments.history(project)[-1].version == new
    assert "old" in outcomes
    assert "new" in outcomes
    assert outcomes == sorted(outcomes, reverse=True), "once committed, no later crash may undo it"


@pytest.mark.slow
def test_r24_a_crash_at_any_point_of_a_rollback_leaves_old_or_new(shop):
    """Kill -9 at every crash point of `rollback`: whoever comes next finds alias, pointer and `previous` agreeing."""
    project, config = shop
    promotion.promote(config, project, change(project, "2", "1"))
    for crash_at in range(1, 100):
        old = standing(project, config)[0]
        code = processes.run(processes.rollback, config, project, crash_at)
        promotion.recover(config, project)
        alias, pointer = standing(project, config)
        assert alias == pointer
        assert tracking.aliases(config, project)["previous"] == {"1": "2", "2": "1"}[alias]
        assert deployments.intent(project) is None
        if code == 0:
            break
        assert code == -9
    assert (code, alias) == (0, {"1": "2", "2": "1"}[old])


def test_r23_a_loser_is_told_how_to_be_judged_again(shop):
    """Deploy: the run is judged against the new champion by --resume; rollback: it is asked again."""
    project, config = shop
    deploy = change(project, "2", "2").model_copy(update={"experiment": "exp_x"})
    for wanted, again in (
        (deploy, "ml-run --resume exp_x"),
        (change(project, "2", "2", "rollback"), "ml-run rollback"),
    ):
        with pytest.raises(StoreError) as caught:
            promotion.promote(config, project, wanted)
        assert caught.value.remedy == f"to decide against the model that is in production now: {again}"


def test_r25_a_damaged_copy_is_not_promoted(shop):
    """One changed byte in the deployed folder: refused, the alias does not move."""
    project, config = shop
    wanted = change(project, "2", "1")
    weights = deployments.version_folder(project, "2") / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(StoreError, match=r"the copy of version 2 is damaged: model.safetensors was changed"):
        promotion.promote(config, project, wanted)
    assert standing(project, config) == ("1", "1")
    weights.write_bytes(kept)


def test_a_store_that_is_away_changes_nothing(shop):
    """No answer from the registry: neither alias nor pointer moves, and no note is left behind."""
    project, config = shop
    with pytest.raises(StoreError, match="Connection refused"):
        promotion.promote(away(config), project, change(project, "2", "1"))
    assert standing(project, config) == ("1", "1")
    assert deployments.intent(project) is None


def test_rollback_goes_back_and_can_be_taken_back(shop):
    """`ml-run rollback` makes the previous version production, pointer too; a second one returns."""
    project, config = shop
    promotion.promote(config, project, change(project, "2", "1"))
    back = promotion.rollback(config, project)
    assert (back.action, back.version, back.previous) == ("deployed", "1", "2")
    assert back.reason == "rolled back from version 2 to version 1"
    assert back.folder == "experiments/deployments/1"
    assert standing(project, config) == ("1", "1")
    assert [c.action for c in deployments.history(project)] == ["deploy", "rollback"]
    assert promotion.rollback(config, project).version == "2"
    assert standing(project, config) == ("2", "2")


def test_rollback_without_a_previous_model_is_a_usage_error(shop):
    """Nothing to go back to: said, with what to do, and nothing changes."""
    project, config = shop
    with pytest.raises(UsageError, match="there is no previous production model to go back to"):
        promotion.rollback(config, project)
    assert standing(project, config) == ("1", "1")


def test_production_is_read_from_the_registry_not_from_the_pointer(shop):
    """Another machine promoted: the alias counts, and a copy that is missing here is fetched and verified."""
    project, config = shop
    tracking.point_alias(config, project, tracking.PRODUCTION, "2")
    folder = deployments.version_folder(project, "2")
    digest = files.folder_digest(folder)
    shutil.rmtree(folder)
    found = promotion.production(config, project)
    assert (found.version, found.folder) == ("2", folder)
    assert files.manifest_fault(folder) is None
    assert files.folder_digest(folder) == digest


def test_r25_an_artefact_altered_in_the_store_is_refused(shop):
    """One byte changed in the registered artefact: it is not taken for the production model."""
    project, config = shop
    tracking.point_alias(config, project, tracking.PRODUCTION, "2")
    folder = deployments.version_folder(project, "2")
    kept = project / "kept"
    shutil.move(folder, kept)
    digest = files.folder_digest(kept)
    stored = project.glob("experiments/mlruns/*/models/*/artifacts/data/model/manifest.json")
    [artefact] = [path.parent for path in stored if files.hash_file(path) == digest]
    (artefact / "train_rows.txt").write_text("0123abce\n")
    with pytest.raises(StoreError, match=r"is not the model that was registered: train_rows.txt was changed"):
        promotion.production(config, project)
    assert not folder.exists()
    (artefact / "train_rows.txt").write_text("0123abcd\n")
    shutil.move(kept, folder)


def _evil(name):
    return lambda folder, canary: (folder / name).write_text(f"open({str(canary)!r}, 'w')")


def _asking(key):
    def ask(folder, canary):
        asked = json.loads((folder / "config.json").read_text()) | {key: {"AutoConfig": "evil.Config"}}
        (folder / "config.json").write_text(json.dumps(asked))
        _evil("evil.txt")(folder, canary)

    return ask


FOREIGN = {
    "code": (_evil("evil.py"), "evil.py does not belong to a model of ours"),
    "pickle": (_evil("pytorch_model.bin"), "pytorch_model.bin does not belong to a model of ours"),
    "packed pickle": (_evil("x.pkl.gz"), "x.pkl.gz does not belong to a model of ours"),
    "auto_map": (_asking("auto_map"), "the model brings its own code ('auto_map')"),
    "kernel": (_asking("_attn_implementation_internal"), "the model brings its own code"),
}


@pytest.mark.parametrize(("change_it", "found"), FOREIGN.values(), ids=FOREIGN)
def test_r34_a_registered_model_that_could_bring_code_is_refused(registered_alone, monkeypatch, change_it, found):
    """Changed in the store with manifest and tag to match: neither ml-run nor MLflow's pyfunc loads any of it."""
    import mlflow

    project, run, artefact = registered_alone
    canary = project / "canary"
    change_it(artefact, canary)
    files.seal_folder(artefact)
    tag_as_registered(project, run, artefact)
    with pytest.raises(StoreError, match=re.escape(found)):
        promotion.production(run.config, project)
    assert not deployments.version_folder(project, "1").exists()
    uri = tracking.tracking_uri(run.config, project)
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)
    with pytest.raises(StoreError, match=re.escape(found)):
        mlflow.pyfunc.load_model(f"models:/{tracking.registered_name(run.config, project)}@production")
    assert not canary.exists()


def test_r39_a_registered_model_brings_no_link(registered_alone):
    """A link in the store's artefacts never becomes one here, and a manifest that names files elsewhere is refused."""
    project, run, artefact = registered_alone
    (artefact / "config.json").rename(artefact.parent / "elsewhere.json")
    (artefact / "config.json").symlink_to("../elsewhere.json")
    files.seal_folder(artefact)
    tag_as_registered(project, run, artefact)
    folder = promotion.production(run.config, project).folder
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    shutil.rmtree(folder)
    entries = json.loads((artefact / "manifest.json").read_text())
    files.write_json(artefact / "manifest.json", entries | {"../elsewhere.json": entries["config.json"]})
    tag_as_registered(project, run, artefact)
    with pytest.raises(StoreError, match=r"is not the model that was registered: \.\./elsewhere\.json is missing"):
        promotion.production(run.config, project)


@pytest.fixture
def registered_alone(tmp_path):
    """A project with one version, in production in the registry alone; its run, and the model in the artefacts."""
    project = started_store(tmp_path)
    run = finished_run(project)
    version = tracking.register_version(run.config, run.experiment)
    tracking.point_alias(run.config, project, tracking.PRODUCTION, version)
    [found] = project.glob("experiments/mlruns/*/models/*/artifacts/data/model/config.json")
    return project, run, found.parent


def tag_as_registered(project, run, artefact):
    """Make the version's tag match what an attacker has put there."""
    client = connect(run.config, project).client
    name = tracking.registered_name(run.config, project)
    client.set_model_version_tag(name, "1", tracking.DIGEST, files.folder_digest(artefact))


def test_production_is_the_local_copy_while_the_store_is_away(shop, caplog):
    """A run can still be judged against what this machine serves; it is told where the knowledge comes from."""
    project, config = shop
    found = promotion.production(away(config), project)
    assert found.version == "1"
    assert "Connection refused: production is taken to be version 1" in caplog.text


def test_without_production_there_is_none(tmp_path):
    """A new project has no production model, and asking leaves no deployments folder."""
    config = Config.model_validate({"data": {"train_path": "x"}, "model": {"name": "scratch:tiny"}})
    assert promotion.production(config, tmp_path) is None
    assert promotion.production(away(config), tmp_path) is None
    assert not deployments.root(tmp_path).exists()
