"""`/predict`: what is asked, what is answered, and that both belong together."""

import json
import random
import threading
import time

import numpy as np
import pytest

from conftest import LABELS, make_rows
from serve_harness import TEXT, Server, deploy, scorer

ODD = {
    "nothing": "",
    "one character": "x",
    "600 words": "gaadhay " * 600,
    "emoji": "👩‍👩‍👧 🏳️‍🌈 gaadhay",
    "NUL": "a\x00b gaadhay",
    "Ethiopic": "ሰላም፡ለዓለም",
    "right to left": "مرحبا بالعالم",
    "longest": "a" * 20_000,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    project = tmp_path_factory.mktemp("shop")
    deploy(project, "3")
    with Server(project) as running:
        yield running


def test_one_text_or_many(server):
    """One prediction a text, in their order, with every label's probability; the header names the version."""
    one = server.ask("POST", "/predict", body=json.dumps({"text": TEXT}).encode())
    assert one.status == 200
    assert one.headers["x-model-version"] == "3"
    expected = scorer().probabilities([TEXT])[0]
    (found,) = one.json["predictions"]
    assert one.json["version"] == "3"
    assert found["label"] == LABELS[expected.argmax()] == "Northern"
    assert found["probabilities"] == pytest.approx(dict(zip(LABELS, expected, strict=True)), abs=1e-6)
    assert found["confidence"] == max(found["probabilities"].values())
    assert found["truncated"] is False
    rows = make_rows(30, 9)
    assert server.predict(*(row["text"] for row in rows)).labels == [
        LABELS[number] for number in scorer().logits([row["text"] for row in rows]).argmax(1)
    ]


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_r43_odd_texts_are_answered(server, text):
    """Whatever the text, within the limits: a prediction with finite numbers, and whether it was cut."""
    answer = server.predict(text)
    assert answer.status == 200
    (found,) = answer.json["predictions"]
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert found["truncated"] in {True, False}


SECRET = "secret-of-the-caller"
REFUSED = {
    "no JSON": (b"{secret-of-the-caller", 400, "the body is no JSON"),
    "half JSON": (b'{"text": "secret-of-the-caller', 400, "the body is no JSON"),
    "nothing": (b"", 400, "the body is no JSON"),
    "lone surrogate": (rb'{"text": "\ud800 secret-of-the-caller"}', 400, "the body is no JSON"),
    "not UTF-8": (b'{"text": "\xff secret-of-the-caller"}', 400, "the body is no JSON"),
    "depth": (b"[" * 100_000, 400, "the body is no JSON"),
    "a list": (b'["secret-of-the-caller"]', 422, "body: "),
    "neither": (b"{}", 422, "body: give either text or texts"),
    "both": (b'{"text": "secret-of-the-caller", "texts": ["a"]}', 422, "body: give either text or texts"),
    "other keys": (b'{"text": "a", "secret-of-the-caller": 1}', 422, "body: only text and texts are known here"),
    "a number": (b'{"texts": ["secret-of-the-caller", 1, null]}', 422, "texts[1]: Input should be a valid string; tex"),
    "no texts": (b'{"texts": []}', 422, "texts: List should have at least 1 item"),
    "20k tokens": (b'{"text": "%s"}' % (b"secret-of-the-caller " * 20_000), 422, "text: String should have at most 20"),
}


@pytest.mark.parametrize(("body", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_r43_what_cannot_be_read_is_refused_without_an_echo(server, body, status, said):
    """Never a 500, never a trace, and nothing of what was sent comes back."""
    answer = server.ask("POST", "/predict", body=body)
    assert answer.status == status
    assert answer.json["error"].startswith(said)
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert len(answer.body) < 400


def test_other_paths_and_methods_say_nothing_of_the_server(server):
    """Unknown paths are 404, wrong methods 405, in the same form; a header tells no software."""
    for method, path, status in (("GET", "/etc/passwd", 404), ("GET", "/predict", 405), ("PUT", "/", 405)):
        answer = server.ask(method, path)
        assert (answer.status, set(answer.json)) == (status, {"error"})
        assert "server" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_openapi_document_describes_predict(server):
    """Programs can learn what to send and what comes back; the limits are in it."""
    found = server.get("/openapi.json").json
    assert set(found["paths"]) == {"/predict", "/livez", "/readyz", "/metrics"}
    asked = found["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert asked["properties"]["texts"]["anyOf"][0]["maxItems"] == 64
    assert "429" in found["paths"]["/predict"]["post"]["responses"]


def test_r47_a_text_gets_the_same_alone_and_in_any_batch_and_nobody_gets_anothers(server):
    """10,000 tagged texts from 8 callers at once, in requests of 1 to 64: each gets what the model says of it alone."""
    expected, faults = {}, []
    batches = [_tagged(caller) for caller in range(8)]
    for texts in (texts for batch in batches for texts in batch):
        expected |= dict(zip(texts, scorer().probabilities(texts), strict=True))

    def call(mine):
        connection = server.connect()
        for texts in mine:
            answer = server.predict(*texts, connection=connection)
            for text, found in zip(texts, answer.json["predictions"], strict=True):
                difference = np.abs(np.array(list(found["probabilities"].values())) - expected[text]).max()
                if difference > 1e-4 or found["label"] != LABELS[expected[text].argmax()]:
                    faults.append((text, difference))
        connection.close()

    together = [threading.Thread(target=call, args=(mine,)) for mine in batches]
    for caller in together:
        caller.start()
    for caller in together:
        caller.join()
    assert len(expected) == 10_000
    assert not faults
    assert server.number("ml_run_batch_texts_count") < sum(map(len, batches)), "some requests shared a batch"


def _tagged(caller):
    chance = random.Random(caller)
    stems = [row["text"].rsplit(" ", 1)[0] for row in make_rows(60, caller)]
    texts = [f"{chance.choice(stems)} {caller}tag{number}" for number in range(1250)]
    requests = []
    while texts:
        size = chance.randint(1, 64)
        requests.append(texts[:size])
        texts = texts[size:]
    return requests


def test_an_answer_does_not_wait_for_its_first_half_to_be_confirmed(server):
    """On an open connection the fastest of 20 answers takes well under the 40 ms of a delayed acknowledgement."""
    connection, seconds = server.connect(), []
    for _ in range(20):
        start = time.perf_counter()
        server.predict(TEXT, connection=connection)
        seconds.append(time.perf_counter() - start)
    connection.close()
    assert min(seconds) < 0.03


def test_numbers_add_up(tmp_path):
    """/metrics counts requests by status, texts by label, and has every histogram in Prometheus's form."""
    deploy(tmp_path, "7")
    with Server(tmp_path) as server:
        assert server.get("/readyz").json == {"status": "ready", "version": "7", "cannot_serve": None}
        server.predict(*[TEXT] * 5)
        server.ask("POST", "/predict", body=b"{")
        page = server.get("/metrics")
        assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        for line in (
            'ml_run_requests_total{path="/predict",status="200"} 1',
            'ml_run_requests_total{path="/predict",status="400"} 1',
            'ml_run_rejected_total{reason="invalid"} 1',
            'ml_run_predictions_total{version="7",label="Northern"} 5',
            "ml_run_predict_seconds_count 1",
            'ml_run_batch_texts_bucket{le="4"} 0',
            'ml_run_batch_texts_bucket{le="8"} 1',
            'ml_run_confidence_bucket{le="+Inf"} 5',
            "ml_run_queue_texts 0",
            "ml_run_requests_in_flight 0",
            "ml_run_ready 1",
            'ml_run_model_info{version="7"} 1',
        ):
            assert f"\n{line}\n" in page.text, line
