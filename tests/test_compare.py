"""`ml-run compare A B` through its front door: what changed between two runs, and whether it is more than noise."""

import json
import random
import shutil

import pytest

from conftest import LABELS, make_rows, write_jsonl, write_project
from harness import ml_run
from ml_run.comparison.changes import split_change


def with_noise(rows, share, seed):
    """The same rows, a share of them under a label by chance."""
    chance = random.Random(seed)
    return [row | {"label": chance.choice(LABELS)} if chance.random() < share else row for row in rows]


def walked(project, name, *args):
    done = ml_run(name, "--until", "gate", "--quiet", *args, cwd=project)
    assert done.code in {0, 5, 6}, done.err


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs: one with most training labels by chance; one with all mended, and 30 of 90 test rows replaced."""
    project = write_project(tmp_path_factory.mktemp("compare"), model={"name": "linear"}, test=90)
    train = make_rows(150, 0)
    write_jsonl(project / "data/train.jsonl", with_noise(train, 0.7, 3))
    walked(project, "noisy")
    write_jsonl(project / "data/train.jsonl", [*train[10:], *make_rows(20, 8)])
    write_jsonl(project / "data/test.jsonl", [*make_rows(30, 9), *make_rows(90, 2)[30:]])
    walked(project, "clean", "--set", "training.class_weights=balanced")
    walked(project, "cut short", "--until", "data")
    return project


def compared(project, *names):
    done = ml_run("compare", *names, "--json", cwd=project)
    assert (done.code, done.err) == (0, "")
    assert len(done.out) < 10_000
    return json.loads(done.out)


def shared_predictions(project):
    """True and predicted labels of both runs on the rows that both have, read by other means."""
    import pandas as pd

    tables = {
        json.loads(path.read_text())["name"]: pd.read_parquet(path.parent / "evaluation/predictions.parquet")
        for path in project.glob("experiments/*/run.json")
        if (path.parent / "evaluation/predictions.parquet").is_file()
    }
    return tables["noisy"].merge(tables["clean"], on="row_hash", suffixes=("_a", "_b"))


def test_it_names_what_changed_and_what_that_did(runs):
    """Rows by split, config keys, the difference on the rows that both have, and one sentence on noise."""
    from sklearn.metrics import accuracy_score, f1_score

    told = compared(runs, "noisy", "clean")
    data = {one["split"]: one for one in told["data"]}
    assert (data["train"]["added"], data["train"]["removed"]) == (20, 10)
    noisy = with_noise(make_rows(150, 0), 0.7, 3)[10:]
    changed = sum(a["label"] != b["label"] for a, b in zip(noisy, make_rows(150, 0)[10:], strict=True))
    assert data["train"]["relabelled"] == changed > 30
    counts = [(one["added"], one["removed"], one["relabelled"]) for one in (data["val"], data["test"])]
    assert counts == [(0, 0, 0), (30, 30, 0)]
    assert told["config"] == [{"key": "training.class_weights", "a": "none", "b": "balanced"}]
    assert (told["model"], told["code"]) == ([], [])
    assert (told["shared"], told["relabelled"], told["a"]["n_test"], told["b"]["n_test"]) == (60, 0, 90, 90)
    rows = shared_predictions(runs)
    macro = [f1_score(rows.label_b, rows[name], average="macro") for name in ("predicted_a", "predicted_b")]
    right = [accuracy_score(rows.label_b, rows[name]) for name in ("predicted_a", "predicted_b")]
    assert [told[side]["macro_f1_shared"]["value"] for side in "ab"] == pytest.approx(macro)
    assert told["difference"]["macro_f1_difference"]["value"] == pytest.approx(macro[1] - macro[0])
    assert told["difference"]["accuracy_difference"]["value"] == pytest.approx(right[1] - right[0])
    assert told["difference"]["macro_f1_difference"]["low"] > 0
    assert told["conclusion"].startswith("B is better than A by more than noise: macro-F1 of B minus A is +0.")
    assert told["conclusion"].endswith("] on the 60 test rows that both have.")


def test_the_order_of_the_runs_is_the_direction_of_the_difference(runs):
    """Compared the other way round, added and removed change places and the better run is the worse."""
    told = compared(runs, "clean", "noisy")
    assert (told["data"][0]["added"], told["data"][0]["removed"]) == (10, 20)
    assert told["difference"]["macro_f1_difference"]["high"] < 0
    assert told["conclusion"].startswith("B is worse than A by more than noise: macro-F1 of B minus A is −0.")


def test_the_tables_fit_a_narrow_terminal(runs):
    """At 80 columns no line is longer, and nothing but plain text is written where stdout is no terminal."""
    done = ml_run("compare", "noisy", "clean", cwd=runs, env={"COLUMNS": "80"})
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.out
    assert lines[0].startswith("A  exp_")
    assert any(line.split() == ["training.class_weights", "none", "balanced"] for line in lines)
    assert [line.split() for line in lines if line.startswith(("rows ", "train ", "test "))] == [
        ["rows", "A", "B", "added", "removed", "relabelled"],
        ["train", "150", "160", "20", "10", next(line.split()[-1] for line in lines if line.startswith("train "))],
        ["test", "90", "90", "30", "30", "0"],
    ]
    assert any(line.startswith("macro-F1, own test rows") for line in lines)
    assert any(line.startswith("macro-F1, 60 shared") for line in lines)
    assert "B is better than A by more than noise:" in " ".join(lines)


def test_r30_a_run_against_itself_is_the_same(runs):
    """No change, difference 0, and never better."""
    told = compared(runs, "clean", "clean")
    assert (told["config"], told["model"], told["code"]) == ([], [], [])
    assert {(one["added"], one["removed"], one["relabelled"]) for one in told["data"]} == {(0, 0, 0)}
    difference = told["difference"]
    assert difference["macro_f1_difference"]["value"] == difference["accuracy_difference"]["value"] == 0
    same = "A and B give the same label to each row on the 90 test rows that both have: there is no difference."
    assert told["conclusion"] == same


def test_a_run_without_an_evaluation_is_a_clear_error(runs):
    """Exit 2, how far the run came, and how to take it further."""
    done = ml_run("compare", "clean", "cut short", cwd=runs)
    (run,) = [path.parent.name for path in runs.glob("experiments/*/run.json") if "cut short" in path.read_text()]
    assert done.code == 2
    assert done.err == (
        f"✘ run {run} has no evaluation to compare: it came as far as data\n"
        f"  → take it further with ml-run --resume {run}, or name another run (ml-run list)\n"
    )
    assert ml_run("compare", "clean", "no such run", cwd=runs).code == 2


def test_lost_predictions_are_a_clear_error(runs, tmp_path):
    """A run whose predictions are gone: exit 2, the file, and how to have them again."""
    import shutil

    (run,) = [path.parent for path in runs.glob("experiments/*/run.json") if '"clean"' in path.read_text()]
    shutil.copytree(run, tmp_path / "experiments" / run.name)
    (tmp_path / f"experiments/{run.name}/evaluation/predictions.parquet").unlink()
    done = ml_run("compare", "latest", "latest", cwd=tmp_path)
    assert done.code == 2
    assert (
        f"experiments/{run.name}/evaluation/predictions.parquet: the predictions of run {run.name} are gone" in done.err
    )


def changed_predictions(runs, folder, change):
    """A copy of the project in which `change` was made to the predictions of the run `clean`."""
    import pyarrow.parquet as pq

    shutil.copytree(runs / "experiments", folder / "experiments")
    (path,) = [p for p in folder.glob("experiments/*/run.json") if '"clean"' in p.read_text()]
    predictions = path.parent / "evaluation/predictions.parquet"
    pq.write_table(change(pq.read_table(predictions)), predictions)
    return folder


def test_too_few_shared_rows_are_said(runs, tmp_path):
    """Of predictions that hold 40 rows of the other run only, no difference is told, and the reason is."""
    told = compared(changed_predictions(runs, tmp_path, lambda table: table.slice(0, 70)), "noisy", "clean")
    assert told["shared"] == 40
    assert told["difference"]["macro_f1_difference"]["value"] is None
    assert told["conclusion"] == (
        "Whether the scores differ cannot be said: 40 test rows are too few to compare two models, 50 are needed."
    )


def test_the_newer_label_of_a_shared_row_counts_for_both(runs, tmp_path):
    """Labels of shared test rows that were corrected between the runs are counted, and both models judged by them."""

    def corrected(table):
        labels = table.column("label").to_pylist()
        labels[-2:] = ["Central", "Central"]
        return table.set_column(table.schema.get_field_index("label"), "label", [labels])

    told = compared(changed_predictions(runs, tmp_path, corrected), "noisy", "clean")
    assert told["relabelled"] == 2 - [row["label"] for row in make_rows(90, 2)[-2:]].count("Central")
    assert (
        f"that both have ({told['relabelled']} under another label in B, which counts for both)" in told["conclusion"]
    )


def test_rows_read_through_other_fields_are_found_by_file_and_line(runs, tmp_path):
    """Where no text is the same but file, line and label of every test row are, the rows are those of both runs."""

    def read_otherwise(table):
        hashes = [f"other {row}" for row in table.column("row_hash").to_pylist()]
        return table.set_column(table.schema.get_field_index("row_hash"), "row_hash", [hashes]).take(
            list(reversed(range(len(table))))
        )

    project = changed_predictions(runs, tmp_path, read_otherwise)
    (original,) = [p.parent for p in runs.glob("experiments/*/run.json") if '"clean"' in p.read_text()]
    copy = project / "experiments" / "exp_20260101_000000"
    shutil.copytree(original, copy)
    run = (copy / "run.json").read_text().replace(original.name, copy.name).replace('"clean"', '"before"')
    (copy / "run.json").write_text(run)
    told = compared(project, "before", "clean")
    assert told["shared"] == 90
    assert told["conclusion"] == (
        "A and B give the same label to each row on the 90 test rows that both have, found by file and line since no "
        "text is the same: there is no difference."
    )


def test_copies_of_a_row_count_each():
    """A text that stands twice, under two labels, is relabelled once when one of the two is changed."""
    from collections import Counter

    a = {"x": Counter(North=1, South=1), "y": Counter(North=2), "z": Counter(South=1)}
    b = {"x": Counter(North=2), "y": Counter(North=1), "w": Counter(North=3)}
    change = split_change("train", a, b)
    assert (change.rows_a, change.rows_b, change.added, change.removed, change.relabelled) == (5, 6, 3, 2, 1)
