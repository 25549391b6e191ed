"""Runs single functions of ml-run in real processes, which may be killed, forked from one that has the libraries."""

import os
from pathlib import Path

from harness import QUIET, REMOVED, fork_server
from ml_run import files, promotion, tracking
from ml_run.config import Config
from ml_run.deployments import Change
from ml_run.experiment import Experiment, locked
from ml_run.tracking.store import connect


def start(function, *args, err: Path | None = None):
    """Start `function(*args)` in a process of its own; what it writes to stderr goes to the file `err`."""
    process = fork_server().Process(target=_child, args=(function, args, str(err or os.devnull)))
    process.start()
    return process


def run(function, *args, err: Path | None = None) -> int:
    """Run `function(*args)` to its end in a process of its own; return the exit code, negative for a signal."""
    process = start(function, *args, err=err)
    process.join(120)
    return process.exitcode


def _child(function, args, err):
    handle = os.open(err, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 2)
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.update(QUIET)
    function(*args)


# --- what the processes do --------------------------------------------------------------------------------------------


def first_start(config: Config, project: Path, crash_at: int | None = None) -> None:
    """Open the store."""
    crash_from_here(crash_at)
    connect(config, project)


def die_in_a_write(path: Path) -> None:
    """Be killed in the middle of a transaction whose pages are already on disk."""
    import signal
    import sqlite3

    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN")
    database.execute("CREATE TABLE junk (a)")
    for _ in range(100):
        database.execute("INSERT INTO junk VALUES (zeroblob(100000))")
    os.kill(os.getpid(), signal.SIGKILL)


def whole_life(config: Config, experiment: Experiment, started) -> None:
    """Everything a run does with a store, from its first start on."""
    started.wait()
    with tracking.live(config, experiment):
        tracking.register_version(config, experiment)
        tracking.send(config, experiment)


def walk_until_killed(config: Config, experiment: Experiment, opened: Path) -> None:
    """Hold the run's lock with an open MLflow run until killed."""
    import time

    with locked(experiment), tracking.live(config, experiment):
        opened.touch()
        time.sleep(60)


def promote(config: Config, project: Path, change: Change, crash_at: int | None = None) -> None:
    """Promote one version."""
    crash_from_here(crash_at)
    promotion.promote(config, project, change)


def rollback(config: Config, project: Path, crash_at: int | None = None) -> None:
    """Go back to the version before."""
    crash_from_here(crash_at)
    promotion.rollback(config, project)


def crash_from_here(crash_at: int | None) -> None:
    """Die at the `crash_at`-th crash point from now."""
    if crash_at is not None:
        os.environ["MLRUN_CRASH_AT"] = str(files.crash_points_passed() + crash_at)


def pass_and_send(run, started) -> None:
    """Everything that a run which passed, and waits to be deployed, does with a store; `run` is a `FinishedRun`."""
    from ml_run.stages.deploy import deploy_model

    started.wait()
    with tracking.live(run.config, run.experiment):
        deployment = deploy_model(run.config, run.experiment, *run.records)
        if deployment.action != "awaiting":
            raise RuntimeError(deployment.reason)
        tracking.send(run.config, run.experiment)
