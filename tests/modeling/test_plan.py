import signal

import pytest

from config_harness import GATE, config_text, faults, load
from conftest import write_project
from harness import ml_run
from ml_run.config import TrainingConfig
from ml_run.modeling.plan import Plan
from train_harness import prepare, train_apart

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("rows", "training", "epochs", "steps", "warmup"),
    [
        (100, {"epochs": 4}, 4, 28, 3),
        (100, {"epochs": "auto"}, 30, 210, 4),
        (1_600, {"epochs": "auto"}, 20, 2_000, 50),
        (1_600, {"epochs": "auto", "gradient_accumulation_steps": 2}, 30, 1_500, 25),
        (32_000, {"epochs": "auto"}, 3, 6_000, 600),
    ],
)
def test_a_plan_is_bounded_by_steps_and_epochs(rows, training, epochs, steps, warmup):
    """auto: about 2,000 steps, but 3 to 30 epochs; its warm-up is a share of five epochs, or of all where fewer."""
    plan = Plan(rows, TrainingConfig(**training))
    assert (plan.epochs, plan.max_steps, plan.warmup_steps) == (epochs, steps, warmup)


def test_smaller_portions_of_a_step_change_no_plan():
    """When memory runs out, the rate goes on to fall as it did: the bound counts steps, not portions."""
    whole, halved = TrainingConfig(epochs="auto"), TrainingConfig(
        epochs="auto", batch_size=8, gradient_accumulation_steps=2
    )  # fmt: skip
    assert Plan(333, whole).max_steps == Plan(333, halved).max_steps


@pytest.fixture(scope="module")
def unbounded(tmp_path_factory):
    """A training that ended when patience was spent."""
    work = prepare(tmp_path_factory.mktemp("auto"), epochs="auto", early_stopping_patience=2, learning_rate=0.004)
    return work, work.train()


def test_training_ends_when_patience_is_spent(unbounded):
    """The best epoch is kept, the bound of 30 epochs is not reached, and the rate falls towards it."""
    _, trained = unbounded
    assert trained.max_steps == 120
    assert trained.stopped_early
    assert trained.global_step == trained.curve[-1].step < 120
    best = max(trained.curve, key=lambda row: row.val_macro_f1)
    assert trained.best_epoch == best.epoch == trained.curve[-1].epoch - 2


@pytest.mark.slow
def test_r12_a_killed_training_without_end_gives_the_same_weights(unbounded, tmp_path):
    """R12: resumed, it stops in the same epoch, with the same model to the bit."""
    work = prepare(tmp_path, epochs="auto", early_stopping_patience=2, learning_rate=0.004)
    assert train_apart(work, signals=(signal.SIGKILL,), at=10, every_step=True).code == -signal.SIGKILL
    trained = work.train()
    assert work.weights() == unbounded[0].weights()
    assert trained.global_step == unbounded[1].global_step


@pytest.mark.slow
def test_a_dry_run_tells_the_bound(tmp_path):
    """150 rows in batches of 16 are 10 steps an epoch, and 30 epochs at most."""
    write_project(tmp_path, training={"epochs": "auto"})
    done = ml_run("try", "--dry-run", cwd=tmp_path)
    assert "300 training steps at most" in done.out


def test_auto_is_written_as_a_word(here):
    """`auto` stands where a number may, from the file and the command line, and is kept in the run's folder."""
    loaded = load(config_text(rest="training: {epochs: auto}\n" + GATE))
    assert loaded.config.training.epochs == "auto"
    assert load(loaded.resolved_yaml).config.training.epochs == "auto"
    assert load(config_text(), "training.epochs=auto").config.training.epochs == "auto"
    assert faults(config_text(rest="training: {epochs: automatic}\n" + GATE)) == [
        "ml_config.yaml:5 | training.epochs is automatic | it must be a whole number from 1 to 1000, or auto"
    ]


def test_auto_needs_patience(here):
    """Without patience nothing would end the training."""
    written = "training: {epochs: auto, early_stopping_patience: 0}\n"
    assert faults(config_text(rest=written + GATE)) == [
        (
            "ml_config.yaml:5 | training.epochs is auto and training.early_stopping_patience is 0: nothing would end "
            "the training | write a number of epochs, or a patience of 1 or more"
        )
    ]
