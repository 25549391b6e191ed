"""The queue before the model, and what is said while there is no model: in this process, with real threads."""

import asyncio
import json
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from conftest import LABELS
from ml_run.modeling.scoring import Scorer
from ml_run.serving.app import Service, build_app
from ml_run.serving.batching import Batcher
from ml_run.serving.bodies import Room
from ml_run.serving.metrics import Metrics
from ml_run.serving.models import Models, ServedModel
from ml_run.serving.refusals import RefusedError
from ml_run.serving.settings import MOST_TEXTS, MOST_WAITING, Settings
from ml_run.serving.words import Explainer
from serve_harness import TEXT, scorer


@dataclass
class Held(Scorer):
    """A real model that waits until it may go on, notes what it is asked, and cannot read one text."""

    go: threading.Event = field(default_factory=threading.Event)
    asked: list = field(default_factory=list)

    @property
    def labels(self):
        return LABELS

    def logits(self, texts, *, batch_size=32, progress=None):
        self.asked.append(len(texts))
        self.go.wait(10)
        if "unreadable" in texts:
            raise MemoryError
        found = scorer().logits(texts)
        found[[text == "no number" for text in texts]] = np.nan
        return found


class Shop:
    """The parts of a server, without HTTP."""

    def __init__(self, project, deadline=10.0):
        self.scorer, self.metrics = Held(), Metrics()
        self.models = Models(project, self.metrics)
        self.batcher = Batcher(self.models, self.metrics, deadline)
        self.service = Service(
            Settings(), self.models, self.metrics, self.batcher, Explainer(self.batcher), None, Room()
        )

    def open(self):
        self.models.serving = ServedModel("1", "0" * 64, self.scorer, "")

    def run(self, scene):
        async def play():
            running = asyncio.create_task(self.batcher.run())
            try:
                return await scene()
            finally:
                running.cancel()

        return asyncio.run(play())


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    made.open()
    return made


def ask(shop, *texts):
    return asyncio.create_task(shop.batcher.score(list(texts)))


async def moment(seconds=0.05):
    await asyncio.sleep(seconds)


def test_what_comes_while_the_model_is_busy_makes_one_batch(shop):
    """One alone starts at once; those that follow are scored together, 64 texts at most, in their order."""

    async def scene():
        first = ask(shop, TEXT)
        await moment()
        rest = [ask(shop, *[f"{TEXT} {number}"] * 20) for number in range(4)]
        await moment()
        assert shop.batcher.waiting == 80
        shop.scorer.go.set()
        return [await job for job in (first, *rest)]

    answers = shop.run(scene)
    assert shop.scorer.asked == [1, 60, 20]
    assert [len(answer.logits) for answer in answers] == [1, 20, 20, 20, 20]
    for number, answer in enumerate(answers[1:]):
        assert (answer.logits == scorer().logits([f"{TEXT} {number}"] * 20)).all()
    assert shop.batcher.waiting == 0


@pytest.mark.parametrize("bad", ["unreadable", "no number"])
def test_a_request_that_the_model_cannot_answer_fails_alone(shop, bad):
    """An exception or a NaN is 500 for the request it belongs to; those that shared its batch are answered."""

    async def scene():
        first = ask(shop, TEXT)
        await moment()
        jobs = [first, ask(shop, TEXT, "a"), ask(shop, "b", bad), ask(shop, "c")]
        await moment()
        shop.scorer.go.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    found = shop.run(scene)
    assert isinstance(found[2], RefusedError)
    assert found[2].status == 500
    assert bad not in found[2].message
    assert [len(found[number].logits) for number in (0, 1, 3)] == [1, 2, 1]


def test_who_gave_up_is_not_scored(shop):
    """A request whose caller left while it waited leaves the queue at once."""

    async def scene():
        first = ask(shop, TEXT)
        await moment()
        gone, stays = ask(shop, "a", "b"), ask(shop, "c")
        await moment()
        gone.cancel()
        await moment()
        assert shop.batcher.waiting == 1
        shop.scorer.go.set()
        await asyncio.gather(first, stays)

    shop.run(scene)
    assert shop.scorer.asked == [1, 1]


def test_r44_the_queue_has_a_bound_in_texts_and_in_time(shop):
    """1,024 texts wait at most; of a model that takes 0.05 s a text, as many as it can score before the deadline."""

    async def scene():
        ask(shop, TEXT)
        await moment()
        waiting = [ask(shop, *["a"] * MOST_TEXTS) for _ in range(MOST_WAITING // MOST_TEXTS)]
        await moment()
        with pytest.raises(RefusedError) as full:
            await shop.batcher.score(["one too many"])
        shop.batcher._pace = 0.05
        assert shop.batcher.retry_after() == 52
        for job in waiting[4:]:
            job.cancel()
        await moment()
        with pytest.raises(RefusedError) as slow:
            await shop.batcher.score(["later than the deadline"])
        shop.scorer.go.set()
        await asyncio.gather(*waiting[:4])
        return full.value, slow.value

    for refused in shop.run(scene):
        assert (refused.status, refused.reason) == (429, "busy")
        assert refused.retry_after >= 1


async def call(app, method, path, body=b""):
    """Ask an ASGI application; status, headers and body."""
    sent = []
    parts = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
    await app(scope | {"scheme": "http", "server": ("x", 1), "client": ("y", 1), "root_path": ""}, receive, send)
    headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def test_ready_only_with_a_model_alive_always(tmp_path):
    """Before the first model is warm: alive, not ready, 503 with Retry-After for predictions and on the page."""
    shop = Shop(tmp_path)
    app = build_app(shop.service)

    async def scene():
        asked = [("GET", "/livez", b""), ("GET", "/readyz", b""), ("POST", "/predict", b'{"text": "a"}')]
        before = [await call(app, *one) for one in [*asked, ("POST", "/", b"text=a"), ("GET", "/", b"")]]
        shop.open()
        shop.scorer.go.set()
        return before, [await call(app, *one) for one in asked]

    before, after = shop.run(scene)
    assert [status for status, _, _ in before] == [200, 503, 503, 503, 200]
    assert [headers.get("retry-after") for _, headers, _ in before] == [None, "1", "1", "1", None]
    assert json.loads(before[2][2]) == {"error": "the model is still being loaded; try again"}
    assert b"The model is still being loaded; try again" in before[3][2]
    assert [status for status, _, _ in after] == [200, 200, 200]
