"""Start, change of model, end: no request is lost on the way."""

import json
import signal
import threading
import time

import pytest

from conftest import make_rows
from harness import ml_run
from ml_run import deployments
from serve_harness import TEXT, Server, deploy, heavy_texts, scorer, until


class Load:
    """Callers that ask one after another until told to stop."""

    def __init__(self, server, callers=4):
        self.answers, self.refused, self._over = [], 0, threading.Event()
        self._server = server
        self._callers = [threading.Thread(target=self._call) for _ in range(callers)]
        for caller in self._callers:
            caller.start()

    def _call(self):
        while not self._over.is_set():
            try:
                self.answers.append(self._server.predict(TEXT))
            except ConnectionError:  # it listens no more: this request never began
                self.refused += 1
                time.sleep(0.02)

    def end(self):
        self._over.set()
        for caller in self._callers:
            caller.join()

    @property
    def statuses(self):
        return {answer.status for answer in self.answers}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_r45_a_signal_under_load_loses_no_request(tmp_path, number):
    """Within 100 ms /readyz is 503 (SIGTERM); all that was accepted is answered; exit 0, within the grace."""
    deploy(tmp_path, "1")
    with Server(tmp_path, "--grace", "15") as server:
        probe, slow = server.connect(), []
        assert server.get("/readyz", connection=probe).status == 200
        large = threading.Thread(target=lambda: slow.append(server.predict(*heavy_texts(48))))
        large.start()
        until(lambda: server.number("ml_run_requests_in_flight") == 1)
        load = Load(server)
        start = time.monotonic()
        server.command.send(number)
        time.sleep(0.1)
        if number == signal.SIGTERM:
            answer = server.get("/readyz", connection=probe)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.headers["connection"] == "close"
            assert server.get("/livez").status == 200
        done = server.command.wait(20)
        taken = time.monotonic() - start
        large.join()
        load.end()
    assert done.code == 0, done.err
    assert taken < 15
    assert [answer.status for answer in slow] == [200]
    assert load.statuses <= {200}  # a slow machine may answer none of them before it closes
    assert load.refused


def test_a_second_signal_ends_it_at_once(tmp_path):
    """Whoever asks twice does not wait, and the exit code says that it was cut short."""
    deploy(tmp_path, "1")
    with Server(tmp_path) as server:
        server.command.send(signal.SIGTERM)
        time.sleep(0.2)
        start = time.monotonic()
        assert server.stop().code == 143
        assert time.monotonic() - start < 2


def test_r48_a_new_version_takes_over_and_none_fails(tmp_path):
    """Promoted under load: every request is answered, old before, new after; the way back takes less than 5 s."""
    deploy(tmp_path, "1")
    deploy(tmp_path, "2", seed=1, switch=False)
    with Server(tmp_path) as server:
        load = Load(server)
        for version in ("2", "1"):
            deployments.switch(tmp_path, version)
            assert until(lambda v=version: server.predict(TEXT).json["version"] == v) < 5
        load.end()
        assert server.number("ml_run_model_switches_total") == 2
    assert load.statuses == {200}
    versions = [answer.json["version"] for answer in load.answers]
    assert {"1", "2"} == set(versions)
    for answer in load.answers:
        (found,) = answer.json["predictions"]
        said = scorer(int(answer.json["version"]) - 1).probabilities([TEXT])[0]
        assert list(found["probabilities"].values()) == pytest.approx(list(said), abs=1e-6)
        assert answer.headers["x-model-version"] == answer.json["version"]


BROKEN = {
    "one bit": lambda folder: _flip(folder / "linear.skops"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a file more": lambda folder: (folder / "evil.py").write_text("1"),
    "another model": lambda folder: _note_other_digest(folder.parent, folder.name),
    "gone": lambda folder: [path.unlink() for path in folder.iterdir()] and folder.rmdir(),
}


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _note_other_digest(deployed, version):
    change = {"action": "deploy", "version": version, "previous": None, "digest": "0" * 64, "time": "2026-11-23"}
    (deployed / "history.jsonl").write_text(json.dumps(change) + "\n")


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
def test_r25_a_model_that_is_not_what_was_deployed_does_not_start(tmp_path, break_it):
    """Exit 7, what is wrong and what to do; nothing is ever answered from it."""
    break_it(deploy(tmp_path, "4"))
    done = ml_run("serve", "--port", "0", "--json", cwd=tmp_path)
    assert done.code == 7
    assert "version 4 is not what was deployed: " in done.err
    assert "ml-run rollback goes back to the version before" in done.err
    assert json.loads(done.out)["exit_code"] == 7


def test_r48_a_broken_version_does_not_take_over(tmp_path):
    """The old one goes on; /readyz, /metrics and the log say so; back to a whole version, all is well again."""
    deploy(tmp_path, "1")
    _flip(deploy(tmp_path, "2", seed=1, switch=False) / "linear.skops")
    with Server(tmp_path) as server:
        load = Load(server, callers=2)
        deployments.switch(tmp_path, "2")
        until(lambda: server.get("/readyz").json["cannot_serve"] == "2")
        assert server.get("/readyz").json == {"status": "ready", "version": "1", "cannot_serve": "2"}
        assert server.number("ml_run_model_behind") == 1
        assert server.number("ml_run_model_switch_failures_total") == 1
        said = "version 2 cannot serve, version 1 goes on: version 2 is not what was deployed: linear.skops was changed"
        assert said in server.command.err()
        deployments.switch(tmp_path, "1")
        until(lambda: server.get("/readyz").json["cannot_serve"] is None)
        load.end()
    assert load.statuses == {200}
    assert {answer.json["version"] for answer in load.answers} == {"1"}


def test_where_nothing_is_deployed_it_says_what_to_do(tmp_path):
    """Exit 2, and no folder is made."""
    done = ml_run("serve", cwd=tmp_path)
    assert done.code == 2
    assert "no model is in production here" in done.err
    assert "ml-run deploy ID deploys one that passed" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told(tmp_path):
    """The second server says which port it could not have, and how to name another."""
    deploy(tmp_path, "1")
    with Server(tmp_path) as server:
        done = ml_run("serve", "--port", str(server.port), cwd=tmp_path)
    assert done.code == 2
    assert f"port {server.port} of 127.0.0.1 cannot be had: Address already in use" in done.err


@pytest.mark.slow
def test_the_whole_road_to_a_served_transformer(tmp_path):
    """Train, deploy, serve; deploy another one under load, roll back; R47 for a transformer, too."""
    from conftest import write_project

    write_project(tmp_path)
    assert ml_run("one", "--quiet", cwd=tmp_path).code == 0
    with Server(tmp_path) as server:
        load = Load(server)
        assert ml_run("two", "--quiet", "--set", "training.seed=8", cwd=tmp_path).code == 0
        until(lambda: server.predict(TEXT).json["version"] == "2")
        assert ml_run("rollback", "--quiet", cwd=tmp_path).code == 0
        assert until(lambda: server.predict(TEXT).json["version"] == "1") < 5
        load.end()
        texts = [row["text"] for row in make_rows(64, 3)]
        together = server.predict(*texts).json["predictions"]
        for text, found in zip(texts, together, strict=True):
            (alone,) = server.predict(text).json["predictions"]
            assert alone["label"] == found["label"]
            assert alone["probabilities"] == pytest.approx(found["probabilities"], abs=1e-4)
        assert server.predict("gaadhay " * 100).json["predictions"][0]["truncated"] is True
    assert load.statuses == {200}
    assert {answer.json["version"] for answer in load.answers} == {"1", "2"}
