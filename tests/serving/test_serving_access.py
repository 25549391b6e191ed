"""Who may ask, and from where."""

import base64
import re

import pytest

from harness import ml_run
from serve_harness import TEXT, Server, deploy

TOKEN = "correct horse battery staple ሀ"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    project = tmp_path_factory.mktemp("shop")
    deploy(project, "1")
    with Server(project, env={"MLRUN_TOKEN": TOKEN}) as running:
        yield running


def bearer(token):
    return {"Authorization": b"Bearer " + token.encode()}


def basic(token):
    return {"Authorization": b"Basic " + base64.b64encode(b"anybody:" + token.encode())}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_r49_other_machines_need_a_token(tmp_path, host):
    """An address that others can reach, and no token: exit 2 before anything listens."""
    deploy(tmp_path, "1")
    done = ml_run("serve", "--host", host, "--port", "0", cwd=tmp_path)
    assert done.code == 2
    assert f"--host {host} can be reached from other machines, and no token is asked for" in done.err
    assert "MLRUN_TOKEN" in done.err


def test_r49_with_a_token_it_may_listen_everywhere(tmp_path):
    """All addresses of the machine, once there is a token."""
    deploy(tmp_path, "1")
    with Server(tmp_path, "--host", "0.0.0.0", env={"MLRUN_TOKEN": TOKEN}) as server:
        assert server.predict(TEXT).status == 401
        assert server.predict(TEXT, headers=bearer(TOKEN)).status == 200


def test_an_empty_token_is_no_token(tmp_path):
    """Whoever set the variable wanted a token: an empty one does not open the door."""
    deploy(tmp_path, "1")
    done = ml_run("serve", "--port", "0", cwd=tmp_path, env={"MLRUN_TOKEN": " "})
    assert done.code == 2
    assert "the environment variable MLRUN_TOKEN is set and empty" in done.err


@pytest.mark.parametrize("headers", [bearer(TOKEN), basic(TOKEN)], ids=["bearer", "basic"])
def test_r49_the_right_token_opens_every_path(guarded, headers):
    """As bearer token for programs, as password for browsers, which have no other way."""
    assert guarded.predict(TEXT, headers=headers).status == 200
    for path in ("/", "/metrics", "/openapi.json"):
        assert guarded.get(path, headers=headers).status == 200


WRONG = {
    "none": {},
    "wrong": bearer("wrong"),
    "cut": bearer(TOKEN[:-1]),
    "longer": bearer(TOKEN + "x"),
    "empty": bearer(""),
    "bare": {"Authorization": TOKEN.encode()},
    "password": basic("wrong"),
    "no base64": {"Authorization": "Basic ???"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
def test_r49_a_wrong_token_opens_none(guarded, headers):
    """401 for every path but the probes, whatever is shown; the answer does not tell what is behind."""
    for method, path in (
        ("POST", "/predict"), ("GET", "/"), ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/x"),
    ):  # fmt: skip
        answer = guarded.ask(method, path, headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert answer.json == {"error": "this server asks for a token: Authorization: Bearer TOKEN"}
    for path in ("/livez", "/readyz"):
        assert guarded.get(path, headers=headers).status == 200


def test_r49_the_token_is_compared_in_constant_time():
    """What is shown is hashed first, and hashes are compared in constant time: length and content tell nothing."""
    import ast
    import inspect

    from ml_run.serving import shell

    calls = [ast.unparse(node) for node in ast.walk(ast.parse(inspect.getsource(shell))) if isinstance(node, ast.Call)]
    assert "hmac.compare_digest(_hashed(_token_in(shown)), self._token)" in calls


def test_r38_the_token_is_nowhere(tmp_path):
    """Not on the terminal, not in any file."""
    deploy(tmp_path, "1")
    with Server(tmp_path, "--traffic-log", "traffic.jsonl", env={"MLRUN_TOKEN": TOKEN}) as server:
        server.predict(TEXT, headers=bearer(TOKEN))
        done = server.stop()
    assert TOKEN not in done.out + done.err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize(("args", "status"), [((), 404), (("--docs",), 200)], ids=["off", "asked for"])
def test_r49_docs_are_off_unless_asked_for(tmp_path, args, status):
    """/docs tells strangers what is there: 404 unless --docs; /redoc always; /openapi.json is for programs."""
    deploy(tmp_path, "1")
    with Server(tmp_path, *args) as server:
        assert server.get("/docs").status == status
        assert server.get("/redoc").status == 404
        assert server.get("/openapi.json").json["paths"].keys() == {"/predict", "/livez", "/readyz", "/metrics"}


def test_docs_load_nothing_from_elsewhere(tmp_path):
    """The page holds all routes and shapes, no script, no address of another machine; its policy allows neither."""
    deploy(tmp_path, "1")
    with Server(tmp_path, "--docs") as server:
        page = server.get("/docs")
        document = server.get("/openapi.json").json
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert told["summary"] in page.text
    assert all(f"<code>{name}</code>" in page.text for name in document["components"]["schemas"])
    assert "<script" not in page.text
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", page.text) == ["data:,", "/openapi.json", "/"]
    assert "//" not in page.text.replace("<!DOCTYPE html>", "")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
