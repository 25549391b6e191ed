"""The journal and the log."""

import json
import logging

from ml_run.events import emit, logger, recording


def lines(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


def record(folder, *messages, secrets=()):
    logger.setLevel(logging.DEBUG)
    with recording(folder, secrets):
        for message in messages:
            emit("note", message, text=message)


def test_one_event_is_one_line_whatever_it_holds(tmp_path):
    """Line breaks, escapes, markup and lone surrogates stay inside one line of both files (R37)."""
    record(tmp_path, "a\nb\u2028c", "\x1b]8;;x\x07[/foo]", "\ud800 half")
    assert [line["seq"] for line in lines(tmp_path)] == [1, 2, 3]
    log = (tmp_path / "run.log").read_text("utf-8").split("\n")
    assert len(log) == 4
    assert log[0].endswith(r"a\x0ab\x2028c")
    assert log[1].endswith(r"\x1b]8;;x\x07[/foo]")


def test_the_journal_goes_on_after_a_cut_line(tmp_path):
    """After a kill in the middle of a line, the sequence goes on and the cut line spoils no other."""
    record(tmp_path, "one", "two")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"seq": 3, "cut')
    record(tmp_path, "three")
    text = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(text[-1])["message"] == "three"
    assert json.loads(text[-1])["seq"] == 3


def test_secrets_reach_neither_file(tmp_path):
    """A secret is replaced in messages and in data, in the journal and in the log (R38)."""
    record(tmp_path, "login with hunter2!", secrets=("hunter2!",))
    for file in tmp_path.iterdir():
        assert "hunter2!" not in file.read_text()
        assert "***" in file.read_text()


def test_the_log_for_people_leaves_progress_out(tmp_path):
    """Progress and metrics are in the journal only."""
    logger.setLevel(logging.DEBUG)
    with recording(tmp_path):
        emit("progress", "step 1", stage="train", done=1, total=2)
        emit("stage_finished", "train: done", stage="train")
    assert [line["event"] for line in lines(tmp_path)] == ["progress", "stage_finished"]
    assert "step 1" not in (tmp_path / "run.log").read_text()
