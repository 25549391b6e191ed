"""`ml-run evaluate` through its front door: predictions of any model, in any format, with any fault."""

import csv
import gzip
import json
import random

import pytest

from conftest import LABELS, write_jsonl, write_project
from harness import ml_run

THRESHOLD = ("--set", "deployment.min_f1=0.8")


def predictions(count=120, *, right=0.9, seed=1, labels=LABELS, **more):
    """Rows as a foreign tool writes them: text, true label and predicted label."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        true = labels[number % len(labels)]
        said = true if chance.random() < right else chance.choice([label for label in labels if label != true])
        rows.append({"text": f"waa qoraal {number}", "label": true, "predicted": said})
    return rows


def with_probabilities(rows, labels=LABELS, sure=0.8):
    """The same rows with an object of probabilities that agrees with the predicted labels."""
    rest = (1 - sure) / (len(labels) - 1)
    return [row | {"probabilities": {one: sure if one == row["predicted"] else rest for one in labels}} for row in rows]


def in_columns(rows):
    """Rows with probabilities, as a table has them: a column for each label."""
    return [
        {k: v for k, v in row.items() if k != "probabilities"}
        | {f"p_{label}": value for label, value in row["probabilities"].items()}
        for row in rows
    ]


def write_table(path, rows, delimiter=",", mark=""):
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(mark)
        table = csv.DictWriter(file, rows[0], delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return path


def evaluate(folder, *args):
    return ml_run("evaluate", *args, "--json", "--quiet", cwd=folder)


def judged(folder, *args):
    """The object that a verdict of any kind comes with."""
    done = evaluate(folder, *args)
    assert done.code in {0, 5, 6}, done.err
    told = json.loads(done.out)
    assert told["exit_code"] == done.code
    return told


def refused(folder, *args):
    """What is said of predictions that cannot be judged; no folder is left behind."""
    done = evaluate(folder, *args)
    assert done.code in {2, 3}, done.err + done.out
    assert not list(folder.glob("experiments/evaluate_*"))
    (error,) = json.loads(done.out)["errors"]
    return done.code, error["where"], error["found"]


def record(folder, told, name):
    return json.loads((folder / told["folder"] / name).read_text("utf-8"))


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_it_shows_the_verdict_like_that_of_a_run(tmp_path):
    """Verdict, criteria, scores and the report on stdout, without a config; the folder holds all of it."""
    write_jsonl(tmp_path / "theirs.jsonl", with_probabilities(predictions()))
    done = ml_run("evaluate", "theirs.jsonl", *THRESHOLD, "--quiet", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "candidate  theirs.jsonl  120 rows, 3 labels"
    assert lines[1] == "verdict    PASS  the criterion is met"
    assert lines[3].split() == ["criterion", "value", "95", "%", "interval", "needed", "n", "verdict"]
    assert lines[4].split()[0] == "min_f1"
    (folder,) = tmp_path.glob("experiments/evaluate_theirs_*")
    assert lines[-1] == f"report  experiments/{folder.name}/report.html"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"report.html", "report.md", "result.json", "evaluation/metrics.json", "evaluation/verdict.json"} <= names
    assert "never seen" not in (folder / "report.md").read_text()


def test_synthetic_predictions_say_so(tmp_path):
    """Predictions for a SYNTHETIC file carry the word into the terminal, the object and the report."""
    write_jsonl(tmp_path / "p.jsonl", [row | {"file": "SYNTHETIC_test.jsonl", "line": 7} for row in predictions()])
    done = ml_run("evaluate", "p.jsonl", "--quiet", cwd=tmp_path)
    assert "SYNTHETIC data: a smoke test of the tool, no claim about any language" in done.out
    (folder,) = tmp_path.glob("experiments/evaluate_p_*")
    assert json.loads((folder / "result.json").read_text())["synthetic"] is True
    assert "SYNTHETIC data: made by a generator" in (folder / "report.md").read_text()


def test_without_a_threshold_nothing_can_pass(tmp_path):
    """No config and no --set: INCONCLUSIVE, exit 6, and how to set a threshold; --exit-zero makes it 0."""
    write_jsonl(tmp_path / "p.jsonl", predictions())
    told = judged(tmp_path, "p.jsonl")
    assert (told["verdict"], told["exit_code"], told["criteria"]) == ("INCONCLUSIVE", 6, [])
    assert told["reason"].startswith("there are no criteria")
    assert told["next_step"] == "set a threshold, e.g. --set deployment.min_f1=0.8"
    assert judged(tmp_path, "p.jsonl", "--exit-zero")["exit_code"] == 0


def test_the_thresholds_of_the_config_apply(tmp_path):
    """With ml_config.yaml there its gate decides; the data and the model that it names need not be there."""
    write_project(tmp_path, train=1, val=1, test=1, deployment={"min_accuracy": 0.99, "min_f1": None})
    for name in ("train", "val", "test"):
        (tmp_path / f"data/{name}.jsonl").unlink()
    write_jsonl(tmp_path / "p.jsonl", predictions())
    told = judged(tmp_path, "p.jsonl")
    assert (told["verdict"], told["exit_code"], [c["name"] for c in told["criteria"]]) == ("FAIL", 5, ["min_accuracy"])


def test_what_cannot_be_judged_here_never_passes(tmp_path):
    """must_beat_baseline and max_latency_ms have nothing to go by in predictions: INCONCLUSIVE, with the reason."""
    write_jsonl(tmp_path / "p.jsonl", predictions(right=1))
    told = judged(
        tmp_path, "p.jsonl", *THRESHOLD, "--set", "gate.must_beat_baseline=true", "--set", "gate.max_latency_ms=9"
    )
    assert told["verdict"] == "INCONCLUSIVE"
    verdicts = {c["name"]: c["verdict"] for c in told["criteria"]}
    assert verdicts.pop("min_f1") == "PASS"
    assert set(verdicts.values()) == {"INCONCLUSIVE"}
    assert "no baseline was scored on these rows: ml-run evaluate trains none" in told["reason"]


def test_json_stays_short_with_hundreds_of_classes(tmp_path):
    """Under 10,000 characters with two criteria for each of 60 classes, and it says how many it leaves out."""
    labels = [f"a label with a long name {number}" for number in range(60)]
    write_jsonl(tmp_path / "p.jsonl", predictions(180, labels=labels, right=0.5))
    done = evaluate(tmp_path, "p.jsonl", "--set", "gate.min_class_f1=0.5", "--set", "gate.min_class_recall=0.5")
    told = json.loads(done.out)
    assert len(done.out) < 10_000
    assert len(told["criteria"]) + told["criteria_omitted"] == 120


def test_the_same_predictions_give_the_same_bytes(tmp_path):
    """Metrics and verdict of two evaluations are equal byte for byte."""
    write_jsonl(tmp_path / "p.jsonl", with_probabilities(predictions()))
    first = judged(tmp_path, "p.jsonl", *THRESHOLD)
    files = [tmp_path / first["folder"] / "evaluation" / name for name in ("metrics.json", "verdict.json")]
    before = [file.read_bytes() for file in files]
    assert judged(tmp_path, "p.jsonl", *THRESHOLD) == first
    assert [file.read_bytes() for file in files] == before


# --- formats ----------------------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_scores(tmp_path):
    """A csv with a byte order mark, tsv, parquet and gz hold the same predictions as jsonl, labels in another order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = with_probabilities(predictions())
    turned = [row | {"probabilities": dict(reversed(row["probabilities"].items()))} for row in rows]
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_table(tmp_path / "b.csv", in_columns(turned), mark="\ufeff")
    write_table(tmp_path / "c.tsv", in_columns(rows), delimiter="\t")
    pq.write_table(pa.Table.from_pylist(turned), tmp_path / "d.parquet")
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    found = []
    for name in ("a.jsonl", "b.csv", "c.tsv", "d.parquet", "e.jsonl.gz"):
        told = judged(tmp_path, name, *THRESHOLD)
        metrics = record(tmp_path, told, "evaluation/metrics.json")
        found.append((told["scores"], metrics["candidate"]["confusion"], round(metrics["candidate"]["log_loss"], 9)))
    assert all(one == found[0] for one in found)
    assert found[0][2] > 0


def test_predictions_of_a_run_are_accepted_as_they_are(tmp_path):
    """evaluation/predictions.parquet of a run: its scores and verdict again, to the last bit of each interval."""
    write_project(tmp_path, model={"name": "linear"}, deployment={"min_accuracy": 0.5, "min_f1": 0.5})
    assert ml_run("ours", "--until", "gate", "--quiet", cwd=tmp_path).code == 0
    (run,) = tmp_path.glob("experiments/exp_*")
    metrics = json.loads((run / "evaluation/metrics.json").read_text())
    told = judged(tmp_path, run / "evaluation/predictions.parquet")
    again = record(tmp_path, told, "evaluation/metrics.json")
    assert again["candidate"] == metrics["candidate"]
    assert again["model_digest"] == metrics["model_digest"]
    assert (told["verdict"], told["notes"], told["matched"]) == ("PASS", [], "")
    verdict = json.loads((run / "evaluation/verdict.json").read_text())
    assert record(tmp_path, told, "evaluation/verdict.json") == verdict
    assert again["look"] == metrics["look"]


def test_only_a_confidence_is_enough_for_calibration(tmp_path):
    """With the confidence of the given label alone, ECE is known and the log loss is not."""
    rows = [row | {"confidence": 0.9} for row in predictions(right=0.9)]
    write_jsonl(tmp_path / "p.jsonl", rows)
    told = judged(tmp_path, "p.jsonl", "--set", "gate.max_ece=0.2")
    scores = record(tmp_path, told, "evaluation/metrics.json")["candidate"]
    accuracy = sum(row["label"] == row["predicted"] for row in rows) / 120
    assert scores["ece"] == pytest.approx(abs(0.9 - accuracy))
    assert scores["log_loss"] is None
    assert told["verdict"] == "PASS"


# --- R27: what is wrong with predictions ------------------------------------------------------------------------------


def test_r27_labels_are_matched_by_name_never_by_position(tmp_path):
    """A label that no row truly has is counted wrong and said; its probabilities are not those of another label."""
    rows = with_probabilities(predictions(right=1))
    rows[0]["predicted"] = rows[3]["predicted"] = "Eastern"
    write_jsonl(tmp_path / "p.jsonl", rows)
    told = judged(tmp_path, "p.jsonl", *THRESHOLD)
    assert told["scores"]["candidate"]["accuracy"]["value"] == pytest.approx(118 / 120)
    assert told["notes"] == [
        "p.jsonl: in 2 rows, first line 1, the predicted label is not the most probable one; the predicted one counts",
        "p.jsonl: 'Eastern' is no true label; counted as wrong in 2 rows",
    ]


def test_r27_a_class_without_test_rows_never_passes(tmp_path):
    """Three labels have probabilities, two have rows: INCONCLUSIVE however good the rest is."""
    rows = with_probabilities(predictions(right=1))
    write_jsonl(tmp_path / "p.jsonl", [row for row in rows if row["label"] != "Southern"])
    told = judged(tmp_path, "p.jsonl", "--set", "deployment.min_accuracy=0.8")
    assert (told["verdict"], told["labels"]) == ("INCONCLUSIVE", 3)
    assert told["reason"] == "no test rows of Southern: nothing is known of the model there"


def test_r27_ties_are_no_contradiction(tmp_path):
    """A label that is as probable as another is a fair choice, and the one that was given counts."""
    rows = [row | {"p_Central": 1 / 3, "p_Northern": 1 / 3, "p_Southern": 1 / 3} for row in predictions()]
    write_table(tmp_path / "p.csv", rows)
    told = judged(tmp_path, "p.csv", *THRESHOLD)
    assert told["notes"] == []
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert told["scores"]["candidate"]["accuracy"]["value"] == pytest.approx(right / 120)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], "the file has no rows"),
        (predictions(1), "1 row with one true label only, 'Central': a classifier has two or more"),
        (
            predictions(8, labels=["Central", "x"])[::2],
            "4 rows with one true label only, 'Central': a classifier has two or more",
        ),
    ],
)
def test_r27_too_little_to_judge_is_an_answer(tmp_path, rows, found):
    """No row, one row, one class only: exit 3 with the reason, and no trace of an exception."""
    for row in rows:
        row["predicted"] = "Central"
    write_jsonl(tmp_path / "p.jsonl", rows)
    assert refused(tmp_path, "p.jsonl") == (3, "p.jsonl", found)


def test_r27_two_rows_are_enough_for_an_answer(tmp_path):
    """Two rows of two classes: scores with wide intervals, and a verdict."""
    write_jsonl(tmp_path / "p.jsonl", predictions(2, right=1))
    told = judged(tmp_path, "p.jsonl", *THRESHOLD, "--set", "gate.decide_on=lower_bound")
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["n_test"] == 2


@pytest.mark.parametrize(
    ("change", "where", "found"),
    [
        ({"p_Central": "nan"}, "p.csv:4", "p_Central is 'nan', no probability"),
        ({"p_Central": ""}, "p.csv:4", "p_Central is empty or NaN, no probability"),
        ({"p_Northern": "-0.2"}, "p.csv:4", "p_Northern is '-0.2', no probability"),
        ({"p_Northern": "inf"}, "p.csv:4", "p_Northern is 'inf', no probability"),
        ({"p_Southern": "0.9"}, "p.csv:4", "the probabilities sum to 1.8, not to 1"),
        ({"predicted": ""}, "p.csv:4", "it has no label in 'predicted'"),
        ({"label": " "}, "p.csv:4", "it has no label in 'label'"),
    ],
)
def test_r27_a_bad_value_is_named_with_its_line(tmp_path, change, where, found):
    """Numbers that are none, negative, infinite or do not sum to 1, and labels that are missing: file, line, value."""
    rows = in_columns(with_probabilities([row | {"predicted": "Central"} for row in predictions()]))
    rows[2].update(change)
    write_table(tmp_path / "p.csv", rows)
    assert refused(tmp_path, "p.csv") == (3, where, found)


def test_r27_nan_in_json_is_no_probability(tmp_path):
    """NaN as Python writes it into JSON is refused, and how many rows have it is said."""
    rows = with_probabilities(predictions())
    for number in (5, 6, 9):
        rows[number]["probabilities"]["Northern"] = float("nan")
    write_jsonl(tmp_path / "p.jsonl", rows)
    found = "probabilities['Northern'] is empty or NaN, no probability (and so on in 2 rows more)"
    assert refused(tmp_path, "p.jsonl") == (3, "p.jsonl:6", found)


def test_rounded_probabilities_are_accepted(tmp_path):
    """A sum within .02 of 1 is rounding: 1/3 with two decimals."""
    rows = with_probabilities(predictions())
    for row in rows:
        row["probabilities"] = dict.fromkeys(LABELS, 0.33)
    write_jsonl(tmp_path / "p.jsonl", rows)
    told = judged(tmp_path, "p.jsonl", *THRESHOLD)
    log_loss = record(tmp_path, told, "evaluation/metrics.json")["candidate"]["log_loss"]
    assert log_loss == pytest.approx(1.0986, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "code", "where", "found"),
    [
        ('{"label": "a", "predicted": "a"}\n{"label": "a", "pre\n', 3, "p.jsonl:2",
         "the line cannot be read: not valid JSON: Unterminated string starting at column 16"),
        ('{"label": "a", "output": "a"}\n', 3, "p.jsonl",
         "there is no field with the predicted label; its fields are: label, output"),
        ('{"label": "a", "pred": "a", "prediction": "a"}\n', 3, "p.jsonl",
         "prediction and pred could both be the predicted label"),
        ('{"pred": "a"}\n', 2, "p.jsonl",
         "it holds no true labels, and the config names no test file to take them from"),
    ],
)  # fmt: skip
def test_files_that_are_no_predictions_are_refused(tmp_path, text, code, where, found):
    """A broken line, no predicted label, two of them, no way to the truth: each says what is missing."""
    (tmp_path / "p.jsonl").write_text(text)
    assert refused(tmp_path, "p.jsonl") == (code, where, found)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    """No such file, or one whose name tells no format: exit 2, and nothing is written."""
    assert refused(tmp_path, "gone.jsonl") == (2, "gone.jsonl", "there is no such file")
    (tmp_path / "p.xlsx").write_text("")
    assert refused(tmp_path, "p.xlsx") == (2, "p.xlsx", "the format of p.xlsx is not known")
    assert not (tmp_path / "experiments").exists()


def test_a_config_of_another_task_is_told_from_the_predictions(tmp_path):
    """model.num_labels that contradicts the predictions is exit 2, naming the line of the config."""
    write_project(tmp_path, train=1, val=1, test=1, model={"num_labels": 4})
    write_jsonl(tmp_path / "p.jsonl", predictions())
    code, where, found = refused(tmp_path, "p.jsonl")
    assert (code, where.startswith("ml_config.yaml:")) == (2, True)
    assert found == "model.num_labels is 4, but p.jsonl has 3 labels: 'Central', 'Northern' and 'Southern'"


def test_hostile_labels_do_not_reach_the_terminal_raw(tmp_path):
    """Escape sequences in labels and in file names are written out, in the verdict as in errors."""
    rows = predictions(labels=["\x1b[31mred\x07", "b"])
    rows[0]["predicted"] = "\x1b]0;x\x07"
    write_jsonl(tmp_path / "p\x1b[0m.jsonl", rows)
    done = ml_run("evaluate", "p\x1b[0m.jsonl", "--set", "gate.min_class_f1=0.99", cwd=tmp_path)
    assert done.code == 5
    assert "\x1b" not in done.out + done.err
    assert "\x07" not in done.out + done.err


# --- true labels from the test file -----------------------------------------------------------------------------------


@pytest.fixture
def unlabelled(tmp_path):
    """A project whose test file has ids, and the predictions for its rows without labels."""
    rows = [row | {"id": f"r{number}"} for number, row in enumerate(predictions())]
    write_project(tmp_path, train=1, val=1, deployment={"min_f1": 0.8, "min_accuracy": None})
    write_jsonl(tmp_path / "data/test.jsonl", [{k: row[k] for k in ("id", "text", "label")} for row in rows])
    return tmp_path, rows


def only(rows, *names, shuffled=True):
    kept = [{name: row[name] for name in (*names, "predicted")} for row in rows]
    if shuffled:
        random.Random(3).shuffle(kept)
    return kept


@pytest.mark.parametrize("key", ["id", "text", "line", None])
def test_labels_come_from_the_test_file(unlabelled, key):
    """Rows find their label by id, text or line, in any order; by their order alone if need be, which is said."""
    project, rows = unlabelled
    rows = [row | {"line": number} for number, row in enumerate(rows, 1)]
    write_jsonl(project / "p.jsonl", only(rows, *([key] if key else []), shuffled=key is not None))
    told = judged(project, "p.jsonl")
    right = sum(row["label"] == row["predicted"] for row in rows) / 120
    assert told["scores"]["candidate"]["accuracy"]["value"] == pytest.approx(right)
    how = {"id": "the field id", None: "their order"}.get(key, key)
    assert told["matched"] == f"the rows of data/test.jsonl, by {how}"
    assert told["notes"] == ([] if key else [
        "p.jsonl: matched with data/test.jsonl by the order of the rows alone: no id, text or line is in both"
    ])  # fmt: skip


def test_texts_are_matched_as_copies_are(unlabelled):
    """Apostrophes, blanks and capitals do not keep a row from finding its label; equal texts are paired in order."""
    project, rows = unlabelled
    for row in rows[:3]:
        row["text"] = "Waa hay'adda"
    rows[0]["label"], rows[1]["label"], rows[2]["label"] = LABELS
    write_jsonl(project / "data/test.jsonl", [{k: row[k] for k in ("text", "label")} for row in rows])
    for row in rows[:3]:
        row |= {"text": " waa  hay\u2019adda", "predicted": row["label"]}
    write_jsonl(project / "p.jsonl", only(rows, "text", shuffled=False))
    told = judged(project, "p.jsonl")
    right = sum(row["label"] == row["predicted"] for row in rows) / 120
    assert told["scores"]["candidate"]["accuracy"]["value"] == pytest.approx(right)


def test_label_map_makes_the_labels_of_both_files_the_same(unlabelled):
    """data.label_map is applied to the test file as the data stage does, and to foreign predictions."""
    project, rows = unlabelled
    old = {"Central": "c", "Northern": "n"}
    test = [{"text": row["text"], "label": old.get(row["label"], row["label"])} for row in rows]
    write_jsonl(project / "data/test.jsonl", test)
    write_jsonl(project / "p.jsonl", only([row | {"predicted": old.get(row["predicted"], row["predicted"])}
                                           for row in rows], "text"))  # fmt: skip
    config = (project / "ml_config.yaml").read_text()
    (project / "ml_config.yaml").write_text(
        config.replace("data:\n", "data:\n  label_map: {c: Central, n: Northern}\n")
    )
    told = judged(project, "p.jsonl")
    assert (told["verdict"], told["labels"], told["notes"]) == ("PASS", 3, [])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows[:-2], "2 rows of data/test.jsonl are missing; the first is data/test.jsonl:119"),
        (
            lambda rows: [*rows[2:], rows[2], rows[2]],
            (
                "2 rows of data/test.jsonl are missing; the first is data/test.jsonl:1; "
                "2 rows are double; the first is line 119"
            ),
        ),
        (
            lambda rows: [*rows, rows[0] | {"id": "new"}],
            "1 row is not in data/test.jsonl; the first is line 121",
        ),
    ],
)
def test_every_test_row_is_predicted_exactly_once(unlabelled, change, found):
    """A row that is missing, double or unknown is named with its file and line."""
    project, rows = unlabelled
    write_jsonl(project / "p.jsonl", change(only(rows, "id", shuffled=False)))
    code, where, said = refused(project, "p.jsonl")
    assert (code, where) == (3, "p.jsonl")
    assert said == f"matched by the field id, {found}"


def test_r27_files_of_different_length_are_told_by_their_numbers(unlabelled):
    """Nothing but the order to match rows by, and not as many of them: exit 3 with both numbers."""
    project, rows = unlabelled
    write_jsonl(project / "p.jsonl", only(rows[:100]))
    assert refused(project, "p.jsonl") == (
        3, "p.jsonl",
        "it has 100 rows, data/test.jsonl has 120, and nothing says which is which: no id, text or line is in both",
    )  # fmt: skip


# --- against another model --------------------------------------------------------------------------------------------


def test_another_model_is_compared_as_production_is(tmp_path):
    """--against: both criteria against production apply, rows are matched by text, whatever their order."""
    good, bad = predictions(right=0.97), predictions(right=0.6, seed=2)
    write_jsonl(tmp_path / "good.jsonl", good)
    write_jsonl(tmp_path / "bad.jsonl", random.Random(5).sample(bad, len(bad)))
    gate = ("--set", "gate.max_regression=0.02", "--set", "gate.min_improvement=0.05")
    told = judged(tmp_path, "good.jsonl", "--against", "bad.jsonl", *gate)
    assert (told["verdict"], told["against"]) == ("PASS", "bad.jsonl")
    assert set(told["scores"]) == {"candidate", "production"}
    right = [sum(row["label"] == row["predicted"] for row in rows) / 120 for rows in (good, bad)]
    assert told["comparisons"][0]["accuracy_difference"]["value"] == pytest.approx(right[0] - right[1])
    told = judged(tmp_path, "bad.jsonl", "--against", "good.jsonl", *gate)
    assert {c["name"]: c["verdict"] for c in told["criteria"]} == {"max_regression": "FAIL", "min_improvement": "FAIL"}


def test_r30_predictions_against_themselves_are_never_superior(tmp_path):
    """The same file on both sides: difference 0, no regression, and no improvement."""
    write_jsonl(tmp_path / "p.jsonl", with_probabilities(predictions()))
    gate = ("--set", "gate.max_regression=0.1", "--set", "gate.min_improvement=0")
    told = judged(tmp_path, "p.jsonl", "--against", "p.jsonl", *gate)
    (comparison,) = told["comparisons"]
    assert comparison["macro_f1_difference"]["value"] == comparison["accuracy_difference"]["value"] == 0
    verdicts = {c["name"]: c["verdict"] for c in told["criteria"]}
    assert verdicts["max_regression"] == "PASS"
    assert verdicts["min_improvement"] != "PASS"


def test_the_other_file_must_speak_of_the_same_rows(tmp_path):
    """Rows that it lacks, and true labels that it contradicts, are errors; rows that it has besides are left out."""
    rows = predictions()
    write_jsonl(tmp_path / "p.jsonl", rows)
    write_jsonl(tmp_path / "few.jsonl", rows[1:])
    assert refused(tmp_path, "p.jsonl", "--against", "few.jsonl") == (
        3, "few.jsonl", "matched by text, 1 row of p.jsonl is missing; the first is p.jsonl:1"
    )  # fmt: skip
    write_jsonl(tmp_path / "other.jsonl", [rows[0] | {"label": "Southern"}, *rows[1:]])
    assert refused(tmp_path, "p.jsonl", "--against", "other.jsonl") == (
        3, "other.jsonl:1", "1 row with another true label; the first: 'Southern' there, 'Central' in p.jsonl"
    )  # fmt: skip
    write_jsonl(tmp_path / "more.jsonl", [*rows, rows[0] | {"text": "kale"}])
    told = judged(tmp_path, "p.jsonl", "--against", "more.jsonl")
    assert told["notes"] == ["more.jsonl: 1 row that p.jsonl has not are left out"]


# --- looks ------------------------------------------------------------------------------------------------------------


def test_r31_judging_predictions_is_a_look_at_the_test_set(tmp_path):
    """Another model on the same rows is the next look and judged more strictly; the same model again is none."""
    for number in (1, 2):
        write_jsonl(tmp_path / f"p{number}.jsonl", predictions(seed=number))
    looks = [
        judged(tmp_path, name, "--against", "p1.jsonl")["comparisons"][0]
        for name in ("p2.jsonl", "p1.jsonl", "p2.jsonl")
    ]
    assert [one["look"] for one in looks] == [1, 2, 1]
    assert looks[1]["level"] > looks[0]["level"] == looks[2]["level"]
    assert len((tmp_path / "experiments/test_ledger.jsonl").read_text().splitlines()) == 2


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path):
    """Where no folder can be made the command says so, and where."""
    write_jsonl(tmp_path / "p.jsonl", predictions())
    (tmp_path / "experiments").write_text("a file")
    done = ml_run("evaluate", "p.jsonl", "--quiet", cwd=tmp_path)
    assert done.code == 2
    assert f"{tmp_path}/experiments: cannot write here: File exists" in done.err
