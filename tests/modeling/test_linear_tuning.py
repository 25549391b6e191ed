"""Choosing, fitting and calibrating the linear model."""

import random
import subprocess
import sys

import numpy as np
import pytest

from conftest import LABELS, make_rows
from ml_run import statistics
from ml_run.errors import TrainingError
from ml_run.modeling import linear_tuning
from ml_run.modeling.linear_tuning import Rows, tune
from ml_run.modeling.scoring import softmax
from ml_run.statistics import fit_temperature


def rows(count, seed=0, noise=0.0, words=0):
    """Rows of the test corpus; a share `noise` of them with another's label, `words` further words before each."""
    chance = random.Random(seed)
    made = make_rows(count, seed)
    filler = [" ".join(chance.choices(["maya", "haa", "waa", "iyo"], k=words)) for _ in made]
    ids = [LABELS.index(row["label"]) for row in made]
    ids = [chance.randrange(3) if chance.random() < noise else number for number in ids]
    return Rows([f"{front} {row['text']}" for front, row in zip(filler, made, strict=True)], ids)


def tuned(train, val, **changes):
    return tune(train, val, LABELS, **{"balanced": False, "seed": 3} | changes)


def test_it_learns_and_says_how():
    """Four settings where no text is long; scores of the record are those of the model on the validation rows."""
    val = rows(60, 1, noise=0.2)
    scorer, tuning = tuned(rows(150, noise=0.2), val)
    assert [(t.words, t.c, t.balanced) for t in tuning.trials] == [
        (None, 0.25, True), (None, 0.5, True), (None, 1.0, True), (None, 0.25, False),
    ]  # fmt: skip
    assert tuning.chosen == tuning.trials[0]
    predicted = scorer.logits(val.texts).argmax(1)
    matrix = statistics.confusion_matrix(val.ids, predicted, 3)
    assert tuning.chosen.val_macro_f1 == pytest.approx(statistics.f1_by_class(matrix).mean())
    assert tuning.chosen.val_accuracy == pytest.approx((predicted == np.array(val.ids)).mean())
    assert 0.6 < tuning.chosen.val_macro_f1 < 1
    assert (tuning.features, scorer.weights.shape) == (len(scorer.vocabulary.terms), (3, tuning.features))
    assert (tuning.tuning_rows, tuning.training_rows) == (150, 150)


def test_long_texts_are_read_in_three_ways_and_in_the_one_that_pays():
    """What stands behind 100 empty words is found only by reading on: 128 words take the place of 64."""
    _, tuning = tuned(rows(90, words=100), rows(60, 1, words=100))
    assert [trial.words for trial in tuning.trials[:2]] == [64, None]
    assert tuning.chosen.words is None
    _, tuning = tuned(rows(90, words=130), rows(60, 1, words=130), balanced=True)
    assert [(t.words, t.c) for t in tuning.trials] == [
        (64, 0.25), (128, 0.25), (None, 0.25), (None, 0.5), (None, 1.0),
    ]  # fmt: skip
    assert tuning.chosen == tuning.trials[2]


def test_a_lead_within_the_noise_changes_nothing():
    """Labels by chance: a setting that leads by chance on few rows does not take the place of the first one."""
    leads = kept = 0
    for seed in range(6):
        _, tuning = tuned(rows(60, seed, noise=1.0, words=70), rows(20, seed + 50, noise=1.0, words=70), seed=seed)
        lead = max(trial.val_macro_f1 for trial in tuning.trials) - tuning.trials[0].val_macro_f1
        leads += lead > 0
        kept += lead > 0 and tuning.chosen == tuning.trials[0]
    assert leads >= 4
    assert kept >= leads / 2


def test_balanced_is_respected():
    """With training.class_weights balanced, nothing else is tried; a rare class is then found more often."""
    common, rare = rows(240, noise=0.3), rows(240, 1, noise=0.3)
    kept = [number for number, label in enumerate(common.ids) if label != 2 or number % 8 == 2]
    train = Rows([common.texts[n] for n in kept], [common.ids[n] for n in kept])
    _, tuning = tuned(train, rare, balanced=True)
    assert {trial.balanced for trial in tuning.trials} == {True}
    _, tuning = tuned(train, rare)
    assert [trial.balanced for trial in tuning.trials] == [True, True, True, False]
    assert tuning.trials[-1].val_macro_f1 < tuning.trials[0].val_macro_f1


def test_the_same_rows_and_seed_give_the_same_model_in_another_process():
    """To the bit: what one process trains, another trains too."""
    program = """
import sys, hashlib
sys.path.insert(0, "tests")
from test_linear_tuning import rows, tuned
scorer, tuning = tuned(rows(90, noise=.2), rows(40, 1, noise=.2))
content = scorer.weights.tobytes() + scorer.offsets.tobytes() + repr((scorer.vocabulary.terms, tuning)).encode()
print(hashlib.sha256(content).hexdigest())
"""
    found = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program.replace('"tests"', repr(__file__.rpartition("/")[0]))],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1


def test_two_classes():
    """scikit-learn keeps one row of weights for two classes; the model has two, and the second wins where it should."""
    pick = [number for number, row in enumerate(make_rows(120)) if row["label"] != "Southern"]
    source = rows(120)
    data = Rows([source.texts[n] for n in pick], [source.ids[n] for n in pick])
    scorer, tuning = tune(data, data, LABELS[:2], balanced=False, seed=0)
    assert scorer.weights.shape[0] == 2
    assert (scorer.weights[0] == -scorer.weights[1]).all()
    assert scorer.logits(data.texts).argmax(1).tolist() == data.ids
    assert tuning.chosen.val_macro_f1 == 1


def test_a_class_without_training_rows_is_never_predicted():
    """Nothing can be learnt of it, and its probability is 0; its rows do not disturb the calibration."""
    data = rows(90)
    pick = [number for number, label in enumerate(data.ids) if label != 1]
    train = Rows([data.texts[n] for n in pick], [data.ids[n] for n in pick])
    scorer, tuning = tuned(train, rows(60, 1))
    probabilities = scorer.probabilities(rows(60, 1).texts)
    assert probabilities[:, 1].max() == 0
    assert np.isfinite(scorer.logits(["", "zz"])).all()
    assert 0.01 < tuning.temperature < 2


def test_one_class_alone_is_no_training():
    """All training rows of one class: said, with what to do."""
    with pytest.raises(TrainingError, match="all 3 training rows are of one class, Northern") as caught:
        tuned(Rows(["a b", "b c", "c d"], [1, 1, 1]), rows(30))
    assert (caught.value.kind, caught.value.remedy) == (
        "one_class",
        "add rows of the other classes to the training split",
    )


def test_very_many_rows_are_sampled(monkeypatch):
    """Beyond a number of characters a sample is drawn, for the trials and for the model; the record says its size."""
    monkeypatch.setattr(linear_tuning, "_TUNING_CHARACTERS", 5_000)
    monkeypatch.setattr(linear_tuning, "_TRAINING_CHARACTERS", 10_000)
    train, val = rows(300), rows(60, 1)
    _, tuning = tuned(train, val)
    assert 60 < tuning.tuning_rows < 90
    assert 120 < tuning.training_rows < 180
    assert tuned(train, val)[1] == tuning
    monkeypatch.setattr(linear_tuning, "_TUNING_ROWS", 50)
    assert tuned(train, val)[1].tuning_rows == 50
    kept = linear_tuning.draw_rows(train, 300, 1, None, 0)
    assert len(kept.texts) == len(kept.ids) == 1


def test_steps_are_told_and_can_stop_it():
    """Each fit is announced, the last one included; what the listener raises ends the tuning."""
    told = []
    tuned(rows(60), rows(30, 1), step=lambda done, total: told.append((done, total)))
    assert told == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)]

    def stop(done, _total):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tuned(rows(60), rows(30, 1), step=stop)


# --- calibration ------------------------------------------------------------------------------------------------------


def drawn(n, temperature, seed=0):
    """Scores and labels such that softmax(scores / temperature) are the true probabilities."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 4))
    shares = softmax(scores / temperature)
    return scores, np.array([rng.choice(4, p=row) for row in shares])


@pytest.mark.parametrize("true", [0.2, 1.0, 3.0])
def test_the_true_temperature_is_found(true):
    """On rows drawn from a softmax of known temperature, within a few per cent."""
    scores, ids = drawn(20_000, true)
    assert fit_temperature(scores, ids, np.ones(4, bool)) == pytest.approx(true, rel=0.06)


def test_no_mistake_on_few_rows_is_no_certainty():
    """Ten rows without a mistake leave a twelfth of doubt, as if one row more had been wrong; more rows leave less."""
    scores = np.eye(2)[[0, 1] * 5] * 2 - 1
    few = softmax(scores / fit_temperature(scores, [0, 1] * 5, np.ones(2, bool)))
    assert few.max() == pytest.approx(11 / 12, abs=1e-3)
    scores = np.eye(2)[[0, 1] * 50] * 2 - 1
    more = softmax(scores / fit_temperature(scores, [0, 1] * 50, np.ones(2, bool)))
    assert more.max() == pytest.approx(101 / 102, abs=1e-3)


def test_calibration_changes_no_prediction_and_mends_the_probabilities():
    """Log loss and ECE on rows that were not calibrated on are far better than without, the accuracy is the same."""
    scorer, tuning = tuned(rows(150, noise=0.3), rows(300, 1, noise=0.3))
    test = rows(600, 2, noise=0.3)
    calibrated = scorer.probabilities(test.texts)
    raw = softmax(scorer.logits(test.texts).astype(float) * scorer.temperature)
    right = calibrated.argmax(1) == np.array(test.ids)
    assert (raw.argmax(1) == calibrated.argmax(1)).all()
    assert statistics.log_loss(calibrated, test.ids) < statistics.log_loss(raw, test.ids)
    before, after = (statistics.expected_calibration_error(p.max(1), right) for p in (raw, calibrated))
    assert before > 0.2
    assert after < before / 2
    assert tuning.val_ece < tuning.val_ece_uncalibrated


def test_rows_of_unknown_classes_alone_calibrate_nothing():
    """With no row of a class that was learnt the scores stay as they are."""
    assert fit_temperature(np.ones((2, 2)), [1, 1], np.array([True, False])) == 1.0
