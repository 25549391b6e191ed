"""`ml-run monitor` through the front door: clean and drifted traffic, with and without labels, logs and faults."""

import json
import random

import pytest

from conftest import LABELS, make_rows, write_jsonl
from harness import ml_run
from ml_run.modeling.scoring import load_scorer
from test_linear_run import linear_project

CLEAN = 5
"""Seed of rows that look like those the model was tested on."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A project with a linear model in production, right in four of five rows, and its run."""
    project = linear_project(tmp_path_factory.mktemp("watched"), noise=0.2, deployment={"min_accuracy": 0.6})
    done = ml_run("watched", "--json", cwd=project)
    assert done.code == 0, done.err
    return project, json.loads(done.out)["id"]


def clean(count, seed=CLEAN):
    """Rows as those of the test split, of which there are 60: no longer, for the numbers at their ends are none."""
    rows = make_rows(count, seed)
    return [row | {"text": f"{row['text'].rsplit(' ', 1)[0]} 2x{number % 60}"} for number, row in enumerate(rows)]


def texts(count):
    return [{"text": row["text"]} for row in clean(count)]


def labelled(count, seed=CLEAN, right=0.8):
    """Rows whose label a good model gets right in so many of them."""
    chance = random.Random(seed)
    rows = clean(count, seed)
    return [row if chance.random() < right else row | {"label": chance.choice(LABELS)} for row in rows]


def other(count):
    """Rows of another kind: one label, other words, twice as long."""
    rows = make_rows(3 * count, 12)[::3]
    return [{"text": f"{row['text']} and then the whole of it once more in plain English words"} for row in rows]


def checked(deployed, rows, name="new.jsonl", *args):
    project, _ = deployed
    done = ml_run("monitor", write_jsonl(project / name, rows), *args, "--json", "--quiet", cwd=project)
    assert done.code in {0, 6, 8}, done.err
    told = json.loads(done.out)
    assert told["exit_code"] == done.code
    assert len(done.out) < 10_000
    return told


def alarms(told):
    return {one["name"] for one in told["checks"] if one["alarm"]}


def refused(project, *args):
    done = ml_run("monitor", *args, "--json", "--quiet", cwd=project)
    (error,) = json.loads(done.out)["errors"]
    return done.code, error["found"], error["remedy"]


def test_clean_traffic_is_no_drift(deployed):
    """Exit 0: no check raises an alarm, the accuracy is estimated near the true one, the report is there."""
    project, run = deployed
    told = checked(deployed, texts(120))
    assert (told["status"], told["checked"], told["run"], told["version"]) == ("ok", 120, run, "1")
    assert alarms(told) == set()
    assert {"labels", "confidence", "length", "characters", "content"} <= {one["name"] for one in told["checks"]}
    assert told["estimated_accuracy"]["low"] < 0.8 < told["estimated_accuracy"]["high"]
    assert told["estimate_holds"] is True
    assert told["retrain"]["due"] is None
    folder = project / told["folder"]
    assert {path.name for path in folder.iterdir()} == {
        "report.md", "report.html", "result.json", "figures", "manifest.json",
    }  # fmt: skip
    assert json.loads((folder / "result.json").read_text("utf-8")) == told


def test_drift_is_exit_8_and_says_what_changed(deployed):
    """Other words, longer texts: each found by its check, and the estimated accuracy is said to be worth nothing."""
    told = checked(deployed, other(100), "other.jsonl")
    assert (told["status"], told["exit_code"]) == ("drift", 8)
    assert {"length", "characters"} <= alarms(told)
    assert told["estimate_holds"] is False
    assert told["reasons"][0] == told["checks"][0]["said"]


def test_the_screen_shows_the_worst_first_on_one_page(deployed):
    """Alarms stand above what is in order; nothing runs beyond a terminal of 100 by 23."""
    project, _ = deployed
    done = ml_run("monitor", write_jsonl(project / "other.jsonl", other(100)), "--quiet", cwd=project)
    lines = done.out.splitlines()
    assert done.code == 8
    assert lines[0] == "✘ drift: the traffic is not what the model was tested on"
    marks = [line[0] for line in lines if line.startswith(("✘", "✔"))]
    assert marks == sorted(marks, key="✘✔".index)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("  report  experiments/monitor_other_") for line in lines)


def test_too_few_rows_are_not_ok(deployed):
    """49 rows: exit 6, the status of its own, how many are needed; neither drift nor its absence is claimed."""
    told = checked(deployed, other(49), "few.jsonl")
    assert (told["status"], told["exit_code"], told["checked"], told["checks"]) == ("too_few", 6, 0, [])
    assert told["reasons"] == ["49 rows with a text are too few to judge: 50 are needed"]


def test_an_empty_file_is_too_few(deployed):
    """No row at all is not "no drift"."""
    assert checked(deployed, [], "empty.jsonl")["status"] == "too_few"


def test_rows_without_text_are_drift_of_their_own(deployed):
    """A field that comes empty in a tenth of the rows is an alarm, however well the others look."""
    told = checked(deployed, [*texts(270), *[{"text": " "}] * 30], "holes.jsonl")
    assert (told["status"], told["without_text"], told["checked"]) == ("drift", 30, 270)
    assert told["reasons"][0] == "30 of 300 rows have no text (10.0 %)"


def test_labels_give_the_real_accuracy_and_the_rule_to_train_again(deployed):
    """With labels: accuracy with its interval, the floor of the config, and how many labels are new."""
    told = checked(deployed, labelled(200), "labelled.jsonl")
    assert told["labelled"]["n"] == told["labelled"]["new"] == 200
    assert 0.7 < told["labelled"]["accuracy"]["value"] < 0.95
    assert (told["retrain"]["due"], told["retrain"]["floor"], told["retrain"]["labels"]) == (False, 0.6, 1000)
    bad = checked(deployed, labelled(200, right=0.0), "wrong.jsonl")
    assert bad["status"] == "drift"
    assert "accuracy" in alarms(bad)
    assert bad["reasons"][0] == "accuracy on the labelled rows is below 0.6, beyond chance"
    assert bad["retrain"]["due"] is True


def test_a_label_that_the_model_does_not_know_is_a_mistake(deployed):
    """It counts as wrong, and is told."""
    rows = labelled(200)
    told = checked(
        deployed, [row | {"label": "Coastal"} if i < 20 else row for i, row in enumerate(rows)], "coast.jsonl"
    )
    assert told["labelled"]["unknown_labels"] == 20
    assert "20 rows have a label that the model does not know, which counts as wrong" in told["notes"]


def test_enough_new_labels_are_a_reason_to_train_again(deployed):
    """Different labelled rows count, from the number in the config on; rows that training had do not."""
    project, _ = deployed
    train = [json.loads(line) for line in (project / "data/train.jsonl").read_text("utf-8").splitlines()]
    told = checked(deployed, [*labelled(1000, 21), *train], "many.jsonl")
    assert told["labelled"]["n"] == 1150
    assert told["labelled"]["new"] == 1000
    assert told["retrain"]["due"] is True
    assert "1,000 new labels can be learnt from, 1,000 are enough" in told["retrain"]["said"]


def predictions(deployed, count, version="1", **more):
    """What `ml-run predict` and the traffic log of `ml-run serve` write, in the form of the log."""
    project, _ = deployed
    scorer = load_scorer(project / "experiments/deployments/1")
    rows = [row["text"] for row in clean(count)]
    return [
        {
            "version": version, "predicted": scorer.labels[p.argmax()], "confidence": p.max(),
            "probabilities": dict(zip(scorer.labels, p.tolist(), strict=True)), "characters": len(text),
        } | ({"text": text} if more.get("with_text") else {})
        for text, p in zip(rows, scorer.probabilities(rows), strict=True)
    ]  # fmt: skip


def test_a_log_without_texts_is_judged_by_what_it_holds(deployed):
    """Labels, confidence and length are checked, the rest is said not to be; rows of another version are left out."""
    rows = predictions(deployed, 120)
    told = checked(deployed, [*rows, *[row | {"version": "7"} for row in rows[:30]]], "log.jsonl")
    assert (told["status"], told["checked"]) == ("ok", 120)
    assert {one["name"] for one in told["checks"]} == {"labels", "confidence", "length"}
    assert "30 rows without a text are by another version of the model, and were left out" in told["notes"]
    assert "the file holds no texts: characters, pieces, language and content were not checked" in told["notes"]


def test_predictions_of_the_deployed_version_are_taken_as_they_are(deployed):
    """The same rows give the same result with predictions and without; those of another version are scored anew."""
    plain = checked(deployed, texts(120))
    for name, version in (("ours", "1"), ("theirs", "7")):
        told = checked(deployed, predictions(deployed, 120, version, with_text=True), f"{name}.jsonl")
        assert [one["effect"] for one in told["checks"]] == pytest.approx([one["effect"] for one in plain["checks"]])
    sure = [
        row | {"probabilities": {one: float(one == "Central") for one in LABELS}} for row in predictions(deployed, 120)
    ]
    assert "confidence" in alarms(checked(deployed, sure, "sure.jsonl"))


def test_the_same_file_gives_the_same_result(deployed):
    """Chance is seeded by the file: result and report are equal to the byte, and the folder is the same."""
    project, _ = deployed
    first = checked(deployed, texts(100), "again.jsonl")
    page = (project / first["report"]).read_bytes()
    assert checked(deployed, texts(100), "again.jsonl") == first
    assert (project / first["report"]).read_bytes() == page


def test_no_text_of_the_traffic_is_left_behind(deployed):
    """Reports are passed on: they hold numbers and labels, no word of what people wrote."""
    project, _ = deployed
    told = checked(deployed, [row | {"text": row["text"] + " qarsoodi"} for row in texts(100)], "secret.jsonl")
    for path in (project / told["folder"]).rglob("*.*"):
        assert "qarsoodi" not in path.read_text("utf-8")


def test_the_report_speaks_of_every_check(deployed):
    """Markdown and page name each check, its effect, the alarms' meaning and the method; charts have words."""
    project, _ = deployed
    told = checked(deployed, other(100), "other.jsonl")
    page = (project / told["report"]).read_text("utf-8")
    text = (project / told["folder"] / "report.md").read_text("utf-8")
    assert "DRIFT" in text
    assert "Alarm from" in text
    for one in told["checks"]:
        assert f"| {one['name'].replace('_', ' ')}" in text or f"| **{one['name'].replace('_', ' ')}**" in text
    assert page.count("<desc") == page.count("<figure") == 3
    assert "NaN" not in page
    assert "<script" not in page


def test_without_a_model_in_production_nothing_is_watched(tmp_path):
    """Exit 2 with what to do: deploy, or name a run."""
    code, found, remedy = refused(tmp_path, write_jsonl(tmp_path / "new.jsonl", texts(60)))
    assert (code, found) == (2, "no model is in production here")
    assert "--run ID" in remedy


def test_a_handoff_of_an_older_version_names_the_run_to_deploy_again(deployed):
    """An old handoff.json is no reason for silence: exit 2 names the command that writes it anew."""
    project, run = deployed
    path = project / "experiments" / run / "handoff.json"
    whole = path.read_text("utf-8")
    old = json.loads(whole) | {"format": 1}
    path.write_text(json.dumps({key: value for key, value in old.items() if key not in {"texts", "trust"}}), "utf-8")
    try:
        code, found, remedy = refused(project, project / "new.jsonl")
    finally:
        path.write_text(whole, "utf-8")
    assert code == 2
    assert found.endswith("does not say how the texts looked: an older version of ml-run wrote it")
    assert remedy == f"deploy the run again, which writes it anew: ml-run deploy {run}"


def test_a_damaged_handoff_is_refused(deployed):
    """Bytes that are none of ours are no reference."""
    project, run = deployed
    path = project / "experiments" / run / "handoff.json"
    whole = path.read_text("utf-8")
    broken = json.loads(whole)
    broken["texts"]["seen"]["data"] = broken["texts"]["seen"]["data"][:40]
    path.write_text(json.dumps(broken), "utf-8")
    write_jsonl(project / "new.jsonl", texts(120))
    try:
        code, found, _ = refused(project, project / "new.jsonl")
    finally:
        path.write_text(whole, "utf-8")
    assert code == 2
    assert found.startswith("the handoff cannot be used")


def test_a_run_can_be_named(deployed):
    """--run ID watches the model of a run, deployed or not."""
    _, run = deployed
    told = checked(deployed, texts(120), "new.jsonl", "--run", run)
    assert (told["status"], told["run"], told["checked"]) == ("ok", run, 120)


@pytest.mark.parametrize(
    ("name", "content", "code", "found"),
    [
        ("absent.jsonl", None, 2, "there is no such file"),
        ("odd.jsonl", '{"words": "waa"}\n' * 60, 3, "there is no field with texts; its fields are: words"),
    ],
)
def test_a_file_that_cannot_be_judged_is_refused(deployed, name, content, code, found):
    """What is wrong, where, and no folder is left behind."""
    project, _ = deployed
    if content is not None:
        (project / name).write_text(content, "utf-8")
    assert refused(project, project / name)[:2] == (code, found)
    assert not list(project.glob(f"experiments/monitor_{name.partition('.')[0]}_*"))


def test_lines_that_cannot_be_read_are_told(deployed):
    """A few broken lines are left out and said, and count as rows without a text."""
    project, _ = deployed
    path = write_jsonl(project / "torn.jsonl", texts(120))
    path.write_text(path.read_text("utf-8") + '{"text": "half\n', "utf-8")
    told = json.loads(ml_run("monitor", path, "--json", "--quiet", cwd=project).out)
    assert (told["status"], told["rows"], told["without_text"]) == ("ok", 121, 1)
    assert "1 line could not be read" in told["notes"]
