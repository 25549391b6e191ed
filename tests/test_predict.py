"""`ml-run predict` through its front door: every format in and out, bad rows, kills, and files larger than memory."""

import csv
import gzip
import hashlib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

from conftest import LABELS, make_rows, write_jsonl, write_project
from finished_run import finished_run
from harness import QUIET, Command, ml_run
from ml_run import files
from ml_run.experiment import list_experiments
from ml_run.modeling.scoring import load_scorer
from ml_run.predicting.record import Predicted
from predicting_harness import predict, project_with_model, put_into_production, refusal
from predicting_harness import told as finished

SPREAD = [f"p_{label}" for label in LABELS]
ODD = ['Waa "hadal", oo\nlaba sadar ah', "ɓeɗo ጤና 😀 gaadhay", "=1+1 yidhi", "-x\tyiri", "xarriiq\rcusub"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a trained linear model, in production as version 1."""
    return project_with_model(tmp_path_factory.mktemp("predict"))


def rows_of(count=30):
    texts = [row["text"] for row in make_rows(count, 9)]
    return [{"id": f"r{number}", "text": text} for number, text in enumerate([*ODD, *texts])]


def write_rows(path, rows):
    """Write rows in the format that the name of the file tells."""
    kind, packed = path.name.removesuffix(".gz").rpartition(".")[2], path.name.endswith(".gz")
    plain = path.with_name(path.name.removesuffix(".gz"))
    if kind == "jsonl":
        write_jsonl(plain, rows)
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), plain, row_group_size=7 if len(rows) < 100 else None)
    else:
        with plain.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0], delimiter="\t" if kind == "tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    if packed:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    return path


def read_rows(path):
    """What is in a file of predictions, each value as JSON would have it."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.name.endswith(".gz") else content).decode("utf-8-sig")
    if kind == "jsonl":
        return [json.loads(line) for line in text.split("\n")[:-1]]
    found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if kind == "tsv" else ","))
    numbers = ["confidence", *SPREAD]
    return [
        row
        | {"line": int(row["line"]), "abstain": {"true": True, "false": False}[row["abstain"]]}
        | {name: float(row[name]) for name in numbers}
        for row in found
    ]


def predicted(project, source, target, *args):
    """The object that a job that came to its end prints."""
    return finished(predict(project, source, target, *args))


def refused(project, source, target, *args):
    done = predict(project, source, target, *args)
    assert done.code == json.loads(done.out)["exit_code"]
    return refusal(done)


def answers(folder, texts):
    """What the model in `folder` says of each text alone: label and probabilities."""
    scorer = load_scorer(folder)
    shares = [scorer.probabilities([text])[0] for text in texts]
    return [(scorer.labels[share.argmax()], dict(zip(SPREAD, share.tolist(), strict=True))) for share in shares]


# --- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("in.jsonl", "out.parquet"),
        ("in.jsonl.gz", "out.jsonl"),
        ("in.csv", "out.csv"),
        ("in.csv.gz", "out.tsv.gz"),
        ("in.tsv", "out.jsonl.gz"),
        ("in.tsv.gz", "out.csv.gz"),
        ("in.parquet", "out.tsv"),
        ("in.parquet.gz", "out.jsonl"),
    ],
)
def test_every_row_gets_the_models_answer_in_its_order(project, tmp_path, source, target):
    """Whatever the formats: the rows in their order, each with its line, id, text, answer and model version."""
    rows = rows_of()
    told = predicted(project, write_rows(tmp_path / source, rows), tmp_path / target)
    found = read_rows(tmp_path / target)
    names = ["line", "id", "text", "predicted", "confidence", "abstain", *SPREAD, "model_version"]
    assert list(found[0]) == names
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    guarded = any(kind in target for kind in ("csv", "tsv"))
    assert [row["text"].removeprefix("'") if guarded else row["text"] for row in found] == [r["text"] for r in rows]
    for row, (label, shares) in zip(found, answers(project / "experiments/deployments/1", column(rows)), strict=True):
        assert (row["predicted"], row["abstain"], row["model_version"]) == (label, False, "1")
        assert row["confidence"] == row[f"p_{label}"] == max(row[name] for name in SPREAD)
        assert {name: row[name] for name in SPREAD} == pytest.approx(shares, abs=1e-6)
    assert (told["rows"], told["rejected"], told["rejected_path"], told["model"]) == (len(rows), 0, None, "1")
    assert sum(told["labels"].values()) == len(rows)
    assert sorted(path.name for path in tmp_path.iterdir() if "in." not in path.name) == [target]


def column(rows):
    return [row["text"] for row in rows]


def test_lines_are_those_of_the_file(project, tmp_path):
    """A row is named by the physical line it begins on; in parquet, which has none, by its number."""
    for name, lines in {"a.csv": [2, 4, 5], "a.jsonl": [1, 2, 3], "a.parquet": [1, 2, 3]}.items():
        write_rows(tmp_path / name, [{"text": text} for text in ODD[:3]])
        predicted(project, tmp_path / name, tmp_path / f"{name}.out.jsonl")
        found = read_rows(tmp_path / f"{name}.out.jsonl")
        assert [row["line"] for row in found] == lines
        assert "id" not in found[0]


def test_no_cell_of_a_table_is_a_formula(project, tmp_path):
    """An apostrophe stands before what a spreadsheet would take for a formula; jsonl keeps texts as they are."""
    rows = [{"id": "=cmd|x", "text": "=1+1 yidhi"}, {"id": 7, "text": "@qof yiri"}]
    write_jsonl(tmp_path / "in.jsonl", rows)
    predicted(project, tmp_path / "in.jsonl", tmp_path / "out.csv")
    predicted(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    table, lines = read_rows(tmp_path / "out.csv"), read_rows(tmp_path / "out.jsonl")
    assert [(row["id"], row["text"]) for row in table] == [("'=cmd|x", "'=1+1 yidhi"), ("7", "'@qof yiri")]
    assert [(row["id"], row["text"]) for row in lines] == [("=cmd|x", "=1+1 yidhi"), (7, "@qof yiri")]


def test_a_transformer_of_a_run_predicts_texts_of_any_length(tmp_path):
    """--model ID; short and long texts are scored together, and come back in their order with their own answers."""
    run = finished_run(tmp_path)
    chance = random.Random(1)
    rows = [
        {"text": " ".join(chance.choices(["guri", "gaadhay", "biyo", "yidhi"], k=1 + 40 * (n % 3)))} for n in range(50)
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    told = predicted(tmp_path, "in.jsonl", "out.jsonl", "--model", "latest")
    assert told["model"] == run.experiment.id
    scorer = load_scorer(run.experiment.model)
    for row, found in zip(rows, read_rows(tmp_path / "out.jsonl"), strict=True):
        shares = dict(zip(scorer.labels, scorer.probabilities([row["text"]])[0].tolist(), strict=True))
        assert {label: found[f"p_{label}"] for label in shares} == pytest.approx(shares, abs=1e-4)
        assert (found["text"], found["model_version"]) == (row["text"], run.experiment.id)


def test_its_output_can_be_judged(project, tmp_path):
    """`ml-run evaluate` takes a file of predictions as it is, and finds the true labels in the test file."""
    predicted(project, "data/test.jsonl", tmp_path / "out.jsonl")
    done = ml_run("evaluate", tmp_path / "out.jsonl", "--json", "--quiet", cwd=project)
    assert done.code == 0, done.err
    assert json.loads(done.out)["n_test"] == 60


# --- which text, and how sure -----------------------------------------------------------------------------------------


def test_rows_below_the_threshold_are_marked(project, tmp_path):
    """--abstain-below: the flag says whether the confidence is below it; the predicted label stays."""
    write_jsonl(tmp_path / "in.jsonl", rows_of())
    told = predicted(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--abstain-below", "0.6")
    found = read_rows(tmp_path / "out.jsonl")
    assert [row["abstain"] for row in found] == [row["confidence"] < 0.6 for row in found]
    assert told["abstained"] == sum(row["abstain"] for row in found)
    assert 0 < told["abstained"] < len(found)
    assert all(row["predicted"] in LABELS for row in found)
    done = ml_run("predict", tmp_path / "in.jsonl", tmp_path / "2.csv", "--abstain-below", "0.6", cwd=project)
    share = f"{100 * told['abstained'] / len(found):.1f} %"
    assert f"abstained  {told['abstained']} ({share}), confidence below 0.6\n" in done.out


def test_several_fields_make_one_text(project, tmp_path):
    """--text-field, repeated: the fields joined by a blank, as data.text_field does it."""
    rows = [{"a": " guri gaadhay ", "b": "biyo"}, {"a": None, "b": "yidhi"}]
    write_jsonl(tmp_path / "in.jsonl", rows)
    predicted(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--text-field", "a", "--text-field", "b")
    assert column(read_rows(tmp_path / "out.jsonl")) == ["guri gaadhay biyo", "yidhi"]


def test_the_text_is_where_the_run_had_it(project, tmp_path):
    """Without a field `text` the only known alternative is used, which is said; two of them are a question."""
    write_jsonl(tmp_path / "one.jsonl", [{"headline": "guri gaadhay"}])
    done = ml_run("predict", tmp_path / "one.jsonl", tmp_path / "out.jsonl", cwd=project)
    assert "there is no field 'text'; 'headline' is used as the text" in done.err
    assert column(read_rows(tmp_path / "out.jsonl")) == ["guri gaadhay"]
    write_jsonl(tmp_path / "two.jsonl", [{"headline": "guri", "tweet": "biyo"}])
    assert refused(project, tmp_path / "two.jsonl", tmp_path / "2.jsonl")[::2] == (
        3, "there is no field 'text', and tweet and headline could be meant"
    )  # fmt: skip
    code, where, found, remedy = refused(
        project, tmp_path / "two.jsonl", tmp_path / "2.jsonl", "--text-field", "headlin"
    )
    assert (code, where, remedy) == (2, "--text-field", "did you mean 'headline'?")
    assert found.endswith("two.jsonl has no field 'headlin'; its fields are: headline, tweet")


# --- bad rows ---------------------------------------------------------------------------------------------------------


def test_bad_rows_are_reported_and_cost_no_other(project, tmp_path):
    """What cannot be read stands in OUT.rejected.jsonl with line and reason; exit 0, with a warning."""
    lines = [
        b'{"id": 1, "text": "guri gaadhay"}', b'{"id": 2, "text": "biyo', b"", b'{"id": 4}', b'{"id": 5, "text": 12}',
        b'{"id": 6, "text": "  "}', b'{"id": 7, "text": "gaar\xe9"}', b'{"id": 8, "text": "12 34"}',
        b'{"id": 9, "text": "yidhi"}',
    ]  # fmt: skip
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    done = ml_run("predict", tmp_path / "in.jsonl", tmp_path / "out.jsonl", cwd=project)
    assert done.code == 0
    assert (
        "⚠ 6 rows left out (1 unreadable_line, 1 missing_field, 1 wrong_type, 2 empty_text and 1 encoding)" in done.err
    )
    found = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(one["line"], one["reason"], one["problem"]) for one in found] == [
        (2, "unreadable_line", "not valid JSON: Unterminated string starting at column 19"),
        (4, "missing_field", "it has no 'text'"),
        (5, "wrong_type", "the field 'text' is a number, not a string"),
        (6, "empty_text", "its text is empty"),
        (7, "encoding", "byte 0xe9 at position 24 is not UTF-8; in Windows-1252 it is 'é'"),
        (8, "empty_text", "its text has no letter"),
    ]
    assert (found[0]["row"], found[2]["row"]) == ('{"id": 2, "text": "biyo', {"id": 5, "text": 12})
    assert [row["id"] for row in read_rows(tmp_path / "out.jsonl")] == [1, 9]


def test_a_bad_line_of_a_table_costs_that_line(project, tmp_path):
    """A quote that is never closed, a field too many, and bytes that are not UTF-8: each line by itself."""
    whole = b'"guri, weyn",1\n' * 4
    (tmp_path / "in.csv").write_bytes(b"text,n\n" + whole + b'"biyo,2\ncaano,3,4\ncunt\xe9,5\nyidhi,6\n')
    told = predicted(project, tmp_path / "in.csv", tmp_path / "out.csv")
    assert [row["line"] for row in read_rows(tmp_path / "out.csv")] == [2, 3, 4, 5, 9]
    assert told["reasons"] == {"unreadable_line": 2, "encoding": 1}


def test_a_file_without_one_good_row_is_not_ready(project, tmp_path):
    """Exit 3 without OUT; what was left out is told of all the same; an empty file says that it is empty."""
    (tmp_path / "in.jsonl").write_text('{"text": ""}\nx\n')
    code, where, found, _ = refused(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (code, where.endswith("in.jsonl")) == (3, True)
    assert found == "none of its 2 rows can be read (1 empty_text and 1 unreadable_line)"
    assert len((tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()) == 2
    for name, found in {"empty.jsonl": "the file has no rows", "empty.csv": "the file is empty"}.items():
        (tmp_path / name).write_text("")
        assert refused(project, tmp_path / name, tmp_path / "none.jsonl")[::2] == (3, found)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "empty.csv", "empty.jsonl", "in.jsonl", "out.jsonl.rejected.jsonl"
    ]  # fmt: skip


def test_a_file_that_can_be_read_to_a_point_gives_nothing(project, tmp_path):
    """A gzip file that is cut short is exit 3, names the file, and OUT does not appear."""
    write_rows(tmp_path / "whole.jsonl.gz", rows_of(200))
    content = (tmp_path / "whole.jsonl.gz").read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(content[: len(content) // 2])
    code, where, found, _ = refused(project, tmp_path / "cut.jsonl.gz", tmp_path / "out.jsonl")
    assert (code, where.endswith("cut.jsonl.gz")) == (3, True)
    assert found.startswith("the gzip file is damaged or cut short")
    assert not (tmp_path / "out.jsonl").exists()


# --- kills ------------------------------------------------------------------------------------------------------------

CHUNKS = 4


def long_rows(chunks=CHUNKS):
    """Rows that make about so many chunks, cheap to score: texts are long and have few words. Each 20th is bad."""
    rows = [{"id": n, "text": f"{make_rows(1, n)[0]['text']} " + "guri gaadhay " * 800} for n in range(47 * chunks)]
    return [row if n % 20 else {"id": n} for n, row in enumerate(rows)]


@pytest.fixture(scope="module")
def undisturbed(project, tmp_path_factory):
    """A long file, what came of it in each format, and the number of crash points passed on the way."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_jsonl(folder / "in.jsonl", long_rows())
    points = {}
    for target in ("out.jsonl", "out.csv.gz", "out.parquet"):
        trace = folder / f"{target}.trace"
        done = predict(project, folder / "in.jsonl", folder / target, env={"TRACE_CRASH_POINTS": str(trace)})
        assert done.code == 0, done.err
        points[target] = len(trace.read_text().splitlines())
    return folder, points


def killed(project, folder, tmp_path, target, point):
    done = predict(project, folder / "in.jsonl", tmp_path / target, env={"MLRUN_CRASH_AT": str(point)})
    assert done.code == -signal.SIGKILL, f"point {point}: {done.err}"


def check_resumed(project, undisturbed, tmp_path, target, point):
    """Kill a job at a crash point, give the same command again, and compare with what was not disturbed."""
    folder, points = undisturbed
    killed(project, folder, tmp_path, target, point)
    done = predict(project, folder / "in.jsonl", tmp_path / target)
    assert done.code == 0, f"point {point} of {points[target]}: {done.err}"
    for name in (target, f"{target}.rejected.jsonl"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), f"point {point}: {name}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [target, f"{target}.rejected.jsonl"]


@pytest.mark.parametrize(("target", "point"), [("out.jsonl", 9), ("out.csv.gz", 15), ("out.parquet", 19)])
def test_r1_a_killed_job_goes_on_where_it_stopped(project, undisturbed, tmp_path, target, point):
    """A kill -9 in the middle, the same command again: no row twice or lost, the very bytes of a job left in peace."""
    assert point < undisturbed[1][target] - 6
    check_resumed(project, undisturbed, tmp_path, target, point)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.jsonl", "out.csv.gz", "out.parquet"])
def test_r1_a_kill_at_any_point_loses_nothing(project, undisturbed, tmp_path, target):
    """A kill -9 at each instrumented point of a job, then the same command: always the bytes of one left in peace."""
    for point in range(1, undisturbed[1][target] + 1):
        folder = tmp_path / str(point)
        folder.mkdir()
        check_resumed(project, undisturbed, folder, target, point)


def test_the_rows_of_a_long_file_are_each_there_once(project, undisturbed):
    """Over several chunks, in every format: each row of the input once, in its order, or with its reason."""
    folder, _ = undisturbed
    good = [row for row in long_rows() if "text" in row]
    for target in ("out.jsonl", "out.csv.gz", "out.parquet"):
        found = read_rows(folder / target)
        assert [str(row["id"]) for row in found] == [str(row["id"]) for row in good]
        left_out = [json.loads(line) for line in (folder / f"{target}.rejected.jsonl").read_text().splitlines()]
        assert [one["row"]["id"] for one in left_out] == [n for n, row in enumerate(long_rows()) if "text" not in row]


def test_a_resumed_job_tells_what_was_there(project, undisturbed, tmp_path):
    """The summary counts all rows, and says how many an earlier process had done; OUT is not there before its end."""
    folder, _ = undisturbed
    killed(project, folder, tmp_path, "out.jsonl", 14)
    assert not (tmp_path / "out.jsonl").exists()
    done = ml_run("predict", folder / "in.jsonl", tmp_path / "out.jsonl", "--json", cwd=project)
    told = json.loads(done.out)
    assert 0 < told["resumed_after"] < told["rows"] == sum("text" in row for row in long_rows())
    assert f"going on after {told['resumed_after']} rows" in done.err
    assert told["rejected"] == sum("text" not in row for row in long_rows())


def test_another_job_does_not_go_on(project, undisturbed, tmp_path):
    """Changed input, model or options: refused with what changed, nothing is touched; --restart begins anew."""
    folder, _ = undisturbed
    killed(project, folder, tmp_path, "out.jsonl", 14)
    state = digest(tmp_path / ".out.jsonl.ml-run")
    write_jsonl(tmp_path / "other.jsonl", [*long_rows(), {"id": "new", "text": "guri"}])
    run = list_experiments(project)[0].id
    changed = {
        ("other.jsonl",): "the input has other content",
        ("in.jsonl", "--abstain-below", "0.5"): "--abstain-below is 0.5, it was not set",
        ("in.jsonl", "--text-field", "text", "--text-field", "id"): "the field of the text is text and id, it was text",
        ("in.jsonl", "--model", run): f"the model is {run}, it was 1",
    }
    (tmp_path / "in.jsonl").write_bytes((folder / "in.jsonl").read_bytes())
    for (source, *options), what in changed.items():
        code, where, found, remedy = refused(project, tmp_path / source, tmp_path / "out.jsonl", *options)
        assert (code, where) == (2, str(tmp_path / "out.jsonl"))
        assert found.startswith("another job was begun there, ")
        assert found.endswith(f"done: {what}")
        assert remedy == "give the command that it was begun with, or begin anew: --restart"
    assert digest(tmp_path / ".out.jsonl.ml-run") == state
    told = predicted(project, tmp_path / "other.jsonl", tmp_path / "out.jsonl", "--restart")
    assert (told["resumed_after"], read_rows(tmp_path / "out.jsonl")[-1]["id"]) == (0, "new")


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("[!.]*")}


def test_a_signal_leaves_a_state_and_the_command_to_go_on(project, tmp_path):
    """SIGTERM: exit 143, what is done is kept, and the command that goes on is printed; it does."""
    write_jsonl(tmp_path / "in.jsonl", long_rows(12))
    command = under_way(project, tmp_path, "--restart")
    command.send(signal.SIGTERM)
    done = command.wait()
    assert done.code == 143
    assert "✘ stopped by a signal; what is done is kept" in done.err
    assert f"→ go on: ml-run predict {tmp_path}/in.jsonl {tmp_path}/out.jsonl\n" in done.err
    assert not (tmp_path / "out.jsonl").exists()
    told = predicted(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert 0 < told["resumed_after"] < told["rows"] == sum("text" in row for row in long_rows(12))


def under_way(project, folder, *args):
    """A job on `in.jsonl` that has noted its first chunk."""
    command = Command(["predict", folder / "in.jsonl", folder / "out.jsonl", *args], cwd=project)
    journal = folder / ".out.jsonl.ml-run/journal.json"
    while not (journal.exists() and json.loads(journal.read_text())["records"]):
        assert command.alive(), command.err()
        time.sleep(0.005)
    return command


def test_a_file_that_is_still_written_gives_nothing(project, tmp_path):
    """A row that is added to IN while it is read: exit 2, no OUT, and the command does not go on with another file."""
    write_jsonl(tmp_path / "in.jsonl", long_rows(12))
    command = under_way(project, tmp_path)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write('{"text": "guri"}\n')
    done = command.wait()
    assert done.code == 2
    assert "in.jsonl: the file was changed while it was read" in done.err
    assert not (tmp_path / "out.jsonl").exists()
    assert refused(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")[2].endswith("the input has other content")


@pytest.mark.slow
def test_r16_a_full_disk_costs_nothing_that_is_done(project, undisturbed, tmp_path):
    """No room for the third chunk: exit 2 and what to do; with room, the same command goes on to the same bytes."""
    folder, _ = undisturbed
    words = [sys.executable, "-m", "ml_run", "predict", folder / "in.jsonl", tmp_path / "out.jsonl", "--quiet"]
    full = subprocess.run(
        [*map(str, words)], cwd=project, env=os.environ | QUIET, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_300_000, 1_300_000)),
    )  # fmt: skip
    assert full.returncode == 2
    assert f"{tmp_path}/out.jsonl: cannot write: File too large\n  → make room, " in full.stderr
    assert not (tmp_path / "out.jsonl").exists()
    assert predicted(project, folder / "in.jsonl", tmp_path / "out.jsonl")["resumed_after"] > 0
    assert (tmp_path / "out.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()


def test_r5_two_at_the_same_file_are_one_too_many(project, tmp_path):
    """While a process writes OUT, the same command is refused at once, naming that process."""
    write_jsonl(tmp_path / "in.jsonl", rows_of())
    (tmp_path / ".out.jsonl.ml-run").mkdir()
    with files.locked(tmp_path / ".out.jsonl.ml-run/.lock", wait=0, refusal=RuntimeError) as lock:
        lock.write("4711")
        lock.flush()
        code, _, found, _ = refused(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (code, found) == (2, "process 4711 is writing it right now")
    assert predicted(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")["rows"] == len(rows_of())


# --- what is refused --------------------------------------------------------------------------------------------------


def test_no_file_is_overwritten_unasked(project, tmp_path):
    """OUT that is there is kept unless --restart replaces it; IN is never overwritten."""
    write_jsonl(tmp_path / "in.jsonl", rows_of())
    (tmp_path / "out.jsonl").write_text("mine")
    code, where, found, remedy = refused(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (code, where, found) == (2, str(tmp_path / "out.jsonl"), "there is such a file already")
    assert remedy == "name another, or replace it: --restart"
    assert (tmp_path / "out.jsonl").read_text() == "mine"
    predicted(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--restart")
    assert len(read_rows(tmp_path / "out.jsonl")) == len(rows_of())
    (tmp_path / "out.jsonl").rename(tmp_path / "x.jsonl.rejected.jsonl")
    for source, target in (("in.jsonl", "in.jsonl"), ("x.jsonl.rejected.jsonl", "x.jsonl")):
        found = refused(project, tmp_path / source, tmp_path / target, "--restart")
        assert found[::2] == (2, "IN would be overwritten")


@pytest.mark.parametrize(
    ("arguments", "code", "found"),
    [
        (("gone.jsonl", "out.jsonl"), 2, "there is no such file"),
        (("in.xlsx", "out.jsonl"), 2, "the format of in.xlsx is not known"),
        (("in.jsonl", "out.txt"), 2, "out.txt is not known"),
        (("in.jsonl", "out.parquet.gz"), 2, "out.parquet.gz is not known"),
        (("in.jsonl", "folder.jsonl"), 2, "it is a folder"),
        (("in.jsonl", "in.xlsx/out.jsonl"), 2, "cannot write: "),
        (("in.jsonl", "out.jsonl", "--model", "nobody"), 2, "no run called 'nobody'"),
        (("in.jsonl", "out.jsonl", "--abstain-below", "nan"), 2, "it is nan, no probability"),
        (("in.jsonl", "out.jsonl", "--abstain-below", "1.2"), 2, "it is 1.2, no probability"),
        (("wide.jsonl", "out.jsonl"), 3, "the file is UTF-16 or UTF-32, not UTF-8"),
    ],
)
def test_what_cannot_be_done_is_said(project, tmp_path, arguments, code, found):
    """No such file, no such format, no such model, no probability: exit code and reason, and nothing is left behind."""
    write_jsonl(tmp_path / "in.jsonl", rows_of())
    (tmp_path / "in.xlsx").write_text("x")
    (tmp_path / "wide.jsonl").write_text('{"text": "guri"}', "utf-16")
    (tmp_path / "folder.jsonl").mkdir()
    before = sorted(tmp_path.iterdir())
    source, target, *options = arguments
    said = refused(project, tmp_path / source, tmp_path / target, *options)
    assert said[0] == code
    assert found in said[2]
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_model_there_is_no_prediction(tmp_path):
    """Nothing in production, or a run without a model: exit 2 and what to do."""
    write_jsonl(tmp_path / "in.jsonl", rows_of())
    assert refused(tmp_path, "in.jsonl", "out.jsonl")[::2] == (2, "no model is in production here")
    run = finished_run(tmp_path)
    (run.experiment.model / "manifest.json").unlink()
    assert refused(tmp_path, "in.jsonl", "out.jsonl", "--model", "latest")[2:] == (
        f"run {run.experiment.id} has no trained model",
        f"let it train first: ml-run --resume {run.experiment.id}",
    )


def test_r25_a_changed_model_predicts_nothing(project, tmp_path):
    """One bit of the deployed model changed: exit 7, the file is named, nothing is written."""
    write_project(tmp_path / "p")
    run = list_experiments(project)[0]
    write_jsonl(tmp_path / "p/in.jsonl", rows_of())
    put_into_production(tmp_path / "p", run, "1")
    weights = tmp_path / "p/experiments/deployments/1/linear.skops"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    code, _, found, _ = refused(tmp_path / "p", "in.jsonl", "out.jsonl")
    assert (code, found) == (
        7, "version 1 is not what was deployed: linear.skops was changed after it was written"
    )  # fmt: skip
    assert not (tmp_path / "p/out.jsonl").exists()


# --- what is said -----------------------------------------------------------------------------------------------------


def test_it_shows_what_came_of_it(project, tmp_path):
    """On stdout rows, model, labels and where they were written; on stderr the progress, nothing with --quiet."""
    write_jsonl(tmp_path / "in.jsonl", [*rows_of(), {"text": 1}])
    done = ml_run("predict", tmp_path / "in.jsonl", tmp_path / "out.jsonl", cwd=project)
    lines = done.out.splitlines()
    assert lines[0].startswith(f"predicted  {len(rows_of())} rows of ")
    assert "; 1 row left out: " in lines[0]
    assert lines[1] == "model      version 1"
    assert lines[2].startswith("labels     ")
    assert lines[3].startswith("written    ")
    assert len(lines) == 4
    assert done.err.startswith("▸ predict\n")
    quiet = ml_run("predict", tmp_path / "in.jsonl", tmp_path / "2.jsonl", "--quiet", cwd=project)
    assert (quiet.code, quiet.err) == (0, "")


def test_the_summary_is_short_whatever_the_labels():
    """A thousand labels of a thousand characters: under 10,000 characters, the frequent ones, and how many more."""
    labels = {f"{number}{'ɓ' * 1000}": 2000 - number for number in range(1000)}
    told = Predicted(
        input="in.jsonl", out="out.jsonl", rows=10, rejected=0, reasons={}, rejected_path=None, labels=labels,
        abstained=0, abstain_below=None, model="1", text_fields=("text",), resumed_after=0, seconds=1.0,
        rows_per_second=1.0, synthetic=False,
    ).told()  # fmt: skip
    assert len(json.dumps(told, indent=2, ensure_ascii=False)) < 10_000
    assert list(told["labels"].values()) == [2000, 1999, 1998, 1997, 1996, 1995, 1994][: len(told["labels"])]
    assert told["labels_omitted"] == 1000 - len(told["labels"]) < 1000


def test_hostile_names_do_not_reach_the_terminal_raw(project, tmp_path):
    """Escape sequences in names of files and fields are written out."""
    name = "in\x1b[31m.jsonl"
    write_jsonl(tmp_path / name, [{"headline\x1b]0;x\x07": "guri"}])
    done = ml_run("predict", tmp_path / name, tmp_path / "out\x1b[0m.jsonl", cwd=project)
    assert done.code == 3
    write_jsonl(tmp_path / name, [{"text": "guri"}])
    again = ml_run("predict", tmp_path / name, tmp_path / "out\x1b[0m.jsonl", cwd=project)
    assert again.code == 0
    for text in (done.err, done.out, again.err, again.out):
        assert "\x1b" not in text
        assert "\x07" not in text


def test_a_reader_that_has_gone_is_no_error(project, tmp_path):
    """`ml-run predict … | true` ends with exit 0, without a trace of a broken pipe, and OUT is whole."""
    write_jsonl(tmp_path / "in.jsonl", rows_of())
    command = (
        f"set -o pipefail; {sys.executable} -m ml_run predict {tmp_path}/in.jsonl {tmp_path}/out.jsonl --quiet | true"
    )
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, env=os.environ | QUIET, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_rows(tmp_path / "out.jsonl")) == len(rows_of())


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_file(project, tmp_path, kind):
    """200,000 rows take at most 40 MB more than 20,000 do, in the same format in and out."""
    peaks = {}
    for count in (20_000, 200_000):
        rows = [{"id": number, "text": f"{row['text']} waa {number}"} for number, row in enumerate(make_rows(count, 3))]
        source = write_rows(tmp_path / f"in{count}.{kind}", rows)
        del rows
        command = [sys.executable, "-m", "ml_run", "predict", source, tmp_path / f"out{count}.{kind}", "--quiet"]
        process = subprocess.Popen([*map(str, command)], cwd=project, env=os.environ | QUIET, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        peaks[count] = used.ru_maxrss / 1024
    assert peaks[200_000] < peaks[20_000] + 40, peaks
