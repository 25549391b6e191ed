import json
import logging

import pytest

from ml_run import files
from ml_run.modeling import checkpoints
from ml_run.modeling.checkpoints import Note
from ml_run.results import TrainedModel

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "config.json")
NOTE = Note(inputs="these", seconds=2.5, base_revision=None, device="cpu", class_weights=None, peak_memory_mb=None)


def write(folder, step, scores=(), note=NOTE):
    """A checkpoint as the Trainer would write it, `scores` being (step, macro-F1) of the epochs before it; sealed."""
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    for name in FILES:
        (checkpoint / name).write_bytes(f"{name} of step {step}".encode() * 10)
    history = [
        {"eval_macro_f1": score, "eval_accuracy": score, "eval_log_loss": 1.0, "step": at, "epoch": at / 4}
        for at, score in scores
    ]
    (checkpoint / "trainer_state.json").write_text(
        json.dumps({"global_step": step, "max_steps": 12, "log_history": history})
    )
    checkpoints.seal(checkpoint, note)
    return checkpoint


def damage(path, kind):
    content = path.read_bytes()
    middle = len(content) // 2
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "truncated": content[:middle],
                "bit-flip": content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :],
            }[kind]
        )


def test_the_newest_sealed_checkpoint_is_read_back(tmp_path):
    """What was sealed is found again, with the Trainer's state and our note."""
    write(tmp_path, 4, [(4, 0.5)])
    write(tmp_path, 8, [(4, 0.5), (8, 0.4)])
    found = checkpoints.newest_verified(tmp_path, "these")
    assert (found.step, found.max_steps, found.note) == (8, 12, NOTE)
    assert found.best == tmp_path / "checkpoint-4"
    assert [row.val_macro_f1 for row in found.curve] == [0.5, 0.4]


@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "bit-flip"])
@pytest.mark.parametrize("name", [*FILES, "trainer_state.json", "ml_run.json", files.MANIFEST])
def test_r10_a_damaged_checkpoint_is_named_removed_and_not_used(tmp_path, caplog, name, kind):
    """R10: whatever file is damaged and however, the checkpoint before is used and a line says why."""
    write(tmp_path, 4, [(4, 0.5)])
    damage(write(tmp_path, 8, [(4, 0.5), (8, 0.6)]) / name, kind)
    with caplog.at_level(logging.INFO, logger="ml_run"):
        assert checkpoints.newest_verified(tmp_path, "these").step == 4
    assert caplog.messages[0].startswith("checkpoint-8 is not used: ")
    assert not (tmp_path / "checkpoint-8").exists()


def test_r11_a_half_written_checkpoint_is_not_used(tmp_path, caplog):
    """R11: a save that was killed before its manifest does not exist for a resume."""
    write(tmp_path, 4, [(4, 0.5)])
    (tmp_path / "checkpoint-8").mkdir()
    (tmp_path / "checkpoint-8/model.safetensors").write_bytes(b"half")
    with caplog.at_level(logging.INFO, logger="ml_run"):
        assert checkpoints.newest_verified(tmp_path, "these").step == 4
    assert caplog.messages == ["checkpoint-8 is not used: manifest.json is missing"]


def test_numbers_are_compared_as_numbers(tmp_path):
    """checkpoint-12 is newer than checkpoint-8."""
    write(tmp_path, 8)
    write(tmp_path, 12)
    assert checkpoints.newest_verified(tmp_path, "these").step == 12


def test_a_checkpoint_of_an_attempt_given_up_is_not_used(tmp_path, caplog):
    """A training killed while its second attempt cleared the first one's checkpoints away starts anew."""
    write(tmp_path, 4)
    with caplog.at_level(logging.INFO, logger="ml_run"):
        assert checkpoints.newest_verified(tmp_path, "these", 2) is None
    assert caplog.messages == ["checkpoint-4 is not used: it belongs to an attempt that was given up"]


def test_r18_a_checkpoint_of_other_inputs_is_not_used(tmp_path, caplog):
    """R18: half a training on other data or with another configuration is never continued."""
    write(tmp_path, 4, note=NOTE.model_copy(update={"inputs": "others"}))
    with caplog.at_level(logging.INFO, logger="ml_run"):
        assert checkpoints.newest_verified(tmp_path, "these") is None
    assert caplog.messages == ["checkpoint-4 is not used: it belongs to other data or another configuration"]


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth", "scheduler.pt"])
def test_a_checkpoint_sealed_without_its_state_is_not_used(tmp_path, caplog, name):
    """Without optimizer, schedule or random state, training would go on silently different."""
    checkpoint = write(tmp_path, 4)
    (checkpoint / name).unlink()
    files.seal_folder(checkpoint)
    with caplog.at_level(logging.INFO, logger="ml_run"):
        assert checkpoints.newest_verified(tmp_path, "these") is None
    assert caplog.messages == [f"checkpoint-4 is not used: {name} was never written"]


def test_a_checkpoint_whose_best_epoch_is_damaged_is_not_used(tmp_path, caplog):
    """Training comes back to the best epoch's weights at its end, so they must be whole as well."""
    write(tmp_path, 4, [(4, 0.9)])
    write(tmp_path, 8, [(4, 0.9), (8, 0.5)])
    damage(tmp_path / "checkpoint-4/model.safetensors", "bit-flip")
    with caplog.at_level(logging.INFO, logger="ml_run"):
        assert checkpoints.newest_verified(tmp_path, "these") is None
    assert caplog.messages[0] == (
        "checkpoint-8 is not used: checkpoint-4, its best epoch, cannot be used: "
        "model.safetensors was changed after it was written"
    )


def test_pruning_keeps_two_checkpoints_and_their_best(tmp_path):
    """The newest, the one before it as the way back, and the best epoch of each stay; the rest goes."""
    scores = [(4, 0.5), (8, 0.9), (12, 0.4), (16, 0.3), (20, 0.2)]
    for count, (step, _) in enumerate(scores, start=1):
        write(tmp_path, step, scores[:count])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-16", "checkpoint-20", "checkpoint-8"]


def test_pruning_survives_a_damaged_older_checkpoint(tmp_path):
    """A checkpoint that went bad is no reason for the next one to fail."""
    write(tmp_path, 4)
    damage(tmp_path / "checkpoint-4/trainer_state.json", "truncated")
    write(tmp_path, 8)
    assert checkpoints.newest_verified(tmp_path, "these").step == 8


def test_unsealed_checkpoints_can_be_discarded(tmp_path):
    """After an error, what was half written goes and what was whole stays."""
    write(tmp_path, 4)
    (tmp_path / "checkpoint-8").mkdir()
    checkpoints.discard_unsealed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-4"]


TRAINED = TrainedModel(
    base="scratch:tiny", base_revision=None, labels=("a", "b"), max_length=32, parameters=1, digest="d", best_epoch=1,
    best_val_macro_f1=0.5, global_step=4, max_steps=4, stopped_early=False, curve=(), class_weights=None, seed=1,
    device="cpu", seconds=1, peak_memory_mb=None,
)  # fmt: skip


def test_a_finished_training_is_remembered_without_its_checkpoints(tmp_path):
    """The note answers a resume for the same inputs, and only for these."""
    write(tmp_path, 4)
    checkpoints.mark_finished(tmp_path, "these", TRAINED)
    assert [path.name for path in tmp_path.iterdir()] == ["finished.json"]
    assert checkpoints.finished(tmp_path, "these") == TRAINED
    assert checkpoints.finished(tmp_path, "others") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inputs": "these"}', '{"inputs": "these", "trained": {}}'])
def test_a_damaged_note_is_no_note(tmp_path, content):
    """A note that cannot be read means that training has not finished."""
    (tmp_path / "finished.json").write_text(content)
    assert checkpoints.finished(tmp_path, "these") is None
