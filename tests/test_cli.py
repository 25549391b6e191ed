"""The command line through its front door: exit codes, what is printed where, what is left behind."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from conftest import LABELS, make_rows, write_jsonl, write_project
from harness import cold_ml_run, ml_run
from ml_run import __version__
from ml_run.results import STAGES
from test_experiment import HOSTILE

HEAVY = {"torch", "transformers", "datasets", "mlflow", "sklearn", "pandas", "numpy", "pyarrow", "evaluate", "scipy"}
WITHOUT_STORE = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}  # the discard port: refused at once


def run_folders(project):
    return sorted((project / "experiments").glob("exp_*"))


def only_run(project):
    (folder,) = run_folders(project)
    return folder


# --- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["check-config"], ["check-config", "--schema"], ["list"]]
)
def test_r51_light_commands_import_nothing_heavy(tmp_path, arguments):
    """Help, version, every config error and the list of runs import no library that takes seconds to load."""
    (tmp_path / "ml_config.yaml").write_text("data: {train_path: no.jsonl}\nmodel: {nam: x}\n")
    program = (
        "import sys, atexit; sys.argv = ['ml-run', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('\\nMODULES', *sorted(m for m in sys.modules if '.' not in m)))\n"
        "from ml_run.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True)
    modules = set(done.stdout.split("MODULES ")[1].split())
    assert "ml_run" in modules
    assert not modules & HEAVY


def test_the_version_is_printed_and_nothing_else(tmp_path):
    """`--version` is an answer, exit 0, not the start of a command."""
    done = ml_run("--version", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, f"{__version__}\n", "")


def test_help_names_the_commands_and_the_exit_codes(tmp_path):
    """The first screen says what the product does, its commands, and what each exit code means."""
    done = ml_run("--help", cwd=tmp_path)
    assert done.code == 0
    for word in ("run", "check-config", "quickstart", "list", "show", "deploy", "rollback", "sync"):
        assert f"\n  {word} " in done.out
    for code in ("0 done", "2 usage", "3 data not ready", "4\n  training", "5 verdict FAIL", "6 verdict", "130/143"):
        assert code in done.out
    assert done.err == ""


@pytest.mark.parametrize("name", [n for n in HOSTILE if "\0" not in n], ids=ascii)
def test_r33_a_hostile_name_creates_nothing(project, name):
    """A name that is no name is exit 2, creates no folder, and no byte of it reaches the terminal raw."""
    done = ml_run("run", "--", name, cwd=project)
    assert done.code == 2
    assert not (project / "experiments").exists()
    assert "\x1b" not in done.err
    assert "\u202e" not in done.err
    assert done.out == ""


def test_an_option_like_name_is_a_usage_error(project):
    """-rf is an unknown option, not a name."""
    done = ml_run("-rf", cwd=project)
    assert done.code == 2
    assert not (project / "experiments").exists()


def test_an_option_before_a_command_is_explained(project):
    """`ml-run --json list` does not start a run called list."""
    done = ml_run("--json", "list", cwd=project)
    assert done.code == 2
    assert "write the command first: ml-run list --json" in done.err


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_the_value_of_until(project, stage):
    """`ml-run --until deploy` is an option with its value, not the command deploy."""
    done = ml_run("--until", stage, "--dry-run", "--quiet", "--json", cwd=project)
    assert done.code == 0, done.err
    assert json.loads(done.out)["data"] == "ready with warnings"


@pytest.mark.parametrize("arguments", [["--bogus"], ["a", "b"], ["deploy"], ["../x"], ["--resume", "nothing"]])
def test_json_is_one_object_however_the_command_ends(project, arguments):
    """With --json a usage error, too, is one object on stdout with its exit code, and a line on stderr."""
    done = ml_run(*arguments, "--json", cwd=project)
    told = json.loads(done.out)
    assert (done.code, told["exit_code"], told["status"]) == (2, 2, "failed")
    assert done.err.startswith("✘ ")
    assert told["errors"][0]["found"] in done.err


def test_show_as_json_stays_short_with_many_runs_and_criteria(tmp_path):
    """list, show and result stay under 10,000 characters with 40 classes judged one by one and 40 runs."""
    labels = [f"label number {n:02d} with a long name" for n in range(40)]
    write_project(
        tmp_path, model={"num_labels": 40}, training={"epochs": 1}, gate={"min_class_f1": 0.5, "min_class_recall": 0.5}
    )
    for seed, split in enumerate(("train", "val", "test")):
        write_jsonl(tmp_path / f"data/{split}.jsonl", many_classes(labels, seed))
    done = ml_run("--json", "--until", "gate", cwd=tmp_path)
    assert done.code in {4, 5}, done.err
    assert len(done.out) < 10_000
    assert len(ml_run("show", "--json", cwd=tmp_path).out) < 10_000
    folder = only_run(tmp_path)
    for number in range(2, 41):
        copy = folder.with_name(f"{folder.name}_{number}")
        copy.mkdir()
        (copy / "run.json").write_text((folder / "run.json").read_text().replace(folder.name, copy.name))
    listed = ml_run("list", "--json", cwd=tmp_path).out
    assert len(listed) < 10_000
    assert json.loads(listed)["omitted"] == 10


def many_classes(labels, seed):
    rows = make_rows(12 * len(labels), seed)
    return [{"text": f"{label} {row['text']}", "label": label} for label, row in zip(labels * 12, rows, strict=True)]


def test_an_unknown_stage_is_refused_with_the_known_ones(project):
    """--until takes a stage; the message lists them."""
    done = ml_run("--until", "deployment", cwd=project)
    assert (done.code, done.err) == (
        2,
        "✘ --until 'deployment' is not a stage\n  → use one of: data, train, evaluate, gate, deploy, registry\n",
    )


def test_five_faults_at_once(project):
    """A config with five faults names all five with line and remedy, before anything is made."""
    (project / "ml_config.yaml").write_text(
        "data:\n  train_path: data/trian.jsonl\n  val_path: data/val.jsonl\n"
        "model:\n  name: scratch:tiny\n  max_lenght: 32\n"
        "training:\n  epochs: -1\n  learning_rate: fast\n"
        "deployment:\n  min_f1: 1.5\n"
    )
    done = ml_run(cwd=project)
    assert done.code == 2
    assert done.err.startswith("✘ 5 faults:\n")
    for place in (":2", ":6", ":8", ":9", ":11"):
        assert f"✘ ml_config.yaml{place}: " in done.err
    assert "max_length" in done.err
    assert "did you mean train.jsonl" in done.err
    assert not (project / "experiments").exists()


def test_the_schema_is_one_json_object_on_stdout(tmp_path):
    """check-config --schema is pure JSON, for editors; it needs no config file."""
    done = ml_run("check-config", "--schema", cwd=tmp_path)
    assert json.loads(done.out)["properties"]["training"]
    assert done.err == ""


def test_check_config_prints_the_config_with_its_defaults(project):
    """What is printed is valid YAML with every key, and loads to the same config."""
    done = ml_run("check-config", cwd=project)
    assert done.code == 0
    shown = yaml.safe_load(done.out)
    assert shown["training"]["warmup_ratio"] == 0.1
    (project / "again.yaml").write_text(done.out)
    assert ml_run("check-config", "--config", "again.yaml", cwd=project).out == done.out


def test_set_overrides_one_key_and_its_faults_are_named(project):
    """--set reaches the config; an unknown key is an error that names the --set."""
    done = ml_run("check-config", "--set", "training.epochs=9", cwd=project)
    assert yaml.safe_load(done.out)["training"]["epochs"] == 9
    done = ml_run("check-config", "--set", "training.epoch=9", cwd=project)
    assert done.code == 2
    assert "--set training.epoch=9" in done.err
    assert "epochs" in done.err


# --- a run ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_checks_and_leaves_no_trace(project):
    """--dry-run says what the run would do and creates nothing, not even experiments/."""
    before = {f: f.stat().st_mtime_ns for f in project.rglob("*")}
    done = ml_run("--dry-run", "--json", cwd=project)
    plan = json.loads(done.out)
    assert done.code == 0
    assert plan["rows"] == {"train": 150, "val": 60, "test": 60}
    assert plan["training_steps"] == 30
    assert plan["criteria"] == {"min_accuracy": 0.5, "min_f1": 0.5}
    assert {f: f.stat().st_mtime_ns for f in project.rglob("*")} == before


def test_a_run_that_passes_is_deployed_and_leaves_every_file(project):
    """The whole road in one command: exit 0, JSON alone on stdout, all files of the contract, a model in production."""
    done = ml_run("first model", "--json", cwd=project)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    folder = only_run(project)
    assert json.loads((folder / "result.json").read_text()) == result
    assert (result["verdict"], result["deployment"]["action"], result["name"]) == ("PASS", "deployed", "first model")
    assert len(done.out) < 10_000
    for name in (
        "run.json", "config.yaml", "logs/run.log", "logs/events.jsonl", "data/report.json", "data/rejected.jsonl",
        "data/review_queue.csv", "data/test.parquet", "model/model.safetensors", "model/tokenizer.json",
        "model/README.md", "evaluation/metrics.json", "evaluation/predictions.parquet", "deployment.json",
        "handoff.json", "report.md", "report.html",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    assert [file.name for file in (folder / "checkpoints").iterdir()] == ["finished.json"]
    for shared in ("run.json", "result.json", "registration.json", "report.md", "report.html"):
        assert str(project) not in (folder / shared).read_text("utf-8"), shared
    assert (project / "experiments/deployments/current").resolve().name == result["deployment"]["version"]
    reports = project / ".claude/reports"
    (copy,) = (reports / "implementation").glob("ml-run-*.md")
    assert copy.name in (reports / "_registry.md").read_text()
    _model_loads_with_plain_transformers(project / "experiments/deployments/current")
    _history_commands(project, folder.name)


def _model_loads_with_plain_transformers(folder):
    program = (
        "import sys; from transformers import pipeline;"
        "print(pipeline('text-classification', sys.argv[1])('guri gaadhay yidhi')[0]['label'])"
    )
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in LABELS


def _history_commands(project, run_id):
    assert json.loads(ml_run("list", "--json", cwd=project).out)["runs"][0]["verdict"] == "PASS"
    assert run_id in ml_run("list", cwd=project).out
    shown = json.loads(ml_run("show", "--json", cwd=project).out)
    assert shown["run"]["id"] == shown["result"]["id"] == run_id
    again = ml_run("--resume", run_id, "--json", cwd=project)
    assert again.code == 0
    assert again.err.count("done before") == 6


def test_a_run_that_fails_the_gate_exits_5_and_leaves_production_untouched(tmp_path):
    """FAIL: exit 5, a full report, no model registered, deployed or pointed at; --exit-zero turns 5 into 0."""
    write_project(tmp_path, training={"epochs": 1}, deployment={"min_accuracy": 0.999, "min_f1": 0.999})
    write_jsonl(tmp_path / "data/test.jsonl", _mislabelled(make_rows(60, 2)))
    done = ml_run("--json", cwd=tmp_path)
    assert done.code == 5, done.err
    result = json.loads(done.out)
    assert (result["verdict"], result["deployment"]["action"]) == ("FAIL", "stopped")
    assert not (tmp_path / "experiments/deployments/current").exists()
    refused = ml_run("deploy", "latest", cwd=tmp_path)
    assert refused.code == 2
    assert "FAIL" in refused.err
    assert "--override" in refused.err
    assert not (tmp_path / "experiments/deployments/current").exists()
    assert ml_run("--resume", result["id"], "--exit-zero", "--quiet", cwd=tmp_path).code == 0


def _mislabelled(rows):
    return [row | {"label": LABELS[(LABELS.index(row["label"]) + (n % 4 == 0)) % 3]} for n, row in enumerate(rows)]


def test_an_undecided_run_exits_6_and_says_how_many_rows_would_settle_it(tmp_path):
    """INCONCLUSIVE is neither a pass nor a failure, and has an exit code of its own."""
    write_project(tmp_path, deployment={"min_accuracy": 0.93, "min_f1": None}, gate={"decide_on": "lower_bound"})
    done = ml_run("--json", cwd=tmp_path)
    assert done.code == 6, done.err
    (criterion,) = json.loads(done.out)["criteria"]
    assert criterion["verdict"] == "INCONCLUSIVE"
    assert criterion["rows_to_settle"] > 60


def test_a_leaking_test_split_is_reported_and_the_leak_dropped_from_train(project):
    """Rows of train that stand in test go to rejected.jsonl with their reason, and the run says how many."""
    test = make_rows(60, 2)
    write_jsonl(project / "data/train.jsonl", make_rows(150, 0) + test[:2])
    done = ml_run("--until", "data", "--json", cwd=project)
    assert done.code == 0, done.err
    assert "leak_exact" in (only_run(project) / "data/report.json").read_text()
    rejected = [json.loads(line) for line in (only_run(project) / "data/rejected.jsonl").read_text().splitlines()]
    assert [(r["split"], r["line"], r["reason"]) for r in rejected] == [
        ("train", 151, "leak_exact"),
        ("train", 152, "leak_exact"),
    ]


def test_data_that_is_not_ready_exits_3_before_any_model_is_loaded(project):
    """A test split that is mostly in train stops the run in the data stage with the finding and a report."""
    write_jsonl(project / "data/train.jsonl", make_rows(150, 0) + make_rows(60, 2)[:30])
    done = ml_run("--json", cwd=project)
    assert done.code == 3
    result = json.loads(done.out)
    assert result["readiness"] == "not ready"
    assert list(result["stages"]) == ["data"]
    assert result["error"]["found"] == (
        "the data is not ready: 1 error: 30 of 60 test rows (50.0 %) are also in train; 30 rows of train left out"
    )
    assert "✘ data: not ready" in done.err
    assert (only_run(project) / "report.html").is_file()
    assert not (only_run(project) / "model").exists()


def test_a_long_finding_stays_beside_its_mark(project):
    """On a terminal, the further lines of a finding begin where its first one does; none is wider than the screen."""
    write_jsonl(project / "data/train.jsonl", make_rows(150, 0) + make_rows(60, 2)[:30])
    done = ml_run("--until", "data", cwd=project, env={"FORCE_COLOR": "1", "COLUMNS": "60"})
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.err).replace("\r", "\n").splitlines()]
    first = next(number for number, line in enumerate(lines) if "  ✘ leak_exact: 30 of 60 test rows" in line)
    assert re.match("    [a-z]", lines[first + 1])
    assert len(lines[first + 1]) <= 60


def test_an_empty_file_is_called_empty(project):
    """A test file without a row is exit 3 and is not told to be a matter of field names."""
    (project / "data/test.jsonl").write_text("")
    done = ml_run("--until", "data", cwd=project)
    assert done.code == 3
    assert "✘ data/test.jsonl: the file is empty\n" in done.err


def test_a_contradicted_num_labels_names_both_numbers(tmp_path):
    """num_labels 4 with three labels in the data is a config error naming 4, 3 and the labels."""
    write_project(tmp_path, model={"num_labels": 4})
    done = ml_run(cwd=tmp_path)
    assert done.code == 2
    assert (
        "\n✘ ml_config.yaml:12: model.num_labels is 4, but the data has 3 labels: 'Central', 'Northern', 'Southern'\n"
    ) in done.err
    assert json.loads((only_run(tmp_path) / "result.json").read_text())["error"]["where"] == "ml_config.yaml:12"


def test_until_stops_and_resume_goes_on(project):
    """--until data stops with exit 0 and no verdict; --resume walks the rest and repeats nothing."""
    first = ml_run("stepwise", "--until", "data", "--json", cwd=project)
    assert (first.code, json.loads(first.out)["verdict"]) == (0, None)
    then = ml_run("--resume", "stepwise", "--until", "gate", "--json", cwd=project)
    assert then.code == 0, then.err
    assert json.loads(then.out)["verdict"] == "PASS"
    assert "data: done before" in then.err
    assert len(run_folders(project)) == 1


def test_a_run_judged_but_not_deployed_is_deployed_by_hand(project):
    """Deploy after --until gate: production moves, and record, report and result say so."""
    assert ml_run("--until", "gate", cwd=project).code == 0
    done = ml_run("deploy", "latest", "--json", cwd=project)
    assert done.code == 0, done.err
    assert json.loads(done.out)["action"] == "deployed"
    folder = only_run(project)
    assert json.loads((folder / "deployment.json").read_text())["deployment"]["version"] == "1"
    assert json.loads((folder / "result.json").read_text())["deployment"]["action"] == "deployed"
    assert "deployed as version 1" in (folder / "report.md").read_text()
    for source in (project / "data").glob("*.jsonl"):
        source.unlink()
    back = ml_run("rollback", cwd=project)
    assert back.code == 2
    assert "previous" in back.err
    assert "no such file" not in back.err


def test_quiet_keeps_stderr_empty_and_the_result_on_stdout(project):
    """With --quiet a run that goes well writes nothing but its result."""
    done = ml_run("--until", "data", "--quiet", cwd=project)
    assert done.err == ""
    assert done.out.startswith("run ")


def test_a_store_that_is_away_costs_no_result(tmp_path):
    """Exit 7 with all files kept and production unchanged; `ml-run sync` sends the run once the store is back."""
    write_project(tmp_path)
    done = ml_run("--json", cwd=tmp_path, env=WITHOUT_STORE)
    assert done.code == 7, done.err
    result = json.loads(done.out)
    assert result["verdict"] == "PASS"
    assert (result["deployment"]["action"], result["registration"]["status"]) == ("failed", "pending")
    assert not (tmp_path / "experiments/deployments/current").exists()
    assert (only_run(tmp_path) / "report.html").is_file()
    assert ml_run("sync", cwd=tmp_path, env=WITHOUT_STORE).code == 7
    back = ml_run("sync", "--json", cwd=tmp_path, env={"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/back.db"})
    assert back.code == 0, back.err
    (sent,) = json.loads(back.out)["sent"]
    assert (sent["id"], sent["status"]) == (result["id"], "sent")
    completed = json.loads((only_run(tmp_path) / "result.json").read_text())
    assert (completed["exit_code"], completed["deployment"]["action"]) == (0, "awaiting")
    assert completed["next_step"] == f"ml-run deploy {result['id']}"
    assert (only_run(tmp_path) / "handoff.json").is_file()
    assert ml_run("sync", cwd=tmp_path).out == "nothing to send\n"


def test_two_runs_of_one_config_give_the_same_numbers(project):
    """Same config, same data, same machine: predictions and scores agree to the last bit."""
    for _ in range(2):
        assert ml_run("--until", "evaluate", "--quiet", cwd=project).code == 0
    first, second = run_folders(project)
    assert (first / "evaluation/predictions.parquet").read_bytes() == (
        second / "evaluation/predictions.parquet"
    ).read_bytes()
    one, two = (json.loads((f / "evaluation/metrics.json").read_text()) for f in (first, second))
    for scores in (one, two):
        scores.pop("latency_ms_p50")
        scores.pop("latency_ms_p95")
    assert one == two


def test_r38_a_secret_reaches_no_file(project):
    """A password from the environment is in no file of the run, and not on the terminal."""
    config = yaml.safe_load((project / "ml_config.yaml").read_text())
    config["tracking"] = {"uri": "postgresql://me:${DB_PASSWORD}@127.0.0.1:9/mlflow"}
    (project / "ml_config.yaml").write_text(yaml.safe_dump(config))
    secret = "correct-horse-battery"
    done = ml_run("--until", "data", cwd=project, env={"DB_PASSWORD": secret})
    assert done.code == 0, done.err
    assert secret not in done.out + done.err
    written = [f for f in project.rglob("*") if f.is_file()]
    assert len(written) > 8
    assert not [f.name for f in written if secret.encode() in f.read_bytes()]


def test_hostile_labels_and_texts_are_shown_not_interpreted(tmp_path):
    """R37: markup, escapes and formulas in labels and texts crash nothing and reach terminal and page as text."""
    labels = ("[/foo]", "<script>alert(1)</script>", "=HYPERLINK()")
    write_project(tmp_path, data={"label_map": dict(zip(LABELS, labels, strict=True))})
    for split in ("train", "val", "test"):
        rows = [json.loads(line) for line in (tmp_path / f"data/{split}.jsonl").read_text().splitlines()]
        write_jsonl(
            tmp_path / f"data/{split}.jsonl", [r | {"text": r["text"] + " \x1b]8;;x\x07 </style>"} for r in rows]
        )
    done = ml_run("--until", "gate", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    page = (only_run(tmp_path) / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_bug_exits_1_and_names_its_log(project):
    """An unexpected error is one line with the path of a log that holds the trace; the run can be resumed."""
    ml_run("broken", "--until", "data", cwd=project)
    folder = only_run(project)
    report = json.loads((folder / "data/report.json").read_text())
    (folder / "data/train.parquet").write_bytes(b"not parquet")
    run = json.loads((folder / "run.json").read_text())
    import hashlib

    run["stages"]["data"]["outputs"]["data/train.parquet"] = hashlib.sha256(b"not parquet").hexdigest()
    (folder / "run.json").write_text(json.dumps(run))
    done = ml_run("--resume", folder.name, cwd=project)
    assert report["readiness"] != "not ready"
    assert done.code == 1
    assert "this is a bug in ml-run" in done.err
    assert "Traceback" in (folder / "logs/run.log").read_text()
    assert "Traceback" not in done.err


def test_output_into_a_closed_pipe_ends_quietly(project):
    """`ml-run list | head` leaves no trace of a broken pipe."""
    command = f"set -o pipefail; {sys.executable} -m ml_run --until data --json | true"
    done = subprocess.run(["bash", "-c", command], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_cold_start_needs_no_preloaded_library(project):
    """The command works in a fresh interpreter as it does in the tests' warm one."""
    done = cold_ml_run("--until", "data", "--json", cwd=project)
    assert done.code == 0, done.err
    assert json.loads(done.out)["readiness"] == "ready with warnings"
