"""The metric modules against scikit-learn, without a network, in several processes at once."""

import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_score, recall_score

from harness import fork_server
from ml_run.modeling import metric_modules, scores
from ml_run.modeling.metric_modules import LabelScores, ProbabilityScores, compute
from ml_run.modeling.scores import around, score_predictions
from ml_run.results import Estimate

LABELS = ("A", "B", "C")


def rows(seed=0, n=200):
    chance = np.random.default_rng(seed)
    true = chance.integers(0, 3, n)
    soft = chance.dirichlet(np.ones(3), n) + np.eye(3)[true] * 0.5
    return true, soft / soft.sum(1, keepdims=True)


def test_label_scores_equal_scikit_learn(tmp_path):
    """Every value is scikit-learn's, over all labels of the run."""
    true, soft = rows()
    predicted = soft.argmax(1)
    found = compute(LabelScores, tmp_path, predictions=predicted, references=true, labels=3)
    each = {"labels": [0, 1, 2], "average": None}
    assert found["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-12)
    assert found["weighted_f1"] == pytest.approx(f1_score(true, predicted, average="weighted"), abs=1e-12)
    assert found["precision"] == pytest.approx(precision_score(true, predicted, **each), abs=1e-12)
    assert found["recall"] == pytest.approx(recall_score(true, predicted, **each), abs=1e-12)
    assert found["f1"] == pytest.approx(f1_score(true, predicted, **each), abs=1e-12)
    assert found["support"] == np.bincount(true).tolist()
    assert np.array(found["confusion"])[:3, :3].tolist() == confusion_matrix(true, predicted).tolist()


def test_probability_scores_equal_scikit_learn(tmp_path):
    """Log loss is scikit-learn's; one NaN makes both scores undefined."""
    true, soft = rows(1)
    found = compute(ProbabilityScores, tmp_path, predictions=soft.tolist(), references=true)
    assert found["log_loss"] == pytest.approx(log_loss(true, soft, labels=[0, 1, 2]), abs=1e-9)
    assert 0 < found["ece"] < 1
    soft[0, 0] = np.nan
    assert compute(ProbabilityScores, tmp_path, predictions=soft.tolist(), references=true) == {
        "log_loss": None, "ece": None,
    }  # fmt: skip


def test_reported_values_are_those_of_the_metric_modules(monkeypatch):
    """What is reported as a score is what the `evaluate` module gave, to the last bit, inside its interval."""
    true, soft = rows(2)
    given = {}
    original = metric_modules.compute

    def noting(metric, cache, **values):
        given.update(original(metric, cache, **values))
        return given

    monkeypatch.setattr(metric_modules, "compute", noting)
    found = score_predictions("candidate", soft.argmax(1), soft, list(true), LABELS, seed=1)
    assert found.accuracy.value == given["accuracy"]
    assert found.macro_f1.value == given["macro_f1"]
    assert found.weighted_f1.value == given["weighted_f1"]
    assert (found.log_loss, found.ece) == (given["log_loss"], given["ece"])
    assert [c.precision.value for c in found.classes] == given["precision"]
    assert [c.recall.value for c in found.classes] == given["recall"]
    assert [c.f1.value for c in found.classes] == given["f1"]
    assert [c.support for c in found.classes] == given["support"]
    assert all(c.f1.low < c.f1.value < c.f1.high for c in found.classes)


@pytest.mark.parametrize("score", ["accuracy", "macro_f1", "weighted_f1", "confusion", "precision", "recall", "f1"])
def test_two_values_for_one_score_are_never_reported(monkeypatch, score):
    """When the module and `statistics` disagree, one of them is wrong: an error, not a number."""
    true, soft = rows(3)
    original = metric_modules.compute

    def wrong(metric, cache, **values):
        found = original(metric, cache, **values)
        if score in found:
            found[score] = (np.asarray(found[score]) + 1e-3).tolist()
        return found

    monkeypatch.setattr(metric_modules, "compute", wrong)
    with pytest.raises(ArithmeticError):
        score_predictions("candidate", soft.argmax(1), soft, list(true), LABELS, seed=1)


def test_a_value_is_put_into_its_interval_or_stays_undefined():
    """The last bit of the value never lies outside; NaN against a number is a disagreement; None stays None."""
    near = around(0.5 + 1e-12, Estimate(value=0.5, low=0.4, high=0.5), "x")
    assert near == Estimate(value=0.5 + 1e-12, low=0.4, high=0.5 + 1e-12)
    assert around(0.0, Estimate(value=None), "x") == Estimate(value=None)
    with pytest.raises(ArithmeticError, match=r"x computed twice gives nan and 0\.5"):
        around(float("nan"), Estimate(value=0.5), "x")
    assert scores._AGREEMENT == 1e-9


def test_a_class_never_predicted_has_no_precision():
    """Nothing divided by nothing is undefined, not the library's 0."""
    found = score_predictions("m", np.array([0, 0, 1]), None, [0, 2, 1], LABELS, seed=1)
    assert found.classes[2].precision.value is None
    assert found.classes[2].recall.value == 0
    assert (found.log_loss, found.ece) == (None, None)


def test_r26_six_processes_compute_at_once_without_a_network(tmp_path):
    """Six processes on one cache folder: none waits for another's lock, none asks a hub."""
    context = fork_server()
    answers = context.Queue()
    processes = [context.Process(target=compute_offline, args=(tmp_path / "cache", answers)) for _ in range(6)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=120) for _ in processes] == [[2 / 3] * 5] * 6
    for process in processes:
        process.join()


def compute_offline(cache, answers):
    """Compute the same scores five times, in a process to which every connection is an error."""
    sys.addaudithook(_refuse_network)
    values = {"predictions": [0, 1, 1], "references": [0, 1, 0], "labels": 2}
    answers.put([compute(LabelScores, cache, **values)["accuracy"] for _ in range(5)])


def _refuse_network(event, _):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        raise OSError(event)
