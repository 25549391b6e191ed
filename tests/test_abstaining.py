"""`deployment.abstain_at_risk` from the config to every answer: the threshold travels in the model's folder."""

import json

import numpy as np
import pytest

from conftest import make_rows, write_jsonl, write_project
from harness import ml_run
from ml_run.experiment import list_experiments
from ml_run.modeling.scoring import load_scorer
from ml_run.modeling.scoring_file import read_scoring
from ml_run.serving.answers import predictions_of
from ml_run.serving.batching import Answer
from ml_run.serving.models import load_deployed
from predicting_harness import predict, put_into_production, told

TEXTS = [row["text"] for row in make_rows(30, 9)] + ["gaaray", "=1+1 yidhi", "ɓeɗo ጤና", "guri", "xarriiq cusub"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A linear model that was to answer without a mistake, in production as version 1."""
    folder = tmp_path_factory.mktemp("abstaining")
    write_project(folder, model={"name": "linear"}, deployment={"abstain_at_risk": 0.001, "min_f1": 0.5})
    done = ml_run("it knows its limits", "--until", "train", "--quiet", cwd=folder)
    assert done.code == 0, done.err
    (run,) = list_experiments(folder)
    put_into_production(folder, run, "1")
    return folder


def test_predict_and_serve_abstain_where_the_model_does(project, tmp_path):
    """One threshold, found on validation rows: the same rows are left to a person, whoever asks."""
    folder = project / "experiments/deployments/1"
    below = read_scoring(folder).abstain_below
    soft = load_scorer(folder).probabilities(TEXTS)
    expected = (soft.max(1).round(6) < below).tolist()
    assert True in expected
    assert False in expected
    write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS])
    found = told(predict(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl"))
    assert (found["abstain_below"], found["abstained"]) == (below, sum(expected))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row["abstain"] for row in rows] == expected
    served = load_deployed(project, "1")
    answers = predictions_of(Answer(served, np.asarray(served.scorer.logits(TEXTS)), [False] * len(TEXTS)))
    assert [one["abstain"] for one in answers] == expected


def test_what_the_command_asks_for_comes_first(project, tmp_path):
    """--abstain-below is the user's word on this file: 0 lets every row through."""
    write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS])
    found = told(predict(project, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--abstain-below", "0"))
    assert (found["abstain_below"], found["abstained"]) == (0.0, 0)
