"""Hostile and careless YAML."""

import json
import os
import subprocess
import sys

import pytest

HOSTILE = {
    "python_object": ("a: !!python/object/apply:os.system ['touch canary']\n", ":1", "tags are not read"),
    "alias_bomb": (
        "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(5000)),
        ":1",
        "anchors (&name) are not read",
    ),
    "deep_flow": ("a:\n  " + "[" * 5000 + "]" * 5000, ":2", "is nested more than 50 levels deep"),
    "deep_block": ("".join("  " * n + "a:\n" for n in range(900)), ":51", "is nested more than 50 levels deep"),
    "dashes": ("- " * 5000, ":1", "is nested more than 50 levels deep"),
    "1_gb": ("a: 1\n", "", "is larger than 1 MB"),
    "10_mb": ("a: 1\n" * 2_000_000, "", "is larger than 1 MB"),
    "1_mb_of_keys": ("".join(f"k{n}: 1\n" for n in range(90_000)), ":10000", "holds more than 20,000 values"),
    "1_mb_text": ("a: " + "x" * 999_000, ":1", "a is not a known key"),
    "9000_unknown_keys": ("".join(f"key{n}: 1\n" for n in range(9000)), ":1", "key0 is not a known key"),
    "duplicate": ("data: {}\nmodel: {}\ndata: {}\n", ":3", "'data' is given twice, first in hostile.yaml:1"),
    "unknown": ("model:\n  nmae: x\n", ":2", "model.nmae is not a known key"),
    "nan": ("training:\n  learning_rate: .nan\n", ":2", "training.learning_rate is .nan"),
    "nul": ("a: 1\nb: \0\n", ":2", "holds the unprintable character '\\x00'"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_r36_hostile_yaml(tmp_path, case):
    """R36: tags, aliases, depth, size, equal keys, unknown keys and NaN end in exit 2 with a line, < 1 s, < 200 MB."""
    text, line, words = HOSTILE[case]
    (tmp_path / "hostile.yaml").write_text(text)
    if case == "1_gb":
        os.truncate(tmp_path / "hostile.yaml", 2**30)
    code = """
import json, re, time
from pathlib import Path
from ml_run.config.file import load_config
from ml_run.errors import ConfigError
start = time.process_time()  # of this process alone: the machine may be busy
try:
    load_config(Path("hostile.yaml"))
except ConfigError as error:
    faults = [(fault.where, fault.found) for fault in error.faults]
    # Not ru_maxrss: a child that a large process started has that one's peak in it.
    took, status = time.process_time() - start, Path("/proc/self/status")
    memory = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) / 1024 if status.exists() else 0
    print(json.dumps({"faults": faults, "code": error.exit_code, "seconds": took, "mb": memory}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["code"] == 2
    assert next(where for where, found in answer["faults"] if found.startswith(words)) == f"hostile.yaml{line}"
    assert answer["seconds"] < 1
    assert answer["mb"] < 200
    assert not (tmp_path / "canary").exists()
