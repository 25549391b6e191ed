"""`ml-run check-data --apply`: what a native speaker wrote into the queue, as corrected files beside the originals."""

import csv
import gzip
import io
import json

import pytest
import yaml

from conftest import LABELS, make_rows
from harness import ml_run
from ml_run.checking import apply_corrections, check_data, told_check, told_corrections
from ml_run.config.file import load_config
from ml_run.errors import ConfigError, UsageError
from ml_run.quality.corrections import find_corrections
from ml_run.quality.review import read_queue

QUEUE = "experiments/check_data/data/review_queue.csv"
FORMS = ("jsonl", "csv", "tsv", "parquet", "jsonl.gz", "csv.gz", "tsv.gz", "parquet.gz")
CONFLICT = 'Waa maxay, "sidee" tahay\nmaanta dadka magaalada?'


def conflicting_rows():
    """Rows of three splits; in train, lines 1 and 2 say the same under two labels, the second is wrong."""
    rows = {"train": make_rows(90, 0), "val": make_rows(45, 1), "test": make_rows(45, 2)}
    rows["train"][:2] = [{"text": CONFLICT, "label": "Central"}, {"text": CONFLICT, "label": "Northern"}]
    return {split: [{"id": n, "text": r["text"], "label": r["label"], "no": ""} for n, r in enumerate(found)]
            for split, found in rows.items()}  # fmt: skip


def conflict_in_test(rows):
    """Lines 1 and 2 of test say the same, as Central and as Northern."""
    rows["test"][:2] = [rows["test"][n] | {"text": "guri cusub oo weyn", "label": LABELS[n]} for n in (0, 1)]


def written(rows, form):
    """The content of a data file of one format, unpacked."""
    if form == "jsonl":
        # Odd blanks, key order and escapes, as other programs write them.
        return b"\xef\xbb\xbf" + b"".join(
            f'{{ "id":{r["id"]}, "label" :  {json.dumps(r["label"])} ,"text":{json.dumps(r["text"])}}}\r\n'.encode()
            for r in rows
        )
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist(rows).replace_schema_metadata({"made": "by hand"})
        target = pa.BufferOutputStream()
        pq.write_table(table, target, compression="gzip", row_group_size=40)
        return target.getvalue().to_pybytes()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if form == "tsv" else ",", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def project_of(folder, form, rows, **data):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, found in rows.items():
        content = written(found, form.removesuffix(".gz"))
        path = folder / f"data/{split}.{form}"
        path.write_bytes(gzip.compress(content) if form.endswith(".gz") else content)
    config = {
        "data": {f"{split}_path": f"data/{split}.{form}" for split in rows}
        | {"checks": {"conflict": "warning"}}
        | data,
        "model": {"name": "scratch:tiny", "max_length": 32},
        "deployment": {"min_accuracy": 0.5},
    }
    (folder / "ml_config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return folder


def queue_of(project):
    text = (project / QUEUE).read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def answer(project, corrections, *, delimiter=",", encoding="utf-8-sig", columns=None, name="answers.csv"):
    """Write the queue back with `corrections` by file and line."""
    rows = queue_of(project)
    for row in rows:
        row["correct_label"] = corrections.get((row["file"], int(row["line"])), "")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns or list(rows[0]), delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    (project / name).write_bytes(text.getvalue().encode(encoding))
    return name


def check(project, *arguments, code=0):
    done = ml_run("check-data", "--quiet", *arguments, cwd=project)
    assert done.code == code, done.err
    return done


def checked(project, *overrides):
    """The object of `check-data --json`, without the price of a process."""
    return told_check(check_data(load_config(project / "ml_config.yaml", overrides), project))


def applied(project, name, *overrides):
    """The object of `check-data --apply --json`, without the price of a process."""
    loaded = load_config(project / "ml_config.yaml", overrides)
    return told_corrections(apply_corrections(loaded, project, project / name))


def first_conflict(form):
    """Line of the second row of the conflict: texts of csv and tsv hold a line break each."""
    return {"jsonl": 2, "parquet": 2}.get(form.removesuffix(".gz"), 4)


# --- every format ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_in_every_format_the_conflict_is_gone_and_nothing_else_changed(tmp_path, form):
    """The corrected file differs from the original in one field of one row, and a new check finds no conflict."""
    project_of(tmp_path, form, conflicting_rows())
    before = checked(tmp_path)
    assert "conflict" in {finding["rule"] for finding in before["findings"]}
    original = (tmp_path / f"data/train.{form}").read_bytes()
    line = first_conflict(form)
    name = answer(tmp_path, {(f"data/train.{form}", line): "Central"})
    told = applied(tmp_path, name)
    new = f"data/train.corrected.{form}"
    assert (told["changed"], told["confirmed"]) == (1, 0)
    assert told["files"] == [{"original": f"data/train.{form}", "corrected": new, "changed": 1}]
    assert told["changes"] == [{"file": f"data/train.{form}", "line": line, "old": "Northern", "new": "Central"}]
    assert told["config"] == {"data.train_path": new}
    assert (tmp_path / f"data/train.{form}").read_bytes() == original
    assert_only_one_label_differs(original, (tmp_path / new).read_bytes(), form)
    after = checked(tmp_path, f"data.train_path={new}")
    assert "conflict" not in {finding["rule"] for finding in after["findings"]}
    assert after["rows"] == before["rows"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted(
        [f"train.{form}", f"val.{form}", f"test.{form}", f"train.corrected.{form}"]
    )


def assert_only_one_label_differs(original, corrected, form):
    if form.endswith(".gz"):
        original, corrected = gzip.decompress(original), gzip.decompress(corrected)
    if "parquet" in form:
        import pyarrow as pa
        import pyarrow.parquet as pq

        old, new = (pq.ParquetFile(pa.BufferReader(content)) for content in (original, corrected))
        assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
        assert new.metadata.num_row_groups == old.metadata.num_row_groups == 3
        assert new.metadata.row_group(0).column(0).compression == "GZIP"
        rows = old.read().to_pylist()
        rows[1]["label"] = "Central"
        assert new.read().to_pylist() == rows
    else:
        at = original.index(b"Northern")
        assert corrected == original[:at] + b"Central" + original[at + len(b"Northern") :]


def test_the_screen_says_what_changed_and_what_to_write_in_the_config(tmp_path):
    """People get the changes by file, the config lines, and a word on scores when test labels changed."""
    rows = conflicting_rows()
    conflict_in_test(rows)
    project_of(tmp_path, "jsonl", rows)
    checked(tmp_path)
    corrections = {
        ("data/train.jsonl", 1): "Central", ("data/train.jsonl", 2): " Central ", ("data/test.jsonl", 1): "Northern",
    }  # fmt: skip
    done = check(tmp_path, "--apply", answer(tmp_path, corrections))
    assert done.out == (
        "✔ 2 labels changed, 1 confirmed; 1 row of the queue has no correct_label\n"
        "\n"
        "  data/test.corrected.jsonl   Central → Northern  1\n"
        "  data/train.corrected.jsonl  Northern → Central  1\n"
        "\n"
        "  The originals are as they were. To use the corrected files, write in ml_config.yaml:\n"
        "    data:\n"
        "      train_path: data/train.corrected.jsonl\n"
        "      test_path: data/test.corrected.jsonl\n"
        "⚠ other labels in test: scores are not comparable with those of earlier runs\n"
        "  next  ml-run check-data\n"
    )
    again = check(tmp_path, "--apply", "answers.csv")
    assert again.out == done.out, "the same answers give the same files, which may be there"


# --- what people's programs do to a queue ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (";", "cp1252")]
)
def test_any_delimiter_and_encoding_of_a_spreadsheet(tmp_path, delimiter, encoding):
    """Commas, semicolons and tabs; UTF-8 with and without a BOM, UTF-16, and Windows-1252 where it holds the text."""
    rows = conflicting_rows()
    for row in rows["train"][:2]:
        row["text"] = "Café ayaa la yiraahdaa ‘guri’ cusub"
    project_of(tmp_path, "csv", rows)
    checked(tmp_path)
    name = answer(tmp_path, {("data/train.csv", 3): "Central"}, delimiter=delimiter, encoding=encoding)
    assert applied(tmp_path, name)["changed"] == 1


def test_columns_and_rows_in_another_order_extra_columns_blank_lines(tmp_path):
    """Only the names of the columns count; sorted, deleted and added rows and columns of notes do no harm."""
    project_of(tmp_path, "jsonl", conflicting_rows())
    checked(tmp_path)
    rows = queue_of(tmp_path)
    second = next(row for row in rows if row["line"] == "2")
    text = io.StringIO(newline="")
    text.write("sep=;\r\n;;;\r\n")
    writer = csv.writer(text, delimiter=";")
    writer.writerow([" Correct_Label", "my notes", "LABEL", "text", "line", "file"])
    writer.writerow([])
    writer.writerow(
        ["Central", "sure", second["label"], second["text"].replace("\n", "\r\n") + " ", "2.0", second["file"]]
    )
    writer.writerow(["", "", "", "", "", ""])
    (tmp_path / "back.csv").write_text(text.getvalue(), "utf-8", newline="")
    assert applied(tmp_path, "back.csv")["changed"] == 1


def test_a_formula_is_guarded_in_the_queue_and_found_again_with_or_without_the_guard(tmp_path):
    """Texts and labels that begin like formulas come back with the apostrophe or without, and are the same rows."""
    rows = conflicting_rows()
    swap = {"Central": "-1", "Northern": "=1+1", "Southern": "@x"}
    rows = {split: [r | {"label": swap[r["label"]]} for r in found] for split, found in rows.items()}
    for row in rows["train"][:2]:
        row["text"] = '=HYPERLINK("http://x.example","waa maxay") maanta'
    project_of(tmp_path, "jsonl", rows)
    checked(tmp_path)
    assert {row["text"][:2] for row in queue_of(tmp_path)} == {"'="}
    assert {row["label"][:2] for row in queue_of(tmp_path)} == {"'-", "'="}
    name = answer(tmp_path, {("data/train.jsonl", 2): "'-1"})
    assert applied(tmp_path, name)["changes"][0]["new"] == "-1"
    (tmp_path / "data/train.corrected.jsonl").unlink()
    bare = (tmp_path / name).read_text("utf-8-sig").replace("'=", "=").replace("'-", "-")
    (tmp_path / name).write_text(bare, "utf-8")
    assert applied(tmp_path, name)["changes"][0]["new"] == "-1"


def test_a_text_too_long_for_a_cell_is_cut_and_still_found(tmp_path):
    """Excel holds 32,767 units in a cell: longer texts are cut with …, and are known by their beginning."""
    rows = conflicting_rows()
    for row in rows["train"][:2]:
        row["text"] = "waa 😀 maxay " * 4000
    project_of(tmp_path, "jsonl", rows)
    checked(tmp_path)
    cells = [row["text"] for row in queue_of(tmp_path)]
    assert cells[0].endswith("…")
    assert 32_760 < len(cells[0].encode("utf-16-le")) // 2 <= 32_767
    name = answer(tmp_path, {("data/train.jsonl", 2): "Central"})
    assert applied(tmp_path, name)["changed"] == 1
    corrected = (tmp_path / "data/train.corrected.jsonl").read_text("utf-8-sig").splitlines()
    assert json.loads(corrected[1])["text"] == rows["train"][1]["text"]


# --- labels of other kinds, and label_map ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "queue_label", "new"),
    [((0, 1, 2), "0.0", 0), ((True, False, False), "TRUE", True), ((1.5, 2.5, 3.5), "1,5", 1.5)],
    ids=["numbers", "booleans", "fractions"],
)
def test_labels_keep_their_json_type(tmp_path, values, queue_label, new):
    """A number stays a number and a boolean a boolean; what a spreadsheet makes of them is understood."""
    rows = conflicting_rows()
    swap = dict(zip(LABELS, values, strict=True))
    rows = {split: [r | {"label": swap[r["label"]]} for r in found] for split, found in rows.items()}
    project_of(tmp_path, "jsonl", rows)
    checked(tmp_path)
    name = answer(tmp_path, {("data/train.jsonl", 2): queue_label})
    applied(tmp_path, name)
    original = (tmp_path / "data/train.jsonl").read_text("utf-8-sig").splitlines()
    corrected = (tmp_path / "data/train.corrected.jsonl").read_text("utf-8-sig").splitlines()
    assert type(json.loads(corrected[1])["label"]) is type(new)
    assert json.loads(corrected[1])["label"] == new
    assert corrected[:1] + corrected[2:] == original[:1] + original[2:]


def test_label_map_the_file_gets_its_own_word_for_the_label(tmp_path):
    """The queue shows mapped labels; what is written is what other rows of the file have, also with swapped names."""
    rows = conflicting_rows()
    raw = {"Central": "c", "Northern": "Southern", "Southern": "Northern"}
    rows = {split: [r | {"label": raw[r["label"]]} for r in found] for split, found in rows.items()}
    mapping = {"c": "Central", "Southern": "Northern", "Northern": "Southern"}
    project_of(tmp_path, "csv", rows, label_map=mapping)
    checked(tmp_path)
    assert {row["label"] for row in queue_of(tmp_path)} == {"Central", "Northern"}
    name = answer(tmp_path, {("data/train.csv", 2): "Southern", ("data/train.csv", 4): "Central"})
    told = applied(tmp_path, name)
    assert [(c["line"], c["old"], c["new"]) for c in told["changes"]] == [
        (2, "Central", "Southern"), (4, "Northern", "Central"),
    ]  # fmt: skip
    text = (tmp_path / "data/train.corrected.csv").read_text("utf-8")
    labels = [row["label"] for row in csv.DictReader(io.StringIO(text, newline=""))][:2]
    assert labels == ["Northern", "c"]


def test_quotes_that_are_plain_characters_stay_what_they_are(tmp_path):
    """A file of tweets, with quotes that mean nothing and Windows line ends, is changed in the one field only."""
    rows = make_rows(60, 0)
    lines = [
        f'"{r["text"]}\t{r["label"]}\r\n' if n % 7 == 0 else f"{r['text']}\t{r['label']}\r\n"
        for n, r in enumerate(rows)
    ]
    lines[1:3] = ["waa sidee maanta\tCentral\r\n", "waa sidee maanta\tNorthern\r\n"]
    content = "text\tlabel\r\n" + "".join(lines)
    project_of(tmp_path, "tsv", {})
    (tmp_path / "data/train.tsv").write_text(content, "utf-8", newline="")
    config = {"data": {"train_path": "data/train.tsv"}, "model": {"name": "scratch:tiny", "max_length": 32}}
    (tmp_path / "ml_config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    checked(tmp_path)
    name = answer(tmp_path, {("data/train.tsv", 4): "Central"})
    applied(tmp_path, name)
    corrected = (tmp_path / "data/train.corrected.tsv").read_bytes().decode()
    assert corrected == content.replace("waa sidee maanta\tNorthern", "waa sidee maanta\tCentral")


def test_lines_that_end_as_old_programs_end_them(tmp_path):
    """A csv file with carriage returns only is corrected like any other."""
    rows = conflicting_rows()
    for row in rows["train"][:2]:
        row["text"] = "waa sidee maanta"
    project_of(tmp_path, "csv", rows)
    path = tmp_path / "data/train.csv"
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\r"))
    checked(tmp_path)
    applied(tmp_path, answer(tmp_path, {("data/train.csv", 3): "Central"}))
    corrected = (tmp_path / "data/train.corrected.csv").read_bytes()
    assert corrected == path.read_bytes().replace(b'"Northern"', b'"Central"', 1)


# --- refusals: all at once, and nothing written ---------------------------------------------------------------------


def refused(project, *arguments):
    before = {path: path.read_bytes() for path in (project / "data").iterdir()}
    done = ml_run("check-data", "--quiet", *arguments, cwd=project)
    assert done.code == 2, done.err
    assert {path: path.read_bytes() for path in (project / "data").iterdir()} == before
    return done.err


def test_every_fault_of_a_queue_is_named_and_nothing_is_written(tmp_path):
    """A changed text, a changed label, a lost row and unknown labels are all told, with file, line and remedy."""
    rows = conflicting_rows()
    for number in range(0, 8, 2):
        rows["train"][number] |= {"text": f"guri weyn {'cusub ' * number}", "label": "Central"}
        rows["train"][number + 1] |= {"text": f"guri weyn {'cusub ' * number}", "label": "Northern"}
    project_of(tmp_path, "jsonl", rows)
    checked(tmp_path)
    answers = {1: "Central", 3: "central", 5: "Bantu", 7: "Northern", 8: "Northern"}
    name = answer(tmp_path, {("data/train.jsonl", line): label for line, label in answers.items()})
    lines = (tmp_path / "data/train.jsonl").read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b"guri weyn", b"guri yar")
    lines[6] = lines[6].replace(b'"Central"', b'"Southern"')
    lines[7] = b"\r\n"
    (tmp_path / "data/train.jsonl").write_bytes(b"".join(lines))
    err = refused(tmp_path, "--apply", name)
    fresh = "  → the file was changed since; make a new queue with ml-run check-data"
    place = {row["line"]: n for n, row in enumerate(queue_of(tmp_path), start=2)}
    told = {
        "1": f"the text at data/train.jsonl:1 is not the one in the queue\n{fresh}. If letters are broken in the "
             "queue: save it as CSV UTF-8",
        "3": "correct_label is 'central', which no row has\n  → did you mean 'Central'?",
        "5": "correct_label is 'Bantu', which no row has\n  → the labels are: Central, Northern, Southern",
        "7": f"the label at data/train.jsonl:7 is 'Southern', in the queue it is 'Central'\n{fresh}",
        "8": f"there is no row that can be used at data/train.jsonl:8\n{fresh}",
    }  # fmt: skip
    expected = {f"answers.csv:{place[line]}: {text}\n" for line, text in told.items()}
    assert err.startswith("✘ 5 faults:\n")
    assert set(err.removeprefix("✘ 5 faults:\n").split("✘ ")[1:]) == expected


def test_a_corrected_file_that_is_there_is_never_overwritten(tmp_path):
    """With another file of that name none of the files is written; one round later the name has a number."""
    rows = conflicting_rows()
    conflict_in_test(rows)
    project_of(tmp_path, "jsonl", rows)
    checked(tmp_path)
    name = answer(tmp_path, {("data/train.jsonl", 2): "Central", ("data/test.jsonl", 2): "Central"})
    (tmp_path / "data/test.corrected.jsonl").write_text("mine")
    err = refused(tmp_path, "--apply", name)
    assert "data/test.corrected.jsonl: a file of this name is there, with other content" in err
    assert not (tmp_path / "data/train.corrected.jsonl").exists()
    (tmp_path / "data/test.corrected.jsonl").unlink()
    applied(tmp_path, name)
    changed = ["--set", "data.train_path=data/train.corrected.jsonl"]
    checked(tmp_path, changed[1])
    name = answer(tmp_path, {("data/test.jsonl", 1): "Northern"})
    assert refused(tmp_path, "--apply", name, *changed).startswith(f"✘ {tmp_path}/data/test.corrected.jsonl: a file")
    changed += ["--set", "data.test_path=data/test.corrected.jsonl"]
    rows["train"][1]["label"] = "Central"
    (tmp_path / "again.csv").write_text(
        f'file,line,text,label,correct_label\ndata/train.corrected.jsonl,3,"{rows["train"][2]["text"]}",Southern,Central\n'
    )
    told = applied(tmp_path, "again.csv", changed[1], changed[3])
    assert told["config"] == {"data.train_path": "data/train.corrected-2.jsonl"}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04rest", "it is a workbook of a spreadsheet, not csv"),
        (b"\x81\x8d\x8f", "it is neither UTF-8 nor Windows-1252, so its letters cannot be told"),
        (b"", "it has not one column each that is called file, line, text, label and correct_label"),
        (b"file,line,text,label\n", "it has not one column each that is called correct_label"),
        (b"file,line,text,label,correct_label\nx,first,a,b,c\n", "the line is 'first', which is no line number"),
    ],
    ids=["workbook", "letters", "empty", "column", "line"],
)
def test_what_is_no_queue_is_said(content, found):
    """A workbook, another encoding, a missing column and a line that is none are usage errors with a remedy."""
    with pytest.raises(UsageError if b"first" not in content else ConfigError) as caught:
        read_queue(content, "back.csv")
    assert str(caught.value).startswith("back.csv:")
    assert found in str(caught.value)
    assert "\n  → " in str(caught.value)


def test_a_queue_that_is_not_there_and_one_of_other_files(project):
    """The path of the queue that was made is offered; a queue made with another config names what this one reads."""
    assert "→ ml-run check-data makes a queue" in refused(project, "--apply", "review_queue.csv")
    checked(project)
    err = refused(project, "--apply", "review_queue.csv")
    assert err == f"✘ review_queue.csv: there is no such file\n  → did you mean {QUEUE}?\n"
    for file, found in (
        ("data/old.jsonl", "the config does not read data/old.jsonl; it reads data/test.jsonl, data/train.jsonl and"),
        ("hf://a/b:train", "hf://a/b:train is a data set of the hub, which cannot be corrected from here"),
    ):
        (project / "q.csv").write_text(f"file,line,text,label,correct_label\n{file},1,waa,Central,Northern\n")
        assert found in refused(project, "--apply", "q.csv")


def test_two_different_answers_for_one_row_are_refused(tmp_path):
    """A row that stands in the queue twice may not be given two labels."""
    rows = conflicting_rows()
    project_of(tmp_path, "jsonl", rows)
    text = rows["train"][5]["text"]
    lines = [f"data/train.jsonl,6,{text},Southern,{label}\n" for label in ("Central", "Northern")]
    (tmp_path / "q.csv").write_text("file,line,text,label,correct_label\n" + "".join(lines))
    assert refused(tmp_path, "--apply", "q.csv") == (
        "✘ q.csv:3: data/train.jsonl:6 stands in the queue twice, with different correct labels\n"
        "  → leave one of them\n"
    )


def test_a_queue_without_answers_and_one_that_only_confirms_write_nothing(tmp_path):
    """Nothing filled in is said; labels found right count as confirmed; neither makes a file."""
    project_of(tmp_path, "jsonl", conflicting_rows())
    checked(tmp_path)
    done = check(tmp_path, "--apply", answer(tmp_path, {}))
    assert done.out == (
        "· 0 labels changed, 0 confirmed; 2 rows of the queue have no correct_label\n"
        "  next  fill in the column correct_label of answers.csv\n"
    )
    done = check(tmp_path, "--apply", answer(tmp_path, {("data/train.jsonl", 1): "Central"}))
    assert done.out.startswith("✔ 0 labels changed, 1 confirmed; 1 row of the queue has no correct_label\n")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["test.jsonl", "train.jsonl", "val.jsonl"]


def test_many_faults_are_cut_to_a_screen():
    """Two hundred lines that cannot be told are all counted; a flood of them helps nobody."""
    content = "file,line,text,label,correct_label\n" + "a.csv,3,b,c,d\n" * 200
    answers, _ = read_queue(content.encode(), "q.csv")
    with pytest.raises(ConfigError) as caught:
        find_corrections(answers, {}, ["a.csv"], "label")
    assert len(caught.value.faults) == 21
    assert str(caught.value.faults[-1]) == "and 180 more faults of this kind"
