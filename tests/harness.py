"""Drives the real command line in a real process, without paying for the imports each time.

A `forkserver` process loads all modules once (preload.py); each command runs in a child forked from it, so it is a
process of its own (it can be killed, signalled, time out) that starts in milliseconds. Nothing of ml-run is stubbed.
"""

import functools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PRELOAD = "preload"
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "COLUMNS": "100",
    "TOKENIZERS_PARALLELISM": "false",
}
REMOVED = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLRUN_CRASH_AT", "FORCE_COLOR", "GITHUB_STEP_SUMMARY")


@dataclass
class Done:
    """How a command ended."""

    code: int
    """Exit code; negative signal number when a signal ended it."""
    out: str
    err: str


class Command:
    """A running `ml-run` command."""

    def __init__(self, args, cwd: Path, env: dict[str, str] | None = None):
        self._folder = Path(cwd)
        number = time.monotonic_ns()
        scratch = Path(os.environ.get("PYTEST_SCRATCH", "/tmp"))
        self._out, self._err = scratch / f"{number}.out", scratch / f"{number}.err"
        self._process = fork_server().Process(
            target=_child, args=([str(a) for a in args], str(cwd), dict(env or {}), str(self._out), str(self._err))
        )
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.is_alive()

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> Done:
        self._process.kill()
        return self.wait()

    def err(self) -> str:
        """What the command has written to stderr so far."""
        return self._err.read_text("utf-8", "replace") if self._err.exists() else ""

    def wait(self, timeout: float = 180) -> Done:
        self._process.join(timeout)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"still running after {timeout} s; stderr so far:\n{self.err()}")
        done = Done(self._process.exitcode, self._out.read_text("utf-8", "replace"), self.err())
        self._out.unlink()
        self._err.unlink()
        return done


def ml_run(*args, cwd: Path, env: dict[str, str] | None = None, timeout: float = 180) -> Done:
    """Run `ml-run ARGS` in the folder `cwd` to its end."""
    return Command(args, cwd, env).wait(timeout)


def cold_ml_run(*args, cwd: Path, env: dict[str, str] | None = None, timeout: float = 180) -> Done:
    """Run `ml-run ARGS` in a fresh interpreter: for tests about imports, start-up and real environments."""
    environment = {k: v for k, v in os.environ.items() if k not in REMOVED} | QUIET | (env or {})
    command = [sys.executable, "-m", "ml_run", *map(str, args)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=timeout, check=False)
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


@functools.cache
def fork_server():
    """The context whose server has loaded `preload`; an import that fails there would be passed over in silence."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    try:
        process = context.Process(target=_check_preloaded)
        process.start()
        process.join()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    if process.exitcode:
        raise RuntimeError(f"the fork server could not load {PRELOAD}: python tests/{PRELOAD}.py says why")
    return context


def _check_preloaded():
    sys.exit(0 if "ml_run.cli" in sys.modules else 1)


def _child(args, cwd, env, out, err):
    # Where the new process becomes what a shell would have started: own streams, folder, environment, signals.
    for number, path in ((1, out), (2, err)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- open to the end
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115 -- open to the end
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.update(QUIET | env)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["ml-run", *args]
    if trace := os.environ.get("TRACE_CRASH_POINTS"):
        _trace_crash_points(trace)
    from ml_run.__main__ import main

    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _trace_crash_points(path):
    """Write down, for each crash point the process passes, which stages run.json calls running at that moment."""
    from ml_run import files

    passed = files.crash_point

    def traced():
        passed()
        running = [
            name
            for run in Path("experiments").glob("exp_*/run.json")
            for name, stage in json.loads(run.read_text())["stages"].items()
            if stage["status"] == "running"
        ]
        with Path(path).open("a") as file:
            file.write(" ".join(running) + "\n")

    files.crash_point = traced
