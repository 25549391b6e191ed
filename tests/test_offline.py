"""Nothing leaves this machine: a whole run under a guard that sees each connection and each name looked up."""

import os
import subprocess
import sys

import pytest

from conftest import write_project
from test_linear_run import linear_project

GUARD = """
import ipaddress, sys

def is_here(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "", None)

def guard(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
    else:
        return
    if not is_here(host):
        with open(SEEN, "a") as seen:
            seen.write(f"{event} {host}\\n")
        raise OSError(f"no network: {event} {host}")

sys.addaudithook(guard)
sys.argv = ["ml-run", *sys.argv[1:]]
from ml_run.__main__ import main
main()
"""


def guarded(project, seen, *args):
    """Run `ml-run ARGS` in a fresh interpreter with the settings a user has who never heard of telemetry."""
    hidden = ("MLFLOW_", "HF_", "TRANSFORMERS_", "DO_NOT_TRACK", "CI")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    code = f"SEEN = {str(seen)!r}\n{GUARD}"
    return subprocess.run(
        [sys.executable, "-c", code, *args], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [write_project, linear_project], ids=["transformer", "linear"])
def test_r42_a_run_to_its_deployment_asks_nobody(tmp_path, make):
    """No connection and no look-up beyond this machine, MLflow's telemetry included, by no setting of the user's."""
    project = make(tmp_path / "p")
    seen = tmp_path / "seen"
    done = guarded(project, seen, "quiet run")
    assert done.returncode == 0, done.stderr
    assert not seen.exists(), seen.read_text()
    for args in (["sync"], ["rollback"], ["monitor", "data/test.jsonl"], ["predict", "data/test.jsonl", "out.jsonl"]):
        guarded(project, seen, *args)
        assert not seen.exists(), (args, seen.read_text())
