"""A real `ml-run serve` on a free port, and a plain HTTP client; the models are small and linear, and really learnt."""

import http.client
import json
import re
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conftest import LABELS, make_rows
from harness import Command
from ml_run import deployments, files
from ml_run.modeling import linear
from ml_run.modeling.linear_tuning import Rows, tune

TEXT = "yidhi wadan gaadhay biyo"


@cache
def scorer(seed=0):
    """A linear model; another seed, another model."""
    made = [make_rows(count, 10 * seed + part) for part, count in enumerate((90, 45))]
    data = [Rows([row["text"] for row in rows], [LABELS.index(row["label"]) for row in rows]) for rows in made]
    return tune(*data, LABELS, balanced=False, seed=1)[0]


def deploy(project: Path, version: str, seed=0, *, switch=True) -> Path:
    """Put a model in place as a promotion does, as its last step; return its folder."""
    folder = deployments.version_folder(project, version)
    with files.atomic_folder(folder) as temporary:
        linear.save(scorer(seed), temporary)
        (temporary / "README.md").write_text("---\nlanguage: so\n---\n# A card\n\n<script>alert(1)</script>\n", "utf-8")
    if switch:
        deployments.switch(project, version)
    return folder


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def labels(self):
        return [one["label"] for one in self.json["predictions"]]


class Server:
    """A server that is ready, or ends the test."""

    def __init__(self, project: Path, *args, env=None, ready=True):
        self.command = Command(["serve", "--port", "0", "--json", *args], project, env)
        self.port = 0
        if ready:
            self._wait_until_ready()

    def _wait_until_ready(self):
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and self.command.alive():
            told = self.command._out.read_text("utf-8") if self.command._out.exists() else ""
            if told.endswith("}\n"):
                self.url = json.loads(told)["url"]
                self.port = int(self.url.rpartition(":")[2])
                return
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.command.err()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.command.alive():
            self.command.kill()

    def connect(self, timeout=30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None) -> Answer:
        """One request, on a connection of its own unless one is given."""
        client = connection or self.connect()
        try:
            client.request(method, path, body=body, headers=headers or {})
            answer = client.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            if connection is None:
                client.close()

    def get(self, path, **how) -> Answer:
        return self.ask("GET", path, **how)

    def predict(self, *texts, **how) -> Answer:
        return self.ask("POST", "/predict", body=json.dumps({"texts": texts}).encode(), **how)

    def number(self, name: str) -> float:
        """A number of /metrics, 0 where it was never counted, the sum where there are labels."""
        lines = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return sum(map(float, lines))

    def stop(self, number=signal.SIGTERM, timeout=30):
        """Send a signal and wait for the end; tell how it ended."""
        self.command.send(number)
        return self.command.wait(timeout)


def until(condition, seconds=10.0):
    """Wait for `condition()`; return the seconds that took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "waited in vain"
        time.sleep(0.02)
    return time.monotonic() - start


def heavy_texts(count=40, characters=20_000):
    """Texts of words that occur once: they keep the model busy for a while."""
    words, made = [], 0
    for row in range(count):
        text = " ".join(f"{row}erey{number}xidid{number * 7919 % 9973}" for number in range(characters // 12))
        words.append(text[:characters])
        made += characters
    return words
