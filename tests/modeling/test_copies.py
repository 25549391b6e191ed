import pytest

from ml_run import files
from ml_run.config.sections import ComputeConfig
from ml_run.errors import TrainingError, UsageError
from ml_run.modeling import copies


def seal(folder, name, text):
    (folder / name).mkdir(parents=True)
    (folder / name / "weights").write_text(text)
    files.seal_folder(folder / name)


def test_what_is_sealed_is_copied_and_fetched(tmp_path):
    """The storage holds the sealed folders that are kept and no other, and another machine fetches the same bytes."""
    here, there, url = tmp_path / "here", tmp_path / "there", f"file://{tmp_path}/storage/exp_1"
    seal(here, "checkpoint-4", "four")
    (here / "checkpoint-6").mkdir()
    copies.push(here, url)
    seal(here, "checkpoint-8", "eight")
    (here / "checkpoint-4" / files.MANIFEST).unlink()
    copies.push(here, url)
    assert [path.name for path in (tmp_path / "storage" / "exp_1").iterdir()] == ["checkpoint-8"]
    there.mkdir()
    copies.fetch(url, there)
    assert [path.name for path in there.iterdir()] == ["checkpoint-8"]
    assert files.manifest_fault(there / "checkpoint-8") is None
    assert (there / "checkpoint-8" / "weights").read_text() == "eight"
    copies.clear(url)
    copies.clear(url)
    assert not (tmp_path / "storage" / "exp_1").exists()
    copies.fetch(url, tmp_path / "none")


def test_half_a_copy_is_not_fetched(tmp_path):
    """A copy whose manifest was never written is left, and made whole by the next push; one may be fetched alone."""
    here, there, storage = (tmp_path / name for name in ("here", "there", "storage"))
    for name in ("checkpoint-4", "model"):
        seal(here, name, name)
    copies.push(here, str(storage))
    (storage / "checkpoint-4" / files.MANIFEST).unlink()
    there.mkdir()
    copies.fetch(str(storage), there)
    assert [path.name for path in there.iterdir()] == ["model"]
    copies.push(here, str(storage))
    copies.fetch(str(storage), tmp_path / "other", only="checkpoint-4")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["checkpoint-4"]


def test_storage_that_cannot_be_used_says_so(tmp_path):
    """An unknown protocol is the config's fault, a storage that fails the training's, both told with what to do."""
    with pytest.raises(UsageError) as caught:
        copies.clear("nowhere://bucket/x")
    assert caught.value.where == "compute.storage"
    assert caught.value.remedy == "give a folder, or an fsspec URL such as s3://bucket/ml-run"
    seal(tmp_path / "here", "checkpoint-4", "four")
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError) as failed:
        copies.push(tmp_path / "here", str(tmp_path / "file" / "below"))
    assert (failed.value.kind, failed.value.where) == ("storage", "compute.storage")


def test_copies_are_made_where_a_cluster_has_storage():
    """Without a cluster, or with a folder that all see, checkpoints stay where they are."""
    storage = ComputeConfig(engine="ray", storage="s3://bucket/ml-run/")
    assert copies.place(storage, "exp_1", "abcdef0123456789") == "s3://bucket/ml-run/exp_1-abcdef012345"
    assert copies.place(storage.model_copy(update={"engine": "local"}), "exp_1", "ab") is None
    assert copies.place(ComputeConfig(engine="ray"), "exp_1", "ab") is None
