"""How a trained model answers: its temperature, what it is too unsure of, and its format; sealed with it.

All of that is decided on rows that it has not learnt from, before it is tested: what evaluation measures is then what
is served, for both read it from the model's folder.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from ml_run import files, statistics
from ml_run.events import emit
from ml_run.modeling import formats
from ml_run.modeling.folds import read_out_of_fold
from ml_run.modeling.onnx_scorer import load_onnx
from ml_run.modeling.provenance import write_provenance
from ml_run.modeling.scoring import CONFIDENCE_DIGITS, load_scorer, load_transformer, softmax
from ml_run.modeling.scoring_file import Scoring, write_scoring
from ml_run.reporting import render_answers
from ml_run.results import Abstaining, Served
from ml_run.wording import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.interruption import Interruption
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import PreparedData, TrainedModel
    from ml_run.splits import SplitRows


def finish_model(
    config: Config,
    experiment: Experiment,
    data: PreparedData,
    trained: TrainedModel,
    val: SplitRows,
    interruption: Interruption,
) -> TrainedModel:
    """Add to the sealed `model/` what makes answers of its scores, and seal it anew.

    Args:
        config: its `deployment.formats` and `deployment.abstain_at_risk` decide.
        experiment: holds `model/` and, with `training.folds`, `out_of_fold.parquet`.
        data: the data stage's answer.
        trained: the record of the model.
        val: the validation rows. With folds the model has learnt from them: its temperature is then found on what each
            fold held out, and only formats are compared on them.
        interruption: once requested, `Interrupted` is raised.

    Returns:
        The record, with the digest of the folder as it is now.
    """
    with files.atomic_folder(experiment.model) as folder:
        shutil.copytree(experiment.model, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
        if trained.linear:
            served = _linear(config, experiment, trained, folder, val)
        else:
            served = _transformer(config, experiment, trained, folder, val, interruption.check)
        write_provenance(folder, data, trained, exported=served.format not in {None, "safetensors"})
        card = folder / "README.md"
        card.write_text(card.read_text("utf-8") + render_answers(served), "utf-8")
    return trained.model_copy(update={"digest": files.folder_digest(experiment.model), "served": served})


def _linear(config: Config, experiment: Experiment, trained: TrainedModel, folder: Path, val: SplitRows) -> Served:
    scorer = load_scorer(folder, verified=True)
    risk, rows, abstaining = config.deployment.abstain_at_risk, len(val), None
    if trained.folds:
        rows = trained.folds.pooled.n
    if risk is not None:
        probabilities, true = (
            read_out_of_fold(experiment.out_of_fold, trained.labels)
            if trained.folds
            else (scorer.probabilities(val.texts), val.label_ids)
        )
        abstaining = abstain_at(risk, probabilities, true)
    write_scoring(folder, Scoring(abstain_below=abstaining.below if abstaining else None))
    return Served(rows=rows, temperature=scorer.temperature, abstaining=abstaining)


def _transformer(
    config: Config,
    experiment: Experiment,
    trained: TrainedModel,
    folder: Path,
    val: SplitRows,
    check: Callable[[], None],
) -> Served:
    weights = load_transformer(folder, verified=True)
    wanted = formats.candidates(config.deployment.formats, trained.parameters, len(val))
    choice = formats.choose(folder, weights, val.texts, wanted, check)
    scorer = weights if choice.format == "safetensors" else load_onnx(folder, choice.format)
    scores, true = _held_out(experiment, trained, scorer, val, check)
    temperature = statistics.fit_temperature(scores, true) if _finite(scores) else None
    abstaining, risk = None, config.deployment.abstain_at_risk
    if risk is not None and temperature is not None:
        abstaining = abstain_at(risk, softmax(scores / temperature), true)
    write_scoring(
        folder,
        Scoring(format=choice.format, temperature=temperature, abstain_below=abstaining.below if abstaining else None),
    )
    return Served(
        format=choice.format,
        trials=choice.trials,
        compared=choice.rows,
        rows=len(true),
        temperature=temperature,
        abstaining=abstaining,
    )


def _held_out(
    experiment: Experiment, trained: TrainedModel, scorer: Scorer, val: SplitRows, check: Callable[[], None]
) -> tuple[NDArray[np.float64], Sequence[int]]:
    """Bare scores [n, labels] of rows that were not learnt from, and their label ids."""
    import numpy as np

    if trained.folds:
        probabilities, true = read_out_of_fold(experiment.out_of_fold, trained.labels)
        return statistics.log_probabilities(probabilities), true

    return scorer.logits(val.texts, progress=lambda _done, _total: check()).astype(np.float64), val.label_ids


def _finite(scores: NDArray[Any]) -> bool:
    import numpy as np

    return bool(np.isfinite(scores).all())


def abstain_at(risk: float, probabilities: NDArray[np.float64], true: Sequence[int]) -> Abstaining:
    """From which confidence on the model answers, so that at most the share `risk` of its answers is wrong.

    Args:
        risk: from 0 to 1.
        probabilities: [n, labels], of rows it has not learnt from.
        true: their label ids [n].
    """
    import numpy as np

    right = probabilities.argmax(1) == np.asarray(true, int)
    found = statistics.answered_at_risk(probabilities.max(1), right, risk)
    if found is None:
        said = f"deployment.abstain_at_risk: {percent(risk)} cannot be reached: the model's surest answers hold more"
        emit("warning", f"{said} mistakes, so it will abstain from none", level=logging.WARNING)
        return Abstaining(at_risk=risk, below=None)
    step = 10.0**-CONFIDENCE_DIGITS
    below = max(0.0, np.floor(found.confidence / step) * step)
    return Abstaining(
        at_risk=risk, below=round(below, CONFIDENCE_DIGITS), coverage=found.coverage, risk=1 - found.accuracy
    )
