import json
import os
import subprocess
import sys

import pytest

from finished_run import finished_run
from ml_run.modeling.verify import verify


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("verified"))


def reference(tmp_path, run, change):
    known = json.loads(run.experiment.reference.read_text())
    change(known)
    path = tmp_path / "reference.json"
    path.write_text(json.dumps(known))
    return path


def test_the_same_model_gives_the_same_logits(run):
    """All 32 rows are scored again, and the exported model answers as the trained one did."""
    found = verify(run.experiment.model, run.experiment.reference)
    assert (found.rows, found.same_labels) == (32, True)
    assert found.largest_difference < 1e-5


def test_another_model_is_told_by_its_logits(run, tmp_path):
    """The largest difference of any logit is reported, and whether a predicted label changed."""

    def change(known):
        known["logits"][3][1] += 100

    found = verify(run.experiment.model, reference(tmp_path, run, change))
    assert 99.9 < found.largest_difference < 100.1
    assert not found.same_labels


def test_another_number_of_labels_is_an_error(run, tmp_path):
    """A model of four classes is never compared with one of three."""

    def change(known):
        known["logits"] = [[*row, 0.0] for row in known["logits"]]

    with pytest.raises(ValueError, match=r"logits of shape \(32, 3\), expected \(32, 4\)"):
        verify(run.experiment.model, reference(tmp_path, run, change))


def test_r42_verification_refuses_the_network(run, tmp_path):
    """A model whose loading asks the network fails its verification, even where a network is to be had."""
    code = (
        "import socket, sys; from ml_run.modeling import verify as v;"
        "v.verify = lambda *_: socket.create_connection(('127.0.0.1', 9));"
        f"sys.argv = ['verify', {str(run.experiment.model)!r}, 'r', 'a']; v.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith("a deployed model must load without network")
