"""Which format of a model serves: the fastest that says what the trained weights say."""

import logging
import shutil

import numpy as np
import pytest

from conftest import LABELS, make_rows
from finished_run import finished_run
from ml_run import files
from ml_run.errors import StoreError
from ml_run.modeling import formats, scratch
from ml_run.modeling.formats import Choice, candidates, choose, fastest
from ml_run.modeling.onnx_scorer import ONNX_FILES, load_onnx
from ml_run.modeling.scoring import load_scorer, load_transformer
from ml_run.modeling.scoring_file import Scoring, write_scoring
from ml_run.results import FORMATS, FormatTrial

TEXTS = [row["text"] for row in make_rows(300, seed=5)]


def trial(name, single=10.0, rate=100.0, refused=""):
    return FormatTrial(format=name, single_ms_p50=single, rows_per_second=rate, refused=refused)


SLOW, FAST, FASTER = trial("safetensors"), trial("onnx", 5.0, 200.0), trial("onnx-int8", 2.5, 400.0)


@pytest.mark.parametrize(
    ("trials", "named", "chosen"),
    [
        ((SLOW, FAST, FASTER), FORMATS, "onnx-int8"),
        ((SLOW, FAST, trial("onnx-int8", refused="it disagrees")), FORMATS, "onnx"),
        ((SLOW, trial("onnx", 9.0, 110.0), trial("onnx-int8", 9.0, 110.0)), FORMATS, "safetensors"),
        ((SLOW, FAST, trial("onnx-int8", 4.5, 210.0)), FORMATS, "onnx"),
        ((SLOW, trial("onnx", 5.0, 50.0)), ("safetensors", "onnx"), "safetensors"),
        ((SLOW, trial("onnx", 40.0, 20.0)), ("onnx",), "onnx"),
        ((SLOW, trial("onnx-int8", refused="it cannot be exported")), ("onnx-int8",), "safetensors"),
    ],
)
def test_the_fastest_that_may_serve_is_chosen(trials, named, chosen):
    """A less exact format must be a fifth faster, one text and many alike; the trained weights are always there."""
    assert fastest(trials, named) == chosen


def test_small_models_and_those_of_no_extra_are_not_exported(monkeypatch):
    """Unasked, a format is looked for only where it can be had and is worth it; what is named is tried at any size."""
    assert candidates(None, formats.LARGE - 1, 5000) == ("safetensors",)
    assert candidates(None, formats.LARGE, formats.LEAST_ROWS - 1) == ("safetensors",)
    assert candidates(("onnx-int8", "safetensors"), 10, 20) == ("safetensors", "onnx-int8")
    monkeypatch.setattr(formats, "onnx_is_installed", lambda: False)
    assert candidates(None, formats.LARGE, 5000) == ("safetensors",)


def test_without_the_extra_the_trained_weights_serve_and_that_is_said(caplog, monkeypatch, tmp_path):
    """A run that goes on where the extra is missing ends with a model all the same, and with a warning."""
    monkeypatch.setattr(formats, "onnx_is_installed", lambda: False)
    run = finished_run(tmp_path)
    scorer = load_transformer(run.experiment.model)
    with caplog.at_level(logging.INFO, "ml_run"):
        found = choose(run.experiment.model, scorer, TEXTS[:5], ("onnx",), lambda: None)
    assert found.format == "safetensors"
    assert found.trials[1].refused == "the extra `onnx` is not installed; install it: pip install 'ml-run[onnx]'"
    assert "none of deployment.formats can serve: the trained weights do" in caplog.text


# --- a real export --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small model with windows over long texts, in all formats, each in a folder of its own."""
    pytest.importorskip("onnxruntime")
    from transformers import set_seed

    from ml_run.modeling import windows

    set_seed(1)
    folder = tmp_path_factory.mktemp("exported")
    tokenizer = scratch.train_tokenizer(TEXTS, pieces=300, max_length=16)
    model = scratch.build_model("scratch:tiny", tokenizer, 16, id2label=dict(enumerate(LABELS)))
    windows.note(model.config, "windows")
    for part in (folder / "model", folder / "work"):
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    assert formats._export(folder / "work", list(ONNX_FILES)) == ""
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("onnx", 1e-4), ("onnx-int8-blocks", 0.2), ("onnx-int8", 0.2)])
def test_an_exported_model_says_what_the_trained_one_says(exported, name, most):
    """Any number of rows and tokens, long texts in windows: the same logits up to the digits of the format."""
    trained, scorer = load_transformer(exported / "model"), load_onnx(exported / "work", name)
    texts = ["", "guri", *TEXTS[:20], " ".join(TEXTS[:30])]
    expected, found = trained.logits(texts), scorer.logits(texts)
    assert np.abs(found - expected).max() < most
    assert scorer.labels == LABELS
    assert (scorer.max_length, scorer.long_text) == (16, "windows")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "onnx-int8-blocks", "onnx-int8"])
def test_r47_a_text_is_scored_alike_alone_and_beside_others(exported, name):
    """R47: whole numbers take their scale from all that is in a batch, so there each text is one."""
    scorer = load_onnx(exported / "work", name)
    together = scorer.probabilities(TEXTS[:20])
    alone = np.concatenate([scorer.probabilities([text]) for text in TEXTS[:20]])
    assert np.abs(together - alone).max() < 1e-4


@pytest.mark.slow
def test_nothing_of_this_machine_is_in_an_exported_file(exported):
    """The exporter notes the lines of code that each node came from; they are removed."""
    for name in ("model.onnx", "model_int8_blocks.onnx", "model_int8.onnx"):
        content = (exported / "work" / name).read_bytes()
        assert b"site-packages" not in content
        assert str(exported).encode() not in content


@pytest.mark.slow
def test_the_format_that_serves_is_measured_and_the_others_are_gone(exported, tmp_path):
    """All were compared on the same rows; only the files of the one that serves are kept beside the weights."""
    folder = tmp_path / "model"
    shutil.copytree(exported / "model", folder)
    found = choose(folder, load_transformer(folder), TEXTS, FORMATS, lambda: None)
    assert [one.format for one in found.trials] == list(FORMATS)
    assert found.rows == 300
    exact = found.trials[1]
    assert (exact.same_labels, exact.refused) == (1.0, "")
    assert exact.largest_difference < 1e-5
    assert all(one.single_ms_p50 > 0 and one.rows_per_second > 0 and one.megabytes > 0 for one in found.trials)
    kept = {path.name for path in folder.glob("*.onnx*")}
    assert kept == {name for one, name in ONNX_FILES.items() if one == found.format}
    assert choose(folder, load_transformer(folder), TEXTS, ("safetensors",), lambda: None) == Choice("safetensors")


@pytest.mark.slow
def test_the_folder_says_what_computes_its_scores(exported, tmp_path):
    """Whoever loads the folder gets the format that was measured, and is told where its file is damaged or missing."""
    folder = tmp_path / "model"
    shutil.copytree(exported / "work", folder)
    write_scoring(folder, Scoring(format="onnx", temperature=2.0))
    files.seal_folder(folder)
    bare = load_transformer(folder).logits(TEXTS[:5])
    assert load_scorer(folder).logits(TEXTS[:5]) == pytest.approx(bare / 2, abs=1e-4)
    assert type(load_scorer(folder)).__name__ == "OnnxScorer"
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(StoreError, match=r"model\.onnx has 8 bytes"):
        load_scorer(folder)
    with pytest.raises(StoreError, match="no model can be loaded"):
        load_scorer(folder, verified=True)


@pytest.mark.slow
def test_too_few_rows_say_nothing_of_whole_numbers(exported, tmp_path):
    """Of 199 validation rows one other label would be more than is allowed: only exact formats are trusted on them."""
    folder = tmp_path / "model"
    shutil.copytree(exported / "model", folder)
    found = choose(folder, load_transformer(folder), TEXTS[:199], FORMATS, lambda: None)
    assert {one.refused for one in found.trials[2:]} == {"199 validation rows are too few to compare it on: 200"}
    assert found.format in {"safetensors", "onnx"}


@pytest.mark.slow
def test_a_model_that_cannot_be_exported_serves_as_it_was_trained(exported, tmp_path, caplog):
    """Its weights are damaged for the exporter: the reason is told in its own words, and nothing is left of it."""
    folder = tmp_path / "model"
    shutil.copytree(exported / "model", folder)
    scorer = load_transformer(folder)
    (folder / "config.json").write_text("{}")
    with caplog.at_level(logging.INFO, "ml_run"):
        found = choose(folder, scorer, TEXTS[:5], FORMATS, lambda: None)
    assert found.format == "safetensors"
    assert found.trials[1].refused.startswith("it cannot be exported: ")
    assert not list(folder.glob("*.onnx*"))
