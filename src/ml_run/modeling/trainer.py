"""The Hugging Face Trainer as this project uses it: every hyper-parameter passed on, resumable to the bit.

Imports transformers at the top, because its Trainer is extended: import this module inside functions only.
"""

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    EvalPrediction,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from ml_run import statistics
from ml_run.config import TrainingConfig
from ml_run.interruption import Interruption
from ml_run.modeling import compute, ranks, resting, windows
from ml_run.modeling.batches import COUNTS, EncodedRows, LengthGroupedOrder, Padding, halves, portions
from ml_run.modeling.callbacks import CollapseGuard, DivergenceGuard, Sealing, Steering, Telling
from ml_run.modeling.checkpoints import Note
from ml_run.modeling.lanes import Lanes
from ml_run.modeling.layer_decay import split
from ml_run.modeling.loading import BaseModel
from ml_run.modeling.plan import Plan
from ml_run.modeling.ranks import ALONE, NO_LABEL, Ranks
from ml_run.modeling.resting import RestingEmbedding
from ml_run.modeling.scoring import softmax
from ml_run.modeling.seeds import Part

MOST_TOKENS = 4096
"""Tokens that a CPU trains on at once: more are no faster (half as many take 2 % more time), and take more memory."""
_MOST_LOGGED_POINTS = 200
_BYTES_PER_KB = 1024


def training_arguments(config: TrainingConfig, plan: Plan, folder: Path, processes: Ranks = ALONE) -> TrainingArguments:
    """Turn the config's `training` section into the Trainer's arguments.

    Evaluation and checkpoints go by steps, at each epoch's last one, rather than by the Trainer's `epoch` strategy:
    that one also acts when training is interrupted within an epoch, which would count as an epoch for early stopping.

    Args:
        config: the `training` section.
        plan: the steps it comes to.
        folder: where checkpoints go.
        processes: that train together; a batch is that of all of them.
    """
    rows_here = math.ceil(config.batch_size / processes.count)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=config.batch_size,
        # Two rows scored take less memory than one trained on, so that halving the one portion halves the other.
        per_device_eval_batch_size=max(rows_here, min(32, 2 * rows_here)),
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        warmup_steps=plan.warmup_steps,
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        seed=config.seed,
        data_seed=config.seed,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        eval_steps=plan.steps_per_epoch,
        save_strategy="steps",
        save_steps=plan.steps_per_epoch,
        save_total_limit=None,  # checkpoints.seal prunes, and knows which are verified
        logging_strategy="steps",
        logging_steps=math.ceil(plan.max_steps / _MOST_LOGGED_POINTS),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=processes.count > 1 and not torch.cuda.is_available(),  # else the Trainer finds one process
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    if arguments.n_gpu > 1:
        # The Trainer would wrap the model in DataParallel and multiply the batch size that was configured.
        arguments._n_gpu = 1  # noqa: SLF001
    return arguments


def balanced_weights(label_ids: Sequence[int], labels: int) -> tuple[float, ...]:
    """Weight of each class, inverse to its share of the rows: n / (labels * n_class); 1 on average over the rows.

    Source: scikit-learn's `class_weight="balanced"`, after King & Zeng (2001), Logistic Regression in Rare Events Data.
    """
    counts = np.bincount(label_ids, minlength=labels)
    return tuple(float(len(label_ids) / (labels * max(count, 1))) for count in counts)


def scores(prediction: EvalPrediction) -> dict[str, Any]:
    """Macro-F1 over the classes that occur, accuracy, log loss, and what shows whether the model tells rows apart.

    That is `predicted`, the rows that each class was predicted for, and `spread`, how much the logits differ from row
    to row: the standard deviation over the rows of each class's logit less the row's mean, averaged over the classes.

    Args:
        prediction: logits [rows, labels] and label ids [rows]; rows without a label are left out.
    """
    labelled = np.asarray(prediction.label_ids) != NO_LABEL
    logits = np.asarray(prediction.predictions, dtype=np.float64)[labelled]
    truth = np.asarray(prediction.label_ids)[labelled]
    confusion = statistics.confusion_matrix(truth, logits.argmax(axis=1), logits.shape[1])
    log_loss = statistics.log_loss(softmax(logits), truth)
    return {
        "macro_f1": float(statistics.f1_by_class(confusion)[confusion.sum(axis=1) > 0].mean()),
        "accuracy": float(confusion.diagonal().sum() / len(truth)),
        "log_loss": math.nan if log_loss is None else log_loss,
        "predicted": [int(rows) for rows in confusion.sum(axis=0)[: logits.shape[1]]],
        "spread": float((logits - logits.mean(axis=1, keepdims=True)).std(axis=0).mean()),
    }


def loss_function(weights: Sequence[float] | None) -> Callable[..., torch.Tensor]:
    """Cross-entropy as the Trainer's `compute_loss_func`: mean over the rows of the whole optimizer step.

    Given to every model, weighted or not: the models' own losses differ in whether they divide by the rows of the
    batch or, as gradient accumulation needs it, of the step.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs.logits.float()
        weight = None if weights is None else torch.tensor(weights, dtype=logits.dtype, device=logits.device)
        total = torch.nn.functional.cross_entropy(logits, labels, weight=weight, reduction="sum")
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    return loss


class OrderedTrainer(Trainer):
    """A Trainer that draws its rows in the order it is given, in the arithmetic and the portions it is given.

    Args:
        order: of the training rows.
        bf16: train in bf16, with weights and scores in float32.
        lanes: what trains on both halves of a portion at once, if anything.
        layer_decay: learning rate of a layer, as a share of that of the layer above it.
        processes: that train together, each on its share of every batch.
        arguments: the Trainer's own.
    """

    model: PreTrainedModel

    def __init__(
        self,
        order: LengthGroupedOrder,
        *,
        bf16: bool,
        lanes: Lanes | None,
        layer_decay: float,
        processes: Ranks,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._order = order
        self._layer_decay = layer_decay
        self._processes = processes
        self._bf16 = bf16
        self._lanes = lanes
        # An accelerator holds what a batch of single windows would be, however many windows its rows have.
        most = self.args.per_device_train_batch_size * arguments["data_collator"].longest
        self._most_tokens = MOST_TOKENS if self.args.device.type == "cpu" else most
        for table in self.model.modules():
            if isinstance(table, RestingEmbedding):
                table.decayed = partial(self._decayed, table.weight)
        self._flops_per_token = 6 * self.model.num_parameters(exclude_embeddings=True)
        self.remove_callback(PrinterCallback)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The Trainer's own, with a learning rate for each layer where layers differ in it."""
        first = self.optimizer is None  # it is asked for again when there is one
        optimizer = super().create_optimizer(model)
        if first and self._layer_decay < 1:
            optimizer.param_groups[:] = split(optimizer.param_groups, self.model, self._layer_decay)
        return optimizer

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Sum the gradients of the batch, portion by portion, and return its loss."""
        parts = list(portions(inputs, self._most_tokens))
        # Gradients are exchanged once a step, with the last portion: others may have fewer.
        losses = []
        for number, part in enumerate(parts, start=1):
            with nullcontext() if number == len(parts) else self.accelerator.no_sync(model):
                losses += self._steps(model, part, num_items_in_batch)
        return torch.stack(losses).sum()

    def _steps(self, model: Any, portion: dict[str, Any], items: Any) -> list[torch.Tensor]:
        step = partial(super().training_step, model, num_items_in_batch=items)
        parts = [portion] if self._lanes is None else halves(portion)
        if self._lanes is None or len(parts) == 1:
            return [step(portion)]
        # Two gradients have the same sum in either order, three do not: what is there already is added after them.
        before = [(weights, weights.grad) for weights in model.parameters() if weights.grad is not None]
        for weights, _ in before:
            weights.grad = None
        losses = self._lanes.run(step, parts)
        for weights, gradient in before:
            weights.grad = gradient if weights.grad is None else weights.grad.add_(gradient)
        return losses

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **given: Any) -> Any:
        """Loss of the rows; the logits of a row with several windows are their mean."""
        if COUNTS in inputs:
            at_once = len(inputs["input_ids"]) if self.model.training else self.args.per_device_eval_batch_size
            model = partial(_pooled, model, inputs[COUNTS], at_once)
            inputs = {name: values for name, values in inputs.items() if name != COUNTS}
        return super().compute_loss(model, inputs, *args, **given)

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> Any:
        """Bf16 while training, where it was asked for; rows are scored in float32, as they will be when deployed."""
        if not (self._bf16 and self.model.training):
            return nullcontext()
        # All threads share torch's cache of weights in bf16, and with it the graph of whichever put them there.
        cached = bool(cache_enabled) and self._lanes is None
        return torch.autocast(self.args.device.type, dtype=torch.bfloat16, cache_enabled=cached)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """What the Trainer adds up in its state, without counting the model's parameters anew for each batch."""
        return int(self._flops_per_token * inputs["input_ids"].numel())

    def _get_dataloader(
        self,
        dataset: Any,
        description: str,
        batch_size: int,
        sampler_fn: Any = None,
        is_training: bool = False,
        dataloader_key: str | None = None,
    ) -> Any:
        """Batches as one process would draw them, of which each process keeps its share."""
        rows = batch_size if is_training else batch_size * self._processes.count
        pad: Any = self.data_collator
        self.data_collator = (lambda rows: pad(self._processes.share(rows))) if self._processes.count > 1 else pad
        loader = super()._get_dataloader(dataset, description, rows, sampler_fn, is_training, dataloader_key)
        self.data_collator = pad
        if self._processes.count > 1:
            # accelerate would give each process other batches, and fill up the last one
            batches: Any = loader.batch_sampler
            batches.num_processes, batches.process_index, batches.even_batches = 1, 0, False
        return loader

    def _decayed(self, weight: torch.Tensor) -> float:
        """What weight decay has made of 1 in all steps so far, in the group of `weight`."""
        groups = self.optimizer.param_groups if self.optimizer else ()
        group = next((group for group in groups if any(own is weight for own in group["params"])), None)
        if group is None or self.lr_scheduler is None:
            return 1.0
        rate: float = group["weight_decay"] * group["initial_lr"]
        schedule = self.lr_scheduler.lr_lambdas[0]
        return math.prod(1 - rate * schedule(step) for step in range(self.state.global_step))

    def evaluation_loop(self, *args: Any, **given: Any) -> Any:
        """Score the rows of every process; those that only fill up have no label, wherever they stand."""
        self.gather_function = self.accelerator.gather
        return super().evaluation_loop(*args, **given)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        if self._processes.count > 1:
            own = Path(output_dir, f"rng_state_{self._processes.number}.pth")
            states = self._processes.collected(own.read_bytes())  # the first may not see what another machine wrote
            if self._processes.first:
                for number, state in enumerate(states):
                    Path(output_dir, f"rng_state_{number}.pth").write_bytes(state)
                # what a process that goes on alone looks for
                Path(output_dir, "rng_state.pth").write_bytes(states[0])
            self._processes.meet()  # all files are written before the first process seals them

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # noqa: ARG002
        return self._order

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        return sorted(range(len(eval_dataset)), key=lambda row: -eval_dataset.lengths[row])


def _pooled(
    model: Any,
    counts: torch.Tensor,
    at_once: int,
    *,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    **more: Any,
) -> SequenceClassifierOutput:
    """What `model` says of rows of `counts` windows each, `at_once` windows at once: logits [rows, labels]."""
    some = zip(torch.split(input_ids, at_once), torch.split(attention_mask, at_once), strict=True)
    logits = torch.cat([model(input_ids=tokens, attention_mask=mask, **more).logits for tokens, mask in some])
    return SequenceClassifierOutput(logits=windows.pool(logits, counts))


def build_trainer(
    base: BaseModel,
    train: EncodedRows,
    val: EncodedRows,
    config: TrainingConfig,
    *,
    folder: Path,
    note: Note,
    interruption: Interruption,
    part: Part | None = None,
) -> OrderedTrainer:
    """Put the Trainer together.

    Args:
        base: the classifier to train, in place.
        train: its rows.
        val: rows it is scored on after each epoch.
        config: the config's `training` section.
        folder: where checkpoints go.
        note: what checkpoints are to carry; its `seconds` are those before this process.
        interruption: once requested, training saves a checkpoint and stops.
        part: which of several trainings this is, where there are several.
    """
    plan = Plan(len(train), config)
    order = LengthGroupedOrder(train.lengths, plan.rows_per_step, config.seed)
    processes = ranks.current()
    arguments = training_arguments(config, plan, folder, processes)
    if note.compute is not None:
        compute.apply(note.compute, base.model, arguments.device)
        if note.compute.embeddings == "read":
            resting.use(base.model, np.append(train.pieces, base.tokenizer.pad_token_id))
    return OrderedTrainer(
        order,
        bf16=note.compute is not None and note.compute.precision == "bf16",
        lanes=Lanes(note.compute.lanes) if note.compute is not None and note.compute.lanes > 1 else None,
        layer_decay=config.layer_decay,
        processes=processes,
        model=base.model,
        args=arguments,
        train_dataset=train,
        eval_dataset=val,
        processing_class=base.tokenizer,
        data_collator=Padding(
            base.tokenizer.pad_token_id, base.tokenizer.model_max_length, accelerated=arguments.device.type != "cpu"
        ),
        compute_loss_func=loss_function(note.class_weights),
        compute_metrics=scores,
        callbacks=[
            Steering(order, plan.steps_per_epoch, config.early_stopping_patience, interruption, processes),
            DivergenceGuard(),
            CollapseGuard(),
            Sealing(_noting(note, processes), processes),
            *([Telling(plan.rows_per_step, part)] if processes.first else []),
        ],
    )


def _noting(note: Note, processes: Ranks) -> Callable[[], Note]:
    began = time.monotonic()

    def now() -> Note:
        peak = max(note.peak_memory_mb or 0.0, round(processes.total(peak_memory_mb()), 1))
        return note.model_copy(
            update={"seconds": round(note.seconds + time.monotonic() - began, 3), "peak_memory_mb": peak}
        )

    return now


def peak_memory_mb() -> float:
    """Most memory this process has held, or its accelerator where there is one, in MB."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / _BYTES_PER_KB**2, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (_BYTES_PER_KB**2 if sys.platform == "darwin" else _BYTES_PER_KB), 1)
