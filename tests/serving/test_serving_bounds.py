"""What a server takes on, and what callers who misbehave can do to it."""

import json
import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from serve_harness import TEXT, Server, deploy, heavy_texts, until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    project = tmp_path_factory.mktemp("shop")
    deploy(project, "1")
    with Server(project, "--deadline", "2") as running:
        yield running


def resident(pid):
    """Memory of a process in kB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def flood(server, callers, requests, texts):
    """So many callers at once, each with so many requests; the statuses, and seconds of those accepted."""
    statuses, seconds = [], []
    body = json.dumps({"texts": [TEXT] * texts}).encode()

    def call():
        for _ in range(requests):
            start = time.monotonic()
            answer = server.ask("POST", "/predict", body=body)
            statuses.append(answer.status)
            if answer.status == 200:
                seconds.append(time.monotonic() - start)
            elif answer.status == 429:
                assert int(answer.headers["retry-after"]) >= 1

    together = [threading.Thread(target=call) for _ in range(callers)]
    for caller in together:
        caller.start()
    return together, statuses, seconds


def test_r44_too_large_too_many_too_long(server):
    """2 MB: 413, announced or not; 1,000 texts, or 20,001 characters: 422."""
    large = b'{"text": "' + b"a" * 2_000_000 + b'"}'
    assert server.ask("POST", "/predict", body=large).status == 413
    assert server.ask("POST", "/predict", body=iter([large[:700_000]] * 3)).status == 413
    assert server.predict(*["a"] * 1000).status == 422
    assert server.predict("a" * 20_001).status == 422
    assert server.predict("a" * 20_000).status == 200


def test_r44_under_a_flood_it_stays_alive_and_small(server):
    """200 callers at once, more than the queue takes: each is answered 200 or 429, /livez always, memory stays."""
    for caller in flood(server, 50, 2, 20)[0]:
        caller.join()
    before = resident(server.command.pid)
    together, statuses, seconds = flood(server, 200, 3, 20)
    alive = []
    while any(caller.is_alive() for caller in together):
        start = time.monotonic()
        assert server.get("/livez").status == 200
        alive.append(time.monotonic() - start)
    assert len(statuses) == 600
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) > 100
    assert max(seconds) < 2 + 3
    assert max(alive) < 2
    assert resident(server.command.pid) < 1.2 * before
    assert server.number("ml_run_queue_texts") == 0


def test_a_full_queue_is_told_at_once(server):
    """While a large request is being scored, more wait than there is room for: 429 with Retry-After, within moments."""
    busy = threading.Thread(target=server.predict, args=heavy_texts(40))
    busy.start()
    until(lambda: server.number("ml_run_requests_in_flight") == 1)
    together, statuses, _ = flood(server, 40, 1, 64)
    for caller in together:
        caller.join()
    busy.join()
    assert 429 in statuses
    assert set(statuses) <= {200, 429, 504}


def test_a_deadline_is_a_deadline(tmp_path):
    """What the model does not come to in time is 504, and is not scored afterwards."""
    deploy(tmp_path, "1")
    with Server(tmp_path, "--deadline", "0.1") as server:
        answer = server.predict(*heavy_texts(48))
        assert (answer.status, answer.json) == (
            504,
            {"error": "not answered within 0.1 seconds; send fewer texts, or try again later"},
        )
        until(lambda: server.predict(TEXT).status == 200)
        assert server.number("ml_run_queue_texts") == 0


def raw(server, *parts):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    for part in parts:
        client.sendall(part)
    return client


def ended(client):
    """Whether the server has closed the connection."""
    client.settimeout(5)
    try:
        while client.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_r46_half_requests_and_callers_who_leave_hold_nothing(server):
    """Headers or bodies that never end, and callers gone before the answer: all is given back within the deadline."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    slow = [raw(server, b"POST /pre") for _ in range(10)]
    slow += [raw(server, head + b"\r\n", b'{"text": ') for _ in range(10)]
    body = json.dumps({"texts": heavy_texts(10)}).encode()
    for _ in range(10):
        raw(server, head.replace(b"1000", b"%d" % len(body)) + b"\r\n", body).close()
        raw(server, head + b"\r\n", b"{").close()
    assert server.get("/livez").status == 200
    assert all(ended(client) for client in slow)
    until(lambda: server.number("ml_run_requests_in_flight") == 0)
    assert server.number("ml_run_queue_texts") == 0
    assert server.predict(TEXT).status == 200


def test_a_trickle_of_headers_does_not_keep_a_connection(server):
    """A header a moment, for ever: closed after the deadline, since no request was ever whole."""
    client = raw(server, b"GET /livez HTTP/1.1\r\n")
    start = time.monotonic()
    with suppress(OSError):  # reset or broken pipe, as the system likes
        while time.monotonic() < start + 8:
            client.sendall(b"X-A: b\r\n")
            time.sleep(0.1)
    assert 1.5 < time.monotonic() - start < 6


@pytest.mark.slow
def test_r44_ten_thousand_requests(server):
    """10,000 requests from 500 callers at once: 200 or 429, memory bounded."""
    for caller in flood(server, 100, 2, 1)[0]:
        caller.join()
    before = resident(server.command.pid)
    together, statuses, _ = flood(server, 500, 20, 1)
    for caller in together:
        caller.join()
    assert len(statuses) == 10_000
    assert set(statuses) <= {200, 429, 504}
    assert resident(server.command.pid) < 1.2 * before
