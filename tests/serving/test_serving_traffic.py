"""The traffic log: what it holds, and that no disk can stop a prediction."""

import json
import os
import shutil

import pytest

from harness import ml_run
from ml_run.serving import traffic
from ml_run.serving.metrics import Metrics
from ml_run.serving.traffic import TrafficLog
from serve_harness import TEXT, Server, deploy, until


@pytest.fixture
def shop(tmp_path):
    deploy(tmp_path, "1")
    return tmp_path


def prediction(label="a"):
    return {"label": label, "confidence": 0.75, "probabilities": {"a": 0.75, "b": 0.25}, "truncated": False}


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("texts", [False, True], ids=["without texts", "with texts"])
def test_r50_one_line_a_prediction_texts_only_if_asked_for(shop, texts):
    """Label, probabilities and lengths for monitor; the text only with --log-texts; for its owner's eyes only."""
    with Server(shop, "--traffic-log", "traffic.jsonl", *["--log-texts"] * texts) as server:
        server.predict(TEXT, "gaaray")
        server.ask("POST", "/", body=b"text=tried")
        server.stop()
    first, second = lines(shop / "traffic.jsonl")
    assert (first["version"], first["predicted"], first["characters"], first["words"]) == ("1", "Northern", 24, 4)
    assert first["confidence"] == first["probabilities"]["Northern"]
    assert second["predicted"] == "Central"
    assert first.get("text") == (TEXT if texts else None)
    assert (shop / "traffic.jsonl").stat().st_mode & 0o777 == 0o600


FAULTS = {
    "disk full": lambda folder: "/dev/full",
    "nobody reads": lambda folder: _pipe(folder / "pipe"),
    "not a file": lambda folder: _folder(folder / "folder"),
}


def _pipe(path):
    os.mkfifo(path)
    return path


def _folder(path):
    path.mkdir()
    return path


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_r50_where_nothing_can_be_written_predictions_go_on(shop, fault):
    """A full disk, a pipe without a reader: answered as ever, and each line that is missing is counted."""
    with Server(shop, "--traffic-log", fault(shop)) as server:
        for _ in range(3):
            assert server.predict(TEXT, TEXT).status == 200
        until(lambda: server.number("ml_run_traffic_log_dropped_total") == 6)
        assert server.number("ml_run_traffic_log_lines_total") == 0
        assert server.stop().code == 0


def test_r50_a_folder_that_goes_away_and_comes_back(shop):
    """Its lines are dropped and counted while it is gone, and written again once it is there."""
    folder = shop / "spool"
    folder.mkdir()
    with Server(shop, "--traffic-log", "spool/traffic.jsonl") as server:
        server.predict(TEXT)
        until(lambda: server.number("ml_run_traffic_log_lines_total") == 1)
        shutil.rmtree(folder)
        assert server.predict(TEXT).status == 200
        until(lambda: server.number("ml_run_traffic_log_dropped_total") == 1)
        folder.mkdir()
        server.predict(TEXT)
        until(lambda: server.number("ml_run_traffic_log_lines_total") == 2)
    assert len(lines(folder / "traffic.jsonl")) == 1


def test_r50_rotation_is_bounded_and_loses_no_newer_line(tmp_path):
    """Five files at most, none larger than the bound; what is dropped is the oldest."""
    path, metrics = tmp_path / "t.jsonl", Metrics()
    log = TrafficLog(path, metrics, texts=True, most_bytes=1000)
    for number in range(300):
        log.note("1", [f"text {number}"], [prediction()])
        if number % 5 == 0:
            until(log._queue.empty)
    log.close(5)
    found = sorted(tmp_path.iterdir())
    assert [one.name for one in found] == ["t.jsonl", "t.jsonl.1", "t.jsonl.2", "t.jsonl.3", "t.jsonl.4"]
    numbers = [int(line["text"].split()[1]) for one in reversed(found) for line in lines(one)]
    assert numbers == list(range(numbers[0], 300))
    assert "ml_run_traffic_log_lines_total 300" in metrics.render({}, None)


def test_r50_noting_never_waits(tmp_path, monkeypatch):
    """However slow the disk: past the queue's bound lines are dropped and counted."""
    monkeypatch.setattr(traffic, "MOST_QUEUED", 10)
    path, metrics = tmp_path / "pipe", Metrics()
    os.mkfifo(path)
    log = TrafficLog(path, metrics, texts=False)
    for _ in range(1000):
        log.note("1", ["t"], [prediction()])
    log.close(5)
    assert "ml_run_traffic_log_dropped_total 1000" in metrics.render({}, None)


def test_texts_without_a_log_are_refused(shop):
    """--log-texts alone is a mistake, and so is a folder that does not exist."""
    for args, said in (
        (("--log-texts",), "--log-texts has nowhere to write to"),
        (("--traffic-log", "nowhere/t.jsonl"), "the folder of --traffic-log nowhere/t.jsonl does not exist"),
    ):
        done = ml_run("serve", "--port", "0", *args, cwd=shop)
        assert done.code == 2
        assert said in done.err
