"""A whole run whose model serves in a format of ONNX Runtime, through the front door."""

import json

import pytest

from conftest import make_rows, write_jsonl, write_project
from harness import ml_run
from ml_run import files
from ml_run.config import names
from ml_run.config.file import load_config
from ml_run.errors import ConfigError
from ml_run.experiment import list_experiments
from ml_run.modeling.scoring import load_scorer
from predicting_harness import lines, predict, told

TEXTS = [row["text"] for row in make_rows(20, 9)]


@pytest.mark.slow
def test_what_was_measured_in_onnx_is_what_is_deployed_and_predicts(tmp_path):
    """Named, exported, compared, tested, verified in a fresh process, deployed, asked: one folder all the way."""
    pytest.importorskip("onnxruntime")
    write_project(tmp_path, deployment={"formats": ["onnx"], "min_accuracy": 0.4, "min_f1": 0.2})
    done = ml_run("exported", "--quiet", cwd=tmp_path, timeout=600)
    assert done.code == 0, done.err
    (run,) = list_experiments(tmp_path)
    record = json.loads(run.deployment.read_text())["deployment"]
    assert record["served"]["format"] == "onnx"
    assert [one["format"] for one in record["served"]["trials"]] == ["safetensors", "onnx"]
    assert record["served"]["trials"][1]["same_labels"] == 1.0
    assert record["verification"]["same_labels"]
    folder = tmp_path / "experiments/deployments/1"
    assert files.folder_digest(folder) == files.folder_digest(run.model)
    card = (folder / "README.md").read_text()
    assert "It serves as onnx: " in card
    assert "| onnx | 100.0 % |" in card
    write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS])
    assert told(predict(tmp_path, tmp_path / "in.jsonl", tmp_path / "out.jsonl"))["rows"] == len(TEXTS)
    expected = load_scorer(folder).probabilities(TEXTS).max(1)
    assert [row["confidence"] for row in lines(tmp_path / "out.jsonl")] == pytest.approx(expected, abs=2e-6)


def test_an_onnx_format_without_its_extra_is_an_error_that_names_the_command(tmp_path, monkeypatch):
    """Named but not to be had: said before any work, with the line that installs it; safetensors alone needs none."""
    monkeypatch.setattr("ml_run.config.checks.onnx_is_installed", lambda: False)
    write_project(tmp_path, deployment={"formats": ["safetensors", "onnx"]})
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "ml_config.yaml", (), {})
    (fault,) = caught.value.faults
    assert fault.found == "deployment.formats names onnx, and the extra `onnx` is not installed"
    assert fault.remedy == f"{names.INSTALL_ONNX}; or name safetensors alone"
    write_project(tmp_path, deployment={"formats": ["safetensors"]})
    load_config(tmp_path / "ml_config.yaml", (), {})
