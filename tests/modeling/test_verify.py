import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import LABELS
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
        known["labels"].append("Eastern")

    with pytest.raises(ValueError, match=r"logits of shape \(32, 3\), expected \(32, 4\)"):
        verify(run.experiment.model, reference(tmp_path, run, change))


def test_the_same_logits_under_other_names_are_another_model(run, tmp_path):
    """A wrong id2label changes no logit and every answer: the names are compared, in their order."""

    def change(known):
        known["labels"] = [known["labels"][1], known["labels"][0], known["labels"][2]]

    found = verify(run.experiment.model, reference(tmp_path, run, change))
    assert (found.same_labels, found.labels) == (False, LABELS)
    assert found.largest_difference < 1e-5


def test_either_label_of_an_exact_tie_is_the_same_answer(run, tmp_path):
    """Where the trained model could not choose, the exported one is free to; anywhere else it is not."""

    def tie(known):
        for row in known["logits"]:
            row[:] = [max(row)] * 3

    assert verify(run.experiment.model, reference(tmp_path, run, tie)).same_labels

    def other(known):
        row = known["logits"][0]
        row[row.index(min(row))] = max(row) + 1e-6

    assert not verify(run.experiment.model, reference(tmp_path, run, other)).same_labels


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda known: known.pop("labels"), "reference.json is damaged: KeyError: 'labels'"),
        (lambda known: known["logits"].pop(), "reference.json is damaged: its logits do not fit its 32 texts and 3"),
        (lambda known: known["logits"][0].__setitem__(0, None), "reference.json is damaged: its logits do not fit"),
        (lambda known: known["texts"].clear(), "reference.json is damaged: its logits do not fit its 0 texts"),
    ],
)
def test_a_damaged_reference_verifies_nothing(run, tmp_path, change, said):
    """Without names, with rows missing or without numbers there is nothing to compare with, so it fails."""
    with pytest.raises(ValueError, match=said):
        verify(run.experiment.model, reference(tmp_path, run, change))


def test_damaged_files_are_told_from_another_model(run, tmp_path):
    """One changed byte of the weights: damaged files, not differing logits."""
    copy = tmp_path / "model"
    shutil.copytree(run.experiment.model, copy)
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"its files are damaged: model\.safetensors was changed after it was written"):
        verify(copy, run.experiment.reference)


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
