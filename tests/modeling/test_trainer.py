import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from conftest import LABELS, make_rows
from ml_run.config import ModelConfig, TrainingConfig
from ml_run.errors import TrainingError
from ml_run.interruption import Interruption
from ml_run.modeling import trainer as module
from ml_run.modeling.batches import EncodedRows, LengthGroupedOrder
from ml_run.modeling.checkpoints import Note
from ml_run.modeling.loading import load_base
from ml_run.results import Compute
from train_harness import Faults, make_fault

pytestmark = pytest.mark.usefixtures("one_thread")

NOTE = Note(inputs="these", seconds=0, base_revision=None, device="cpu", class_weights=None, peak_memory_mb=None)
ALL_KEYS = {
    "batch_size": 4,
    "learning_rate": 0.0007,
    "epochs": 3,
    "seed": 11,
    "weight_decay": 0.03,
    "layer_decay": 0.5,
    "warmup_ratio": 0.25,
    "max_grad_norm": 0.6,
    "gradient_accumulation_steps": 2,
    "early_stopping_patience": 5,
    "class_weights": "balanced",
}
OF_THE_STAGE = {"seeds", "folds", "on_collapse", "auto_batch"}  # what to train, and when to train again
OF_THE_MACHINE = {"precision"}  # settled in modeling/compute.py
BF16 = Compute(precision="bf16", why="", attention_dropout=False, allocator="system", threads=1)


def build(folder, count=30, note=NOTE, **training):
    config = TrainingConfig(**training)
    rows = make_rows(count)
    base = load_base(ModelConfig(name="scratch:tiny", max_length=80), LABELS, [r["text"] for r in rows], config.seed)
    encoded = EncodedRows([r["text"] for r in rows], [LABELS.index(r["label"]) for r in rows], base.tokenizer)
    return module.build_trainer(base, encoded, encoded, config, folder=folder, note=note, interruption=Interruption())


def test_every_key_of_the_config_reaches_the_trainer(tmp_path):
    """No hyper-parameter is accepted and ignored; 30 rows in batches of 4, two a step, are 4 steps an epoch."""
    assert set(ALL_KEYS) | OF_THE_STAGE | OF_THE_MACHINE == set(TrainingConfig.model_fields)
    job = build(tmp_path, **ALL_KEYS, note=NOTE.model_copy(update={"class_weights": (1.0, 2.0, 3.0)}))
    arguments = job.args
    assert arguments.per_device_train_batch_size == 4
    assert arguments.learning_rate == 0.0007
    assert arguments.num_train_epochs == 3
    assert (arguments.seed, arguments.data_seed) == (11, 11)
    assert arguments.weight_decay == 0.03
    assert arguments.warmup_steps == 3
    assert arguments.max_grad_norm == 0.6
    assert arguments.gradient_accumulation_steps == 2
    assert (arguments.eval_steps, arguments.save_steps) == (4, 4)
    steering = next(c for c in job.callback_handler.callbacks if type(c).__name__ == "Steering")
    assert steering._patience == 5
    outputs = SimpleNamespace(logits=torch.zeros(3, 3))
    assert float(job.compute_loss_func(outputs, torch.tensor([0, 1, 2]))) == pytest.approx(2 * math.log(3))


def test_the_fixed_settings_are_as_documented(tmp_path):
    """Fused AdamW, a linear schedule, groups of like length, no reporting of the Trainer's own, no NaN filter."""
    arguments = build(tmp_path).args
    assert str(arguments.optim.value) == "adamw_torch_fused"
    assert str(arguments.lr_scheduler_type.value) == "linear"
    assert arguments.train_sampling_strategy == "group_by_length"
    assert arguments.report_to == []
    assert arguments.disable_tqdm is True
    assert arguments.logging_nan_inf_filter is False
    assert arguments.save_total_limit is None


def test_the_learning_rate_rises_and_falls_as_configured(tmp_path):
    """The scheduler really warms up over the configured share of all steps and ends at zero."""
    job = build(tmp_path, **(ALL_KEYS | {"class_weights": "none"}))
    job.create_optimizer()  # asked for once more by train, and not slowed down twice
    job.train()
    rates = [entry["learning_rate"] for entry in job.state.log_history if "learning_rate" in entry]
    assert len(rates) == job.state.max_steps == 12
    assert max(rates) == pytest.approx(0.0007)
    assert rates.index(max(rates)) == 3
    assert {group["weight_decay"] for group in job.optimizer.param_groups} == {0.03, 0.0}
    layers = {round(math.log2(0.0007 / group["initial_lr"]), 6) for group in job.optimizer.param_groups}
    assert layers == set(range(job.model.config.num_hidden_layers + 2))
    assert job.lr_scheduler.get_last_lr()[0] == 0


@pytest.mark.parametrize(
    ("rows", "batch", "accumulation", "steps"), [(64, 16, 1, 4), (65, 16, 1, 5), (65, 16, 2, 3), (3, 16, 4, 1)]
)
def test_steps_are_counted_as_the_trainer_counts_them(tmp_path, rows, batch, accumulation, steps):
    """Warm-up, evaluation and saving all hang on the true number of steps an epoch."""
    job = build(tmp_path, rows, batch_size=batch, gradient_accumulation_steps=accumulation, epochs=2)
    plan = module.Plan(rows, TrainingConfig(batch_size=batch, gradient_accumulation_steps=accumulation, epochs=2))
    counted = job.set_initial_training_values(job.args, job.get_train_dataloader())
    assert (plan.steps_per_epoch, plan.max_steps) == (steps, 2 * steps) == (counted[1], counted[6])


def test_a_long_training_logs_two_hundred_points_at_most():
    """The tracking store gets a curve, not every step of it."""
    config = TrainingConfig(batch_size=1, epochs=10)
    arguments = module.training_arguments(config, module.Plan(999, config), "unused")
    assert 9990 / arguments.logging_steps <= 200


def test_batches_are_padded_to_their_own_longest_row(tmp_path):
    """A batch is as wide as its longest row, and rows of like length come together."""
    job = build(tmp_path, batch_size=4)
    widths = [batch["input_ids"].shape for batch in job.get_train_dataloader()]
    longest = max(job.train_dataset.lengths)
    assert all(width <= longest for _, width in widths)
    assert len({width for _, width in widths}) > 1
    first = next(iter(job.get_train_dataloader()))
    assert set(first) == {"input_ids", "attention_mask", "labels"}
    assert first["attention_mask"].sum(dim=1).max() == first["input_ids"].shape[1]


def test_the_loss_is_the_mean_over_the_whole_step():
    """With accumulation, a batch's sum is divided by the rows of the step, so portions do not change the gradient."""
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = module.loss_function((1.0, 2.0, 0.5))
    whole = loss(SimpleNamespace(logits=logits), labels)
    parts = [loss(SimpleNamespace(logits=logits[s]), labels[s], num_items_in_batch=6) for s in (slice(4), slice(4, 6))]
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-6)


def test_portions_do_not_change_the_step(tmp_path, monkeypatch):
    """However few tokens are held at once, loss and gradient are those of the whole batch."""

    def step(most_tokens):
        monkeypatch.setattr(module, "MOST_TOKENS", most_tokens)
        job = build(tmp_path, batch_size=16)
        for layer in job.model.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        batch = next(iter(job.get_train_dataloader()))
        loss = job.training_step(job.model, batch, num_items_in_batch=16)
        return float(loss), [weights.grad.clone() for weights in job.model.parameters() if weights.grad is not None]

    whole, parts = step(10_000), step(60)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole[1], parts[1], strict=True))


def test_bf16_is_for_training_steps_alone(tmp_path):
    """In bf16, layers compute in bf16 while training and in float32 while scoring; weights stay float32."""
    seen = {True: set(), False: set()}
    job = build(tmp_path, batch_size=8, epochs=1, note=NOTE.model_copy(update={"compute": BF16}))
    layer = job.model.classifier.dense
    layer.register_forward_hook(lambda module, _, out: seen[module.training].add(out.dtype))
    job.train()
    assert seen == {True: {torch.bfloat16}, False: {torch.float32}}
    assert {weights.dtype for weights in job.model.parameters()} == {torch.float32}
    losses = [entry["loss"] for entry in job.state.log_history if "loss" in entry]
    assert all(math.isfinite(loss) for loss in losses)


def test_without_a_note_training_is_in_float32(tmp_path):
    """A checkpoint that says nothing of its arithmetic was made in float32, and goes on in it."""
    job = build(tmp_path, batch_size=8)
    assert not torch.is_autocast_enabled("cpu")
    with job.compute_loss_context_manager():
        assert not torch.is_autocast_enabled("cpu")


def test_balanced_weights_match_scikit_learn():
    """Our two lines are the textbook's."""
    import numpy as np
    from sklearn.utils.class_weight import compute_class_weight

    labels = [0, 0, 0, 0, 1, 1, 2]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.array(labels))
    assert module.balanced_weights(labels, 3) == pytest.approx(tuple(expected))


def test_scores_match_scikit_learn():
    """Macro-F1, accuracy and log loss are scikit-learn's; the macro mean is over the classes that occur."""
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    from ml_run.modeling.scoring import softmax

    logits = np.random.default_rng(0).normal(size=(50, 4))
    truth = np.random.default_rng(1).integers(0, 3, size=50)
    found = module.scores(SimpleNamespace(predictions=logits.astype(np.float32), label_ids=truth))
    predicted = logits.argmax(axis=1)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, labels=[0, 1, 2], average="macro"))
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert found["log_loss"] == pytest.approx(log_loss(truth, softmax(logits), labels=[0, 1, 2, 3]), rel=1e-5)
    assert found["predicted"] == np.bincount(predicted, minlength=4).tolist()
    assert found["spread"] == pytest.approx(np.std(logits - logits.mean(1)[:, None], axis=0).mean(), rel=1e-5)


def test_scores_of_logits_that_are_no_numbers_are_no_numbers_either():
    """A NaN reaches the divergence guard as NaN; it is not taken for a good score."""
    logits = np.array([[np.nan, 0.0], [0.0, 1.0]], np.float32)
    found = module.scores(SimpleNamespace(predictions=logits, label_ids=np.array([0, 1])))
    assert math.isnan(found["log_loss"])


def test_r15_nothing_not_finite_is_ever_saved(tmp_path):
    """R15: weights spoilt between two logs end the training before a checkpoint of them is sealed."""
    from ml_run import files

    job = build(tmp_path, batch_size=4, epochs=2)
    job.add_callback(make_fault(Faults(poison=True, at=8)))
    with pytest.raises(TrainingError) as caught:
        job.train()
    assert caught.value.kind == "non_finite"
    assert not list(tmp_path.glob(f"checkpoint-*/{files.MANIFEST}"))


def test_r15_weights_are_looked_at_before_a_checkpoint_is_sealed():
    """R15: finite losses do not prove finite weights; the save itself looks."""
    from ml_run.modeling.callbacks import DivergenceGuard

    model = torch.nn.Linear(2, 2)
    arguments, state = SimpleNamespace(learning_rate=0.01, output_dir="x"), SimpleNamespace(global_step=3, max_steps=9)
    DivergenceGuard().on_save(arguments, state, None, model=model)
    model.bias.data[1] = float("inf")
    with pytest.raises(TrainingError, match="bias holds values that are not finite by step 3 of 9"):
        DivergenceGuard().on_save(arguments, state, None, model=model)


@pytest.mark.parametrize("wanted", ["should_save", "should_evaluate"])
def test_losses_are_logged_before_a_checkpoint_is_written(wanted):
    """A loss that was not logged yet is in no checkpoint: without this, a resumed curve would miss it."""
    from transformers import TrainerControl, TrainerState

    from ml_run.modeling.callbacks import Steering

    steering = Steering(LengthGroupedOrder([1], 1, 0), 4, 3, Interruption())
    assert not steering.on_step_end(None, TrainerState(), TrainerControl()).should_log
    assert steering.on_step_end(None, TrainerState(), TrainerControl(**{wanted: True})).should_log
