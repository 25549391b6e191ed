"""Doubtful test labels in the review queue: beside what is there, once, and never over what people wrote."""

import csv
import logging

import pytest

from ml_run.evaluation.queueing import queue_suspects
from ml_run.experiment import Experiment
from ml_run.quality.review import CONFLICT, Review, read_queue, review_queue
from ml_run.quality.rows import Row
from ml_run.results import Suspicion
from ml_run.splits import SplitRows

WHY = "the model is sure of Northern (97.0 %, this label 1.0 %), and so is the linear model"
TEST = SplitRows(
    ["waa maxay", "=HYPERLINK(1)", "haa; maya"], ["Central"] * 3, [0] * 3, ["h"] * 3, ["data/test.csv"] * 3, [2, 3, 4],
    [None] * 3, [False] * 3,
)  # fmt: skip
BOTH = (Suspicion(row=0, why=WHY), Suspicion(row=1, why=WHY))


@pytest.fixture
def run(tmp_path):
    """A run whose queue has one row of train and the first row of test."""
    experiment = Experiment(tmp_path / "experiments/exp_1")
    experiment.data.mkdir(parents=True)
    reviews = [
        Review("train", Row("data/train.csv", 9, "text", "Central", None, {}), CONFLICT + 1, "conflict: one"),
        Review("test", Row("data/test.csv", 2, "waa maxay", "Central", None, {}), CONFLICT, "conflict: other"),
    ]
    experiment.review_queue.write_text(review_queue(reviews), "utf-8", newline="")
    return experiment


def cells(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))[1:]


def test_suspects_are_added_at_the_end_or_to_the_reasons_of_their_row(run):
    """What stood there stays as it was, in its order; what looks like a formula is guarded."""
    before = cells(run.review_queue)
    assert queue_suspects(run, TEST, BOTH) == "data/review_queue.csv"
    after = cells(run.review_queue)
    assert after[0] == before[0]
    assert after[1] == [*before[1][:5], f"conflict: other; evaluation: {WHY}", ""]
    assert after[2:] == [["data/test.csv", "3", "test", "'=HYPERLINK(1)", "Central", f"evaluation: {WHY}", ""]]
    assert read_queue(run.review_queue.read_bytes(), "queue") == ([], 3)


def test_evaluating_again_adds_nothing_twice(run):
    """The same suspects, the same bytes; other suspects take the place of those before."""
    first = run.review_queue.read_bytes()
    queue_suspects(run, TEST, BOTH)
    once = run.review_queue.read_bytes()
    queue_suspects(run, TEST, BOTH)
    assert run.review_queue.read_bytes() == once
    queue_suspects(run, TEST, [Suspicion(row=2, why=WHY)])
    assert [row[1] for row in cells(run.review_queue)] == ["9", "2", "4"]
    assert queue_suspects(run, TEST, []) is None
    assert run.review_queue.read_bytes() == first


def test_a_row_that_somebody_answered_is_never_touched(run):
    """Neither by new reasons nor when an old one no longer holds."""
    queue_suspects(run, TEST, BOTH)
    answered = run.review_queue.read_bytes().decode().replace(f'{WHY}",\r\n', f'{WHY}",Northern\r\n')
    run.review_queue.write_text(answered, "utf-8", newline="")
    assert [row[6] for row in cells(run.review_queue)] == ["", "Northern", "Northern"]
    for suspects in (BOTH, ()):
        queue_suspects(run, TEST, suspects)
        assert run.review_queue.read_bytes() == answered.encode()


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace(",", ";"), lambda text: text.replace("why,", "why,note,")],
    ids=["semicolons", "column"],
)
def test_a_queue_saved_in_another_form_is_left_alone(run, caplog, monkeypatch, change):
    """It is somebody's work: the suspects get a file of their own, and that is said."""
    monkeypatch.setattr(logging.getLogger("ml_run"), "propagate", True)
    theirs = change(run.review_queue.read_text("utf-8")).encode("utf-8")
    run.review_queue.write_bytes(theirs)
    with caplog.at_level(logging.WARNING, "ml_run"):
        assert queue_suspects(run, TEST, BOTH) == "evaluation/review_queue.csv"
    assert run.review_queue.read_bytes() == theirs
    assert [row[1] for row in cells(run.evaluation / "review_queue.csv")] == ["2", "3"]
    said = "experiments/exp_1/data/review_queue.csv was saved in another form and is left as it is"
    assert caplog.messages == [f"{said}: doubtful test labels stand in experiments/exp_1/evaluation/review_queue.csv"]


def test_without_a_queue_one_is_made_and_without_suspects_none(run):
    """Somebody may have moved it away."""
    run.review_queue.unlink()
    assert queue_suspects(run, TEST, []) is None
    assert not run.review_queue.exists()
    assert queue_suspects(run, TEST, BOTH) == "data/review_queue.csv"
    assert [row[1] for row in cells(run.review_queue)] == ["2", "3"]
