import pytest

from ml_run.config import TrainingConfig
from ml_run.errors import TrainingError
from ml_run.modeling import attempts

CONFIG = TrainingConfig(batch_size=16, learning_rate=0.01, warmup_ratio=0.1, gradient_accumulation_steps=2)


def failure(kind="collapsed", *, curable=True):
    return TrainingError("it went wrong", kind=kind, curable=curable)


def test_the_first_attempt_is_what_the_config_asks_for(tmp_path):
    """Without a note beside the checkpoints, and with one for other inputs, training starts as configured."""
    tries = attempts.read(tmp_path, "these", CONFIG)
    assert attempts.settings(tries[0], CONFIG) == CONFIG
    attempts.write(tmp_path, "others", attempts.after(failure(), tries, CONFIG, 1))
    assert attempts.read(tmp_path, "these", CONFIG) == tries


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inputs": "these"}', '{"inputs": "these", "attempts": []}'])
def test_a_damaged_note_is_no_note(tmp_path, content):
    """A note that cannot be read costs an attempt, never the run."""
    (tmp_path / "attempts.json").write_text(content)
    assert len(attempts.read(tmp_path, "these", CONFIG)) == 1


def test_what_was_noted_is_read_back(tmp_path):
    """A resumed run finds the attempts as they were, and none once they are forgotten."""
    further = attempts.after(failure(), attempts.read(tmp_path, "these", CONFIG), CONFIG, 1.5)
    attempts.write(tmp_path, "these", further)
    assert attempts.read(tmp_path, "these", CONFIG) == further
    assert (further[0].failure, further[0].seconds) == ("it went wrong", 1.5)
    attempts.forget(tmp_path)
    assert len(attempts.read(tmp_path, "these", CONFIG)) == 1


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("collapsed", 0.1, 0.2),
        ("collapsed", 0.0, 0.1),
        ("collapsed", 0.4, 0.5),
        ("collapsed", 0.8, 0.8),
        ("non_finite", 0.1, 0.1),
    ],
)
def test_the_second_attempt_is_gentler(kind, before, after):
    """A fifth of the learning rate; after a collapse also a longer warm-up, of half the steps at most."""
    config = CONFIG.model_copy(update={"warmup_ratio": before})
    _, second = attempts.after(failure(kind), (attempts.first(config),), config, 1)
    assert (second.learning_rate, second.warmup_ratio) == (pytest.approx(0.002), after)
    assert (second.micro_batch, second.accumulation) == (16, 2)


@pytest.mark.parametrize(("rows", "portions"), [(16, [8, 4, 2, 1]), (15, [5, 1]), (7, [1]), (12, [6, 3, 1])])
def test_portions_always_divide_the_step(rows, portions):
    """The rows of a step stay exactly as many, however the batch size divides."""
    config = CONFIG.model_copy(update={"batch_size": rows})
    tries = (attempts.first(config),)
    for expected in portions:
        tries = attempts.after(failure("out_of_memory"), tries, config, 1)
        assert [(t.micro_batch, t.micro_batch * t.accumulation) for t in tries] == [(expected, 2 * rows)]


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (failure(curable=False), {}),
        (failure(), {"on_collapse": "stop"}),
        (failure("out_of_memory"), {"auto_batch": False}),
        (failure("disk_full", curable=False), {}),
    ],
)
def test_what_cannot_or_must_not_be_mended_ends_the_training(error, changes):
    """The error comes out as it went in."""
    config = CONFIG.model_copy(update=changes)
    with pytest.raises(TrainingError) as caught:
        attempts.after(error, (attempts.first(config),), config, 1)
    assert caught.value is error


def test_memory_may_run_out_in_the_second_attempt_as_well():
    """A smaller portion is no third attempt."""
    tries = attempts.after(failure(), (attempts.first(CONFIG),), CONFIG, 1)
    tries = attempts.after(failure("out_of_memory"), tries, CONFIG, 1)
    assert [(t.learning_rate, t.micro_batch) for t in tries] == [(0.01, 16), (pytest.approx(0.002), 8)]
    with pytest.raises(TrainingError, match="two attempts failed"):
        attempts.after(failure(), tries, CONFIG, 1)
