"""The linear model in its folder: what is written, and what is refused."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.svm import LinearSVC

from conftest import LABELS, make_rows
from ml_run import files
from ml_run.errors import StoreError
from ml_run.modeling import linear
from ml_run.modeling.linear import LinearScorer
from ml_run.modeling.linear_tuning import Rows, tune
from ml_run.modeling.scoring import load_scorer

TEXTS = [*(row["text"] for row in make_rows(20, 5)), "", "zz \x00 \ud800"]


@pytest.fixture(scope="module")
def scorer():
    data = [
        Rows([f"{row['text']} \x00 e\ud800" for row in made], [LABELS.index(row["label"]) for row in made])
        for made in (make_rows(60), make_rows(30, 1))
    ]
    return tune(*data, LABELS, balanced=True, seed=0)[0]


@pytest.fixture
def folder(scorer, tmp_path):
    with files.atomic_folder(tmp_path / "model") as path:
        linear.save(scorer, path)
    return tmp_path / "model"


def rewrite(folder, **arrays):
    """The same model with other arrays, as anybody may write them, without a manifest."""
    known = skops.io.load(folder / linear.ARRAYS)
    (folder / files.MANIFEST).unlink(missing_ok=True)
    skops.io.dump(
        {name: value for name, value in (known | arrays).items() if value is not None}, folder / linear.ARRAYS
    )


def refusal(folder):
    with pytest.raises(StoreError) as caught:
        load_scorer(folder)
    assert caught.value.where == str(folder)
    return caught.value.found


def test_what_was_saved_is_loaded(scorer, folder):
    """The loaded model gives the same logits to the bit, on odd texts too, and softmax of them as probabilities."""
    loaded = load_scorer(folder)
    assert isinstance(loaded, LinearScorer)
    assert loaded.labels == LABELS
    assert loaded.vocabulary.terms == scorer.vocabulary.terms
    assert (loaded.logits(TEXTS) == scorer.logits(TEXTS)).all()
    assert loaded.probabilities(TEXTS).sum(1) == pytest.approx(1)
    assert loaded.parameters == scorer.weights.size + 3
    assert loaded.logits([]).shape == (0, 3)


def test_the_batch_changes_nothing_and_is_told(scorer):
    """Logits do not depend on the batch; progress is told after each."""
    told = []
    found = scorer.logits(TEXTS, batch_size=8, progress=lambda done, total: told.append((done, total)))
    assert (found == scorer.logits(TEXTS)).all()
    assert told == [(8, 22), (16, 22), (22, 22)]


def test_logits_are_scikit_learns(scorer):
    """Up to the temperature and the digits of float32, logits are the decision values of the SVM that was fitted."""
    made = [f"{row['text']} \x00 e\ud800" for row in make_rows(60)]
    ids = [LABELS.index(row["label"]) for row in make_rows(60)]
    oracle = LinearSVC(C=0.25, class_weight="balanced", random_state=0, tol=0.01)
    expected = oracle.fit(scorer.vocabulary.features(made), ids).decision_function(scorer.vocabulary.features(TEXTS))
    assert scorer.logits(TEXTS) * scorer.temperature == pytest.approx(expected, abs=1e-5)


def test_the_same_model_gives_the_same_bytes(scorer, folder, tmp_path):
    """No time and no address in memory gets into the file: digests of equal models are equal."""
    linear.save(load_scorer(folder), tmp_path)
    for name in (linear.ARRAYS, linear.DESCRIPTION):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert zipfile.ZipFile(folder / linear.ARRAYS).namelist() == [
        "terms.npy", "idf.npy", "weights.npy", "offsets.npy", "schema.json",
    ]  # fmt: skip


def test_what_the_folder_says(scorer, folder):
    """linear.json is for people and tools; the rest is arrays that skops alone can read, of types it trusts."""
    assert json.loads((folder / linear.DESCRIPTION).read_text()) == {
        "format": 1, "kind": "linear", "labels": list(LABELS), "words": None, "temperature": scorer.temperature,
    }  # fmt: skip
    assert skops.io.get_untrusted_types(file=folder / linear.ARRAYS) == []
    assert set(skops.io.load(folder / linear.ARRAYS)) == {"terms", "idf", "weights", "offsets"}
    assert b"pickle" not in (folder / linear.ARRAYS).read_bytes()


@pytest.mark.parametrize("name", [linear.ARRAYS, linear.DESCRIPTION])
def test_a_changed_file_is_refused(folder, name):
    """One byte of a sealed folder changed, or a file gone: the manifest tells."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert refusal(folder) == f"{name} was changed after it was written"
    if name == linear.ARRAYS:
        (folder / name).unlink()
        assert refusal(folder) == f"{name} is missing"


def test_no_object_is_ever_made_from_a_file(folder):
    """A scikit-learn estimator, which skops itself trusts, is refused by name, and so is anything it does not know."""
    rewrite(folder, weights=LinearSVC())
    assert refusal(folder) == (
        "no linear model can be loaded: linear.skops holds a sklearn.svm._classes.LinearSVC (ObjectNode), "
        "which no linear model needs"
    )


def test_a_name_in_a_schema_is_never_called(folder):
    """A type that nobody trusts is refused by name, before skops sees the file."""
    rewrite_schema(folder, lambda schema: schema["content"]["idf"].update(__module__="os", __class__="system"))
    assert "holds a os.system (NdArrayNode), which no linear model needs" in refusal(folder)


def rewrite_schema(folder, change):
    """Write the archive with a changed schema."""
    (folder / files.MANIFEST).unlink(missing_ok=True)
    with zipfile.ZipFile(folder / linear.ARRAYS) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    change(schema)
    with zipfile.ZipFile(folder / linear.ARRAYS, "w") as archive:
        for name, data in (members | {"schema.json": json.dumps(schema)}).items():
            archive.writestr(name, data)


def other_loader(schema):
    schema["content"]["idf"]["__loader__"] = "FunctionNode"


def no_file(schema):
    schema["content"]["idf"]["file"] = "../idf.npy"


def listed(schema):
    schema["content"] = ["idf"]


def deep(schema):
    for _ in range(500):
        schema["content"] = {"x": schema["content"]}
    schema["content"]["x"]["__loader__"] = "DictNode"


@pytest.mark.parametrize("change", [other_loader, no_file, listed, deep])
def test_a_schema_of_somebody_else_is_refused(folder, change):
    """Whatever a schema holds, reading it ends in a refusal."""
    rewrite_schema(folder, change)
    assert refusal(folder).startswith("no linear model can be loaded: ")


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"weights": np.zeros((2, 5), np.float32)}, "weights of linear.skops are not the"),
        ({"offsets": np.zeros(3)}, "offsets of linear.skops are not the 3 numbers that linear.json asks for"),
        ({"offsets": np.array([0, np.nan, 0], np.float32)}, "offsets of linear.skops are not the 3 numbers"),
        ({"idf": np.zeros(1, np.float32)}, "idf of linear.skops are not the"),
        ({"idf": None}, "'idf'"),
        ({"terms": np.array([255, 255], np.uint8)}, "can't decode byte 0xff"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(folder, arrays, what):
    """Missing, of another shape or type, or not finite: said, never scored with."""
    rewrite(folder, **arrays)
    assert what in refusal(folder)


@pytest.mark.parametrize(
    "described",
    [
        "",
        "[]",
        '{"format": 2, "kind": "linear", "labels": ["a", "b"], "words": null, "temperature": 1}',
        '{"format": 1, "kind": "linear", "labels": ["a"], "words": null, "temperature": 1}',
        '{"format": 1, "kind": "linear", "labels": ["a", "b"], "words": 0, "temperature": 1}',
        '{"format": 1, "kind": "linear", "labels": ["a", "b"], "words": null, "temperature": 0}',
        '{"format": 1, "kind": "linear", "labels": ["a", "b"], "words": null, "temperature": NaN}',
    ],
)
def test_a_description_that_makes_no_sense_is_refused(folder, described):
    """A later format, one label, no words, a temperature of 0: nothing is guessed."""
    (folder / files.MANIFEST).unlink()
    (folder / linear.DESCRIPTION).write_text(described)
    assert refusal(folder).startswith("no linear model can be loaded: ")


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_archive_is_refused(folder, content):
    """An empty file, the start of an archive, an empty archive."""
    (folder / files.MANIFEST).unlink()
    (folder / linear.ARRAYS).write_bytes(content)
    assert refusal(folder).startswith("no linear model can be loaded: ")


def test_every_cut_of_the_archive_is_refused(folder):
    """Wherever the file ends too early, loading it ends in a refusal and nothing else."""
    (folder / files.MANIFEST).unlink()
    whole = (folder / linear.ARRAYS).read_bytes()
    for end in range(0, len(whole), len(whole) // 20):
        (folder / linear.ARRAYS).write_bytes(whole[:end])
        assert refusal(folder).startswith("no linear model can be loaded: ")


def test_pickles_are_not_read(folder, tmp_path):
    """An array stored as a pickle, which numpy would load if it were asked to, is refused unread."""
    (folder / files.MANIFEST).unlink()
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    with zipfile.ZipFile(folder / linear.ARRAYS) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | {"idf.npy": buffer.getvalue()}
    with zipfile.ZipFile(folder / linear.ARRAYS, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert "allow_pickle" in refusal(folder)


def test_a_copy_is_the_model(folder, tmp_path, scorer):
    """The folder is complete in itself: a copy elsewhere, the original gone, is the same model."""
    shutil.move(folder, tmp_path / "elsewhere")
    assert (load_scorer(tmp_path / "elsewhere", "cpu").logits(TEXTS) == scorer.logits(TEXTS)).all()
