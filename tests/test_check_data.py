"""`ml-run check-data` through its front door: what it shows, what it leaves behind, how it ends."""

import json
import signal
import time

import pytest

from conftest import make_rows, write_jsonl, write_project
from harness import Command, ml_run
from ml_run import files
from ml_run.checking import DataCheck, check_data, check_screen, told_check
from ml_run.config.data_checks import RULES
from ml_run.config.file import load_config
from ml_run.errors import UsageError
from ml_run.experiment import list_experiments
from ml_run.results import Example, Finding, Lengths, PreparedData, SplitSummary

FOLDER = "experiments/check_data"


@pytest.fixture
def conflict(tmp_path):
    """A project with enough rows, whose only defect is one text under two labels."""
    write_project(tmp_path, train=200, val=90, test=120)
    rows = make_rows(200)
    rows[1] = rows[0] | {"label": "Southern"}
    write_jsonl(tmp_path / "data/train.jsonl", rows)
    return tmp_path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def in_process(project, *overrides):
    return check_data(load_config(project / "ml_config.yaml", overrides), project)


# --- the screen -----------------------------------------------------------------------------------------------------


def test_the_screen_says_what_is_wrong_and_what_to_do(conflict):
    """Worst first with its number, then readiness, rows, what was left where, and the command that goes on."""
    config = conflict / "ml_config.yaml"
    config.write_text(config.read_text().replace("data:\n", "data:\n  checks: {conflict: error}\n"))
    done = ml_run("check-data", "--quiet", cwd=conflict)
    assert (done.code, done.err) == (3, "")
    first, *_, command = done.out.splitlines()
    assert first.startswith("✘ conflict")
    words = " ".join(done.out.split())
    assert "1 text stands under different labels, in 2 rows: at least 1 label must be wrong" in words
    assert "✘ not ready: 1 error" in done.out
    assert "  200 train, 90 val, 120 test rows; 3 labels\n" in done.out
    assert f"  in {FOLDER}/:\n    report.html            every finding, with rows and what to do\n" in done.out
    assert "    data/review_queue.csv  2 rows for a native speaker\n" in done.out
    assert "  next: data/train.jsonl:1: decide on one label each: the rows are in review_queue.csv\n" in done.out
    assert command == f"  ml-run check-data --apply {FOLDER}/data/review_queue.csv"


def test_warnings_do_not_make_a_failure_and_the_config_is_named_in_the_next_command(conflict):
    """Exit 0 with warnings; the command to go on with names the config where it is not the usual one."""
    (conflict / "ml_config.yaml").rename(conflict / "my config.yaml")
    done = ml_run("check-data", "--config", "my config.yaml", "--quiet", cwd=conflict)
    assert done.code == 0
    assert "⚠ ready with warnings: " in done.out
    assert done.out.endswith(f"ml-run check-data --config 'my config.yaml' --apply {FOLDER}/data/review_queue.csv\n")


def test_progress_goes_to_stderr_and_findings_are_shown_once(conflict):
    """The table on stdout has the findings; stderr has the live line only, and nothing with --quiet."""
    done = ml_run("check-data", cwd=conflict)
    assert done.err == "▸ data\n"
    assert done.out.count("stands under different labels") == 1


def _finding(severity, number=0, words=12):
    return Finding(
        rule=list(RULES)[number],
        severity=severity,
        message=" ".join(["a finding with some words"] * (words // 5 + 1)) + f" number {number}",
        count=number + 1,
        share=0.5,
        examples=tuple(Example(file="data/train.jsonl", line=n) for n in range(20)),
        remedy="do something about it, and then look again " * 2,
    )


def _check(findings, readiness="ready", labels=("a", "b"), **more):
    lengths = Lengths(minimum=1, median=1, mean=1, p95=1, maximum=1)
    split = SplitSummary(
        name="train", source="data/train.jsonl", rows=1200, rejected=0, classes={}, characters=lengths, words=lengths,
        fingerprint="",
    )  # fmt: skip
    prepared = PreparedData(
        labels=tuple(labels), splits={"train": split}, text_fields=("text",), label_field="label",
        findings=tuple(findings), readiness=readiness, fingerprint="",
    )  # fmt: skip
    values = {
        "folder": FOLDER, "checks": 50, "queue": "data/review_queue.csv", "queue_rows": 0,
        "rejected": "data/rejected.jsonl", "rejected_rows": 0, "record": "data/report.json", "report": "report.html",
        "apply": "ml-run check-data --apply q",
    }  # fmt: skip
    return DataCheck(prepared=prepared, **values | more)


def test_clean_data_is_one_good_line():
    """Nothing found: how many checks ran on how many rows, and the command that goes on."""
    lines = check_screen(_check([]), 80)
    assert (lines[0].mark, lines[0].text) == ("ok", "ready: 50 checks on 1,200 rows found nothing")
    assert lines[-1].text == "next: ml-run NAME"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize(("errors", "warnings", "notes"), [(0, 1, 0), (3, 4, 5), (9, 20, 19), (0, 0, 40), (40, 0, 0)])
def test_it_fits_one_screen_whatever_was_found(width, errors, warnings, notes):
    """At most 23 lines of the terminal's width; errors before warnings before notes, and none unnamed in number."""
    kinds = ["error"] * errors + ["warning"] * warnings + ["info"] * notes
    findings = [_finding(kind, number, words=30) for number, kind in enumerate(kinds)]
    readiness = "not ready" if errors else "ready with warnings" if warnings else "ready"
    check = _check(findings, readiness, queue_rows=7, rejected_rows=3)
    lines = check_screen(check, width)
    used = sum(1 + len(line.text) // width for line in lines)
    assert used <= 23 or width == 40
    marks = [line.mark for line in lines if line.mark][:-1]
    order = {"error": 0, "warning": 1, "info": 2}
    assert marks == sorted(marks, key=order.__getitem__)
    if errors:
        assert lines[0].mark == "error"
    assert len(lines) > 5


def test_messages_are_whole_where_there_is_room():
    """A few findings are shown in full on a narrow terminal; many are cut to a line each, with an ellipsis."""
    few = check_screen(_check([_finding("warning", 3, words=30)], "ready with warnings"), 80)
    assert "number 3" in "".join(line.text for line in few)
    many = check_screen(_check([_finding("warning", n, words=30) for n in range(12)], "ready with warnings"), 80)
    assert sum(line.text.endswith("…") for line in many) > 5


def test_hostile_labels_and_file_names_do_not_reach_the_terminal_raw(tmp_path):
    """Escapes in labels, which findings quote, are written out."""
    write_project(tmp_path, train=60, val=30, test=30)
    rows = make_rows(60)
    rows[0]["label"] = "\x1b[31mred\x07"
    write_jsonl(tmp_path / "data/train.jsonl", rows)
    done = ml_run("check-data", "--set", "model.num_labels=4", "--quiet", cwd=tmp_path)
    assert done.code == 3
    assert "\x1b" not in done.out + done.err
    assert "x1b[31mred" in done.out


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_json_is_one_short_object_with_everything_to_go_on(conflict):
    """Readiness, rows, labels, findings with places, and where the files are; stdout has nothing else."""
    done = ml_run("check-data", "--json", cwd=conflict)
    told = json.loads(done.out)
    assert (done.code, told["exit_code"], told["readiness"]) == (0, 0, "ready with warnings")
    assert told["rows"] == {"train": 200, "val": 90, "test": 120}
    assert told["labels"] == ["Central", "Northern", "Southern"]
    (found,) = [finding for finding in told["findings"] if finding["rule"] == "conflict"]
    assert found["examples"] == ["data/train.jsonl:1", "data/train.jsonl:2"]
    assert found["severity"] == "warning"
    assert (told["review_queue_rows"], told["left_out_rows"]) == (2, 0)
    for key in ("record", "review_queue", "rejected", "report"):
        assert (conflict / told["paths"]["folder"] / told["paths"][key]).is_file(), key


def test_json_stays_short_and_says_what_it_left_out():
    """Under 10,000 characters with sixty findings and hundreds of labels: examples go first, and all is counted."""
    few = told_check(_check([_finding("warning", n, words=20) for n in range(20)]))
    assert len(json.dumps(few, indent=2, ensure_ascii=False)) < 10_000
    assert len(few["findings"]) == 20
    assert few["examples_left_out"] == 20 * 3 - sum(len(f["examples"]) for f in few["findings"])
    labels = [f"label number {n} with a long name" for n in range(300)]
    many = told_check(_check([_finding("error", n % 40, words=90) for n in range(60)], labels=labels))
    assert len(json.dumps(many, indent=2, ensure_ascii=False)) < 10_000
    assert many["findings_left_out"] == 60 - len(many["findings"])
    assert many["labels_left_out"] == 300 - len(many["labels"])
    assert many["left_out"] == ["ends of long messages", "remedies of notes"]
    assert many["findings_left_out"] < 50


def test_json_of_data_that_cannot_be_read_is_an_error_object(project):
    """Exit 3 and one object, when a file holds no row at all; a config fault is exit 2 and names the line."""
    done = ml_run("check-data", "--json", "--set", "model.num_labels=7", cwd=project)
    told = json.loads(done.out)
    assert (done.code, told["exit_code"]) == (2, 2)
    assert "--set model.num_labels=7" in told["errors"][0]["where"]
    (project / "data/test.jsonl").write_text("")
    done = ml_run("check-data", "--json", cwd=project)
    assert (done.code, json.loads(done.out)["exit_code"]) == (3, 3)


# --- the folder -----------------------------------------------------------------------------------------------------


def test_it_leaves_the_folder_of_a_run_without_being_one(conflict):
    """Record, rejected rows, queue, page and config are there; no split is, and `ml-run list` knows nothing of it."""
    in_process(conflict)
    found = {
        path.relative_to(conflict / FOLDER).as_posix() for path in (conflict / FOLDER).rglob("*") if path.is_file()
    }
    assert {"data/report.json", "data/rejected.jsonl", "data/review_queue.csv", "report.html", "config.yaml"} <= found
    assert not [name for name in found if name.endswith(".parquet")]
    assert list_experiments(conflict) == []
    assert names_in(conflict / "experiments") == [".check_data.lock", "check_data"]
    assert files.manifest_fault(conflict / FOLDER) is None


def test_a_new_check_replaces_the_old_one_but_not_what_people_wrote(conflict):
    """A queue that was filled in is kept under another name and told; files of people's own stay; the rest is new."""
    in_process(conflict)
    queue = conflict / FOLDER / "data/review_queue.csv"
    queue.write_text("my answers")
    (conflict / FOLDER / "data/notes.txt").write_text("mine")
    (conflict / FOLDER / "report.md").unlink(missing_ok=True)
    assert in_process(conflict).kept == ("data/review_queue.edited.csv",)
    assert queue.read_text("utf-8").startswith("\ufefffile,")
    assert queue.with_name("review_queue.edited.csv").read_text() == "my answers"
    queue.write_text("more answers")
    check = in_process(conflict)
    assert check.kept == ("data/review_queue.edited-2.csv",)
    assert any("was changed by hand, so it was kept" in line.text for line in check_screen(check, 80))
    assert queue.with_name("review_queue.edited.csv").read_text() == "my answers"
    assert (conflict / FOLDER / "data/notes.txt").read_text() == "mine"
    assert in_process(conflict).kept == ()


def test_where_no_row_can_be_used_the_reasons_are_where_the_message_says(tmp_path):
    """The path in the message exists, in the folder as it is called afterwards."""
    write_project(tmp_path)
    (tmp_path / "data/val.jsonl").write_text("not json\n" * 3)
    write_jsonl(tmp_path / "data/test.jsonl", [{"text": "...", "label": "Central"}] * 3)
    (tmp_path / "data/val.jsonl").write_text('{"text": "...", "label": "Central"}\n')
    done = ml_run("check-data", cwd=tmp_path)
    assert done.code == 3
    assert f"{FOLDER}/data/rejected.jsonl" in done.err
    assert len((tmp_path / FOLDER / "data/rejected.jsonl").read_text().splitlines()) == 4
    assert names_in(tmp_path / "experiments") == [".check_data.lock", "check_data"]


def test_two_checks_at_once_are_refused(conflict):
    """The second says so and does nothing."""
    lock = conflict / "experiments/.check_data.lock"
    lock.parent.mkdir()
    with files.locked(lock, wait=0, refusal=lambda _: UsageError("held")):
        done = ml_run("check-data", cwd=conflict)
    assert (done.code, done.err) == (
        2, "✘ another process is checking the data of this project\n  → wait for it to end\n",
    )  # fmt: skip
    assert not (conflict / FOLDER).exists()


def test_ctrl_c_leaves_the_last_check_as_it_was(tmp_path):
    """Exit 130, the old folder whole, and nothing half-made beside it."""
    write_project(tmp_path)
    in_process(tmp_path)
    before = (tmp_path / FOLDER / "manifest.json").read_bytes()
    write_jsonl(tmp_path / "data/train.jsonl", make_rows(60_000))
    command = Command(["check-data"], tmp_path)
    while "▸ data" not in command.err() and command.alive():
        time.sleep(0.02)
    command.send(signal.SIGINT)
    done = command.wait()
    assert done.code == 130, done.err
    assert (tmp_path / FOLDER / "manifest.json").read_bytes() == before
    assert names_in(tmp_path / "experiments") == [".check_data.lock", "check_data"]


def test_what_a_killed_check_left_is_cleared_away(conflict):
    """A half-made folder of a process that is gone does not stay; a folder caught between two renames comes back."""
    in_process(conflict)
    root = conflict / "experiments"
    (root / "check_data").rename(root / ".check_data.0a1b2c3d.old")
    (root / "check_data.x").mkdir()
    (root / ".check_data.abcdefgh.tmp").mkdir()
    in_process(conflict)
    assert names_in(root) == [".check_data.lock", "check_data", "check_data.x"]


# --- the word -------------------------------------------------------------------------------------------------------


def test_a_run_may_still_be_called_check_data(project):
    """`ml-run check-data` is the command, `ml-run run check-data` a run of that name."""
    done = ml_run("run", "check-data", "--dry-run", "--json", "--quiet", cwd=project)
    assert json.loads(done.out)["rows"] == {"train": 150, "val": 60, "test": 60}
    helped = ml_run("check-data", "--help", cwd=project)
    assert "Exit code 3" in helped.out
    first = ml_run("--help", cwd=project).out
    assert first.index("\n  check-config ") < first.index("\n  check-data ") < first.index("\n  quickstart ")


def test_a_folder_that_may_not_be_written_is_a_usage_error(project):
    """Said with the folder and the remedy, not as a bug."""
    (project / "experiments").write_text("a file in its place")
    done = ml_run("check-data", "--quiet", cwd=project)
    assert done.code == 2
    assert "cannot write here" in done.err
