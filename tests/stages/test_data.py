import csv
import io
import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from conftest import SHARED, make_rows
from ml_run.config import Config
from ml_run.errors import ConfigError, ExitCode, NotReadyError
from ml_run.experiment import Experiment
from ml_run.results import PreparedData
from ml_run.splits import read_split
from ml_run.stages.data import prepare_data

FORMATS = ("jsonl", "csv", "tsv", "parquet")
SPLITS = ("train", "val", "test")


def _clean(**counts):
    sizes = {"train": 120, "val": 60, "test": 120} | counts
    return {split: make_rows(sizes[split], seed) for seed, split in enumerate(SPLITS)}


def _write(path: Path, rows: list[dict]) -> None:
    import gzip

    path.parent.mkdir(parents=True, exist_ok=True)
    content = _content(path.name.removesuffix(".gz"), rows)
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)


def _content(name: str, rows: list[dict]) -> bytes:
    fields = list(dict.fromkeys(key for row in rows for key in row))
    if name.endswith("jsonl"):
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if name.endswith("parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = io.BytesIO()
        pq.write_table(pa.table({field: [row.get(field) for row in rows] for field in fields}), file)
        return file.getvalue()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields, delimiter="\t" if name.endswith("tsv") else ",", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _line(index: int, form: str) -> int:
    """The physical line of row `index`: tables have a header above."""
    return index + (2 if form.startswith(("csv", "tsv")) else 1)


def _prepare(folder: Path, rows: dict[str, list[dict]], form: str = "jsonl", num_labels=None, **data):
    """Write the splits and prepare them; returns the answer and the experiment."""
    for split, found in rows.items():
        _write(folder / f"data/{split}.{form}", found)
        data.setdefault(f"{split}_path", str(folder / f"data/{split}.{form}"))
    return _prepare_files(folder, num_labels, **data)


def _prepare_files(folder: Path, num_labels=None, **data):
    experiment = Experiment(folder / "experiments/exp_1")
    experiment.folder.mkdir(parents=True, exist_ok=True)
    config = Config.model_validate({"data": data, "model": {"name": "scratch:tiny", "num_labels": num_labels}})
    return prepare_data(config, experiment), experiment


def _rejected(experiment):
    return [json.loads(line) for line in experiment.rejected.read_text("utf-8").splitlines()]


def _queue(experiment):
    return list(csv.DictReader(io.StringIO(experiment.review_queue.read_text("utf-8-sig"), newline="")))


def _rules(prepared):
    return {found.rule: found.severity for found in prepared.findings}


def _finding(prepared, rule):
    [found] = [found for found in prepared.findings if found.rule == rule]
    return found


def _places(found):
    return [(example.file, example.line) for example in found.examples]


# --- clean data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [*FORMATS, *(f"{form}.gz" for form in FORMATS)])
def test_clean_data_gives_no_finding(tmp_path, form):
    """Rows without a defect are ready in every format, and all of them are written, in order."""
    rows = _clean()
    prepared, experiment = _prepare(tmp_path, rows, form, num_labels=3)
    assert (prepared.readiness, prepared.findings) == ("ready", ())
    assert prepared.labels == ("Central", "Northern", "Southern")
    assert (prepared.text_fields, prepared.label_field, prepared.synthetic) == (("text",), "label", False)
    for split in SPLITS:
        written = read_split(experiment.split(split))
        assert written.texts == [row["text"] for row in rows[split]]
        assert written.labels == [row["label"] for row in rows[split]]
        assert written.label_ids == [prepared.labels.index(row["label"]) for row in rows[split]]
        assert written.lines == [_line(index, form) for index in range(len(rows[split]))]
        assert set(written.files) == {f"data/{split}.{form}"}
        assert len(set(written.hashes)) == len(rows[split])
    assert _rejected(experiment) == []
    assert _queue(experiment) == []


def test_the_summary_counts_what_was_kept(tmp_path):
    """Each split's summary holds its rows, classes and lengths."""
    prepared, _ = _prepare(tmp_path, _clean())
    summary = prepared.splits["train"]
    assert (summary.name, summary.source, summary.rows, summary.rejected) == ("train", "data/train.jsonl", 120, 0)
    assert summary.classes == {"Central": 40, "Northern": 40, "Southern": 40}
    assert (summary.words.minimum, summary.words.median, summary.words.maximum) == (10, 10, 10)
    assert summary.characters.minimum <= summary.characters.mean <= summary.characters.p95


def test_fingerprints_name_texts_and_labels(tmp_path):
    """The same rows have the same fingerprint in every format; one changed label changes its split's and the whole."""
    first, _ = _prepare(tmp_path / "a", _clean(), "jsonl")
    same, _ = _prepare(tmp_path / "b", _clean(), "parquet.gz")
    changed = _clean()
    changed["val"][0]["label"] = "Northern"
    other, _ = _prepare(tmp_path / "c", changed)
    assert same.fingerprint == first.fingerprint
    assert other.fingerprint != first.fingerprint
    assert [s for s in SPLITS if other.splits[s].fingerprint != first.splits[s].fingerprint] == ["val"]


def test_a_synthetic_source_is_known_by_its_name(tmp_path):
    """Whatever a file calls SYNTHETIC in its name stays so called."""
    rows = _clean()
    _write(tmp_path / "train_Synthetic.jsonl", rows.pop("train"))
    prepared, _ = _prepare(tmp_path, rows, train_path=str(tmp_path / "train_Synthetic.jsonl"))
    assert prepared.synthetic


# --- rows that cannot be used, in every format ----------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_without_label_or_text_is_left_out_by_line(tmp_path, form):
    """A missing field is an error, and the row is in rejected.jsonl with its line."""
    rows = _clean()
    rows["train"][6]["label"] = None
    rows["test"][119]["text"] = None
    prepared, experiment = _prepare(tmp_path, rows, form)
    is_table = form.startswith(("csv", "tsv"))  # a table has no null: its text is empty, not missing
    assert _rules(prepared)["missing_field"] == "error"
    assert prepared.readiness == "not ready"
    assert [(row["split"], row["file"], row["line"], row["reason"]) for row in _rejected(experiment)] == [
        ("train", f"data/train.{form}", _line(6, form), "missing_field"),
        ("test", f"data/test.{form}", _line(119, form), "empty_text" if is_table else "missing_field"),
    ]
    assert _rejected(experiment)[0]["row"]["text"] == rows["train"][6]["text"]
    assert (prepared.splits["train"].rejected, prepared.splits["train"].rows) == (1, 119)
    assert _places(_finding(prepared, "missing_field"))[0] == (f"data/train.{form}", _line(6, form))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", ["", "  ", "12 – 7!", "😀 👍"])
def test_a_text_without_letters_is_left_out(tmp_path, form, text):
    """A text without a letter teaches nothing: left out, a warning while there are few."""
    rows = _clean()
    rows["train"][3]["text"] = text
    prepared, experiment = _prepare(tmp_path, rows, form)
    assert _rules(prepared) == {"empty_text": "warning"}
    assert prepared.readiness == "ready with warnings"
    [row] = _rejected(experiment)
    problem = "its text has no letter" if text.strip() else "its text is empty"
    assert (row["line"], row["reason"], row["problem"]) == (_line(3, form), "empty_text", problem)


def test_many_empty_texts_are_an_error(tmp_path):
    """Above 0.5 % of all rows empty texts say that the source is broken."""
    rows = _clean()
    for number in (0, 10):
        rows["train"][number]["text"] = ""
    prepared, _ = _prepare(tmp_path, rows)
    found = _finding(prepared, "empty_text")
    assert (found.severity, found.count, found.share) == ("error", 2, 2 / 300)


def test_letters_of_any_script_are_letters(tmp_path):
    """Scripts without case or with combining marks are no empty texts."""
    rows = _clean()
    texts = ["ሰላም", "مرحبا", "नमस्ते", "你好", "ꯍꯦꯂꯣ", "ߊߟߎ", "ᱡᱚᱦᱟᱨ"]
    for row, text in zip(rows["train"], texts, strict=False):
        row["text"] = text
    prepared, _ = _prepare(tmp_path, rows)
    assert {rule for rule, severity in _rules(prepared).items() if severity != "info"} == {"script_mix"}
    assert prepared.splits["train"].rows == 120


@pytest.mark.parametrize(
    ("row", "rule", "problem"),
    [
        ({"text": 7, "label": "Northern"}, "wrong_type", "the field 'text' is a number, not a string"),
        ({"text": True, "label": "Northern"}, "wrong_type", "the field 'text' is true or false, not a string"),
        ({"text": ["a"], "label": "Northern"}, "wrong_type", "the field 'text' is a list, not a string"),
        ({"text": {"a": 1}, "label": "Northern"}, "wrong_type", "the field 'text' is an object, not a string"),
        ({"text": "waa", "label": ["Northern"]}, "wrong_type", "the field 'label' is a list, not one label"),
        ({"text": "waa", "label": {"a": 1}}, "wrong_type", "the field 'label' is an object, not one label"),
        ({"text": "waa", "label": "  "}, "missing_field", "it has no 'label'"),
        ({"text": "waa"}, "missing_field", "it has no 'label'"),
        ({"label": "Northern"}, "missing_field", "it has no 'text'"),
        ({}, "missing_field", "it has no 'text'"),
    ],
)
def test_a_value_of_another_type_is_left_out(tmp_path, row, rule, problem):
    """JSON can hold anything; a row that is no text with one label is named with what it has instead."""
    rows = _clean()
    rows["val"][4] = row
    prepared, experiment = _prepare(tmp_path, rows)
    assert _rules(prepared) == {rule: "error"}
    assert _rejected(experiment) == [
        {"split": "val", "file": "data/val.jsonl", "line": 5, "reason": rule, "problem": problem, "row": row}
    ]


@pytest.mark.parametrize(
    ("form", "line", "raw"),
    [("jsonl", 121, '{"text": "waa", "lab'), ("csv", 122, "waa"), ("tsv", 122, "waa\tNorthern\tx")],
)
def test_an_unreadable_line_is_an_error_and_is_kept_to_look_at(tmp_path, form, line, raw):
    """A line that cannot be read ends "not ready", and stands word for word in rejected.jsonl."""
    rows = _clean()
    _write(tmp_path / f"data/train.{form}", rows["train"])
    with (tmp_path / f"data/train.{form}").open("a") as file:
        file.write(raw + "\n")
    rows.pop("train")
    prepared, experiment = _prepare(tmp_path, rows, form, train_path=str(tmp_path / f"data/train.{form}"))
    assert _rules(prepared) == {"unreadable_line": "error"}
    [row] = _rejected(experiment)
    assert (row["split"], row["line"], row["row"]) == ("train", line, raw)
    found = _finding(prepared, "unreadable_line")
    assert _places(found) == [(f"data/train.{form}", line)]
    assert found.message.startswith(f"1 row left out (1 in data/train.{form}); the first is line {line} of ")


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv"])
def test_a_line_in_another_encoding_is_an_error(tmp_path, form):
    """A line of Latin-1 in a UTF-8 file is left out by number, never guessed at."""
    rows = _clean()
    rows["train"][10]["text"] += " café"
    path = tmp_path / f"data/train.{form}"
    _write(path, rows.pop("train"))
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9"))
    prepared, experiment = _prepare(tmp_path, rows, form, train_path=str(path))
    assert _rules(prepared) == {"encoding": "error"}
    [row] = _rejected(experiment)
    assert (row["reason"], row["line"]) == ("encoding", _line(10, form))
    assert "caf\\xe9" in row["row"]


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv"])
def test_a_byte_order_mark_is_only_noted(tmp_path, form):
    """A BOM and blank lines are what editors leave behind: said, not held against the data."""
    rows = _clean()
    path = tmp_path / f"data/train.{form}"
    _write(path, rows.pop("train"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
    prepared, _ = _prepare(tmp_path, rows, form, train_path=str(path))
    assert _rules(prepared) == {"bom": "info", "blank_line": "info"}
    assert (prepared.readiness, prepared.splits["train"].rows) == ("ready", 120)


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_blanks_around_labels_are_taken_off(tmp_path, form):
    """`Northern ` is `Northern`, and that is said."""
    rows = _clean()
    rows["train"][1]["label"] = " Northern "
    prepared, experiment = _prepare(tmp_path, rows, form)
    assert _rules(prepared) == {"label_whitespace": "info"}
    assert _places(_finding(prepared, "label_whitespace")) == [(f"data/train.{form}", _line(1, form))]
    assert read_split(experiment.split("train")).labels[1] == "Northern"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("variant", ["northern", "NORTHERN", "North ern", "Ｎorthern", "Northern\u200b"])
def test_labels_that_differ_only_in_form_are_an_error(tmp_path, form, variant):
    """Two spellings of one label are never joined by guess: the remedy is the mapping to write."""
    rows = _clean()
    for index in range(12):
        rows["train"][1 + 3 * index]["label"] = variant
    prepared, _ = _prepare(tmp_path, rows, form)
    found = _finding(prepared, "label_variants")
    assert (found.severity, found.count, prepared.readiness) == ("error", 12, "not ready")
    assert found.remedy == f"if they mean the same, write data.label_map: {{{variant!r}: 'Northern'}}"
    assert _places(found)[0] == (f"data/train.{form}", _line(1, form))


def test_label_map_maps_what_it_names_and_nothing_else(tmp_path):
    """Labels are mapped as written down; the others stay, and an entry that no row has is said."""
    rows = _clean()
    for split in rows.values():
        for row in split:
            row["label"] = {"Northern": "north ", "Southern": "south"}.get(row["label"], row["label"])
    label_map = {"north": "Northern", "south": "Southern", "nord": "Northern"}
    prepared, experiment = _prepare(tmp_path, rows, label_map=label_map, num_labels=3)
    assert prepared.labels == ("Central", "Northern", "Southern")
    assert _rules(prepared) == {"label_whitespace": "info", "label_map_unused": "warning"}
    assert _finding(prepared, "label_map_unused").message == "no row has the label 'nord' that data.label_map names"
    assert Counter(read_split(experiment.split("test")).labels)["Northern"] == 40


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_numeric_labels_become_their_text_in_numeric_order(tmp_path, form):
    """Labels 0, 2, 10 are the strings "0", "2", "10", in that order."""
    rows = _clean()
    for split in rows.values():
        for row in split:
            row["label"] = {"Northern": 10, "Southern": 2, "Central": 0}[row["label"]]
    prepared, experiment = _prepare(tmp_path, rows, form)
    assert (prepared.findings, prepared.labels) == ((), ("0", "2", "10"))
    assert read_split(experiment.split("train")).label_ids[:3] == [0, 2, 1]


def test_labels_true_and_false_are_written_as_json_has_them(tmp_path):
    """A boolean label is a class, not a missing value."""
    rows = _clean()
    for split in rows.values():
        for number, row in enumerate(split):
            row["label"] = number % 2 == 0
    assert _prepare(tmp_path, rows)[0].labels == ("false", "true")


@pytest.mark.parametrize("form", FORMATS)
def test_a_label_only_in_test_is_an_error(tmp_path, form):
    """A class that training never sees can only be wrong."""
    rows = _clean()
    for index in range(30):
        rows["test"][index]["label"] = "Maay"
    prepared, _ = _prepare(tmp_path, rows, form)
    found = _finding(prepared, "label_only_in_eval")
    assert (found.severity, found.count) == ("error", 30)
    assert found.message == "'Maay' occurs in val or test, but never in train"
    assert _places(found)[0] == (f"data/test.{form}", _line(0, form))


def test_one_file_for_train_and_test(tmp_path):
    """Where every training row of a label is left out as a copy, that is said, and not that train never had it."""
    rows = _clean()
    rows["test"] = [row for row in rows["train"] if row["label"] != "Central"] + rows["test"][:60]
    found = _finding(_prepare(tmp_path, rows)[0], "label_only_in_eval")
    message = "every training row of 'Northern', 'Southern' has a copy in val or test, and was left out for it"
    assert (found.severity, found.message) == ("error", message)
    assert found.remedy == "give train other rows than val and test: make the splits again, or add training rows"


def test_classes_too_small_to_learn_or_judge(tmp_path):
    """Under 10 rows of a class in train or test is an error, under 30 in test a warning, none in val a warning."""
    rows = _clean()
    rows["train"] = [row for row in rows["train"] if row["label"] != "Central"] + [
        row for row in rows["train"] if row["label"] == "Central"
    ][:9]
    rows["test"] = [row for row in rows["test"] if row["label"] != "Northern"] + [
        row for row in rows["test"] if row["label"] == "Northern"
    ][:29]
    rows["val"] = [row for row in rows["val"] if row["label"] != "Southern"]
    prepared, _ = _prepare(tmp_path, rows)
    assert _rules(prepared) == {"class_too_small": "error", "class_small": "warning"}
    assert _finding(prepared, "class_too_small").message == "fewer than 10 rows of a class: Central 9 in train"
    assert _finding(prepared, "class_small").message == (
        "fewer than 30 test rows of a class, or none in val: Northern 29 in test, Southern 0 in val; "
        "with 29 rows a recall of 0.79 could be anything from 0.62 to 0.90"
    )


def test_a_class_too_small_in_test_is_an_error(tmp_path):
    """Nine test rows of a class cannot judge it, however many training has."""
    rows = _clean()
    small = [row for row in rows["test"] if row["label"] == "Northern"][:9]
    rows["test"] = [row for row in rows["test"] if row["label"] != "Northern"] + small
    prepared, _ = _prepare(tmp_path, rows)
    assert _rules(prepared) == {"class_too_small": "error"}
    assert _finding(prepared, "class_too_small").message == "fewer than 10 rows of a class: Northern 9 in test"


def test_imbalance_is_a_warning(tmp_path):
    """More than ten times as many rows of one class as of another asks for a second look, not a stop."""
    rows = _clean(train=360)
    small = [row for row in rows["train"] if row["label"] == "Southern"][:11]
    rows["train"] = [row for row in rows["train"] if row["label"] != "Southern"] + small
    prepared, _ = _prepare(tmp_path, rows)
    assert _rules(prepared) == {"imbalance": "warning"}
    assert _finding(prepared, "imbalance").message == (
        "'Central' has 120 training rows, 'Southern' 11: 11 times as many"
    )


def test_one_label_is_nothing_to_learn(tmp_path):
    """A single class ends not ready: it is most likely the wrong field."""
    rows = {split: [row | {"label": "x"} for row in found] for split, found in _clean().items()}
    prepared, _ = _prepare(tmp_path, rows)
    assert _rules(prepared) == {"single_label": "error"}


def test_num_labels_against_the_data_names_both(tmp_path):
    """`num_labels` that contradicts the data is a config error with both numbers, the labels and the stray rows."""
    rows = _clean()
    rows["train"][7]["label"] = "Nothern"
    rows["train"][16]["label"] = "northern"
    with pytest.raises(ConfigError) as caught:
        _prepare(tmp_path, rows, num_labels=3)
    assert caught.value.exit_code == ExitCode.USAGE
    assert str(caught.value) == (
        "model.num_labels: model.num_labels is 3, but the data has 5 labels: "
        "'Central', 'Northern', 'Nothern', 'Southern', 'northern'\n"
        "  → 'Northern', 'northern' may be the same: map them in data.label_map; look at the rarest: "
        "'Nothern' (1 row, line 8 of data/train.jsonl), 'northern' (1 row, line 17 of data/train.jsonl); "
        "otherwise set model.num_labels: 5, leave it out, or check data.label_field"
    )
    with pytest.raises(ConfigError, match=r"num_labels is 9, but the data has 3 labels: 'Central', 'Northern'"):
        _prepare(tmp_path, _clean(), num_labels=9)


# --- copies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "change", [str, str.upper, lambda t: f" {t.replace(' ', '  ')}\u200b", lambda t: t.replace("a", "a\ufeff", 1)]
)
def test_a_copy_of_a_test_row_leaves_train(tmp_path, form, change):
    """A training row that says what a test row says is left out, whatever its case, blanks and invisible marks."""
    rows = _clean(test=300)
    rows["train"][5] = {"text": change(rows["test"][2]["text"]), "label": rows["test"][2]["label"]}
    prepared, experiment = _prepare(tmp_path, rows, form)
    found = _finding(prepared, "leak_exact")
    assert (found.severity, found.count) == ("info", 1)
    assert found.message == "1 of 300 test rows (0.3 %) are also in train; 1 row of train left out"
    assert (prepared.readiness, prepared.splits["train"].rows, prepared.splits["test"].rows) == ("ready", 119, 300)
    assert prepared.splits["train"].rejected == 1
    [row] = _rejected(experiment)
    assert (row["line"], row["reason"]) == (_line(5, form), "leak_exact")
    assert row["problem"] == f"its text is also in test, line {_line(2, form)} of data/test.{form}"
    assert [(row["split"], row["line"], row["correct_label"]) for row in _queue(experiment)] == [
        ("train", str(_line(5, form)), "")
    ]


@pytest.mark.parametrize(
    ("copies", "settings", "severity", "kept"),
    [
        (1, {}, "warning", 119),
        (6, {}, "warning", 114),
        (7, {}, "error", 113),
        (7, {"leaks": "drop"}, "warning", 113),
        (1, {"leaks": "keep"}, "warning", 120),
        (7, {"leaks": "keep"}, "warning", 120),
        (1, {"leaks": "error"}, "error", 120),
    ],
)
def test_data_leaks_decides(tmp_path, copies, settings, severity, kept):
    """Above 0.5 % of a split is a warning, above 5 % an error, unless the config says what to do with leaks."""
    rows = _clean()
    rows["train"][:copies] = [dict(row) for row in rows["test"][:copies]]
    prepared, _ = _prepare(tmp_path, rows, **settings)
    assert _rules(prepared) == {"leak_exact": severity}
    assert prepared.splits["train"].rows == kept
    assert prepared.splits["test"].rows == 120


def test_val_and_test_stay_whole(tmp_path):
    """A copy between val and test is said, and both keep it."""
    rows = _clean(test=300)
    rows["val"][:20] = [dict(row) for row in rows["test"][:20]]
    assert _rules(_prepare(tmp_path, rows)[0]) == {"leak_exact": "warning"}  # 6.7 %, and still no error
    rows["val"] = make_rows(60, 1)
    rows["val"][0] = dict(rows["test"][0])
    prepared, experiment = _prepare(tmp_path, rows)
    found = _finding(prepared, "leak_exact")
    assert (found.severity, found.message) == ("warning", "1 of 300 test rows (0.3 %) are also in val; all are kept")
    assert (prepared.splits["val"].rows, prepared.splits["test"].rows, _rejected(experiment)) == (60, 300, [])


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_text_under_two_labels(tmp_path, form):
    """A conflict is found within and between splits, counted as the labels that must be wrong, and queued."""
    rows = _clean()
    rows["train"][4] = {"text": rows["train"][0]["text"].upper(), "label": "Northern"}
    prepared, experiment = _prepare(tmp_path, rows, form)
    found = _finding(prepared, "conflict")
    assert (found.severity, found.count) == ("warning", 2)
    assert found.message == "1 text stands under different labels, in 2 rows: at least 1 label must be wrong"
    assert _rules(prepared) == {"conflict": "warning", "label_error": "info"}
    queue = _queue(experiment)
    assert [(row["line"], row["label"]) for row in queue] == [
        (str(_line(0, form)), "Central"),
        (str(_line(4, form)), "Northern"),
    ]
    assert queue[0]["why"] == (
        f"conflict: the same text has the label Northern (data/train.{form}, line {_line(4, form)})"
    )


def test_many_conflicts_are_an_error(tmp_path):
    """Above 1 % of all rows, conflicts are a floor under the error rate that no model gets below."""
    rows = _clean()
    rows["train"][1] |= {"text": rows["train"][0]["text"]}
    rows["train"][4] |= {"text": rows["train"][3]["text"]}
    prepared, _ = _prepare(tmp_path, rows)
    assert _rules(prepared)["conflict"] == "error"


@pytest.mark.parametrize("form", FORMATS)
def test_copies_inside_a_split_are_kept_and_said(tmp_path, form):
    """A repeated row is no fault of the split; more than 1 % of a split is worth a look."""
    rows = _clean()
    rows["train"][3] = dict(rows["train"][0])
    prepared, _ = _prepare(tmp_path, rows, form)
    found = _finding(prepared, "duplicate_exact")
    assert (found.severity, found.count, prepared.splits["train"].rows) == ("info", 1, 120)
    assert _places(found) == [(f"data/train.{form}", _line(3, form))]
    rows["train"][6] = dict(rows["train"][0])
    assert _rules(_prepare(tmp_path, rows, form)[0]) == {"duplicate_exact": "warning"}


# --- groups and made splits -----------------------------------------------------------------------------------------


def test_a_group_in_two_splits_is_a_warning(tmp_path):
    """Rows of one source in train and test let a model learn the source."""
    rows = _clean()
    for split, found in rows.items():
        for number, row in enumerate(found):
            row["source"] = f"{split} {number % 5}"
    rows["test"][0]["source"] = rows["train"][0]["source"]
    rows["test"][1]["source"] = None
    prepared, experiment = _prepare(tmp_path, rows, group_field="source")
    assert _rules(prepared) == {"leak_group": "warning", "missing_group": "warning"}
    assert _finding(prepared, "leak_group").message == (
        "1 group of train also has rows in val or test: 1 of the 180 rows there"
    )
    assert read_split(experiment.split("test")).groups[:3] == ["train 0", None, "test 2"]


def test_missing_splits_are_made_and_stay_when_rows_are_added(tmp_path):
    """Without val and test, rows are divided by what they say: adding rows moves hardly any, copies stay together."""
    rows = make_rows(900)
    rows += [{"text": row["text"].upper(), "label": row["label"]} for row in rows[:50]]
    first, experiment = _prepare(tmp_path / "a", {"train": rows})
    before = {split: set(read_split(experiment.split(split)).hashes) for split in SPLITS}
    assert not before["train"] & before["test"]
    assert not before["train"] & before["val"]
    assert not before["val"] & before["test"]
    assert _rules(first)["split_made"] == "info"
    assert first.readiness == "ready with warnings"  # the copies
    assert 0.15 < first.splits["test"].rows / 950 < 0.25
    assert 0.10 < first.splits["val"].rows / 950 < 0.20
    assert sum(summary.rows for summary in first.splits.values()) == 950
    assert {summary.source for summary in first.splits.values()} == {"data/train.jsonl"}

    _, grown = _prepare(tmp_path / "b", {"train": make_rows(300, seed=9) + rows})
    after = {split: set(read_split(grown.split(split)).hashes) for split in SPLITS}
    moved = sum(len(before[split] - after[split]) for split in SPLITS)
    assert moved / 900 < 0.03


def test_shares_of_made_splits_come_from_the_config(tmp_path):
    """`val_share` is the share of the training file that becomes val; a split that is given is left alone."""
    rows = {"train": make_rows(900), "test": make_rows(120, seed=1)}
    prepared, _ = _prepare(tmp_path, rows, val_share=0.4)
    assert 0.35 < prepared.splits["val"].rows / 900 < 0.45
    assert prepared.splits["test"].rows == 120
    assert _finding(prepared, "split_made").message.startswith("data/train.jsonl was divided by the hash of the text: ")


def test_a_group_is_never_divided(tmp_path):
    """Made splits keep groups whole, and a text that two groups share does not reach both train and test."""
    rows = make_rows(900)
    for number, row in enumerate(rows):
        row["source"] = f"speaker {number // 9}"
    for number in range(0, 900, 30):
        rows[number]["text"] = rows[number // 2]["text"]
    prepared, experiment = _prepare(tmp_path, {"train": rows}, group_field="source", leaks="drop")
    written = {split: read_split(experiment.split(split)) for split in SPLITS}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not set(written[one].groups) & set(written[other].groups)
        assert not set(written[one].hashes) & set(written[other].hashes)
    assert "leak_group" not in _rules(prepared)
    assert sum(map(len, written.values())) + len(_rejected(experiment)) == 900
    assert {row["split"] for row in _rejected(experiment)} <= {"train", "val"}


def test_a_made_val_gives_way_to_the_test_split(tmp_path):
    """Rows of the training file that copy a given test row go, also those that would have become val."""
    test = make_rows(300, seed=1)
    rows = {"train": make_rows(900) + test[:15], "test": test}
    prepared, experiment = _prepare(tmp_path, rows, val_share=0.5)
    rejected = Counter(row["split"] for row in _rejected(experiment))
    assert rejected.total() == 15
    assert rejected["val"] > 0
    assert prepared.splits["val"].rejected == rejected["val"]
    assert _finding(prepared, "leak_exact").severity == "warning"


# --- fields ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_the_only_known_alternative_is_used_and_said(tmp_path, form):
    """`sentence` and `dialect_label` are taken for text and label when they are the only ones that could be."""
    rows = {
        split: [{"id": 1, "sentence": row["text"], "dialect_label": row["label"]} for row in found]
        for split, found in _clean().items()
    }
    prepared, _ = _prepare(tmp_path, rows, form)
    assert _rules(prepared) == {"field_chosen": "info"}
    assert [found.message for found in prepared.findings] == [
        "there is no field 'text'; 'sentence' is used as the text",
        "there is no field 'label'; 'dialect_label' is used as the label",
    ]
    assert (prepared.text_fields, prepared.label_field) == (("sentence",), "dialect_label")


def test_several_text_fields_are_joined_by_a_blank(tmp_path):
    """A list of text fields is read as one text; a row lacks it only when all of them are empty."""
    rows = _clean()
    for found in rows.values():
        for row in found:
            row["headline"] = " Cinwaan "
    rows["train"][0]["headline"] = None
    rows["train"][3] = {"headline": "War", "label": "Central"}
    rows["train"][6] = {"headline": None, "text": None, "label": "Central"}
    rows["train"][9] = {"headline": "", "text": " ", "label": "Central"}
    text = rows["train"][1]["text"]
    prepared, experiment = _prepare(tmp_path, rows, text_field=("headline", "text"))
    texts = read_split(experiment.split("train")).texts
    assert texts[:4] == [rows["train"][0]["text"], f"Cinwaan {text}", f"Cinwaan {rows['train'][2]['text']}", "War"]
    assert [(row["line"], row["reason"]) for row in _rejected(experiment)] == [(7, "missing_field"), (10, "empty_text")]
    assert prepared.text_fields == ("headline", "text")


def test_a_configured_field_that_is_not_there_is_a_config_error(tmp_path):
    """Every field the config names and a file lacks is listed at once, with the nearest that is there."""
    with pytest.raises(ConfigError) as caught:
        _prepare(tmp_path, _clean(), text_field="txt", label_field="dialect", group_field="source")
    assert caught.value.exit_code == ExitCode.USAGE
    assert len(caught.value.faults) == 9
    assert str(caught.value.faults[0]) == (
        "data.text_field: data/train.jsonl has no field 'txt'; its fields are: text, label\n  → did you mean 'text'?"
    )


@pytest.mark.parametrize(
    ("rename", "found", "remedy"),
    [
        (
            {"text": "sentence", "label": "rating"},
            "there is no field 'label'; its fields are: sentence, rating",
            "name the field that holds the label in data.label_field",
        ),
        (
            {"text": "tweet", "label": "label", "x": "title"},
            "there is no field 'text', and tweet and title could be meant",
            "name one in data.text_field",
        ),
        (
            {"text": "text;label"},
            "there is no field 'text'; its fields are: text;label",
            (
                "name the field that holds the text in data.text_field (the file seems to be separated by semicolons: "
                "csv needs commas, tsv tabs)"
            ),
        ),
    ],
)
def test_no_field_or_two_that_could_be_meant_is_not_ready(tmp_path, rename, found, remedy):
    """Where nothing tells the field, the run ends with exit 3 and the fields there are."""
    rows = {
        split: [{new: row.get(old, "x") for old, new in rename.items()} for row in rows]
        for split, rows in _clean().items()
    }
    with pytest.raises(NotReadyError) as caught:
        _prepare(tmp_path, rows)
    assert (caught.value.found, caught.value.remedy) == (found, remedy)
    assert caught.value.where == "data/train.jsonl"


# --- ends and settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "content"), [("jsonl", b""), ("csv", b"text,label\n"), ("jsonl", b"\n\n")])
def test_a_split_without_rows_is_not_ready(tmp_path, form, content):
    """An empty split ends the run at once."""
    rows = _clean()
    del rows["test"]
    path = tmp_path / f"empty.{form}"
    path.write_bytes(content)
    with pytest.raises(NotReadyError) as caught:
        _prepare(tmp_path, rows, text_field="text" if content.startswith(b"t") else None, test_path=str(path))
    assert caught.value.where == f"empty.{form}"
    assert caught.value.exit_code == ExitCode.NOT_READY


def test_a_split_of_unusable_rows_leaves_them_to_look_at(tmp_path):
    """When no row can be used, the reason of the first is said and all are in rejected.jsonl."""
    rows = _clean()
    rows["val"] = [{"text": "", "label": "Central"} for _ in range(40)]
    with pytest.raises(NotReadyError) as caught:
        _prepare(tmp_path, rows)
    assert str(caught.value) == (
        "data/val.jsonl: none of its 40 rows can be used; line 1: its text is empty\n"
        "  → experiments/exp_1/data/rejected.jsonl has every row with its reason"
    )
    assert len(_rejected(Experiment(tmp_path / "experiments/exp_1"))) == 40


def test_checks_change_severities_and_turn_rules_off(tmp_path):
    """`data.checks` decides what a finding is worth; the readiness follows."""
    rows = _clean()
    rows["train"][3] = dict(rows["train"][0])
    rows["train"][1]["label"] = "Northern "
    prepared, _ = _prepare(tmp_path, rows, checks={"duplicate_exact": "error", "label_whitespace": "off"})
    assert _rules(prepared) == {"duplicate_exact": "error"}
    assert prepared.readiness == "not ready"


def test_half_surrogates_reach_no_record_and_no_file(tmp_path):
    """JSON can escape half a surrogate pair, which no record, parquet or report can hold: the rows are left out."""
    rows = _clean()
    for split, found in rows.items():
        _write(tmp_path / f"data/{split}.jsonl", found)
    with (tmp_path / "data/train.jsonl").open("a") as file:
        file.write('{"text": "waa \\ud800", "label": "Central"}\n')
        file.write('{"text": "waa maxay", "label": "Cent\\udfffral"}\n')
        file.write('{"text": "waa ayo", "label": "Central", "tags": [{"\\ud800": 1}]}\n')
        file.write('{"text": "waa \\ud83d\\ude00", "label": "Central"}\n')
    paths = {f"{split}_path": str(tmp_path / f"data/{split}.jsonl") for split in SPLITS}
    prepared, experiment = _prepare_files(tmp_path, **paths)
    assert PreparedData.model_validate_json(prepared.model_dump_json()) == prepared
    assert _finding(prepared, "encoding").message == (
        "3 rows left out (3 in data/train.jsonl); the first is line 121 of data/train.jsonl: "
        "it holds half of a surrogate pair, which is no character"
    )
    assert read_split(experiment.split("train")).texts[-1] == "waa \U0001f600"
    assert [row["line"] for row in _rejected(experiment)] == [121, 122, 123]


def test_a_folder_whose_name_is_no_text_is_written_out(tmp_path):
    """Names of files are bytes; in findings and records those that are not UTF-8 are shown by their numbers."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    rows = _clean()
    rows["train"][0]["label"] += " "
    for split, found in rows.items():
        _write(folder / f"{split}.jsonl", found)
    paths = {f"{split}_path": str(folder / f"{split}.jsonl") for split in SPLITS}
    experiment = Experiment(tmp_path / "experiments/exp_1")
    experiment.folder.mkdir(parents=True)
    config = Config.model_validate({"data": {"train_path": "x.jsonl"}, "model": {"name": "scratch:tiny"}})
    config = config.model_copy(update={"data": config.data.model_copy(update=paths)})
    prepared = prepare_data(config, experiment)
    assert PreparedData.model_validate_json(prepared.model_dump_json()) == prepared
    assert prepared.splits["train"].source == "caf\\udce9/train.jsonl"
    assert _places(_finding(prepared, "label_whitespace")) == [("caf\\udce9/train.jsonl", 1)]


def test_findings_come_worst_first_and_are_told(tmp_path, caplog):
    """Readers of the report and listeners to the events see errors before warnings before notes."""
    rows = _clean()
    rows["train"][0] |= {"label": None}
    rows["train"][1]["label"] += " "
    rows["train"][4] = {"text": rows["train"][2]["text"], "label": "Northern"}
    checks = {"label_error": "off"}
    caplog.set_level("INFO", logger="ml_run")
    prepared, _ = _prepare(tmp_path, rows, checks=checks)
    told = [(record.event, record.data) for record in caplog.records]
    order = [("missing_field", "error"), ("conflict", "warning"), ("label_whitespace", "info")]
    assert list(_rules(prepared).items()) == order
    assert [(data["rule"], data["severity"]) for event, data in told if event == "finding"] == order
    assert [data["done"] for event, data in told if event == "progress" and data.get("total") == 3] == [1, 2, 3]


def test_examples_are_few_and_short(tmp_path):
    """A finding shows at most 20 places, each with the start of its text."""
    rows = _clean()
    for row in rows["train"][:30]:
        row["label"] += " "
        row["text"] = "guri " * 100 + row["text"]
    found = _finding(_prepare(tmp_path, rows)[0], "label_whitespace")
    assert (found.count, len(found.examples)) == (30, 20)
    assert {len(example.text) for example in found.examples} == {120}


def test_rejected_rows_are_valid_json_whatever_they_hold(tmp_path):
    """NaN, dates and nesting in a row left out do not break rejected.jsonl."""
    import datetime as dt

    rows = _clean()
    for found in rows.values():
        for row in found:
            row |= {"score": float("nan"), "when": dt.date(2026, 11, 23), "more": [float("inf")]}
    rows["train"][0]["text"] = ""
    _, experiment = _prepare(tmp_path, rows, "parquet")
    [line] = experiment.rejected.read_text("utf-8").splitlines()
    row = json.loads(line, parse_constant=pytest.fail)["row"]
    assert row == {"text": "", "label": "Central", "score": None, "when": "2026-11-23", "more": [None]}


def test_hostile_cells_do_not_run_in_a_spreadsheet(tmp_path):
    """No cell of the review queue begins as a formula; line breaks and quotes stay inside their cell."""
    rows = _clean()
    hostile = '=HYPERLINK("http://x.example","waa")\nlabada'
    rows["train"][0] = {"text": hostile, "label": "Central"}
    rows["train"][1] = {"text": hostile, "label": "@Northern"}
    rows["train"] += [row | {"label": "@Northern"} for row in make_rows(30, seed=8)]
    _, experiment = _prepare(tmp_path, rows, checks={"label_error": "off"})
    assert experiment.review_queue.read_bytes().startswith(
        b"\xef\xbb\xbffile,line,split,text,label,why,correct_label\r\n"
    )
    queue = _queue(experiment)
    assert [row["text"] for row in queue] == ["'" + hostile] * 2
    assert [row["label"] for row in queue] == ["Central", "'@Northern"]


# --- language -------------------------------------------------------------------------------------------------------


def test_a_configured_language_folds_and_advises(tmp_path):
    """`data.language` brings its profile's spelling variants and advice; a language without a profile does not."""
    rows = _clean()
    rows["train"][0]["text"] = "hay'adda cusub ee magaalada"
    rows["test"][0]["text"] = "Hay`adda cusub ee magaalada"
    prepared, _ = _prepare(tmp_path, rows, language="so")
    assert (prepared.language.code, prepared.language.how) == ("so", "configured")
    assert "leak_exact" in _rules(prepared)
    assert prepared.advice
    prepared, _ = _prepare(tmp_path, rows, language="om")
    assert (prepared.language.name, prepared.advice) == ("Oromo", ())
    assert "leak_exact" not in _rules(prepared)


def test_an_unknown_language_is_unknown(tmp_path):
    """Rows in no known language bring no guess and no advice."""
    rows = {
        split: [row | {"text": f"lorem ipsum dolor {split} {n}"} for n, row in enumerate(found)]
        for split, found in _clean().items()
    }
    prepared, _ = _prepare(tmp_path, rows)
    assert (prepared.language, prepared.advice) == (None, ())


# --- size and real data ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_time_grows_with_the_rows(tmp_path):
    """Nothing in the stage is quadratic: four times the rows take about four times as long."""
    seconds = []
    for count in (3_000, 12_000):
        _write(tmp_path / "data/train.jsonl", make_rows(count))
        start = time.process_time()
        _prepare_files(tmp_path, train_path=str(tmp_path / "data/train.jsonl"))
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10 * seconds[0] + 0.2


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not on this machine")
def test_genuine_somali_news_is_not_called_not_ready(tmp_path):
    """MasakhaNEWS Somali is ready with warnings: its few near copies are found, and no row of it is called foreign."""
    folder = SHARED / "data/masakhanews/som"
    paths = {"train_path": "train.tsv", "val_path": "dev.tsv", "test_path": "test.tsv"}
    prepared, experiment = _prepare_files(
        tmp_path,
        7,
        text_field=("headline", "text"),
        label_field="category",
        **{key: str(folder / name) for key, name in paths.items()},
    )
    assert {name: split.rows for name, split in prepared.splits.items()} == {"train": 1015, "val": 148, "test": 294}
    assert prepared.readiness == "ready with warnings"
    warnings = {rule for rule, severity in _rules(prepared).items() if severity == "warning"}
    assert warnings == {"class_small", "leak_near", "conflict_near"}
    assert {(leak.split, leak.into): leak.near for leak in prepared.leaks}["train", "test"] == 4
    assert sum(share.wrong for share in prepared.language_check.shares) == 0
    assert prepared.language.code == "so"
    assert {row["reason"] for row in _rejected(experiment)} == {"leak_near"}
