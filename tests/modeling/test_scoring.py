import numpy as np
import pytest

from conftest import LABELS, make_rows
from ml_run import files
from ml_run.errors import StoreError
from ml_run.modeling import scratch
from ml_run.modeling.scoring import load_scorer, softmax

TEXTS = [row["text"] for row in make_rows(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sealed model folder with random weights."""
    from transformers import set_seed

    set_seed(1)
    tokenizer = scratch.train_tokenizer(TEXTS, pieces=300, max_length=16)
    model = scratch.build_model("scratch:tiny", tokenizer, 16, id2label=dict(enumerate(LABELS)))
    with files.atomic_folder(tmp_path_factory.mktemp("scoring") / "model") as path:
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
    return next(path.parent.glob("model"))


@pytest.fixture(scope="module")
def scorer(folder):
    return load_scorer(folder)


def test_labels_and_length_come_from_the_folder(scorer):
    """Whoever scores needs no config beside the model."""
    assert scorer.labels == LABELS
    assert scorer.max_length == 16


def test_rows_come_back_in_the_order_of_the_texts(scorer):
    """Sorting by length is our business: each row is what the text gives alone."""
    texts = [*TEXTS, "", "guri", "guri " * 100]
    together = scorer.logits(texts, batch_size=4)
    alone = np.concatenate([scorer.logits([text]) for text in texts])
    assert together.shape == (23, 3)
    assert together.dtype == np.float32
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_the_same_batch_gives_the_same_bits(scorer, folder):
    """The deployed copy is compared with the trained model exactly."""
    assert (scorer.logits(TEXTS) == load_scorer(folder).logits(TEXTS)).all()


def test_no_texts_give_no_rows(scorer):
    """An empty list is a list."""
    assert scorer.logits([]).shape == (0, 3)
    assert scorer.probabilities([]).shape == (0, 3)


def test_probabilities_are_the_softmax(scorer):
    """Rows sum to 1 and keep the order of the logits."""
    logits, shares = scorer.logits(TEXTS), scorer.probabilities(TEXTS)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert np.log(shares[:, 1] / shares[:, 0]) == pytest.approx(logits[:, 1] - logits[:, 0], abs=1e-5)


def test_softmax_of_large_logits_does_not_overflow():
    """exp(1000) is no number; its share of the sum is."""
    assert softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_progress_is_told_after_each_batch(scorer):
    """A caller can show how far scoring is."""
    told = []
    scorer.logits(TEXTS, batch_size=8, progress=lambda done, total: told.append((done, total)))
    assert told == [(8, 20), (16, 20), (20, 20)]


def test_a_changed_model_is_refused(folder, tmp_path):
    """One bit changed since the model was sealed, and it is not the model that was judged."""
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(StoreError, match=r"model\.safetensors was changed after it was written"):
        load_scorer(copy)


def test_files_verified_a_moment_ago_are_not_read_twice(folder, tmp_path):
    """`verified` trusts the caller's comparison: the manifest is not looked at again."""
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text("added after it was sealed")
    with pytest.raises(StoreError, match=r"README\.md does not belong there"):
        load_scorer(copy)
    assert load_scorer(copy, verified=True).labels == LABELS


@pytest.mark.parametrize(
    "name", ["evil.py", "weights.pkl", "pytorch_model.bin", "optimizer.pt", "weights.pkl.gz", "x/y.py"]
)
def test_r34_what_was_not_sealed_with_a_model_is_refused_before_it_is_loaded(folder, tmp_path, name):
    """R34: a file more, of whatever kind, and the folder is not the model that was judged."""
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("print('loaded')")
    with pytest.raises(StoreError, match=f"{name} does not belong there"):
        load_scorer(copy)


@pytest.mark.parametrize("what", ["file", "folder", "nothing"])
def test_r34_a_link_in_a_sealed_model_is_refused(folder, tmp_path, what):
    """R34: what a link leads to, to the same bytes today, is another's to change after it was verified."""
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    name = {"file": "model.safetensors", "folder": "more", "nothing": "more"}[what]
    (copy / name).unlink(missing_ok=True)
    (copy / name).symlink_to({"file": folder / "model.safetensors", "folder": folder, "nothing": "gone"}[what])
    with pytest.raises(StoreError, match=rf"{name} does not belong there"):
        load_scorer(copy)


def test_a_folder_without_a_model_is_refused(tmp_path):
    """The error names the folder."""
    with pytest.raises(StoreError, match="no model can be loaded") as caught:
        load_scorer(tmp_path)
    assert caught.value.where == str(tmp_path)
