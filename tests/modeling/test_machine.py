import json
import os
import platform
import subprocess
import sys

import pytest

from ml_run.modeling import machine

FAULTS = """
import json, resource, sys
import numpy as np
from ml_run.modeling import machine

kept = machine.keep_freed_memory() if sys.argv[1] == "keep" else None

def churn():
    blocks = [np.ones(size << 20, np.uint8) for size in (3, 7, 40, 70)]
    blocks.clear()

churn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    churn()
print(json.dumps([kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told to keep memory")
def test_freed_memory_is_kept():
    """Blocks of 40 and 70 MB that are freed and allocated anew cost no page faults once the process keeps memory."""
    faults = {}
    for mode in ("keep", "leave"):
        done = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
        faults[mode] = json.loads(done.stdout)
    assert faults["keep"][0] is True
    assert faults["keep"][1] * 5 < faults["leave"][1]


FAULTS_IN_A_THREAD = """
import contextlib, json, resource, sys
from concurrent.futures import ThreadPoolExecutor
from ml_run.__main__ import main

sys.argv = ["ml-run", "--version"]
with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
    main()

import numpy as np
from ml_run.modeling import machine

machine.keep_freed_memory()

def churn():
    blocks = [np.ones(size << 20, np.uint8) for size in (3, 7, 20, 70)]
    blocks.clear()

with ThreadPoolExecutor(1) as thread:
    thread.submit(churn).result()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        thread.submit(churn).result()
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told to use one heap")
def test_what_threads_free_is_kept_too():
    """Threads of `ml-run` allocate from one heap, which keeps what they free, unless MALLOC_ARENA_MAX is set."""
    faults = {}
    for heaps in ("", "8"):
        given = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
        environment = given | ({"MALLOC_ARENA_MAX": heaps} if heaps else {})
        done = subprocess.run(
            [sys.executable, "-c", FAULTS_IN_A_THREAD], capture_output=True, text=True, check=True, env=environment
        )
        faults[heaps] = json.loads(done.stdout)
    assert faults[""] * 5 < faults["8"]


def test_another_c_library_is_left_alone(monkeypatch):
    """Where the C library is not glibc (musl, macOS), nothing is called, and False is answered."""
    monkeypatch.setattr(machine.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(machine.ctypes, "CDLL", None)
    assert machine.keep_freed_memory() is False
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    machine.use_one_heap()
    assert "MALLOC_ARENA_MAX" not in os.environ


def test_the_processor_has_a_name_that_stays():
    """Asked twice, the processor answers the same; its clock, which changes, is no part of it."""
    assert machine.processor() == machine.processor()
    assert len(machine.processor()) == 64
    assert not any("MHz" in name for name in machine._OF_THE_PROCESSOR)


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    """XDG_CACHE_HOME is respected where it is an absolute path, as its specification says; else ~/.cache."""
    monkeypatch.setenv("HOME", "/home/somebody")
    for given in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert str(machine.cache_folder()) == "/home/somebody/.cache/ml-run"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert machine.cache_folder() == tmp_path / "ml-run"
