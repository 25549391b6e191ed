import threading
import time

import pytest
import torch

from ml_run.modeling import compute, dropout
from ml_run.modeling import trainer as module
from ml_run.modeling.lanes import Lanes, can_share
from ml_run.results import Compute
from modeling.test_trainer import NOTE, build
from small_model import small_model

TWO = Compute(precision="bf16", why="", attention_dropout=True, allocator="system", threads=2, lanes=2)
ONE = TWO.model_copy(update={"lanes": 1})


def train_a_batch(folder, how, *, late=None):
    """Two micro-batches of one optimizer step: the loss of the second, and all gradients.

    Args:
        folder: for checkpoints.
        how: to train.
        late: number of the lane that begins after the other; None: as it comes.
    """
    torch.manual_seed(5)
    job = build(folder, note=NOTE.model_copy(update={"compute": how}), batch_size=16)
    loss = torch.zeros(())
    inner = job.compute_loss

    def delayed(model, inputs, *args, **given):
        if late is not None and threading.current_thread().name == f"lane_{late}":
            time.sleep(0.02)
        return inner(model, inputs, *args, **given)

    job.compute_loss = delayed
    for batch in job.get_train_dataloader():
        loss = job.training_step(job.model, batch, num_items_in_batch=32)
    return float(loss), [weights.grad.clone() for weights in job.model.parameters() if weights.grad is not None]


def test_both_halves_make_the_step_that_the_whole_batch_makes(tmp_path, monkeypatch):
    """Loss and gradient of two lanes are those of one, but for rounding, when nothing is dropped."""
    monkeypatch.setattr(dropout, "dropped", lambda shape, rate: torch.zeros(shape, dtype=torch.int8))
    monkeypatch.setattr(dropout, "growth", lambda rate: 1.0)
    whole, halved = (
        train_a_batch(tmp_path, how.model_copy(update={"precision": "float32", "attention_dropout": False}))
        for how in (ONE, TWO)
    )
    assert halved[0] == pytest.approx(whole[0], rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole[1], halved[1], strict=True))


@pytest.mark.parametrize("most_tokens", [10_000, 60])
def test_whichever_lane_is_first_the_step_is_the_same_to_the_bit(tmp_path, monkeypatch, most_tokens):
    """What is dropped and what is summed follow from the seed alone, over several portions and micro-batches too."""
    monkeypatch.setattr(module, "MOST_TOKENS", most_tokens)
    (loss, gradients), *others = (train_a_batch(tmp_path, TWO, late=late) for late in (None, 0, 1))
    for other_loss, other_gradients in others:
        assert other_loss == loss
        assert all(torch.equal(a, b) for a, b in zip(gradients, other_gradients, strict=True))


def test_lanes_are_at_work_together_and_share_the_threads():
    """Each lane waits for the other to be there; the process keeps the threads that it had."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        meeting = threading.Barrier(2, timeout=20)

        def step(_part):
            meeting.wait()
            return torch.tensor(torch.get_num_threads())

        assert [int(found) for found in Lanes(2).run(step, [{}, {}])] == [2, 2]
        assert torch.get_num_threads() == 4
        fresh = []
        other = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert fresh == [4]
    finally:
        torch.set_num_threads(before)


def test_a_lane_that_fails_is_heard_when_the_other_is_done():
    """Memory that runs out in one lane is told as ever, and nothing goes on behind the back of what mends it."""
    done = []

    def step(part):
        if "fails" in part:
            message = "not enough memory"
            raise RuntimeError(message)
        time.sleep(0.1)
        done.append(True)
        return torch.zeros(())

    with pytest.raises(RuntimeError, match="not enough memory"):
        Lanes(2).run(step, [{"fails": torch.zeros(())}, {}])
    assert done == [True]


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_a_model_that_draws_from_the_common_generator_is_not_shared(precision):
    """Torch's own attention draws its dropout where all threads do, ours does not; to ask draws nothing."""
    model, bf16 = small_model().eval(), precision == "bf16"
    state = torch.get_rng_state()
    assert not can_share(model, bf16=bf16)
    compute.apply(ONE.model_copy(update={"precision": precision}), model, torch.device("cpu"))
    assert can_share(model, bf16=bf16)
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training


def test_a_batch_of_one_row_is_trained_on_whole(tmp_path):
    """One row cannot be halved."""
    job = build(tmp_path, note=NOTE.model_copy(update={"compute": TWO}), batch_size=1)
    batch = next(iter(job.get_train_dataloader()))
    assert float(job.training_step(job.model, batch, num_items_in_batch=1)) > 0
