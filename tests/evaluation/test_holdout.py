"""A source that the model never saw, and what knowing sources is worth: through the front door, on a linear model."""

import json
import random

import pyarrow.parquet as pq
import pytest

from conftest import make_rows, write_jsonl, write_project
from harness import ml_run

SOURCES = ("paper", "radio", "village")
_STRANGE = str.maketrans("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba")


def sourced_rows(count, seed):
    """Rows of three sources in turn; those of the village write other letters for all letters."""
    chance = random.Random(seed)
    rows = make_rows(count, seed)
    for row in rows:
        row["source"] = chance.choice(SOURCES)
        if row["source"] == "village":
            row["text"] = row["text"].translate(_STRANGE)
    return rows


def project(folder, holdout=None, rows=None, **data):
    paths = {f"{name}_path": f"data/{name}.jsonl" for name in ("train", "val", "test")}
    write_project(
        folder,
        model={"name": "linear"},
        data={**paths, "group_field": "source", **data},
        evaluation={"holdout_group": holdout} if holdout else {},
    )
    for seed, (name, count) in enumerate({"train": 240, "val": 90, "test": 150}.items()):
        write_jsonl(folder / f"data/{name}.jsonl", (rows or {}).get(name) or sourced_rows(count, seed + 20))
    return folder


def read(folder, name):
    (run,) = (folder / "experiments").glob("exp_*")
    path = run / name
    return path.read_text("utf-8") if path.suffix == ".md" else json.loads(path.read_text("utf-8"))


def column(folder, split, name):
    (run,) = (folder / "experiments").glob("exp_*")
    return pq.read_table(run / f"data/{split}.parquet")[name].to_pylist()


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("held"), holdout="village")
    return folder, ml_run("linear try", "--until", "gate", cwd=folder)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("known"))
    return folder, ml_run("linear try", "--until", "gate", cwd=folder)


def test_nothing_is_trained_on_a_source_held_out(held_out):
    """Train and val lack its rows, data/holdout.parquet has them, and the test split is as it was."""
    folder, done = held_out
    assert done.code == 0, done.err
    for split in ("train", "val"):
        assert set(column(folder, split, "group")) == {"paper", "radio"}
    assert set(column(folder, "holdout", "group")) == {"village"}
    assert column(folder, "test", "group").count("village") > 30
    report = read(folder, "data/report.json")["holdout"]
    assert report["rows"] == len(column(folder, "holdout", "group"))
    assert report["in_test"] == column(folder, "test", "group").count("village")


def test_the_score_on_the_source_stands_beside_that_on_others(held_out):
    """All rows of the source are scored, those of test too; a model that cannot read them is far worse on them."""
    folder, _ = held_out
    found = read(folder, "evaluation/metrics.json")["holdout"]
    scored = len(column(folder, "holdout", "group")) + column(folder, "test", "group").count("village")
    assert (found["group"], found["scores"]["n"]) == ("village", scored)
    assert found["elsewhere"]["n"] == 150 - column(folder, "test", "group").count("village")
    here, there = found["scores"]["accuracy"]["value"], found["elsewhere"]["accuracy"]["value"]
    assert found["difference"]["value"] == pytest.approx(here - there)
    assert found["difference"]["high"] < -0.3
    text = read(folder, "report.md")
    assert "On village, a source it never saw, its macro-F1 is" in text
    assert "It is weaker on texts of the source village" in text
    assert "Do not rely on it for texts of the source village" in text


def test_what_knowing_a_source_is_worth_is_measured_without_being_asked(known):
    """With a group field alone, linear models that never saw the village are far worse on it than those that did."""
    folder, done = known
    assert done.code == 0, done.err
    found = read(folder, "evaluation/metrics.json")
    assert found["holdout"] is None
    assert found["sources"]["groups"] == 3
    assert found["sources"]["rows"] == found["sources"]["of"] == 480
    worst, *others = found["sources"]["sources"]
    assert worst["group"] == "village"
    assert worst["difference"]["high"] < -0.3
    assert all(one["difference"]["low"] > -0.1 for one in others)
    assert "part of a score on these sources is owed to knowing them" in read(folder, "report.md")


def test_the_slices_of_a_run_are_in_its_record_and_report(known):
    """Sources, lengths and texts longer than is read are slices; the report names them and shows a chart."""
    folder, _ = known
    found = read(folder, "evaluation/metrics.json")["slices"]
    kinds = {one["kind"] for one in found}
    assert {"group", "length"} <= kinds
    assert {one["name"] for one in found if one["kind"] == "group"} == set(SOURCES)
    assert sum(one["n"] for one in found if one["kind"] == "length") == 150
    text = read(folder, "report.md")
    assert "## Where it is weaker" in text
    (run,) = (folder / "experiments").glob("exp_*")
    assert (run / "evaluation/figures/slices.svg").is_file()


def faults(tmp_path, **changed):
    done = ml_run("linear try", "--until", "data", cwd=project(tmp_path, **changed))
    assert done.code == 2
    return " ".join(done.err.split())


def test_a_source_that_no_row_has_is_an_error_with_the_nearest(tmp_path):
    """The error names the key and the most similar sources, before anything is trained."""
    said = faults(tmp_path, holdout="vilage")
    assert "evaluation.holdout_group is vilage, but no row has that source" in said
    assert "did you mean village?" in said


def test_a_source_that_a_class_cannot_do_without_is_an_error(tmp_path):
    """Holding out a source that has all training rows of a class would leave a class that nobody can know."""
    rows = sourced_rows(240, 20)
    for row in rows:
        row["source"] = "village" if row["label"] == "Central" else "paper"
    said = faults(tmp_path, holdout="village", rows={"train": rows})
    assert "evaluation.holdout_group is village, which has all training rows of Central, 80 rows" in said


def test_a_source_cannot_be_held_out_without_a_field_that_names_sources(tmp_path):
    """The config error names both keys."""
    said = faults(tmp_path, holdout="village", group_field=None)
    assert "evaluation.holdout_group is village, but data.group_field is not set" in said


def test_what_another_source_says_too_is_not_unseen(tmp_path):
    """A row of the source whose text stands in train under another source is left out of its score, and counted."""
    rows = sourced_rows(240, 20)
    number = next(number for number, row in enumerate(rows) if row["source"] == "village")
    rows.append({**rows[number], "source": "paper"})
    folder = project(tmp_path, holdout="village", rows={"train": rows})
    done = ml_run("linear try", "--until", "data", cwd=folder)
    assert done.code == 0, done.err
    assert read(folder, "data/report.json")["holdout"]["copies"] == 1
    assert rows[number]["text"] not in column(folder, "holdout", "text")


def test_an_evaluation_is_made_anew_when_only_the_sources_of_rows_changed(tmp_path):
    """The same texts and labels under other sources make another evaluation: a resumed run drops the old one."""
    folder = project(tmp_path)
    assert ml_run("linear try", "--until", "evaluate", cwd=folder).code == 0
    rows = sourced_rows(150, 22)
    write_jsonl(folder / "data/test.jsonl", [row | {"source": "paper"} for row in rows])
    (run,) = (folder / "experiments").glob("exp_*")
    done = ml_run("--resume", run.name, "--until", "evaluate", cwd=folder)
    assert done.code == 0, done.err
    assert [one["kind"] for one in read(folder, "evaluation/metrics.json")["slices"] if one["kind"] == "group"] == []
