"""The known ways in which training goes wrong, forced in real trainings: caught, named and mended."""

import json
import logging
import re
import signal
import statistics

import pytest

from conftest import make_rows, write_project
from harness import ml_run
from ml_run import files
from ml_run.errors import TrainingError
from train_harness import prepare, train_apart

pytestmark = pytest.mark.usefixtures("one_thread")

TOO_HIGH = 0.05  # scratch:tiny is dead after an epoch of it, and learns with a fifth of it
KILL = (signal.SIGKILL,)


@pytest.fixture
def warnings(caplog):
    """What the run warned of, in order."""
    caplog.set_level(logging.INFO, logger="ml_run")
    return lambda: [r.getMessage() for r in caplog.records if getattr(r, "event", "") == "warning"]


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    """A training that collapsed and was mended by its second attempt."""
    work = prepare(tmp_path_factory.mktemp("mended"), learning_rate=TOO_HIGH, epochs=4)
    return work, work.train()


def test_a_collapsed_training_is_mended_by_a_lower_learning_rate(mended):
    """It stops as soon as it is sure, tries once more with a fifth of the rate, and the record tells both attempts."""
    work, trained = mended
    first, second = trained.attempts
    assert re.match(r"training collapsed: at step (8|12) of 16 the model gives all 30 validation rows", first.failure)
    assert (first.learning_rate, first.warmup_ratio) == (TOO_HIGH, 0.1)
    assert (second.learning_rate, second.warmup_ratio, second.failure) == (pytest.approx(TOO_HIGH / 5), 0.2, "")
    assert trained.best_val_macro_f1 > 0.34
    assert trained.seconds > first.seconds > 0
    assert [path.name for path in work.experiment.checkpoints.iterdir()] == ["finished.json"]


def test_the_model_card_tells_of_both_attempts(mended):
    """Whoever gets the model learns with which rate it was trained, and which one failed."""
    card = (mended[0].experiment.model / "README.md").read_text()
    assert "| Learning rate | 0.01 at its peak, warm-up over 20.0 % of the steps |" in card
    assert "| Given up: learning rate 0.05 | Training collapsed: at step " in card


@pytest.mark.slow
def test_r12_a_training_killed_in_its_second_attempt_goes_on_in_it(mended, tmp_path):
    """R12: resumed, the second attempt ends with the weights of one that nothing happened to, to the bit."""
    work = prepare(tmp_path, learning_rate=TOO_HIGH, epochs=4)
    outcome = train_apart(work, signals=KILL, at=7, every_step=True, rates=(0, TOO_HIGH / 2))
    assert outcome.code == -signal.SIGKILL
    assert work.checkpoints()[-1] == "checkpoint-6"
    trained = work.train()
    assert [attempt.learning_rate for attempt in trained.attempts] == [TOO_HIGH, pytest.approx(TOO_HIGH / 5)]
    assert work.weights() == mended[0].weights()


def test_a_second_collapse_ends_with_both_attempts_named(tmp_path):
    """Exit 4 says what was tried; there is no model."""
    work = prepare(tmp_path, learning_rate=1, epochs=4)
    with pytest.raises(TrainingError, match="two attempts failed") as caught:
        work.train()
    assert caught.value.found.startswith("two attempts failed: with learning rate 1, training collapsed: at step")
    assert "; with learning rate 0.2, training collapsed: at step" in caught.value.found
    assert caught.value.remedy.startswith("set training.learning_rate well below 0.2 (")
    assert (caught.value.kind, caught.value.exit_code) == ("collapsed", 4)
    assert not work.experiment.model.exists()


def test_on_collapse_stop_ends_with_the_first(tmp_path):
    """Who wants to decide alone gets the error with its advice, and nothing is tried again."""
    work = prepare(tmp_path, learning_rate=TOO_HIGH, epochs=4, on_collapse="stop")
    with pytest.raises(TrainingError, match="training collapsed: at step") as caught:
        work.train()
    assert caught.value.remedy.startswith("lower training.learning_rate (it is 0.05; 1e-5 to 5e-5 suit pre-trained")


@pytest.mark.parametrize("at", [2, 5, 12])
def test_r15_a_training_that_diverged_is_tried_once_more(tmp_path, at):
    """R15: NaN at the second step, in the middle, at the last step: a second attempt with a fifth of the rate."""
    work = prepare(tmp_path)
    outcome = train_apart(work, poison=True, at=at, rates=(0.001, 1))
    assert (outcome.code, outcome.error) == (0, "")
    assert f"by step {at} of 12; once more from the start, with learning rate 0.0004 in place of 0.002" in outcome.err
    trained = work.train()
    assert [attempt.learning_rate for attempt in trained.attempts] == [0.002, pytest.approx(0.0004)]
    assert trained.attempts[0].failure.startswith("training diverged: ")


def test_r15_nan_at_the_first_step_is_the_models_own_fault(tmp_path):
    """R15: the loss of the first step is that of the base model, which no learning rate mends."""
    outcome = train_apart(prepare(tmp_path), poison=True, at=1)
    assert (outcome.code, outcome.kind) == (4, "non_finite")
    assert "by step 1 of 12" in outcome.message
    assert "once more" not in outcome.err


# --- what is no collapse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [2e-6, 1e-4])
def test_learning_slowly_is_no_collapse(tmp_path, warnings, rate):
    """A model that has hardly left its start is trained to its end, and a warning says that it hardly learnt."""
    trained = prepare(tmp_path, learning_rate=rate, epochs=3, train=96).train()
    assert (len(trained.attempts), trained.global_step, trained.stopped_early) == (1, 18, False)
    hardly = [said for said in warnings() if "the model has hardly learnt" in said]
    assert len(hardly) == (rate == 2e-6)


def test_a_class_never_predicted_is_a_warning(tmp_path, warnings):
    """A rare class that the model never gives is named at the end, and is no reason to stop."""
    rows = [row for row in make_rows(96) if row["label"] != "Southern"] + make_rows(12, seed=5)[2::3]
    trained = prepare(tmp_path, rows={"train": rows}, learning_rate=0.001, epochs=2).train()
    assert trained.never_predicted == ("Southern",)
    assert len(trained.attempts) == 1
    (said,) = warnings()
    assert said.startswith("the model gives Southern to no validation row, and 10 rows should have it: ")


# --- memory ---------------------------------------------------------------------------------------------------------


def test_r17_out_of_memory_goes_on_in_smaller_portions(tmp_path):
    """R17: portions are halved until they fit, and a step stays the same step: the same rows, the same weights."""
    small, roomy = (prepare(tmp_path / name, train=60, batch_size=30) for name in ("small", "roomy"))
    outcome = train_apart(small, most_rows=6, signals=KILL, at=2, every_step=True)
    train_apart(roomy, signals=KILL, at=2, every_step=True)
    assert outcome.code == -signal.SIGKILL
    assert outcome.err.splitlines() == [
        "memory ran out with 30 rows at once: going on with 15, 2 times a step, which stays the same step",
        "memory ran out with 15 rows at once: going on with 5, 6 times a step, which stays the same step",
    ]
    for name, weights in tensors(roomy).items():
        assert tensors(small)[name] == pytest.approx(weights, abs=2e-4), name
    trained = small.train()
    (attempt,) = trained.attempts
    assert (attempt.micro_batch, attempt.accumulation, trained.global_step) == (5, 6, 6)
    assert "| Rows in memory | 5 at once, 6 times a step: memory ran out with more |" in (
        (small.experiment.model / "README.md").read_text()
    )


@pytest.mark.slow
def test_r17_a_training_killed_after_memory_ran_out_goes_on_in_the_same_portions(tmp_path):
    """R17, R12: the portions are part of the state: resumed, the weights are those of a training never killed."""
    calm, killed = prepare(tmp_path / "calm"), prepare(tmp_path / "killed")
    assert train_apart(calm, most_rows=8).code == 0
    assert train_apart(killed, most_rows=8, signals=KILL, at=7, every_step=True).code == -signal.SIGKILL
    killed.train()
    assert killed.weights() == calm.weights()


def test_r17_auto_batch_false_names_the_knobs(tmp_path):
    """R17: who wants the portions as configured gets the error, with the values to change."""
    outcome = train_apart(prepare(tmp_path, auto_batch=False), most_rows=8)
    assert (outcome.code, outcome.error, outcome.kind) == (4, "TrainingError", "out_of_memory")
    assert "memory ran out with 16 rows at once and model.max_length 32" in outcome.message
    assert "set training.batch_size to 8 and training.gradient_accumulation_steps to 2" in outcome.message


def tensors(work):
    """The weights after the first step."""
    from safetensors.numpy import load_file

    return load_file(work.experiment.checkpoints / "checkpoint-1/model.safetensors")


def test_r17_no_portion_is_smaller_than_a_row(tmp_path):
    """R17: when even one row does not fit, the error says what else can be done."""
    work = prepare(tmp_path, batch_size=2)
    outcome = train_apart(work, most_rows=0)
    assert (outcome.code, outcome.kind) == (4, "out_of_memory")
    assert "memory ran out with 1 row at once" in outcome.message
    assert "lower model.max_length, name a smaller model" in outcome.message
    assert not work.experiment.model.exists()


# --- several seeds --------------------------------------------------------------------------------------------------

SEEDS = (5, 6, 8)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """A training with three seeds, and the progress it told."""
    work = prepare(tmp_path_factory.mktemp("seeded"), seeds=SEEDS, epochs=2)
    heard = []
    handler = logging.Handler()
    handler.emit = heard.append
    logger = logging.getLogger("ml_run")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        return work, work.train(), heard
    finally:
        logger.removeHandler(handler)


def test_the_candidate_is_the_median_of_the_seeds_by_validation(seeded):
    """Three models, each sealed and still there for the evaluation; `model/` is the one in the middle."""
    work, trained, _ = seeded
    assert [run.seed for run in trained.seeds] == list(SEEDS)
    middle = sorted(trained.seeds, key=lambda run: (run.best_val_macro_f1, run.seed))[1]
    chosen = work.experiment.seed_model(middle.seed) / "model.safetensors"
    assert (trained.seed, work.weights()) == (middle.seed, files.hash_file(chosen))
    assert files.folder_digest(work.experiment.model) == trained.digest
    assert files.manifest_fault(work.experiment.model) is None
    assert trained.seconds == pytest.approx(sum(run.seconds for run in trained.seeds), abs=0.01)
    for run in trained.seeds:
        assert files.manifest_fault(work.experiment.seed_model(run.seed)) is None
        assert files.folder_digest(work.experiment.seed_model(run.seed)) == run.digest
    assert len({run.digest for run in trained.seeds}) == 3
    assert [path.name for path in work.experiment.checkpoints.iterdir()] == ["finished.json"]


@pytest.mark.slow
def test_a_seed_among_several_gives_the_model_it_gives_alone(seeded, tmp_path):
    """Nothing of one training reaches into the next."""
    alone = prepare(tmp_path, seed=SEEDS[2], epochs=2)
    alone.train()
    there = seeded[0].experiment.seed_model(SEEDS[2]) / "model.safetensors"
    assert files.hash_file(there) == alone.weights()


def test_progress_covers_all_seeds(seeded):
    """Which seed of how many, done and left of all of them; the store gets a curve of each."""
    heard = seeded[2]
    progress = [r for r in heard if getattr(r, "event", "") == "progress"]
    assert {(r.data["total"], r.data["seed"]) for r in progress} == {(24, seed) for seed in SEEDS}
    assert progress[-1].getMessage() == "seed 3 of 3 (8), step 8 of 8"
    assert (progress[-1].data["done"], progress[-1].data["seconds_left"]) == (24, 0)
    ends = [r.data for r in progress if r.data["done"] == 8]
    assert all(data["seconds_left"] > 0 for data in ends)
    metrics = {name for r in heard if getattr(r, "event", "") == "metrics" for name in r.data["values"]}
    assert {f"seed_{seed}/val/macro_f1" for seed in SEEDS} <= metrics
    notes = [r.getMessage() for r in heard if getattr(r, "event", "") == "note"]
    assert notes[0].startswith("seed 1 of 3 (5): validation macro-F1 0.")
    assert notes[-1].startswith("validation macro-F1 over 3 seeds: 0.")
    assert notes[-1].endswith(f"the candidate is the median, seed {seeded[1].seed}")


@pytest.mark.slow
def test_r12_seeds_are_not_trained_twice(seeded, tmp_path):
    """R12: killed in a later seed, the seeds before stand and the rest ends as if nothing had happened."""
    work = prepare(tmp_path, seeds=SEEDS, epochs=2)
    outcome = train_apart(work, signals=KILL, at=7, every_step=True, seed=SEEDS[1])
    assert outcome.code == -signal.SIGKILL
    first = work.experiment.seed_model(SEEDS[0]) / "model.safetensors"
    written = first.stat().st_mtime_ns
    trained = work.train()
    assert first.stat().st_mtime_ns == written
    assert [run.digest for run in trained.seeds] == [run.digest for run in seeded[1].seeds]
    assert work.weights() == seeded[0].weights()


@pytest.mark.slow
def test_the_spread_over_seeds_is_reported_beside_the_interval(tmp_path):
    """A run with seeds: test scores of each, mean and deviation; the candidate stays the median by validation."""
    write_project(tmp_path, training={"seeds": list(SEEDS), "seed": 42, "epochs": 4})
    done = ml_run("seeds", cwd=tmp_path)
    assert done.code == 0, done.err
    (run,) = (tmp_path / "experiments").glob("exp_*")
    result = json.loads((run / "result.json").read_text())
    spread, trained = result["spread"], json.loads((run / "training.json").read_text())
    assert [one["seed"] for one in spread["seeds"]] == list(SEEDS)
    scores = [one["macro_f1"] for one in spread["seeds"]]
    assert spread["macro_f1_mean"] == pytest.approx(statistics.mean(scores))
    assert spread["macro_f1_sd"] == pytest.approx(statistics.stdev(scores))
    judged = next(one for one in spread["seeds"] if one["seed"] == trained["seed"])
    assert judged["macro_f1"] == pytest.approx(result["scores"]["candidate"]["macro_f1"]["value"])
    assert not (run / "models").exists()
    report = (run / "report.md").read_text()
    assert f"{spread['macro_f1_mean']:.3f} ± {spread['macro_f1_sd']:.3f}" in report
    assert "how far another seed of the training would" in report
