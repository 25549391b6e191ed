"""The real thing: MasakhaNEWS Somali and a pre-trained multilingual encoder, end to end."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import SHARED
from harness import ml_run

NEWS = SHARED / "data" / "masakhanews" / "som"
CONFIG = Path(__file__).resolve().parents[1] / "docs" / "somali-news.yaml"

needs_shared = pytest.mark.skipif(not NEWS.is_dir(), reason="needs ../shared with the MasakhaNEWS files")


def lay_out(folder):
    """The project folder that docs/somali-news.yaml expects."""
    shutil.copytree(NEWS, folder / "data/masakhanews/som")
    (folder / "docs").mkdir()
    shutil.copy(CONFIG, folder / "docs")
    return folder


@needs_shared
def test_the_documented_config_fits_the_real_files(tmp_path):
    """The config in the docs is valid, its data ready and recognised, and its few near copies leave train."""
    done = ml_run("--until", "data", "--json", "--config", "docs/somali-news.yaml", cwd=lay_out(tmp_path))
    assert done.code == 0, done.err
    report = json.loads((tmp_path / json.loads(done.out)["folder"] / "data/report.json").read_text("utf-8"))
    assert {name: split["rows"] for name, split in report["splits"].items()} == {"train": 1015, "val": 148, "test": 294}
    assert report["readiness"] == "ready with warnings"
    assert {(leak["split"], leak["into"]): (leak["exact"], leak["near"]) for leak in report["leaks"]}[
        "train", "test"
    ] == (0, 4)
    assert report["language"]["code"] == "so"


@pytest.mark.slow
@needs_shared
def test_one_epoch_of_the_real_run(tmp_path):
    """One epoch of multilingual-e5-small on Somali news walks the whole road and judges it beside the linear model."""
    build = [sys.executable, SHARED / "models/build.py", "multilingual-e5-small"]
    model = subprocess.run(build, capture_output=True, text=True, check=True).stdout.split()[-1]
    done = ml_run(
        "somali news", "--json", "--config", "docs/somali-news.yaml", "--set", f"model.name={model}",
        "--set", "training.epochs=1", cwd=lay_out(tmp_path), timeout=1800,
    )  # fmt: skip
    assert done.code in {5, 6}, done.err  # one epoch beats no baseline
    result = json.loads(done.out)
    assert result["n_test"] == 294
    assert 0.7 < result["scores"]["linear"]["macro_f1"]["value"] < 0.8
    assert result["scores"]["candidate"]["accuracy"]["value"] > result["scores"]["majority"]["accuracy"]["value"]
    assert yaml.safe_load((tmp_path / result["folder"] / "config.yaml").read_text())["model"][
        "name"
    ] == os.path.realpath(model)
