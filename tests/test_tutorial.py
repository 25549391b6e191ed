"""The tutorial, typed from the first line to the last by a real shell."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from ml_run.quickstart import write_sample
from test_docs import ROOT, blocks

BLOCKS = blocks(ROOT / "docs/tutorial.md", "sh")
LIMIT = 600
DONE = "@@done"


class Shell:
    """One bash, as a reader has it: what one block leaves (a folder, a server) is there for the next."""

    def __init__(self, home, folder):
        path = f"{home}/bin:{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash"], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"HOME": str(home), "PATH": path, "HF_HUB_OFFLINE": "1", "TERM": "dumb", "COLUMNS": "80"},
            process_group=0,
        )  # fmt: skip

    def type(self, block):
        """Run a block; return what it printed and the exit code of its last command."""
        self._process.stdin.write(f"{block.strip()}\necho; echo {DONE} $?\n")
        self._process.stdin.flush()
        printed = []
        for line in self._process.stdout:
            if line.startswith(DONE):
                return "".join(printed), int(line.split()[1])
            printed.append(line)
        raise AssertionError(f"the shell has ended:\n{''.join(printed)}")

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture
def shell(tmp_path):
    """A shell in a folder where `make run` has left its sample, with `ml-run` on the path."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ml-run"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ml_run "$@"\n')
    program.chmod(0o755)
    write_sample(tmp_path / "checkout/data/sample")
    opened = Shell(tmp_path, tmp_path / "checkout")
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_of_the_tutorial_does_what_it_says(shell, tmp_path):
    """Each block ends with 0, or with the code that a comment on its last line names; its files are there."""
    for block in BLOCKS:
        expected = int((re.findall(r"# exit code (\d)$", block.strip()) or [0])[0])
        printed, code = shell.type(block)
        assert code == expected, f"{block}\n{printed}"
    folder = tmp_path / "dialects"
    assert (folder / "train.corrected.jsonl").read_bytes() != (folder / "train.jsonl").read_bytes()
    assert len((folder / "predictions.jsonl").read_text("utf-8").splitlines()) > 300
    assert len((folder / "traffic.jsonl").read_text("utf-8").splitlines()) == 2
