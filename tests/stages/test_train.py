import json
import logging
import os
import shutil
import signal
import subprocess
import time

import pytest

from conftest import LABELS, make_rows
from ml_run import files
from ml_run.errors import TrainingError, UsageError
from ml_run.modeling import checkpoints, failures, scratch
from ml_run.stages.train import train_inputs
from train_harness import MAX_STEPS, STEPS_PER_EPOCH, Faults, Training, prepare, train_apart
from vocabularies import tokenizer_of

pytestmark = pytest.mark.usefixtures("one_thread")

KILL = (signal.SIGKILL,)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A training that nothing happened to: the work, its answer and what it emitted."""
    work = prepare(tmp_path_factory.mktemp("undisturbed"))
    heard = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append((getattr(record, "event", "log"), getattr(record, "data", {})))
    logger = logging.getLogger("ml_run")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        trained = work.train()
    finally:
        logger.removeHandler(handler)
    return work, trained, heard


def copy_of(undisturbed, folder):
    """The finished experiment of `undisturbed`, at another place."""
    work = prepare(folder)
    shutil.copytree(undisturbed[0].experiment.folder, work.experiment.folder, dirs_exist_ok=True)
    return work


def newest(work):
    """The checkpoint that training would go on from."""
    return checkpoints.newest_verified(work.experiment.checkpoints, train_inputs(work.config, work.data))


def curve(trained):
    return [(row.epoch, row.step, row.val_loss, row.val_macro_f1, row.val_accuracy) for row in trained.curve]


# --- what a training leaves behind ----------------------------------------------------------------------------------


def test_the_model_learns_and_its_facts_are_told(undisturbed):
    """A training ends with a model that has learnt, and a record of how."""
    _, trained, _ = undisturbed
    assert trained.best_val_macro_f1 > 0.6
    assert (trained.global_step, trained.max_steps, trained.stopped_early) == (MAX_STEPS, MAX_STEPS, False)
    assert [row.step for row in trained.curve] == [4, 8, 12]
    assert trained.best_val_macro_f1 == max(row.val_macro_f1 for row in trained.curve)
    assert trained.curve[0].train_loss > trained.curve[-1].train_loss
    assert (trained.base, trained.base_revision, trained.labels, trained.seed) == ("scratch:tiny", None, LABELS, 7)
    assert trained.seconds > 0
    assert trained.peak_memory_mb > 100


def test_the_model_folder_loads_with_plain_transformers(undisturbed):
    """Anyone can use the model without ml-run: names, cut-off and weights travel in the folder."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    work, trained, _ = undisturbed
    tokenizer = AutoTokenizer.from_pretrained(work.experiment.model)
    model = AutoModelForSequenceClassification.from_pretrained(work.experiment.model).eval()
    inputs = tokenizer(["guri " * 200], truncation=True, return_tensors="pt")
    assert inputs["input_ids"].shape == (1, 32)
    assert model(**inputs).logits.shape == (1, 3)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {label: number for number, label in enumerate(LABELS)}
    assert files.manifest_fault(work.experiment.model) is None
    assert trained.digest == files.folder_digest(work.experiment.model)


def test_the_model_folder_holds_no_training_state(undisturbed):
    """What is deployed holds weights and tokenizer, no pickle, no optimizer, and the hashes of the rows it saw."""
    work, _, _ = undisturbed
    assert sorted(path.name for path in work.experiment.model.iterdir()) == [
        "README.md",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "provenance.json",
        "sbom.cdx.json",
        "scoring.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "train_rows.txt",
    ]
    rows = (work.experiment.model / "train_rows.txt").read_text().splitlines()
    assert rows == sorted(rows)
    assert len(rows) == 64
    assert (work.experiment.model / "model.safetensors").stat().st_mode & 0o044


def test_checkpoints_are_pruned_on_success(undisturbed):
    """A finished training leaves one small note where its checkpoints were."""
    work, _, _ = undisturbed
    assert [path.name for path in work.experiment.checkpoints.iterdir()] == ["finished.json"]


def test_the_reference_is_what_the_saved_model_answers(undisturbed):
    """Deployment compares with these logits, so they must be the trained model's own."""
    from ml_run.modeling.scoring import load_scorer

    work, _, _ = undisturbed
    reference = json.loads(work.experiment.reference.read_text())
    assert len(reference["texts"]) == 30
    assert load_scorer(work.experiment.model).logits(reference["texts"]).tolist() == reference["logits"]


def test_progress_and_metrics_are_told(undisturbed):
    """The terminal and the tracking store learn how far training is and what was measured."""
    _, trained, heard = undisturbed
    progress = [data for event, data in heard if event == "progress"]
    assert (progress[-1]["done"], progress[-1]["total"], progress[-1]["stage"]) == (MAX_STEPS, MAX_STEPS, "train")
    assert progress[-1]["seconds_left"] == 0
    assert progress[-1]["rows_per_second"] > 0
    metrics = [data for event, data in heard if event == "metrics"]
    scored = {entry["step"]: entry["values"] for entry in metrics if "val/macro_f1" in entry["values"]}
    assert {step: values["val/macro_f1"] for step, values in scored.items()} == {
        row.step: row.val_macro_f1 for row in trained.curve
    }
    assert {entry["step"] for entry in metrics if "train/loss" in entry["values"]} == set(range(1, MAX_STEPS + 1))
    assert all(abs(entry["time_ms"] / 1000 - time.time()) < 600 for entry in metrics)


def test_progress_is_throttled(undisturbed):
    """However fast the steps, progress is told a few times a second at most."""
    _, trained, heard = undisturbed
    told = [event for event, _ in heard if event == "progress"]
    assert len(told) <= trained.seconds / 0.3 + 2


def test_two_runs_give_the_same_model(undisturbed, tmp_path):
    """The same data, config and seed give the same weights to the bit, in another process too, and no noise."""
    work = prepare(tmp_path)
    outcome = train_apart(work)
    assert (outcome.code, outcome.error, outcome.err) == (0, "", "")
    assert work.weights() == undisturbed[0].weights()


def test_the_seed_matters(undisturbed, tmp_path):
    """Another seed gives another model."""
    work = prepare(tmp_path, seed=8)
    assert work.train().seed == 8
    assert work.weights() != undisturbed[0].weights()


def test_balanced_class_weights_reach_the_loss(tmp_path):
    """`class_weights: balanced` weights rare classes up, and the record says by how much."""
    rows = [row for row in make_rows(90) if row["label"] != "Southern"] + make_rows(12, seed=5)[2::3]
    plain, weighted = (
        prepare(tmp_path / kind, rows={"train": rows}, epochs=4, class_weights=kind) for kind in ("none", "balanced")
    )
    assert plain.train().class_weights is None
    trained = weighted.train()
    assert trained.class_weights == pytest.approx((64 / 90, 64 / 90, 64 / 12))
    assert plain.weights() != weighted.weights()


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    """Training stops when patience is spent and the model is the best epoch's, not the last one's."""
    work = prepare(tmp_path, epochs=12, early_stopping_patience=2, learning_rate=0.003)
    trained = work.train()
    assert trained.stopped_early
    assert trained.global_step < trained.max_steps
    best = next(row for row in trained.curve if row.epoch == trained.best_epoch)
    assert trained.global_step == best.step + 2 * STEPS_PER_EPOCH
    assert all(row.val_macro_f1 <= best.val_macro_f1 for row in trained.curve)


# --- going on after a kill ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "resumed_from"),
    [(3, 2), (7, 6), (5, 4), (-1, 12)],
    ids=["mid-epoch 0", "mid-epoch 1", "epoch boundary", "last step"],
)
def test_r12_a_killed_training_ends_with_the_same_weights(undisturbed, tmp_path, at, resumed_from):
    """R12, R7: kill -9 anywhere, resume, even elsewhere: the weights of an undisturbed run to the bit, all told."""
    there, here = prepare(tmp_path / "there"), prepare(tmp_path / "here")
    assert train_apart(there, signals=KILL, at=at, every_step=True).code == -signal.SIGKILL
    assert there.checkpoints()[-1] == f"checkpoint-{resumed_from}"
    assert not there.experiment.model.exists()
    shutil.move(there.experiment.checkpoints, here.experiment.checkpoints)
    spent = newest(here).note.seconds
    trained = here.train()
    assert here.weights() == undisturbed[0].weights()
    assert trained.seconds >= spent > 0
    assert curve(trained) == curve(undisturbed[1])
    assert [row.train_loss for row in trained.curve] == pytest.approx(
        [row.train_loss for row in undisturbed[1].curve], abs=2e-4
    )


@pytest.mark.slow
def test_r12_with_gradient_accumulation(tmp_path):
    """R12 holds when a step sums several batches and the last one of an epoch fewer."""
    calm, killed = (
        prepare(tmp_path / kind, train=72, batch_size=8, gradient_accumulation_steps=2, epochs=2)
        for kind in ("calm", "killed")
    )
    calm.train()
    assert train_apart(killed, signals=KILL, at=8, every_step=True).code == -signal.SIGKILL
    killed.train()
    assert killed.weights() == calm.weights()


def test_r12_early_stopping_survives_a_kill(tmp_path):
    """R12: epochs without progress are counted across a kill, and a training that had stopped does not go on."""
    options = {"epochs": 12, "early_stopping_patience": 2, "learning_rate": 0.003}
    calm, killed = prepare(tmp_path / "calm", **options), prepare(tmp_path / "killed", **options)
    expected = calm.train()
    between = expected.global_step - STEPS_PER_EPOCH + 2
    assert train_apart(killed, signals=KILL, at=between, every_step=True).code == -signal.SIGKILL
    assert train_apart(killed, signals=KILL, at=-1).code == -signal.SIGKILL
    assert killed.checkpoints()[-1] == f"checkpoint-{expected.global_step}"
    trained = killed.train()
    assert (trained.global_step, trained.best_epoch) == (expected.global_step, expected.best_epoch)
    assert trained.stopped_early
    assert killed.weights() == calm.weights()


def kill_while_saving(work, number, delay):
    """Start training that saves each step; kill it `delay` seconds after the folder of save `number` appears."""
    training = Training(work, Faults(every_step=True))
    awaited = work.experiment.checkpoints / f"checkpoint-{number}"
    while training.alive() and not awaited.exists():
        time.sleep(0.0005)
    time.sleep(delay)
    if training.alive():
        os.kill(training.pid, signal.SIGKILL)
    return training.wait()


def test_r18_a_base_model_that_was_exchanged_is_not_trained_on(tmp_path):
    """R18: another model under the same name between stop and resume is refused, naming both; put back, it goes on."""
    base, weights = tmp_path / "base", tmp_path / "base" / "model.safetensors"
    tokenizer = tokenizer_of("unigram")
    scratch.build_model("scratch:tiny", tokenizer, 40, num_labels=3).save_pretrained(base)
    tokenizer.save_pretrained(base)
    work = prepare(tmp_path, model={"name": str(base), "trim_vocabulary": "off"})
    assert train_apart(work, signals=(15,), at=5).error == "Interrupted"
    own = weights.read_bytes()
    weights.write_bytes(own[:-1] + bytes([own[-1] ^ 1]))
    with pytest.raises(UsageError, match=r"is another model than the one that was trained up to step 5: it was \w{12}"):
        work.train()
    weights.write_bytes(own)
    assert work.train().global_step == 12


@pytest.mark.parametrize(("number", "delay"), [(3, 0.0), (9, 0.01)])
def test_r11_a_kill_while_saving_leaves_a_complete_checkpoint(undisturbed, tmp_path, number, delay):
    """R11: kill -9 during a save: training goes on from a complete checkpoint, to the same weights."""
    work = prepare(tmp_path)
    assert kill_while_saving(work, number, delay).code == -signal.SIGKILL
    assert newest(work).step >= number - 1
    work.train()
    assert work.weights() == undisturbed[0].weights()


@pytest.mark.slow
def test_r11_twenty_kills_while_saving(tmp_path):
    """R11: twenty kills while a larger model is saved: twenty resumes from a complete checkpoint."""
    calm = prepare(tmp_path / "calm", model={"name": "scratch:small"}, learning_rate=0.0005)
    calm.train()
    for number in range(20):
        work = prepare(tmp_path / str(number), model={"name": "scratch:small"}, learning_rate=0.0005)
        assert kill_while_saving(work, 2 + number % 10, number * 0.012).code == -signal.SIGKILL
        work.train()
        assert work.weights() == calm.weights()


def damaged(path, kind):
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training killed in its third epoch."""
    work = prepare(tmp_path_factory.mktemp("killed"))
    train_apart(work, signals=KILL, at=11)
    assert work.checkpoints()[-1] == "checkpoint-8"
    return work


def resumed_copy(killed, folder, name, kind):
    work = prepare(folder)
    shutil.copytree(killed.experiment.checkpoints, work.experiment.checkpoints)
    damaged(work.experiment.checkpoints / "checkpoint-8" / name, kind)
    work.train()
    return work


@pytest.mark.parametrize(
    ("name", "kind"),
    [("model.safetensors", "bit-flip"), ("optimizer.pt", "missing")],
)
def test_r10_a_damaged_checkpoint_never_changes_the_result(undisturbed, killed, tmp_path, caplog, name, kind):
    """R10: resume from the newest checkpoint that is whole, say which one was not used, end with the same weights."""
    with caplog.at_level(logging.INFO, logger="ml_run"):
        work = resumed_copy(killed, tmp_path, name, kind)
    warnings = [record.getMessage() for record in caplog.records if getattr(record, "event", "") == "warning"]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"checkpoint-8 is not used: {name} ")
    assert any("from step 4 of 12" in record.getMessage() for record in caplog.records)
    assert work.weights() == undisturbed[0].weights()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "bit-flip"])
def test_r10_every_file_of_a_checkpoint(undisturbed, killed, tmp_path, kind):
    """R10 for every file of a checkpoint, the manifest included."""
    for path in sorted((killed.experiment.checkpoints / "checkpoint-8").iterdir()):
        work = resumed_copy(killed, tmp_path / path.name, path.name, kind)
        assert work.weights() == undisturbed[0].weights(), path.name


def test_r35_a_checkpoint_without_manifest_is_never_unpickled(undisturbed, tmp_path, caplog):
    """R35: state files that ml-run did not seal are removed unread, however complete they look."""
    work = prepare(tmp_path)
    train_apart(work, signals=KILL, at=6)
    checkpoint = work.experiment.checkpoints / "checkpoint-4"
    (checkpoint / files.MANIFEST).unlink()
    for name in ("rng_state.pth", "optimizer.pt"):
        (checkpoint / name).write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "canary").encode() + b"'\ntR.")
    with caplog.at_level(logging.INFO, logger="ml_run"):
        work.train()
    assert "checkpoint-4 is not used: manifest.json is missing" in caplog.text
    assert not (tmp_path / "canary").exists()
    assert work.weights() == undisturbed[0].weights()


def test_a_model_already_written_is_not_trained_again(undisturbed, tmp_path):
    """A kill between the model and the stage's marker costs nothing: the sealed model stands."""
    work = copy_of(undisturbed, tmp_path)
    before = (work.experiment.model / "model.safetensors").stat().st_mtime_ns
    assert work.train() == undisturbed[1]
    assert (work.experiment.model / "model.safetensors").stat().st_mtime_ns == before


def test_a_model_changed_since_is_trained_again(undisturbed, tmp_path):
    """A model folder that is not what was written is not taken for the trained model."""
    work = copy_of(undisturbed, tmp_path)
    damaged(work.experiment.model / "model.safetensors", "bit-flip")
    assert work.train().digest == undisturbed[1].digest
    assert work.weights() == undisturbed[0].weights()


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "at"),
    [(signal.SIGTERM, 143, 4), (signal.SIGINT, 130, 6)],
    ids=["SIGTERM at the last step of an epoch", "SIGINT within an epoch"],
)
def test_r13_r14_a_stop_signal_saves_and_the_next_run_goes_on(undisturbed, tmp_path, number, code, at):
    """R13, R14: a verified checkpoint of that very step, the right exit code, no model; resumed, the same weights.

    Started with SIGINT ignored, as a script starts a command with `&`.
    """
    work = prepare(tmp_path)
    outcome = train_apart(work, signals=(number,), at=at, before={signal.SIGINT: signal.SIG_IGN})
    assert (outcome.code, outcome.error) == (code, "Interrupted")
    assert newest(work).step == at
    assert not work.experiment.model.exists()
    assert curve(work.train()) == curve(undisturbed[1])
    assert work.weights() == undisturbed[0].weights()


def test_r14_a_second_signal_ends_at_once(tmp_path):
    """R14: the second Ctrl-C does not wait for anything to be saved."""
    work = prepare(tmp_path)
    outcome = train_apart(work, signals=(signal.SIGINT, signal.SIGINT), at=6)
    assert (outcome.code, outcome.error) == (130, "")
    assert work.checkpoints() == ["checkpoint-4"]


def test_r19_a_training_that_was_cut_short_is_never_taken_as_finished(tmp_path):
    """R19: the Trainer's normal return proves nothing; without all its steps there is no model."""
    work = prepare(tmp_path)
    outcome = train_apart(work, quit=True, at=6)
    assert (outcome.code, outcome.error, outcome.kind) == (4, "TrainingError", "incomplete")
    assert "it stopped at step 4 of 12" in outcome.message
    assert not work.experiment.model.exists()


# --- training gone wrong --------------------------------------------------------------------------------------------


def test_r15_weights_that_become_nan_stop_training_at_the_next_log(tmp_path):
    """R15: named within one logging interval, the last finite checkpoint kept, no model."""
    work = prepare(tmp_path, on_collapse="stop")
    outcome = train_apart(work, poison=True, at=7)
    assert (outcome.code, outcome.error, outcome.kind) == (4, "TrainingError", "non_finite")
    assert "by step 7 of 12" in outcome.message
    assert "lower training.learning_rate (it is 0.002; try 0.0004)" in outcome.message
    assert work.checkpoints() == ["checkpoint-4"]
    assert files.manifest_fault(work.experiment.checkpoints / "checkpoint-4") is None
    assert not work.experiment.model.exists()


def test_r15_nan_is_found_before_an_interruption_saves_it(tmp_path):
    """R15: a checkpoint asked for by a signal is refused as well when its weights are not finite."""
    work = prepare(tmp_path, on_collapse="stop")
    outcome = train_apart(work, poison=True, at=6, signals=(signal.SIGTERM,))
    assert (outcome.code, outcome.kind) == (4, "non_finite")
    assert work.checkpoints() == ["checkpoint-4"]


def test_a_model_that_answers_one_class_only_is_refused(tmp_path):
    """A model that learnt nothing never reaches the gate, and a lower learning rate would not help it."""
    rows = [row for row in make_rows(180) if row["label"] == "Central"] + make_rows(3, seed=5)[1:]
    work = prepare(tmp_path, rows={"train": rows}, learning_rate=1e-3, epochs=1)
    with pytest.raises(TrainingError, match="has learnt nothing: after 4 steps it predicts one class") as caught:
        work.train()
    assert caught.value.kind == "collapsed"
    assert caught.value.remedy.startswith("raise training.learning_rate (it is 0.001")
    assert not work.experiment.model.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 12 MB, where this machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("this user may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_r16_too_little_room_is_refused_before_training(small_disk):
    """R16: training does not start where its checkpoints cannot be kept; the error says how much is missing."""
    work = prepare(small_disk)
    with pytest.raises(TrainingError, match=r"too full to train: 1[78] MB are needed, 1\d MB are free") as caught:
        work.train()
    assert caught.value.kind == "disk_full"


def test_r16_a_disk_that_fills_up_keeps_the_checkpoint_before(undisturbed, small_disk, tmp_path, monkeypatch):
    """R16: the half-written checkpoint is removed, the one before stays, and with room again the run completes."""
    work = prepare(small_disk)
    monkeypatch.setattr(failures, "_SPARE", 0)
    (small_disk / "ballast").write_bytes(bytes(5_000_000))
    with pytest.raises(TrainingError, match=r"the disk is full: 7 MB are needed, \d MB are free") as caught:
        work.train()
    assert caught.value.kind == "disk_full"
    assert work.checkpoints() == ["checkpoint-4"]
    (small_disk / "ballast").unlink()
    moved = prepare(tmp_path / "roomy")
    shutil.copytree(work.experiment.checkpoints, moved.experiment.checkpoints)
    moved.train()
    assert moved.weights() == undisturbed[0].weights()
