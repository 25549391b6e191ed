"""What is shipped: the built wheel, installed beside the packages of this environment, does what the sources do."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from conftest import make_rows, write_jsonl
from ml_run.results import STAGES

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="builds the wheel; it is in the extra dev")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The `bin` folder of a fresh environment with the wheel in it; all others are borrowed, none is fetched."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin/python"
    # A path in a .pth file is searched last and brings no .pth files of its own: no editable install gets in the way.
    (borrower,) = home.glob("lib/python*/site-packages")
    (borrower / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    return home / "bin"


def started(program, *words, cwd, fails=0):
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "GITHUB_STEP_SUMMARY"}}
    done = subprocess.run([program, *words], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == fails, done.stderr + done.stdout
    return done.stdout


def test_everything_that_belongs_to_it_is_in_the_wheel(wheel):
    """Each file of the package is shipped: templates, profiles of languages, the sample, `py.typed`; no more."""
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/ml_run").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert "ml_run/py.typed" in shipped
    assert shipped == ours


def test_the_command_of_the_wheel_is_what_runs(installed, tmp_path):
    """The first minutes on a machine without the sources: version, a config for one's data, its check, the sample."""
    assert started(installed / "ml-run", "--version", cwd=tmp_path) == PROJECT["version"] + "\n"
    where = started(installed / "python", "-c", "import ml_run; print(ml_run.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    write_jsonl(tmp_path / "rows.jsonl", make_rows(300))
    started(installed / "ml-run", "init", "rows.jsonl", "--quiet", cwd=tmp_path)
    told = json.loads(started(installed / "ml-run", "check-config", "--json", cwd=tmp_path))
    assert told["valid"] is True
    shipped = ROOT / "src/ml_run/starting/claude"
    for path in shipped.rglob("*.md"):
        assert (tmp_path / ".claude" / path.relative_to(shipped)).read_bytes() == path.read_bytes(), path.name
    sample = "from pathlib import Path; from ml_run.quickstart import write_sample; write_sample(Path('sample'))"
    started(installed / "python", "-c", sample, cwd=tmp_path)
    started(installed / "ml-run", "check-config", "--config", "sample/ml_config.yaml", cwd=tmp_path)


@pytest.mark.slow
def test_the_quickstart_of_the_wheel_walks_the_whole_road(installed, tmp_path):
    """From nothing to a deployed model, with what is in the wheel alone."""
    told = json.loads(started(installed / "ml-run", "quickstart", "--json", "--quiet", cwd=tmp_path))
    assert (told["verdict"], told["deployment"]["action"], told["synthetic"]) == ("PASS", "deployed", True)
    assert told["stages"] == dict.fromkeys(STAGES, "finished")
