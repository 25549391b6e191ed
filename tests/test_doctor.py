"""`ml-run doctor`: is this machine fit for the config, each answer with its remedy."""

import json
import sqlite3
from importlib import metadata
from pathlib import Path

import pytest

from conftest import make_rows, write_jsonl, write_project
from harness import ml_run
from ml_run.config import ModelConfig, TrainingConfig
from ml_run.config.file import load_config
from ml_run.errors import ExitCode
from ml_run.fitness import Check, Fitness, examine, fitness_screen, probe
from ml_run.fitness.base_model import model_check
from ml_run.fitness.demand import Speed, Work, memory_need, training_seconds, training_steps
from ml_run.fitness.hardware import Hardware, available_memory
from ml_run.fitness.packages import extra_checks, package_checks, python_check
from ml_run.fitness.record import Estimate
from ml_run.fitness.shapes import ModelShape, shape_of
from ml_run.fitness.training import _memory, training_checks
from ml_run.fitness.workload import workload
from ml_run.starting import Request, start

LINEAR = {"model": {"name": "linear", "num_labels": 3}}


def looked_at(folder, *overrides):
    """What the doctor finds in a project folder, by the name of the check; and the whole."""
    found = examine(folder / "ml_config.yaml", overrides, folder, usual=True)
    return {check.name: check for check in found.checks}, found


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# --- the front door ---------------------------------------------------------------------------------------------------


def test_a_fit_machine_is_told_so_and_nothing_is_written(tmp_path):
    """Exit 0, a line a check, `fit` at the end; the folder is as it was; the JSON says the same below 10,000."""
    write_project(tmp_path, **LINEAR)
    before = tree(tmp_path)
    done = ml_run("doctor", cwd=tmp_path)
    assert done.code == 0, done.out
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith("✔ ")][:4] == [
        "python", "packages", "config", "model",
    ]  # fmt: skip
    told = json.loads(ml_run("doctor", "--json", cwd=tmp_path).out)
    assert told["fit"] is True
    assert {check["status"] for check in told["checks"]} <= {"ok", "info", "warning"}
    assert tree(tmp_path) == before


def test_a_fault_of_the_config_is_told_with_its_remedy_beside_what_fits(tmp_path):
    """Exit 2; each fault is a line with where and what to do; what needs no config is looked at all the same."""
    write_project(tmp_path, **LINEAR, training={"epochs": 0})
    done = ml_run("doctor", "--json", cwd=tmp_path)
    told = json.loads(done.out)
    assert (done.code, told["exit_code"], told["fit"]) == (2, 2, False)
    (fault,) = [check for check in told["checks"] if check["status"] == "error"]
    assert fault["name"] == "config"
    assert "training.epochs is 0" in fault["found"]
    assert {"python", "packages", "device", "disk", "experiments"} <= {check["name"] for check in told["checks"]}


# --- one check after the other ----------------------------------------------------------------------------------------


def test_without_a_config_what_can_be_is_looked_at(tmp_path):
    """No config is no fault where none was named; the line says how to get one. A named one must be there."""
    checks, found = looked_at(tmp_path)
    assert found.exit_code == ExitCode.OK
    assert (checks["config"].status, checks["config"].found) == ("info", f"there is no {tmp_path / 'ml_config.yaml'}")
    assert "ml-run init" in checks["config"].remedy
    named = examine(tmp_path / "x.yaml", (), tmp_path, usual=False)
    assert named.exit_code == ExitCode.USAGE


def test_packages_are_held_against_what_is_declared(tmp_path, monkeypatch):
    """A package that is absent or out of its bounds is an error that names it; one not as pinned is a warning."""
    assert python_check().status == "ok"
    installed = metadata.version("pyyaml")
    (tmp_path / "constraints.txt").write_text("pyyaml==0.1\nnumpy==" + metadata.version("numpy"))
    (pinned,) = package_checks(tmp_path)
    assert pinned.status == "warning"
    assert f"pyyaml {installed} (tested: 0.1)" in pinned.found
    monkeypatch.setattr(metadata, "requires", lambda _name: ["pyyaml>=999", "no-such-package", "x; extra == 'onnx'"])
    (wrong,) = package_checks(tmp_path)
    assert wrong.status == "error"
    assert wrong.found == f"pyyaml is {installed}, not >=999 and no-such-package is not installed"
    assert wrong.remedy.startswith("pip install")
    (optional,) = [check for check in extra_checks(None) if check.name == "onnx"]
    assert (optional.status, optional.remedy) == ("info", "install it: pip install 'ml-run[onnx]'")


def test_a_model_that_is_not_here_is_an_error_with_the_exact_remedy(tmp_path, monkeypatch):
    """Offline, without the model: exit 2, the command that fetches it, and the models that need none."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    told = model_check(ModelConfig(name="owner/some-model", revision="abc"))
    assert told.status == "error"
    assert told.found == "owner/some-model: not on this machine, and HF_HUB_OFFLINE forbids to fetch it"
    assert "hf download owner/some-model --revision abc --local-dir DIR" in told.remedy
    assert "set model.name to linear or scratch:tiny" in told.remedy


def test_a_model_in_the_cache_is_found_with_its_size(tmp_path, monkeypatch):
    """The cache's documented layout is read: weights and tokenizer there, no network asked, its size known."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    snapshot = tmp_path / "hub/models--owner--some/snapshots/c0ffee"
    snapshot.mkdir(parents=True)
    (tmp_path / "hub/models--owner--some/refs").mkdir()
    (tmp_path / "hub/models--owner--some/refs/main").write_text("c0ffee")
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    (snapshot / "config.json").write_text(json.dumps(shape | {"vocab_size": 1000}))
    (snapshot / "model.safetensors").write_bytes(b"")
    model = ModelConfig(name="owner/some")
    assert "without a tokenizer's files" in model_check(model).found
    (snapshot / "tokenizer.json").write_text("{}")
    assert model_check(model) == Check("model", "ok", "owner/some: in the Hugging Face cache")
    assert shape_of(model) == ModelShape(2, 64, 2, 128, 1000)


@pytest.mark.parametrize(("name", "millions"), [("xlm-roberta-base", 278.0), ("intfloat/multilingual-e5-small", 117.7)])
def test_the_size_of_known_models_is_theirs(tmp_path, monkeypatch, name, millions):
    """Parameters by formula agree with those that training counts (docs/training.md), though the model is not here."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    shape = shape_of(ModelConfig(name=name))
    assert shape.parameters / 1e6 == pytest.approx(millions, abs=0.1)


def test_a_store_that_does_not_answer_is_exit_7(tmp_path):
    """All else fits and the store is away: exit 7, as a run would end; with another fault it is 2."""
    write_project(tmp_path, **LINEAR)
    away = "tracking.uri=http://127.0.0.1:9"
    checks, found = looked_at(tmp_path, away)
    assert found.exit_code == ExitCode.STORE_FAILED
    assert (checks["store"].status, checks["store"].found.split(":")[0]) == ("error", "http")
    assert "tracking.uri" in checks["store"].remedy
    (tmp_path / "experiments").write_text("in the way")
    assert looked_at(tmp_path, away)[1].exit_code == ExitCode.USAGE


def test_a_database_of_something_else_is_not_touched(tmp_path):
    """A sqlite file that is not MLflow's is an error that says so, and is left byte for byte."""
    write_project(tmp_path, **LINEAR)
    path = tmp_path / "experiments/mlflow.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cats (name)")
    before = path.read_bytes()
    checks, _ = looked_at(tmp_path)
    assert checks["store"].status == "error"
    assert "is not MLflow's" in checks["store"].found
    assert path.read_bytes() == before


def test_claude_files_of_another_version_are_named(tmp_path):
    """Changed files are a warning with the command that brings them up to date and leaves the config alone."""
    write_project(tmp_path, **LINEAR)
    start(Request(claude_only=True), tmp_path)
    assert looked_at(tmp_path)[0]["claude"].status == "ok"
    (tmp_path / ".claude/commands/ml-run.md").write_text("old")
    checks, found = looked_at(tmp_path)
    assert checks["claude"].found == "1 file not as this version has them: .claude/commands/ml-run.md"
    assert checks["claude"].remedy.startswith("ml-run init --claude-only --force")
    assert found.exit_code == ExitCode.OK


# --- memory and time --------------------------------------------------------------------------------------------------


def test_memory_by_formula_is_what_was_measured():
    """Of e5-small with 16 rows of 128 tokens, 4.0 GB whole and 2.8 GB trimmed were measured (docs/training.md)."""
    shape = ModelShape(layers=12, hidden=384, heads=12, inner=1536, pieces=250_037)
    assert memory_need(shape, 16, 128, cpu=True) / 1e9 == pytest.approx(4.0, rel=0.1)
    assert memory_need(shape.trimmed(), 16, 128, cpu=True) / 1e9 == pytest.approx(2.8, rel=0.15)


def test_time_counts_every_seed_and_fold():
    """Three seeds take three times as long as one, five folds and the last training about six times."""
    work, speed = Work(train_rows=800, val_rows=200, tokens=100, exact=True), Speed(1e-4, 0.0)
    once = training_seconds(work, TrainingConfig(epochs=4), speed, 1)
    assert once == pytest.approx(800 * 4 * 100 * 1e-4 + 200 * 4 * 100 * 1e-4 / 3)
    assert training_seconds(work, TrainingConfig(epochs=4, seeds=(1, 2, 3)), speed, 1) == pytest.approx(3 * once)
    assert training_steps(work, TrainingConfig(epochs=4, folds=5)) == 5 * 200 + 252


def test_rows_and_lengths_are_those_of_the_file(tmp_path):
    """A file is counted to its end where that is near, and a long one by its first rows and its size."""
    write_project(tmp_path)
    config = load_config(tmp_path / "ml_config.yaml").config
    assert workload(config) == Work(train_rows=150, val_rows=60, tokens=22.0, exact=True)
    write_jsonl(tmp_path / "data/train.jsonl", make_rows(150) * 200)
    many = workload(config)
    assert not many.exact
    assert many.train_rows == pytest.approx(30_000, rel=0.1)


def test_a_training_is_estimated_by_what_was_measured_here(tmp_path, monkeypatch):
    """Memory and time of a real small model, by steps of it on this machine."""
    monkeypatch.setattr(probe, "_SECONDS", 0.1)
    write_project(tmp_path, training={"precision": "float32"})
    config = load_config(tmp_path / "ml_config.yaml").config
    checks, estimate = training_checks(config, workload(config))
    assert [check.name for check in checks] == ["device", "memory", "arithmetic", "time"]
    assert {check.status for check in checks} == {"ok"}
    assert estimate.steps == 30
    assert 0 <= estimate.seconds < 120
    assert "150 training rows of 22 tokens, 30 steps at the most" in checks[-1].found


def test_a_model_that_cannot_fit_is_an_error(tmp_path, monkeypatch):
    """Less memory than the weights of a single row's training need: an error that says what would help."""
    shape = shape_of(ModelConfig(name="xlm-roberta-base"))
    write_project(tmp_path)
    config = load_config(tmp_path / "ml_config.yaml").config
    whole, trimmed = (memory_need(one, 16, 512, cpu=True) for one in (shape, shape.trimmed()))
    estimate = Estimate(shape.parameters, whole, trimmed, None, None, None, None, "", 1.0, "")
    assert _memory(config, shape, Hardware("cpu", "", 2, 1_000_000_000), estimate).status == "error"
    assert _memory(config, shape, Hardware("cpu", "", 2, 5_000_000_000), estimate).status == "warning"
    assert _memory(config, shape, Hardware("cpu", "", 2, 64_000_000_000), estimate).status == "ok"
    assert available_memory() is None or available_memory() > 0


# --- the screen -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [120, 80, 40])
def test_the_screen_holds_every_check_at_any_width(width):
    """Found and remedy are whole, whatever the width; nothing but a path or command is wider than the terminal."""
    fitness = Fitness((Check("python", "ok", "3.11"), Check("store", "error", "word " * 40, "mend it " * 20)))
    lines = fitness_screen(fitness, width)
    text = " ".join(line.text for line in lines)
    assert all(len(line.text) + 2 <= width for line in lines)
    assert text.count("word") == 40
    assert text.count("mend") == 20
    assert [line.mark for line in lines if line.mark][-1] == "error"


def test_the_file_of_tested_versions_is_found_beside_the_sources(tmp_path):
    """An installed checkout has constraints.txt beside it: its versions are compared without being named."""
    (told,) = package_checks(tmp_path)
    assert "constraints.txt" in told.found or not (Path(__file__).parents[1] / "constraints.txt").exists()
