"""A real PostgreSQL and a real MLflow server on loopback, which may be killed."""

import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "s3cr3t-store-pass"
PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), Path("none")).parent
needs_postgres = pytest.mark.skipif(
    not (PROGRAMS / "initdb").is_file(), reason="PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb"
)
_SCHEME = "postgresql+psycopg2"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _unprivileged() -> dict:
    """Arguments of subprocess that make a child somebody else than root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    somebody = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}


@contextmanager
def postgres():
    """A database server of its own; yields the address of an empty database, with a password."""
    folder = Path(tempfile.mkdtemp(prefix="ml-run-test-pg-"))
    who = _unprivileged()
    if who:
        os.chown(folder, who["user"], who["group"])
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    port, server = free_port(), None
    try:
        subprocess.run(
            [PROGRAMS / "initdb", "-D", folder / "data", "-U", "mlrun", "-A", "scram-sha-256", "--pwfile", password,
             "-E", "UTF8", "--locale", "C", "--no-sync"],
            check=True, capture_output=True, cwd=folder, **who,
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [PROGRAMS / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-F",
                 "-c", "listen_addresses=127.0.0.1"],
                stdout=log, stderr=log, cwd=folder, **who,
            )  # fmt: skip
        address = f"{_SCHEME}://mlrun:{PASSWORD}@127.0.0.1:{port}/postgres"
        _wait_for_database(address, server, folder / "log")
        yield address
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # at once, whoever is connected
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_database(address, server, log):
    import psycopg2

    give_up = time.monotonic() + 120
    while True:
        try:
            psycopg2.connect(_plain(address)).close()
        except psycopg2.OperationalError:
            _refuse_dead(server, give_up, log)
        else:
            return


def _plain(address):
    """The address without the name of the driver, which only SQLAlchemy knows."""
    return address.replace(_SCHEME, "postgresql")


def _refuse_dead(process, give_up, log):
    """End the test when a server that is waited for has ended, or never comes; else wait a little."""
    said = log.read_text("utf-8", "replace")[-3000:]
    assert process.poll() is None, said
    assert time.monotonic() < give_up, said
    time.sleep(0.1)


def new_database(address: str, name: str) -> str:
    """The address of another empty database of the same server."""
    import psycopg2

    connection = psycopg2.connect(_plain(address))
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"{address.rpartition('/')[0]}/{name}"


def dump(address: str) -> str:
    """All that a database holds, as text."""
    done = subprocess.run(
        [PROGRAMS / "pg_dump", "--data-only", _plain(address)], check=True, capture_output=True, text=True
    )
    return done.stdout


class MlflowServer:
    """`mlflow server` on loopback; `kill` is kill -9 of all its processes, `start` starts it again on the same port."""

    def __init__(self, database: str, artefacts: Path, log: Path):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._command = [
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--artifacts-destination",
            str(artefacts), "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2",
        ]  # fmt: skip
        self._log = log
        self._process = None

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")} | _QUIET
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=self._log.parent
            )
        wait_for_http(self.port, "/health", self._process, self._log)

    def kill(self):
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()


def wait_for_http(port, path, process, log, seconds=400):
    """Wait until a server answers 200."""
    give_up = time.monotonic() + seconds
    while not _answers(port, path):
        _refuse_dead(process, give_up, log)


def _answers(port, path):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("GET", path)
        return client.getresponse().status == 200
    except OSError:
        return False
    finally:
        client.close()
