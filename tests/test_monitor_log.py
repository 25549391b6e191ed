"""`ml-run monitor` on a traffic log that was rotated: it is read as one, by its own name."""

import json

import pytest

from conftest import make_rows
from harness import ml_run
from ml_run.reading.types import RawRow
from ml_run.serving.metrics import Metrics
from ml_run.serving.traffic import TrafficLog
from ml_run.watching import pieces
from serve_harness import until
from test_monitor_command import deployed, refused, texts  # noqa: F401 -- deployed is a fixture

ROWS = 120


def prediction():
    shares = {"Central": 0.75, "Northern": 0.125, "Southern": 0.125}
    return {"label": "Central", "confidence": 0.75, "probabilities": shares, "truncated": False}


def write_log(path, rows, most_bytes):
    """What `ml-run serve` leaves of these texts, in as many pieces as it takes."""
    log = TrafficLog(path, Metrics(), texts=True, most_bytes=most_bytes)
    for row in rows:
        log.note("1", [row["text"]], [prediction()])
        until(log._queue.empty)
    log.close(5)
    return sorted(path.parent.glob(f"{path.name}*"))


@pytest.fixture
def rotated(tmp_path):
    """A log of three pieces."""
    found = write_log(tmp_path / "traffic.jsonl", make_rows(ROWS), 16_000)
    assert [one.name for one in found] == ["traffic.jsonl", "traffic.jsonl.1", "traffic.jsonl.2"]
    return tmp_path / "traffic.jsonl"


def numbers(source):
    return [int(row.values["text"].rpartition("x")[2]) for row in source.rows]


def test_all_pieces_are_read_oldest_first(rotated):
    """FILE alone names them all; the order is that in which they were written, and none is read twice."""
    source, digest, notes = pieces.read_log(rotated, "traffic.jsonl")
    assert numbers(source) == list(range(ROWS))
    assert isinstance(source.rows[0], RawRow)
    assert notes == ["it was read with 2 rotated pieces"]
    assert pieces.read_log(rotated, "other name")[1] == digest


def test_a_log_that_is_rotated_meanwhile_is_read_once(rotated, monkeypatch):
    """The server moves FILE to FILE.1 after FILE was opened: its lines are there once, and none is lost."""
    whole = pieces.opened
    moved = []

    def opened(path, name):
        content = whole(path, name)
        if not moved:
            moved.append(path)
            found = content.__enter__()
            for number in (2, 1):
                rotated.with_name(f"traffic.jsonl.{number}").rename(rotated.with_name(f"traffic.jsonl.{number + 1}"))
            rotated.rename(rotated.with_name("traffic.jsonl.1"))
            rotated.write_text("")
            return _Kept(content, found)
        return content

    monkeypatch.setattr(pieces, "opened", opened)
    assert numbers(pieces.read_log(rotated, "traffic.jsonl")[0]) == list(range(ROWS))


class _Kept:
    """A file that was opened before."""

    def __init__(self, content, found):
        self._content, self._found = content, found

    def __enter__(self):
        return self._found

    def __exit__(self, *error):
        return self._content.__exit__(*error)


def test_more_lines_than_can_be_read_are_spread_evenly(rotated, monkeypatch):
    """A log of a million lines costs the memory of some: every so many, and it is said."""
    monkeypatch.setattr(pieces, "_MOST_LINES", 50)
    source, _, notes = pieces.read_log(rotated, "traffic.jsonl")
    assert numbers(source) == list(range(2, ROWS, 3))
    assert notes[1] == "of its 120 lines, one in 3 was read"


def test_other_files_with_numbers_are_no_log(tmp_path):
    """What a download left as new.jsonl.1 is not read along with new.jsonl."""
    for name in ("new.jsonl", "new.jsonl.1"):
        (tmp_path / name).write_text(json.dumps({"text": "guri"}) + "\n")
    assert not pieces.is_log(tmp_path / "new.jsonl")
    (tmp_path / "new.jsonl.1").write_text("")
    assert not pieces.is_log(tmp_path / "new.jsonl")


def monitored(project, name):
    return json.loads(ml_run("monitor", name, "--json", "--quiet", cwd=project).out)


@pytest.mark.slow
def test_monitor_takes_the_log_by_its_name(deployed, tmp_path):  # noqa: F811
    """One command, no renaming: all rows of all pieces; a piece by its own name is read alone."""
    project, _ = deployed
    path = project / "spool.jsonl"
    found = write_log(path, texts(ROWS), 16_000)
    assert len(found) == 3
    told = monitored(project, "spool.jsonl")
    assert (told["rows"], told["checked"]) == (ROWS, ROWS)
    assert "it was read with 2 rotated pieces" in told["notes"]
    alone = monitored(project, "spool.jsonl.2")
    assert 50 <= alone["rows"] < ROWS
    assert refused(project, "spool.jsonl.9")[0] == 2
