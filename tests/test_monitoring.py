import json

import numpy as np
import pytest

from finished_run import finished_run
from ml_run import files
from ml_run.experiment import write_record
from ml_run.monitoring import Handoff, build_handoff, distribution
from ml_run.results import Deployment

WAITING = Deployment(action="awaiting", reason="it waits", version="4")


@pytest.fixture(scope="module")
def handoff(tmp_path_factory):
    run = finished_run(tmp_path_factory.mktemp("watched"))
    return run, build_handoff(run.experiment, *run.records, WAITING)


def test_the_handoff_names_model_and_data(handoff):
    """Whoever reads it knows which model, tokenizer, labels, data and config it was measured with."""
    run, found = handoff
    assert (found.version, found.experiment, found.model_digest) == ("4", run.experiment.id, run.model.digest)
    assert found.tokenizer_sha256 == files.hash_file(run.experiment.model / "tokenizer.json")
    assert found.config_sha256 == files.hash_file(run.experiment.config_file)
    assert (found.data_fingerprint, found.labels) == (run.data.fingerprint, run.model.labels)
    assert (found.minimum_window, found.alpha) == (50, 0.05)
    assert [(c.metric, c.direction, c.threshold) for c in found.criteria] == [("macro_f1", ">=", 0.5)]


def test_the_handoff_counts_the_test_rows(handoff):
    """Prior, predicted counts and confusion come from the test rows: raw counts that add up."""
    _, found = handoff
    assert found.n == 60
    assert found.label_prior == dict.fromkeys(found.labels, 20 / 60)
    assert sum(found.predicted_counts.values()) == sum(map(sum, found.confusion)) == 60
    assert found.confidence.values[0] == pytest.approx(0.4)
    assert found.characters.values == tuple(float(50 + i) for i in range(60))


def test_the_handoff_survives_the_disk(handoff, tmp_path):
    """What is written is what is read, and it is plain JSON without NaN."""
    _, found = handoff
    write_record(tmp_path / "handoff.json", found)
    text = (tmp_path / "handoff.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert Handoff.model_validate_json(text) == found


def test_many_rows_become_quantiles():
    """Up to 2,000 rows every value is kept, sorted; beyond, the middles of 2,000 equal shares of them."""
    few = distribution([3.0, 1.0, 2.0])
    assert (few.kind, few.n, few.values) == ("values", 3, (1.0, 2.0, 3.0))
    assert distribution(np.arange(2000.0)).kind == "values"
    many = distribution(np.arange(20_000.0)[::-1])
    assert (many.kind, many.n, len(many.values)) == ("quantiles", 20_000, 2000)
    assert many.values[:2] == (5.0, 15.0)
    assert many.values[-1] == 19_995.0
