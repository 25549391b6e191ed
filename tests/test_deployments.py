import os
import re
import stat
import threading
import time

import pytest

from ml_run import deployments, files
from ml_run.deployments import Change
from ml_run.errors import StoreError
from ml_run.experiment import Experiment
from ml_run.experiment import locked as experiment_locked


def sealed(folder, content="weights"):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(content)
    (folder / "sub").mkdir()
    (folder / "sub/labels.json").write_text("[]")
    files.seal_folder(folder)
    return folder


def change(version="1", previous=None, action="deploy", digest="d"):
    return Change(
        action=action, version=version, previous=previous, digest=digest, time="2026-11-23T00:00:00.000+00:00"
    )


def test_a_deployment_is_a_copy_that_the_experiment_cannot_touch(tmp_path):
    """Editing the experiment's model after the export leaves the deployed files as they were verified."""
    model = sealed(tmp_path / "model")
    staging = deployments.export(tmp_path, "exp_1", model)
    folder = deployments.adopt(tmp_path, staging, "1")
    (model / "model.safetensors").write_text("other")
    assert files.manifest_fault(folder) is None
    assert (folder / "model.safetensors").read_text() == "weights"
    assert not staging.exists()
    assert [path.name for path in deployments.root(tmp_path).iterdir()] == ["1"]


def test_a_model_changed_since_training_is_not_exported(tmp_path):
    """A model folder that does not match its manifest never gets near a deployment."""
    model = sealed(tmp_path / "model")
    (model / "model.safetensors").write_text("weighty")
    with pytest.raises(StoreError, match=r"the trained model was changed: model.safetensors was changed"):
        deployments.export(tmp_path, "exp_1", model)
    assert not deployments.root(tmp_path).exists()


def test_adopting_again_keeps_a_whole_copy_and_replaces_a_damaged_one(tmp_path):
    """A resumed deployment finds its copy in place; a copy that is not whole is made anew."""
    model = sealed(tmp_path / "model")
    folder = deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", model), "1")
    inode = folder.stat().st_ino
    assert deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", model), "1").stat().st_ino == inode
    (folder / "model.safetensors").write_text("rotten")
    assert deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", model), "1").stat().st_ino != inode
    assert files.manifest_fault(folder) is None


def test_a_served_version_is_never_replaced_by_another_model(tmp_path):
    """A registry that numbers anew (its database was deleted) must not overwrite what is being served."""
    deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", sealed(tmp_path / "a")), "1")
    deployments.switch(tmp_path, "1")
    staging = deployments.export(tmp_path, "exp_2", sealed(tmp_path / "b", "other weights"))
    with pytest.raises(StoreError, match="version 1 is being served and is another model"):
        deployments.adopt(tmp_path, staging, "1")
    assert (deployments.version_folder(tmp_path, "1") / "model.safetensors").read_text() == "weights"


def test_a_damaged_copy_of_the_served_model_is_mended(tmp_path):
    """What is served lost a byte: the same model is put in its place, and the pointer leads to a whole copy."""
    folder = deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", sealed(tmp_path / "a")), "1")
    deployments.switch(tmp_path, "1")
    (folder / "model.safetensors").write_text("weight")
    assert deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", tmp_path / "a"), "1") == folder
    assert files.manifest_fault(deployments.root(tmp_path) / "current") is None
    assert names(tmp_path) == {"1", "current"}


@pytest.mark.parametrize("damage", ["{", None])
def test_a_damaged_copy_is_not_called_another_model(tmp_path, damage):
    """A served folder that cannot say what it is, is said to be damaged, and is left as it is."""
    folder = deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", sealed(tmp_path / "a")), "1")
    deployments.switch(tmp_path, "1")
    (folder / "manifest.json").unlink()
    if damage:
        (folder / "manifest.json").write_text(damage)
    staging = deployments.export(tmp_path, "exp_1", tmp_path / "a")
    said = r"^version 1 is being served and its copy is damaged: manifest.json is (missing|not readable)$"
    with pytest.raises(StoreError) as caught:
        deployments.adopt(tmp_path, staging, "1")
    assert re.search(said, caught.value.found)
    assert (folder / "model.safetensors").read_text() == "weights"


def test_what_killed_deployments_left_is_cleared_under_the_lock(tmp_path):
    """Half-written copies, and staged ones whose run nobody walks, go; those of a live run and versions stay."""
    model = sealed(tmp_path / "model")
    deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_0", model), "1")
    dead, live = (tmp_path / "experiments" / name for name in ("exp_1", "exp_2"))
    for run in (dead, live):
        run.mkdir()
        deployments.export(tmp_path, run.name, model)
    (deployments.root(tmp_path) / "..staged-exp_1.12345678.tmp/sub").mkdir(parents=True)
    (deployments.root(tmp_path) / "1").rename(deployments.root(tmp_path) / ".1.12345678.old")
    with experiment_locked(Experiment(live)):
        with files.atomic_folder(deployments.root(tmp_path) / "7") as being_written, deployments.locked(tmp_path):
            found = names(tmp_path)
        assert found == {".lock", "1", ".staged-exp_2", being_written.name}
    with deployments.locked(tmp_path):
        assert names(tmp_path) == {".lock", "1", "7"}
    assert files.manifest_fault(deployments.root(tmp_path) / "1") is None


def names(project):
    return {path.name for path in deployments.root(project).iterdir()}


@pytest.mark.parametrize("version", ["../../etc", "1/2", "", "-1", "²", "latest"])
def test_a_version_never_becomes_another_path(tmp_path, version):
    """A registry that answers with something else than a number is not believed."""
    with pytest.raises(StoreError, match="which is no number"):
        deployments.version_folder(tmp_path, version)


def test_the_pointer_is_relative_and_always_there_while_it_is_switched(tmp_path):
    """`current` moves with the project folder, and a reader sees the old version or the new one, never none."""
    for version in "12":
        deployments.adopt(tmp_path, deployments.export(tmp_path, "exp", sealed(tmp_path / version, version)), version)
    assert deployments.current_version(tmp_path) is None
    deployments.switch(tmp_path, "1")
    assert str((deployments.root(tmp_path) / "current").readlink()) == "1"
    seen, ended = set(), threading.Event()

    def read():
        while not ended.is_set():
            seen.add((deployments.root(tmp_path) / "current/model.safetensors").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        deployments.switch(tmp_path, "12"[number % 2])
    ended.set()
    reader.join()
    assert seen <= {"1", "2"}
    assert deployments.current_version(tmp_path) == "2"


def test_a_pointer_that_somebody_bent_is_not_followed(tmp_path):
    """`current` pointing outside of the deployments counts as no pointer."""
    deployments.root(tmp_path).mkdir(parents=True)
    (deployments.root(tmp_path) / "current").symlink_to("../../elsewhere/3")
    assert deployments.current_version(tmp_path) is None


def test_the_history_only_grows_and_survives_a_torn_line(tmp_path):
    """A change noted twice by a recovered process stands once; a line cut off by a crash does not spoil the next."""
    deployments.root(tmp_path).mkdir(parents=True)
    first, second = change("1"), change("2", "1")
    deployments.append_history(tmp_path, first)
    deployments.append_history(tmp_path, first)
    path = deployments.root(tmp_path) / "history.jsonl"
    with path.open("a") as file:
        file.write('{"action": "dep')
    deployments.append_history(tmp_path, second)
    assert deployments.history(tmp_path) == [first, second]


def test_the_intent_is_kept_until_it_is_cleared(tmp_path):
    """What is about to be done can be read back by the next process; an unreadable note is an error, not nothing."""
    deployments.root(tmp_path).mkdir(parents=True)
    assert deployments.intent(tmp_path) is None
    deployments.write_intent(tmp_path, change("3", "2", "rollback"))
    assert deployments.intent(tmp_path) == change("3", "2", "rollback")
    deployments.clear_intent(tmp_path)
    assert deployments.intent(tmp_path) is None
    (deployments.root(tmp_path) / "intent.json").write_text("{}")
    with pytest.raises(StoreError, match="the note on an unfinished deployment cannot be read"):
        deployments.intent(tmp_path)


def test_one_deployment_at_a_time(tmp_path, monkeypatch):
    """The deploy lock makes a second one wait, and give up with a message when the first does not end."""
    monkeypatch.setattr(deployments, "_PATIENCE_SECONDS", 0.3)
    order = []

    def hold(seconds):
        with deployments.locked(tmp_path):
            order.append("in")
            time.sleep(seconds)
            order.append("out")

    first = threading.Thread(target=hold, args=(0.15,))
    first.start()
    time.sleep(0.05)
    hold(0)
    first.join()
    assert order == ["in", "out", "in", "out"]
    with deployments.locked(tmp_path), pytest.raises(StoreError, match="another deployment is still going on"):
        hold(0)


# --- what is served is what was verified ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("umask", "folder_mode", "file_mode"), [(0o077, 0o700, 0o600), (0o022, 0o755, 0o644), (0, 0o755, 0o644)]
)
def test_r40_a_deployed_folder_is_readable_as_the_umask_says_and_writable_for_its_owner_alone(
    tmp_path, umask, folder_mode, file_mode
):
    """R40: safetensors and temporary folders are born for their owner alone; what is deployed must not stay so."""
    before = os.umask(umask)
    try:
        model = sealed(tmp_path / "model")
        (model / "model.safetensors").chmod(0o600)
        folder = deployments.adopt(tmp_path, deployments.export(tmp_path, "exp_1", model), "1")
        with files.scratch_folder(tmp_path, "scratch") as scratch:
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes == {True: folder_mode, False: file_mode}


def served(project, content="weights"):
    """Version 1 of a project, deployed and in its history."""
    folder = deployments.adopt(project, deployments.export(project, "exp_1", sealed(project / "model", content)), "1")
    deployments.switch(project, "1")
    deployments.append_history(project, change(digest=files.folder_digest(folder)))
    return folder


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda folder: (folder / "model.safetensors").write_text("more"),
            "model.safetensors has 4 bytes, 7 were written",
        ),
        (lambda folder: (folder / "model.safetensors").write_text("Weights"), "model.safetensors was changed"),
        (lambda folder: (folder / "sub/labels.json").unlink(), "sub/labels.json is missing"),
        (lambda folder: (folder / "sub/more.py").write_text(""), "sub/more.py does not belong there"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is not readable"),
    ],
)
def test_r41_any_file_that_was_changed_lost_or_added_is_found(tmp_path, damage, said):
    """R41: what predict, serve and monitor ask before they load: is it, file by file, what was deployed?"""
    folder = served(tmp_path)
    assert deployments.verified_digest(tmp_path, "1") == files.folder_digest(folder)
    damage(folder)
    with pytest.raises(StoreError, match=f"version 1 is not what was deployed: {said}"):
        deployments.verified_digest(tmp_path, "1")


def test_r41_a_folder_sealed_anew_is_not_what_was_deployed(tmp_path):
    """R41: a manifest that fits its files proves nothing where the history promised another one."""
    folder = served(tmp_path)
    (folder / "model.safetensors").write_text("other")
    files.seal_folder(folder)
    assert files.manifest_fault(folder) is None
    with pytest.raises(StoreError, match="it is another model than the one that was deployed"):
        deployments.verified_digest(tmp_path, "1")


def test_a_copy_that_is_verified_cannot_be_written_and_is_removed_all_the_same(tmp_path):
    """Read-only within the block, as it was after it; one that a killed process left read-only is swept away."""
    staging = deployments.export(tmp_path, "exp_1", sealed(tmp_path / "model"))
    before = {path: path.stat().st_mode for path in (staging, *staging.rglob("*"))}
    with deployments.read_only(staging):
        assert all(not path.stat().st_mode & 0o222 for path in before)
    assert {path: path.stat().st_mode for path in before} == before
    for path in before:
        path.chmod(path.stat().st_mode & ~0o222)
    with deployments.locked(tmp_path):
        assert not staging.exists()
