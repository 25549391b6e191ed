import json
import logging
import random
import signal
from collections import Counter

import pytest

from config_harness import GATE, config_text, faults, load
from conftest import LABELS, make_rows
from ml_run.errors import TrainingError
from ml_run.modeling.folds import HeldOut, assign, fold_run, summary
from ml_run.splits import read_split
from train_harness import prepare, train_apart

pytestmark = pytest.mark.usefixtures("one_thread")


def spread(places, ids, folds):
    """Rows of each class in each fold."""
    counts = Counter(zip(places, ids, strict=True))
    return {label: [counts[fold, label] for fold in range(folds)] for label in sorted(set(ids))}


def test_classes_are_spread_to_the_row():
    """Without groups, the rows of a class in any two folds differ by one at most, and so do the folds."""
    ids = [0] * 53 + [1] * 20 + [2] * 4
    places = assign(range(77), ids, 5, seed=1)
    for counts in spread(places, ids, 5).values():
        assert max(counts) - min(counts) <= 1
    sizes = Counter(places).values()
    assert max(sizes) - min(sizes) <= 2
    assert places == assign(range(77), ids, 5, seed=1) != assign(range(77), ids, 5, seed=2)


def test_units_are_never_parted_and_classes_stay_even():
    """Rows of one group or copies of one another are in one fold, and each class is spread as groups allow."""
    chance = random.Random(0)
    units = [unit for unit in range(60) for _ in range(chance.choice([1, 2, 5]))]
    ids = [unit % 3 for unit in units]
    places = assign(units, ids, 4, seed=1)
    assert len({(unit, place) for unit, place in zip(units, places, strict=True)}) == 60
    for counts in spread(places, ids, 4).values():
        assert max(counts) - min(counts) <= 2


def test_too_few_units_are_refused_with_the_number_that_would_do():
    """A fold without rows would be no fold."""
    with pytest.raises(TrainingError) as caught:
        assign([0, 0, 1, 1, 2], [0, 1, 0, 1, 0], 4, seed=1)
    assert caught.value.found == (
        "training.folds is 4, and train and val hold only 3 rows, groups or sets of copies that can be parted"
    )
    assert caught.value.remedy == "set training.folds to 3 or less, or add rows"


def test_scores_are_put_together():
    """Mean and deviation over the folds, scores of all rows together, and the median of the best epochs, half up."""
    import numpy as np

    ids, places = [0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 0, 1, 1]
    logits = [np.array([[2.0, 0], [0, 2], [2, 0], [0, 2]]), np.array([[2.0, 0], [0, 2], [0, 2], [0, 2]])]
    found = [
        HeldOut(fold_run(number, epoch, [0, 1, 0, 1], scores, 1.5), scores.tolist())
        for number, epoch, scores in zip((1, 2), (2.0, 3.0), logits, strict=True)
    ]
    folds, probabilities = summary(("a", "b"), ids, places, found, seed=1)
    assert [run.accuracy for run in folds.runs] == [1.0, 0.75]
    assert (folds.accuracy_mean, folds.accuracy_sd) == (0.875, pytest.approx(0.1768, abs=1e-4))
    assert folds.runs[1].macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert folds.epochs == 3
    assert folds.pooled.accuracy.value == 0.875
    assert folds.pooled.confusion == ((3, 1), (0, 4))
    assert probabilities.argmax(1).tolist() == [0, 1, 0, 1, 0, 1, 1, 1]


def heard_of(work):
    """Walk the train stage; what it returned and what was told."""
    heard, handler, logger = [], logging.Handler(), logging.getLogger("ml_run")
    handler.emit = heard.append
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        return work.train(), heard
    finally:
        logger.removeHandler(handler)


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """A training with three folds over 64 + 30 rows, and what was told."""
    work = prepare(tmp_path_factory.mktemp("folded"), folds=3, epochs=2)
    return work, *heard_of(work)


def test_the_final_model_learns_from_all_rows(folded):
    """Its epochs are the folds' median, its score is theirs, and of rows that it knows no score is told."""
    work, trained, _ = folded
    folds = trained.folds
    assert sum(run.rows for run in folds.runs) == 94 == folds.pooled.n
    assert sorted(run.best_epoch for run in folds.runs)[1] == folds.epochs == trained.best_epoch
    assert trained.best_val_macro_f1 == folds.macro_f1_mean
    assert trained.global_step == trained.max_steps == 6 * folds.epochs
    assert not trained.stopped_early
    assert {(row.val_macro_f1, row.val_accuracy, row.val_loss) for row in trained.curve} == {(None, None, None)}
    assert all(row.train_loss for row in trained.curve)
    known = (work.experiment.model / "train_rows.txt").read_text().split()
    rows = [read_split(work.experiment.split(name)) for name in ("train", "val")]
    assert known == sorted({*rows[0].hashes, *rows[1].hashes})
    assert trained.seconds > sum(run.seconds for run in folds.runs)
    assert [path.name for path in work.experiment.checkpoints.iterdir()] == ["finished.json"]
    assert len(json.loads(work.experiment.reference.read_text())["texts"]) == 30


def test_the_card_says_where_the_score_comes_from(folded):
    """The model card calls the folds' mean what it is."""
    card = (folded[0].experiment.model / "README.md").read_text()
    mean = f"{folded[1].best_val_macro_f1:.3f}"
    assert f"Mean macro-F1 over 3 folds, which chose the epoch and are no test: {mean}." in card
    assert f"| {folded[1].best_epoch:g}, found by 3 folds; trained on all rows of train and val |" in card


def test_every_row_is_scored_by_a_model_that_did_not_learn_from_it(folded):
    """out_of_fold.parquet holds each row of train and val once, with its fold, and its scores are those recorded."""
    import pyarrow.parquet as pq

    work, trained, _ = folded
    table = pq.read_table(work.experiment.out_of_fold).to_pydict()
    rows = read_split(work.experiment.split("train")) + read_split(work.experiment.split("val"))
    assert table["row_hash"] == rows.hashes
    assert Counter(table["fold"]) == {run.fold: run.rows for run in trained.folds.runs}
    right = [label == found for label, found in zip(table["label"], table["predicted"], strict=True)]
    assert sum(right) / 94 == pytest.approx(trained.folds.pooled.accuracy.value)
    assert sum(table[f"p_{label}"][0] for label in LABELS) == pytest.approx(1, abs=1e-6)


def test_folds_are_told_one_by_one(folded):
    """One line a fold and one at the end; progress covers all trainings; the store gets no score on known rows."""
    _, trained, heard = folded
    notes = [r.getMessage() for r in heard if getattr(r, "event", "") == "note"]
    first, folds = trained.folds.runs[0], trained.folds
    assert notes[0] == (
        f"fold 1 of 3: macro-F1 {first.macro_f1:.3f}, accuracy {first.accuracy:.3f} on {first.rows} rows held out, in "
        f"epoch {first.best_epoch:g}"
    )
    assert len(notes) == 4
    assert notes[3] == (
        f"macro-F1 over 3 folds: {folds.macro_f1_mean:.3f} ± {folds.macro_f1_sd:.3f}, accuracy "
        f"{folds.accuracy_mean:.3f} ± {folds.accuracy_sd:.3f}; the final model learns from all rows, for "
        f"{folds.epochs} epoch{'s' if folds.epochs > 1 else ''}"
    )
    progress = [r for r in heard if getattr(r, "event", "") == "progress"]
    assert progress[-1].getMessage() == f"final model, step {trained.max_steps} of {trained.max_steps}"
    assert progress[-1].data["done"] == progress[-1].data["total"] == 4 * trained.max_steps
    assert progress[-1].data["val_macro_f1"] is None
    metrics = {name for r in heard if getattr(r, "event", "") == "metrics" for name in r.data["values"]}
    assert {"fold_1/val/macro_f1", "fold_3/train/loss", "train/loss", "known_rows/macro_f1"} <= metrics
    assert "val/macro_f1" not in metrics


@pytest.mark.slow
@pytest.mark.parametrize("at", [6, 9])
def test_r12_a_killed_cross_validation_goes_on_in_its_fold(folded, tmp_path, at):
    """R12: folds that had ended are not trained again, and the final model is the same to the bit."""
    work = prepare(tmp_path, folds=3, epochs=2)
    outcome = train_apart(work, signals=(signal.SIGKILL,), at=at, every_step=True)
    assert outcome.code == -signal.SIGKILL
    ended = sorted(path.parent.name for path in work.experiment.checkpoints.glob("*/held_out.json"))
    assert ended == ([] if at == 6 else ["fold_1", "fold_2", "fold_3"])
    trained, heard = heard_of(work)
    assert work.weights() == folded[0].weights()
    assert trained.folds.pooled == folded[1].folds.pooled
    starts = [r.getMessage() for r in heard if ": training scratch:tiny" in r.getMessage()]
    assert len(starts) == (4 if at == 6 else 1)


def test_groups_stay_in_one_fold(tmp_path):
    """Rows of one value of data.group_field are held out together, wherever they stand."""
    from dataclasses import replace

    from ml_run.quality.fold_units import fold_units

    work = prepare(tmp_path)
    rows = read_split(work.experiment.split("train"))
    grouped = replace(rows, groups=[f"speaker {number % 8}" for number in range(64)])
    units = fold_units(grouped, work.config, work.data, 4)
    assert len(set(units)) == 8
    assert all(units[number] == units[number % 8] for number in range(64))


def test_copies_stay_in_one_fold(tmp_path):
    """A text that train and val both hold, or nearly, would be learnt by heart; all its rows are held out at once."""
    rows = make_rows(64, 0)
    copies = [{**row, "text": row["text"] + " aan"} for row in rows[:20]] + make_rows(10, 3)
    work = prepare(tmp_path, folds=4, rows={"train": rows, "val": copies}, model={"name": "linear"})
    work.train()
    import pyarrow.parquet as pq

    fold = pq.read_table(work.experiment.out_of_fold)["fold"].to_pylist()
    assert fold[:20] == fold[64:84]
    assert len(set(fold)) == 4


def test_the_linear_model_is_cross_validated_too(tmp_path):
    """It learns from all rows, and its temperature is found on what the folds held out."""
    work = prepare(tmp_path, folds=3, model={"name": "linear"})
    trained, heard = heard_of(work)
    assert (trained.folds.epochs, trained.best_epoch) == (None, None)
    assert trained.best_val_macro_f1 == trained.folds.macro_f1_mean
    assert trained.linear.training_rows == 94
    assert trained.linear.tuning_rows == 64
    assert len((work.experiment.model / "train_rows.txt").read_text().split()) == 94
    notes = [r.getMessage() for r in heard if getattr(r, "event", "") == "note"]
    assert notes[-1].endswith("; the final model learns from all rows")


def test_folds_and_seeds_are_not_both_done(here):
    """A run does one of the two: the error names both keys; alone, folds are kept in the run's folder."""
    found = faults(config_text(rest="training: {folds: 5, seeds: [1, 2]}\n" + GATE))
    assert found == [
        (
            "ml_config.yaml:5 | training.folds is 5 and training.seeds names 2 seeds | "
            "remove training.seeds or training.folds: a run does one of the two"
        )
    ]
    loaded = load(config_text(rest="training: {folds: 5}\n" + GATE))
    assert load(loaded.resolved_yaml).config.training.folds == 5


@pytest.mark.parametrize("folds", [1, 21])
def test_a_number_of_folds_has_bounds(here, folds):
    """One fold holds nothing back, and more than twenty take longer than they tell."""
    (found,) = faults(config_text(rest=f"training: {{folds: {folds}}}\n" + GATE))
    assert found.startswith("ml_config.yaml:5 | training.folds")
