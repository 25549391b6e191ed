"""The ledger of looks at test sets: every look counts once, and what was done to the ledger is told."""

import json

import pytest

import processes
from ml_run.evaluation import looks
from ml_run.evaluation.looks import digest_of_rows, ledger_path, take_look
from ml_run.results import Look
from ml_run.statistics import alpha_of_look, level_of_look

ROWS = [f"{number:032x}" for number in range(60)]
OTHER_ROWS = [*ROWS, "f" * 32]


def look(project, model, rows=ROWS, run=None):
    return take_look(project, rows, model=model, run=run or f"exp_{model}", against=None)


def record(project, run, taken):
    """What the run of a look keeps of it."""
    path = project / "experiments" / run / "evaluation" / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"look": taken.model_dump(), "model_digest": run}), "utf-8")


def lines(project):
    return ledger_path(project).read_text("utf-8").splitlines()


def test_each_model_is_one_look_and_each_look_is_stricter(tmp_path):
    """Three models on the same rows are looks 1, 2 and 3; the level rises and no sum of alphas passes .05 (R31)."""
    taken = [look(tmp_path, model) for model in "abc"]
    assert [one.number for one in taken] == [1, 2, 3]
    assert [one.alpha for one in taken] == [alpha_of_look(k) for k in (1, 2, 3)]
    assert [one.level for one in taken] == [level_of_look(k) for k in (1, 2, 3)]
    assert {one.warning for one in taken} == {""}
    assert 0.0499 < sum(alpha_of_look(k) for k in range(1, 10_000)) < 0.05
    assert [json.loads(line)["previous"] for line in lines(tmp_path)] == ["", taken[0].head, taken[1].head]


def test_the_same_model_on_the_same_rows_is_the_same_look(tmp_path):
    """An evaluation resumed, or repeated under another run's name, adds no line; rows in another order neither."""
    first = look(tmp_path, "a")
    look(tmp_path, "b")
    assert look(tmp_path, "a", run="exp_again") == first
    assert look(tmp_path, "a", rows=ROWS[::-1]) == first
    assert len(lines(tmp_path)) == 2


def test_each_test_set_counts_for_itself(tmp_path):
    """One row more makes another test set: its first look is look 1."""
    look(tmp_path, "a")
    assert look(tmp_path, "b", rows=OTHER_ROWS).number == 1
    assert look(tmp_path, "b").number == 2
    assert digest_of_rows(ROWS) != digest_of_rows(OTHER_ROWS)


def test_from_the_twentieth_look_on_a_fresh_test_set_is_due(tmp_path):
    """R31: looks 20 and 21 warn, look 19 does not; the level of the 21st is that of alpha 6 / (pi 21)^2."""
    taken = [look(tmp_path, f"m{number}") for number in range(1, 22)]
    assert [bool(one.warning) for one in taken] == [False] * 19 + [True] * 2
    assert taken[-1].warning == (
        "this is look 21 at this test set: the best of so many models owes some of its score to luck, and differences "
        "are judged ever more strictly; a fresh test set is due"
    )
    assert taken[-1].level == pytest.approx(1 - 2 * 0.05 * 6 / (3.141592653589793 * 21) ** 2)


def test_eight_processes_at_once_lose_no_line(tmp_path):
    """Eight models judged at the same time are looks 1 to 8, each with a line, in one unbroken chain."""
    started = [processes.start(look, tmp_path, f"m{number}") for number in range(8)]
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0] * 8
    numbers = [json.loads(line)["number"] for line in lines(tmp_path)]
    assert numbers == list(range(1, 9))
    assert look(tmp_path, "last").warning == ""


def edited(text):
    return text.replace('"number": 2', '"number": 1')


def without_the_second(text):
    first, _, *rest = text.splitlines(keepends=True)
    return "".join([first, *rest])


def not_json(text):
    return text.replace('{"time"', "{time", 1)


@pytest.mark.parametrize(
    ("harm", "said", "number"),
    [
        (edited, "line 2 cannot be read or was changed after it was written", 4),
        (without_the_second, "before line 2 at least one line is missing", 4),
        (not_json, "line 1 cannot be read or was changed after it was written", 4),
        (lambda text: text + '{"time": "20', "line 4 cannot be read or was changed after it was written", 5),
        (lambda text: text + "\udcff\n", "line 4 cannot be read or was changed after it was written", 5),
    ],
    ids=["edited", "taken out", "no JSON", "cut by a crash", "no text"],
)
def test_what_was_done_to_the_ledger_is_told_and_never_lowers_the_count(tmp_path, caplog, harm, said, number):
    """R31: a line that was edited, removed or cut is named, and counted as if it had been a look at these rows."""
    for model in "abc":
        look(tmp_path, model)
    path = ledger_path(tmp_path)
    path.write_bytes(harm(path.read_text("utf-8")).encode("utf-8", "surrogateescape"))
    taken = look(tmp_path, "d")
    assert taken.number == number
    assert taken.warning == (
        f"experiments/test_ledger.jsonl: {said}. Looks are counted on from the highest number known"
    )
    assert taken.warning in caplog.messages
    assert look(tmp_path, "e").number == number + 1


@pytest.mark.parametrize("left", [0, 1], ids=["the whole file", "the last lines"])
def test_lines_that_are_gone_are_missed_by_the_runs_that_recorded_them(tmp_path, left):
    """R31: deleting the ledger, or its last lines, is detected from the runs, and their numbers are not given again."""
    for model in "abc":
        record(tmp_path, f"exp_{model}", look(tmp_path, model))
    path = ledger_path(tmp_path)
    if left:
        path.write_text(lines(tmp_path)[0] + "\n", "utf-8")
    else:
        path.unlink()
    taken = look(tmp_path, "d")
    assert taken.number == 4
    gone = "2 looks at this test set, by exp_b (look 2) and exp_c (look 3)"
    if not left:
        gone = "3 looks at this test set, by exp_a (look 1), exp_b (look 2) and exp_c (look 3)"
    assert taken.warning == (
        f"experiments/test_ledger.jsonl: not in it, though runs have recorded them: {gone}. Looks are counted on from "
        "the highest number known"
    )


def test_runs_without_a_look_or_with_damaged_records_are_passed_over(tmp_path):
    """Metrics of older runs, of other test sets, and files that are no JSON say nothing of this test set."""
    taken = look(tmp_path, "a")
    record(tmp_path, "exp_other", taken.model_copy(update={"test_set": "another", "head": "0", "number": 9}))
    for run, text in (("exp_old", "{}"), ("exp_torn", '{"look": {'), ("exp_list", "[]"), ("exp_odd", '{"look": 3}')):
        path = tmp_path / "experiments" / run / "evaluation" / "metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
    assert look(tmp_path, "b") == Look(
        number=2, alpha=alpha_of_look(2), level=level_of_look(2), test_set=digest_of_rows(ROWS),
        head=json.loads(lines(tmp_path)[1])["hash"],
    )  # fmt: skip


def test_a_kill_before_or_after_the_line_leaves_one_look(tmp_path):
    """R1: killed at either crash point of noting a look and repeated, the look is there once."""
    for crash_at in (1, 2):
        assert processes.run(_killed, tmp_path, f"m{crash_at}", crash_at) == -9
        assert look(tmp_path, f"m{crash_at}").number == crash_at
    assert len(lines(tmp_path)) == 2


def _killed(project, model, crash_at):
    processes.crash_from_here(crash_at)
    look(project, model)


def test_the_ledger_is_only_ever_appended_to(tmp_path):
    """What stood in it stands in it afterwards, byte for byte, and the file is the same one."""
    look(tmp_path, "a")
    before, inode = ledger_path(tmp_path).read_bytes(), ledger_path(tmp_path).stat().st_ino
    look(tmp_path, "b")
    assert ledger_path(tmp_path).read_bytes().startswith(before)
    assert ledger_path(tmp_path).stat().st_ino == inode
    assert looks.LEDGER == "test_ledger.jsonl"
