"""What training data calls the copies of a test row: those it kept, and those it left out as leaks."""

import csv
import json

import pytest

from conftest import LABELS, make_rows, write_jsonl, write_project
from harness import ml_run
from ml_run.config.file import load_config
from ml_run.evaluation.train_copies import Copy, copies_in_train
from ml_run.experiment import Experiment
from ml_run.splits import read_split
from ml_run.stages.data import prepare_data


def with_copies(folder, **data):
    """A project whose first three test rows have copies in train: two the same, one nearly; the first has two."""
    write_project(folder, data={"label_map": {"north": "Northern"}, "checks": {"conflict": "warning"}} | data)
    test = make_rows(60, 2)
    exact, near, own = test[0]["text"], test[1]["text"], test[2]["text"]
    copies = [(exact, "Southern"), (exact.upper(), "north"), (near + "!", "Southern"), (own, test[2]["label"])]
    rows = [*make_rows(150, 0), *({"text": text, "label": label} for text, label in copies)]
    write_jsonl(folder / "data/train.jsonl", rows)
    write_jsonl(folder / "data/test.jsonl", test)
    return folder


@pytest.mark.parametrize("leaks", ["drop", "keep"])
def test_copies_are_found_whether_they_were_trained_on_or_left_out(tmp_path, leaks):
    """Exact and near ones, each with its label as the run calls it, its file and its line."""
    with_copies(tmp_path, leaks=leaks)
    experiment = Experiment(tmp_path / "experiments/exp_1")
    experiment.data.mkdir(parents=True)
    config = load_config(tmp_path / "ml_config.yaml").config
    data = prepare_data(config, experiment)
    splits = {name: read_split(experiment.split(name)) for name in ("train", "test")}
    assert len(splits["train"]) == (154 if leaks == "keep" else 150)
    found = copies_in_train(config, experiment, data, splits, range(60))
    train = "data/train.jsonl"
    assert found == {
        0: [Copy("Southern", train, 151), Copy("Northern", train, 152)],
        1: [Copy("Southern", train, 153)],
        2: [Copy(splits["test"].labels[2], train, 154)],
    }
    assert copies_in_train(config, experiment, data, splits, [1, 7]) == {1: found[1]}
    assert copies_in_train(config, experiment, data, splits, [7]) == {}


@pytest.mark.slow
def test_wrong_labels_of_test_rows_reach_the_review_queue_and_come_back_corrected(tmp_path):
    """A run suspects planted label errors of test, once however often it is resumed, and takes in the corrections."""
    write_project(tmp_path, train=240, training={"epochs": 6})
    test = make_rows(60, 2)
    planted = {4: LABELS[2], 9: LABELS[1], 23: LABELS[0]}
    right = {row: test[row]["label"] for row in planted}
    for row, label in planted.items():
        test[row]["label"] = label
    write_jsonl(tmp_path / "data/test.jsonl", test)
    done = ml_run("--until", "evaluate", cwd=tmp_path)
    assert done.code == 0, done.err
    folder = next((tmp_path / "experiments").glob("exp_*"))
    metrics = json.loads((folder / "evaluation/metrics.json").read_text())["mistakes"]
    assert {one["row"] for one in metrics["suspected"]} == set(planted)
    assert (metrics["suspicions"], metrics["queue"]) == (3, "data/review_queue.csv")
    assert f"3 of {metrics['count']} mistakes look mislabelled" in (folder / "report.md").read_text("utf-8")
    before = (folder / "data/review_queue.csv").read_bytes()
    (folder / "evaluation/metrics.json").unlink()
    done = ml_run("--resume", folder.name, "--until", "evaluate", cwd=tmp_path)
    assert (done.code, (folder / "data/review_queue.csv").read_bytes()) == (0, before), done.err
    assert "data: done before" in done.err
    _answer(folder / "data/review_queue.csv", {row + 1: label for row, label in right.items()})
    queue = (folder / "data/review_queue.csv").relative_to(tmp_path)
    done = ml_run("check-data", "--apply", str(queue), cwd=tmp_path)
    assert done.code == 0, done.err
    corrected = [json.loads(line) for line in (tmp_path / "data/test.corrected.jsonl").read_text().splitlines()]
    assert [row["label"] for row in corrected] == [row["label"] for row in make_rows(60, 2)]


def _answer(queue, labels):
    """Fill in the queue as a native speaker would, in the rows of test that `labels` names by line."""
    with queue.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    for row in rows:
        if row[0] == "data/test.jsonl" and "evaluation: " in row[5]:
            row[6] = labels[int(row[1])]
    with queue.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, *rows])
