"""The short path of the train stage, for `model.name: linear`: seconds, no epochs, nothing to resume."""

from __future__ import annotations

import resource
import sys
import time
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.config.names import LINEAR
from ml_run.events import emit, logger
from ml_run.modeling import linear
from ml_run.modeling.folds import write_out_of_fold
from ml_run.modeling.linear_folds import refit
from ml_run.modeling.linear_tuning import Rows, tune
from ml_run.modeling.verify import write_reference
from ml_run.reporting import ModelFacts, render_model_card
from ml_run.results import TrainedModel
from ml_run.splits import TRAIN_ROWS
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.config import Config
    from ml_run.config.sections import Section
    from ml_run.experiment import Experiment
    from ml_run.interruption import Interruption
    from ml_run.modeling.linear import LinearScorer
    from ml_run.results import LinearTuning, PreparedData
    from ml_run.splits import SplitRows

_HEEDED = {"model.name", "model.num_labels", "training.seed", "training.class_weights", "training.folds"}


def train_linear(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    train: SplitRows,
    val: SplitRows,
    interruption: Interruption,
    places: Sequence[int] | None = None,
) -> TrainedModel:
    """Tune, fit and write the linear model.

    Args:
        config: of its `training` section only `seed` and `class_weights` apply.
        experiment: receives `reference.json` and `model/`, sealed.
        data: the data stage's answer.
        train: the training rows.
        val: the validation rows.
        interruption: once requested, `Interrupted` is raised before the next fit.
        places: with `training.folds`, the fold of each row of train and then val, from 0; the model then learns from
            all of them, and `out_of_fold.parquet` is written.

    Raises:
        TrainingError: the training rows are of one class.
        Interrupted: a stop was asked for.
    """

    def step(done: int, total: int) -> None:
        interruption.check()
        emit("progress", f"fit {done + 1} of {total}", stage="train", done=done, total=total)

    began = time.monotonic()
    _tell_start(config, train)
    scorer, tuning = tune(
        Rows(train.texts, train.label_ids),
        Rows(val.texts, val.label_ids),
        data.labels,
        balanced=config.training.class_weights == "balanced",
        seed=config.training.seed,
        step=step,
    )
    learnt, folds = train, None
    if places is not None:
        learnt, seed = train + val, config.training.seed
        known = Rows(learnt.texts, learnt.label_ids)
        scorer, tuning, folds, probabilities = refit(known, places, data.labels, tuning, seed=seed, step=step)
        write_out_of_fold(experiment.out_of_fold, learnt, data.labels, places, probabilities)
    if tuning.training_rows < len(learnt):
        drawn = f"{tuning.training_rows:,} of the {len(learnt):,} training rows"
        logger.info(f"the model learns from {drawn}, drawn with training.seed: all would need too much memory")
    _write_model(config, experiment, data, scorer, tuning, learnt)
    write_reference(experiment.reference, scorer, val.texts)
    return TrainedModel(
        base=LINEAR,
        base_revision=None,
        labels=data.labels,
        max_length=None,
        parameters=scorer.parameters,
        digest=files.folder_digest(experiment.model),
        best_epoch=None,
        best_val_macro_f1=folds.macro_f1_mean if folds else tuning.chosen.val_macro_f1,
        global_step=0,
        max_steps=0,
        stopped_early=False,
        curve=(),
        class_weights=None,
        seed=config.training.seed,
        device="cpu",
        seconds=round(time.monotonic() - began, 3),
        peak_memory_mb=_peak_memory_mb(),
        synthetic=data.synthetic,
        linear=tuning,
        folds=folds,
    )


def _tell_start(config: Config, train: SplitRows) -> None:
    logger.info(f"tuning the linear model: {number_of(len(train), 'row')}")
    if ignored := [key for key in _keys_set(config) if key not in _HEEDED]:
        logger.info(f"a linear model has no use for {listed(ignored)}")


def _keys_set(config: Config) -> list[str]:
    """The keys about model and training that differ from their defaults."""
    sections: dict[str, Section] = {"model": config.model, "training": config.training}
    return [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in type(section).model_fields.items()
        if getattr(section, key) != field.default
    ]


def _write_model(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    scorer: LinearScorer,
    tuning: LinearTuning,
    train: SplitRows,
) -> None:
    facts = ModelFacts(
        base=LINEAR,
        base_revision=None,
        labels=data.labels,
        max_length=None,
        parameters=scorer.parameters,
        seed=config.training.seed,
        best_epoch=None,
        best_val_macro_f1=tuning.chosen.val_macro_f1,
        linear=tuning,
    )
    with files.atomic_folder(experiment.model) as folder:
        linear.save(scorer, folder)
        (folder / "README.md").write_text(render_model_card(config, data, facts), "utf-8")
        (folder / TRAIN_ROWS).write_text("".join(f"{row}\n" for row in sorted(set(train.hashes))), "ascii")


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
