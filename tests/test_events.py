"""The journal and the log."""

import json
import logging

import pytest

from ml_run import events
from ml_run.events import emit, logger, recording


def lines(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


def record(folder, *messages, secrets=()):
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
    with recording(tmp_path):
        emit("progress", "step 1", stage="train", done=1, total=2)
        emit("stage_finished", "train: done", stage="train")
    assert [line["event"] for line in lines(tmp_path)] == ["progress", "stage_finished"]
    assert "step 1" not in (tmp_path / "run.log").read_text()


@pytest.mark.parametrize("secret", ['pa"ss\\word', "pass\nword", "sécret\u2028x", '"}', 'x", "y": "z'])
def test_a_secret_that_json_escapes_is_masked_all_the_same(tmp_path, secret):
    """Quotes, backslashes and breaks in a secret neither let it through nor tear the line apart (R38)."""
    secrets = (secret + "!!",)
    with recording(tmp_path, secrets):
        emit("note", f"with {secrets[0]}.", deep={"list": [{secrets[0]: (secrets[0],)}], "path": tmp_path}, done=12)
    (line,) = lines(tmp_path)
    assert line["message"] == "with ***."
    assert (tmp_path / "run.log").read_text("utf-8").endswith(" with ***.\n")
    assert line["deep"] == {"list": [{"***": ["***"]}], "path": str(tmp_path)}
    assert line["done"] == 12


def test_a_secret_that_is_a_number_does_not_break_the_journal(tmp_path):
    """A password of digits is masked in texts; a count that happens to be equal stays a number."""
    record(tmp_path, "pin 12345", secrets=("12345",))
    with recording(tmp_path, ("12345",)):
        emit("progress", "rows", rows=12345)
    assert [line.get("rows", line["message"]) for line in lines(tmp_path)] == ["pin ***", 12345]


def test_everything_is_recorded_whatever_the_terminal_shows(tmp_path, monkeypatch):
    """A logger that was set to warnings records all events within the block, and is as it was after it."""
    monkeypatch.setattr(logger, "propagate", True)
    before = logger.level
    logger.setLevel(logging.WARNING)
    with recording(tmp_path):
        emit("progress", "step", level=logging.DEBUG)
        assert not logger.propagate
    emit("progress", "not recorded")
    found = logger.level, logger.propagate
    logger.setLevel(before)
    assert found == (logging.WARNING, True)
    assert [line["message"] for line in lines(tmp_path)] == ["step"]


def test_only_the_end_of_a_long_journal_is_read(tmp_path, monkeypatch):
    """The sequence goes on after a journal longer than the tail, and after a last line longer than it."""
    monkeypatch.setattr(events, "_TAIL", 300)
    record(tmp_path, *("x" * 50 for _ in range(20)))
    journal = tmp_path / "events.jsonl"
    journal.write_bytes(b'{"seq": 999}\n' + journal.read_bytes())  # not reached
    record(tmp_path, "y" * 1000)
    record(tmp_path, "z")
    assert [line["seq"] for line in lines(tmp_path)][-3:] == [20, 21, 22]
