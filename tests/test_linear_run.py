"""`model.name: linear` through the front door: the same road, the same gate, the same deployments, and no torch."""

import json
import random
import signal
import subprocess
import sys

import pytest

from conftest import LABELS, make_rows, write_jsonl, write_project
from harness import QUIET, ml_run
from ml_run import files
from ml_run.modeling.linear import ARRAYS, DESCRIPTION

LINEAR = {"name": "linear"}


def linear_project(folder, *, noise=0.0, **sections):
    """A project for the linear model; a share `noise` of its rows have another's label."""
    write_project(folder, model=LINEAR, **sections)
    chance = random.Random(5)
    for seed, (name, count) in enumerate({"train": 150, "val": 60, "test": 60}.items()):
        rows = make_rows(count, seed)
        for row in rows:
            row["label"] = chance.choice(LABELS) if chance.random() < noise else row["label"]
        write_jsonl(folder / f"data/{name}.jsonl", rows)
    return folder


def runs(project):
    return sorted((project / "experiments").glob("exp_*"))


def only_run(project):
    (folder,) = runs(project)
    return folder


def read(folder, name):
    return json.loads((folder / name).read_text("utf-8"))


def result(done):
    return json.loads(done.out)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A project whose one run deployed a linear model, and how the command ended."""
    project = linear_project(tmp_path_factory.mktemp("linear"), noise=0.2, training={"epochs": 9})
    return project, ml_run("linear try", "--json", cwd=project, env={"TRACE_CRASH_POINTS": str(project / "trace")})


def test_it_walks_the_whole_road(deployed):
    """Exit 0, PASS, version 1 in production, verified in a fresh process to the bit, recorded in MLflow."""
    project, done = deployed
    assert done.code == 0, done.err
    found = result(done)
    assert (found["verdict"], found["deployment"]["action"], found["deployment"]["version"]) == (
        "PASS",
        "deployed",
        "1",
    )
    assert found["deployment"]["verification"]["largest_difference"] == 0
    assert found["deployment"]["verification"]["same_labels"] is True
    assert found["registration"]["status"] == "sent"
    assert set(found["scores"]) == {"candidate", "majority"}  # it is no baseline of itself
    assert "✔ train: linear model, best of 4 settings by validation macro-F1, 0." in done.err
    assert read(project, "experiments/deployments/current/linear.json")["labels"] == list(LABELS)


def test_what_it_leaves_behind(deployed):
    """A sealed folder that is complete in itself, without a pickle; records without tokens and epochs."""
    project, _ = deployed
    folder = only_run(project)
    names = {path.name for path in (folder / "model").iterdir()}
    added = {"scoring.json", "provenance.json", "sbom.cdx.json"}
    assert names == {ARRAYS, DESCRIPTION, "README.md", "train_rows.txt", "manifest.json"} | added
    assert files.manifest_fault(folder / "model") is None
    assert not [path for path in project.rglob("*") if path.suffix in {".pkl", ".pickle", ".joblib", ".bin", ".pt"}]
    assert list((folder / "checkpoints").glob("checkpoint-*")) == []
    trained, handoff = read(folder, "training.json"), read(folder, "handoff.json")
    assert (trained["base"], trained["max_length"], trained["best_epoch"], trained["curve"]) == (
        "linear",
        None,
        None,
        [],
    )
    assert trained["linear"]["chosen"] in trained["linear"]["trials"]
    assert (handoff["base_model"], handoff["max_length"], handoff["tokenizer_sha256"]) == ("linear", None, None)
    assert handoff["labels"] == list(LABELS)
    assert read(folder, "data/report.json")["tokens"] is None
    metrics = read(folder, "evaluation/metrics.json")
    assert [one["name"] for one in metrics["baselines"]] == ["majority"]
    assert metrics["candidate"]["ece"] < 0.2
    assert metrics["candidate"]["log_loss"] < 1


def test_what_it_says(deployed):
    """The report shows what was tried and kept, the card what the model reads, the log which keys have no use."""
    folder = only_run(deployed[0])
    report, card = ((folder / name).read_text("utf-8") for name in ("report.md", "model/README.md"))
    assert "| Model | linear, on character n-grams |" in report
    assert "| all (kept) | 0.25 | balanced |" in report
    assert "Settings tried, on 150 training rows" in report
    assert "One model was trained, on one choice of training rows." in report
    assert "class weights whichever are better on the validation split" in report
    assert "linear baseline" not in report
    assert "epoch" not in report.partition("resolved configuration")[0]
    assert "library_name: ml-run" in card
    assert "base_model" not in card
    assert "| Words read of a text | all |" in card
    assert "which chose the settings and is therefore no test" in card
    log = (folder / "logs/run.log").read_text("utf-8")
    assert "a linear model has no use for model.max_length, training.learning_rate and training.epochs\n" in log


def test_it_answers_through_mlflow_without_torch(deployed):
    """mlflow.pyfunc.load_model gives the scores of the test rows again, to the bit, and needs no torch for it."""
    project, _ = deployed
    program = """
import json, sys
import mlflow, pyarrow.parquet
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}@production")
rows = pyarrow.parquet.read_table(sys.argv[3]).to_pandas()
found = model.predict(rows[["text"]])
columns = [name for name in rows if name.startswith("p_")]
same = (found["label"] == rows["predicted"]).all() and (found[columns] == rows[columns]).all(axis=None)
print(json.dumps([bool(same), len(rows), [m for m in ("torch", "transformers") if m in sys.modules]]))
"""
    store, name = f"sqlite:///{project}/experiments/mlflow.db", read(only_run(project), "result.json")["registration"]
    arguments = [store, name["model_name"], str(only_run(project) / "evaluation/predictions.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=project, env=environment(),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [True, 60, []]
    [pins] = project.glob("experiments/mlruns/*/models/*/artifacts/requirements.txt")
    packages = {line.partition("==")[0] for line in pins.read_text().split()}
    assert packages == {"mlflow", "numpy", "pandas", "pydantic", "scikit-learn", "scipy", "skops"}


def environment():
    import os

    return {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "MLRUN"))} | QUIET


@pytest.mark.slow
def test_a_whole_run_loads_neither_torch_nor_transformers(tmp_path):
    """A cold run to a deployed version, and the process that verifies it, get by without them."""
    linear_project(tmp_path)
    program = """
import sys
from ml_run.__main__ import main
try:
    main()
finally:
    print([name for name in ("torch", "transformers", "tokenizers", "accelerate") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "cold", "--quiet"], capture_output=True, text=True, cwd=tmp_path,
        env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    model, reference = only_run(tmp_path) / "model", only_run(tmp_path) / "reference.json"
    program = "import sys; from ml_run.modeling.verify import main; main(); assert 'torch' not in sys.modules"
    arguments = [str(model), str(reference), str(tmp_path / "answer.json")]
    subprocess.run([sys.executable, "-c", program, *arguments], env=environment(), check=True)
    assert read(tmp_path, "answer.json")["largest_difference"] == 0


def test_it_fails_the_gate_like_any_other(tmp_path):
    """A threshold it does not reach: FAIL, exit 5, nothing deployed; nor ever once a byte of linear.skops changed."""
    linear_project(tmp_path, noise=0.4, deployment={"min_accuracy": 0.99})
    done = ml_run("--json", cwd=tmp_path)
    assert done.code == 5
    assert result(done)["verdict"] == "FAIL"
    arrays = only_run(tmp_path) / "model" / ARRAYS
    content = bytearray(arrays.read_bytes())
    content[100] ^= 1
    arrays.write_bytes(content)
    done = ml_run("deploy", "latest", "--override", "a test", cwd=tmp_path)
    assert done.code == 7
    assert f"the trained model was changed: {ARRAYS} was changed after it was written" in done.err
    assert not (tmp_path / "experiments/deployments/current").exists()


def test_a_rehearsal_knows_it(tmp_path):
    """--dry-run loads no model and promises no steps."""
    linear_project(tmp_path)
    done = ml_run("--dry-run", cwd=tmp_path)
    assert done.code == 0
    assert "linear, trained in seconds" in done.out
    assert not (tmp_path / "experiments").exists()


# --- killed and resumed -----------------------------------------------------------------------------------------------


def outcome(project):
    """What a run arrived at, less what depends on the clock."""
    folder = only_run(project)
    metrics = read(folder, "evaluation/metrics.json")
    metrics["look"].pop("head")  # of a line that holds the time
    return {
        "model": {name: files.hash_file(folder / "model" / name) for name in (ARRAYS, DESCRIPTION, "README.md")},
        "metrics": {name: value for name, value in metrics.items() if not name.startswith("latency")},
        "verdict": read(folder, "evaluation/verdict.json"),
        "status": read(folder, "run.json")["status"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train", "deploy"])
def test_a_run_that_was_killed_arrives_at_the_same_model(tmp_path, deployed, stage):
    """Kill -9 in training and in deployment; resumed, it has the same bytes and the same scores."""
    undisturbed, _ = deployed
    trace = (undisturbed / "trace").read_text().split("\n")[:-1]
    points = [number for number, running in enumerate(trace, 1) if running == stage]
    linear_project(tmp_path, noise=0.2, training={"epochs": 9})
    killed = ml_run(cwd=tmp_path, env={"MLRUN_CRASH_AT": str(points[len(points) // 2])})
    assert killed.code == -signal.SIGKILL
    done = ml_run("--resume", cwd=tmp_path)
    assert done.code == 0, done.err
    assert outcome(tmp_path) == outcome(undisturbed)
    assert files.manifest_fault((tmp_path / "experiments/deployments/current").resolve()) is None


# --- beside transformers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A transformer, a linear model and a transformer again, one after the other into production, then a rollback."""
    easy = {"min_accuracy": 0.2, "min_f1": 0.1}
    project = linear_project(tmp_path_factory.mktemp("both"), noise=0.1, deployment=easy)
    (project / "ml_config.yaml").write_text(
        (project / "ml_config.yaml").read_text().replace("name: linear", "name: scratch:tiny")
    )
    linear = ("--set", "model.name=linear")
    ended = [ml_run(f"run {n}", "--json", *kind, cwd=project) for n, kind in enumerate([(), linear, ()], 1)]
    assert [one.code for one in ended] == [0, 0, 0], [one.err for one in ended]
    served = [
        read(project / "experiments/deployments", f"{n}/{name}") for n, name in ((1, "config.json"), (2, DESCRIPTION))
    ]
    return project, [result(one) for one in ended], served


@pytest.mark.slow
def test_each_kind_is_compared_with_the_other_in_production(both):
    """Whichever kind is in production is scored now, on the same rows, with its labels matched by name."""
    _, (first, second, third), _ = both
    assert [one["deployment"]["version"] for one in (first, second, third)] == ["1", "2", "3"]
    assert "production" not in first["scores"]
    for earlier, later in ((first, second), (second, third)):
        assert later["scores"]["production"] == earlier["scores"]["candidate"]
        assert later["deployment"]["previous"] == earlier["deployment"]["version"]


@pytest.mark.slow
def test_the_baseline_is_the_very_model_one_gets(both):
    """The linear baseline of a transformer's run has the scores of the run that has it as its candidate."""
    _, (first, second, third), _ = both
    assert first["scores"]["linear"] == second["scores"]["candidate"] == third["scores"]["linear"]


@pytest.mark.slow
def test_rollback_goes_from_one_kind_to_the_other(both):
    """Back to the linear model, and back again: what is served is the model of that version."""
    project, _, (transformer, linear) = both
    assert (sorted(transformer["label2id"]), linear["kind"]) == (list(LABELS), "linear")
    current = project / "experiments/deployments/current"
    for version, kind in (("2", DESCRIPTION), ("3", "config.json")):
        done = ml_run("rollback", cwd=project)
        assert done.code == 0, done.err
        assert current.resolve().name == version
        assert (current / kind).is_file()


@pytest.mark.slow
def test_a_damaged_linear_model_in_production_is_made_whole(both):
    """A served copy that was tampered with is never scored: it is fetched from the registry again."""
    project, *_ = both
    while not (project / "experiments/deployments/current" / DESCRIPTION).is_file():
        assert ml_run("rollback", cwd=project).code == 0
    served = (project / "experiments/deployments/current").resolve()
    whole = (served / ARRAYS).read_bytes()
    (served / ARRAYS).write_bytes(whole[:-1])
    done = ml_run("--json", "--set", "model.name=linear", "--until", "evaluate", cwd=project)
    assert done.code == 0
    scores = result(done)["scores"]
    assert scores["production"] == scores["candidate"]
    assert (served / ARRAYS).read_bytes() == whole
