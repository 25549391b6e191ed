"""Cross-validation, for data too small for a validation split: one training a fold, each scored on what it left out.

The scores of the folds are not independent, for any two trainings share most of their rows: no unbiased estimate of
their variance exists (Y. Bengio, Y. Grandvalet, JMLR 5, 2004). So their deviation is told as what it is, and the
interval is that of the pooled rows, each scored once by a model that had not seen it.
"""

from __future__ import annotations

import json
import math
import random
import statistics as numbers
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_run import files, statistics
from ml_run.errors import TrainingError
from ml_run.events import emit
from ml_run.modeling import checkpoints, scoring, several
from ml_run.modeling.curve import best_epoch
from ml_run.modeling.fitting import Task, fit
from ml_run.modeling.scores import score_predictions
from ml_run.modeling.seeds import Part, mean_and_sd
from ml_run.results import FoldRun, Folds
from ml_run.wording import listed, number_of, score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.interruption import Interruption
    from ml_run.splits import SplitRows

_HELD_OUT = "held_out.json"


def assign(units: Sequence[int], ids: Sequence[int], folds: int, seed: int) -> list[int]:
    """Give each row a fold, so that no unit is parted and each class is spread as evenly as its units allow.

    The largest units come first; each goes where its classes are the rarest so far, of equal folds into the smallest.
    Without units of several rows, the rows of a class in two folds differ by one at most.

    Args:
        units: number of each row's unit [n].
        ids: label ids [n].
        folds: number of folds.
        seed: of the order among units of one size.

    Returns:
        The fold of each row, from 0 [n].

    Raises:
        TrainingError: there are fewer units than folds.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, unit in enumerate(units):
        members[unit].append(row)
    if len(members) < folds:
        raise TrainingError(
            f"training.folds is {folds}, and train and val hold only {len(members)} rows, groups or sets of copies "
            "that can be parted",
            kind="folds",
            remedy=f"set training.folds to {max(2, len(members))} or less, or add rows",
        )
    order = list(members.values())
    random.Random(seed).shuffle(order)  # noqa: S311 -- nothing secret
    sizes, held = Counter(ids), [Counter[int]() for _ in range(folds)]
    places = [0] * len(ids)
    for rows in sorted(order, key=len, reverse=True):
        labels = Counter(ids[row] for row in rows)
        costs = [sum(n * of[label] / sizes[label] for label, n in labels.items()) for of in held]
        fold = min(range(folds), key=lambda number: (round(costs[number], 12), held[number].total(), number))
        held[fold] += labels
        for row in rows:
            places[row] = fold
    return places


def warn_of_lone_classes(units: Sequence[int], rows: SplitRows) -> None:
    """Say which classes stand in one unit: the training that leaves it out cannot know them."""
    found: dict[str, set[int]] = defaultdict(set)
    for unit, label in zip(units, rows.labels, strict=True):
        found[label].add(unit)
    lone = sorted(label for label, where in found.items() if len(where) == 1)
    if lone:
        emit(
            "warning",
            f"all rows of {listed(lone)} are of one group or copies of one another: the fold that holds them out is "
            "scored by a model that has never seen them",
            labels=lone,
        )


def cross_validate(task: Task, places: Sequence[int], interruption: Interruption) -> tuple[Folds, NDArray[np.float64]]:
    """Train once a fold and score what was left out.

    Each training keeps its checkpoints in a folder of its own, and its scores when it has ended: a killed run goes on
    in the fold it was in.

    Args:
        task: its `train` are all rows, its `folder` receives `fold_<n>/`.
        places: the fold of each row [n], from 0.
        interruption: once requested, a checkpoint is written and `Interrupted` raised.

    Returns:
        The scores, and the probabilities that each row was given by the model that did not learn from it [n, k].

    Raises:
        UsageError: the model cannot be loaded.
        TrainingError: it cannot be trained.
        Interrupted: a stop was asked for; the state is saved.
    """
    count = max(places) + 1
    kind = several.Kind(_standing, _train_fold, _keep, tell=lambda _, held: tell_fold(held.run, count))
    tasks = [_of_fold(task, places, number, count) for number in range(1, count + 1)]
    found = several.each(kind, tasks, interruption)
    folds, probabilities = summary(task.data.labels, task.train.label_ids, places, found, task.config.training.seed)
    tell_all(folds)
    return folds, probabilities


@dataclass(frozen=True)
class HeldOut:
    """What one fold came to."""

    run: FoldRun
    logits: list[list[float]]
    """Of the rows held out, in their order [rows, k]."""


def summary(
    labels: tuple[str, ...], ids: Sequence[int], places: Sequence[int], found: Sequence[HeldOut], seed: int
) -> tuple[Folds, NDArray[np.float64]]:
    """Put the folds together.

    Args:
        labels: the label names, by id.
        ids: label ids of all rows [n].
        places: the fold of each row, from 0 [n].
        found: one a fold.
        seed: of the interval's resampling.

    Returns:
        The scores, and the out-of-fold probabilities [n, k].
    """
    import numpy as np

    probabilities = np.zeros((len(ids), len(labels)))
    where = np.asarray(places)
    for number, held in enumerate(found):
        probabilities[where == number] = scoring.softmax(np.asarray(held.logits))
    f1 = mean_and_sd([held.run.macro_f1 for held in found])
    accuracy = mean_and_sd([held.run.accuracy for held in found])
    assert f1 is not None, "there are two folds at least"
    assert accuracy is not None, "there are two folds at least"
    epochs = [held.run.best_epoch for held in found if held.run.best_epoch is not None]
    folds = Folds(
        runs=tuple(held.run for held in found),
        epochs=max(1, math.floor(numbers.median(epochs) + 0.5)) if epochs else None,
        macro_f1_mean=f1[0],
        macro_f1_sd=f1[1],
        accuracy_mean=accuracy[0],
        accuracy_sd=accuracy[1],
        pooled=score_predictions("out_of_fold", probabilities.argmax(1), probabilities, list(ids), labels, seed=seed),
    )
    return folds, probabilities


def fold_run(fold: int, epoch: float | None, ids: Sequence[int], logits: NDArray[Any], seconds: float) -> FoldRun:
    """Score the rows that a fold held out.

    Args:
        fold: its number, from 1.
        epoch: whose model it is; None for a linear model.
        ids: label ids of the rows [rows].
        logits: [rows, k].
        seconds: wall time of its training.
    """
    confusion = statistics.confusion_matrix(ids, logits.argmax(1), logits.shape[1])
    return FoldRun(
        fold=fold,
        rows=len(ids),
        best_epoch=epoch,
        macro_f1=float(statistics.f1_by_class(confusion)[confusion.sum(axis=1) > 0].mean()),
        accuracy=float(confusion.diagonal().sum() / len(ids)),
        seconds=seconds,
    )


def write_out_of_fold(
    path: Path, rows: SplitRows, labels: tuple[str, ...], places: Sequence[int], probabilities: NDArray[np.float64]
) -> None:
    """Write what is said of each row by the model that did not learn from it: file, line, label, fold, p_<label>."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "file": rows.files,
        "line": rows.lines,
        "row_hash": rows.hashes,
        "label": rows.labels,
        "label_id": rows.label_ids,
        "fold": [place + 1 for place in places],
        "predicted": [labels[number] for number in probabilities.argmax(1)],
    }
    columns |= {f"p_{label}": probabilities[:, number] for number, label in enumerate(labels)}
    with files.atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def read_out_of_fold(path: Path, labels: tuple[str, ...]) -> tuple[NDArray[np.float64], list[int]]:
    """Probabilities [n, k] by each model of a cross-validation of the rows it did not learn from, and their ids."""
    import numpy as np
    import pyarrow.parquet as pq

    columns = pq.read_table(path).to_pydict()
    return np.array([columns[f"p_{label}"] for label in labels], np.float64).T, columns["label_id"]


# --- one fold ---------------------------------------------------------------------------------------------------------


def _of_fold(task: Task, places: Sequence[int], number: int, count: int) -> Task:
    rows, held = ([row for row, at in enumerate(places) if (at == number - 1) == out] for out in (False, True))
    return replace(
        task,
        inputs=files.hash_value([task.inputs, "fold", number, list(places)]),
        train=task.train.take(rows),
        val=task.train.take(held),
        folder=task.folder / f"fold_{number}",
        part=Part(number, count + 1, task.config.training.seed, "fold"),
        copies=task.copies and f"{task.copies}-fold_{number}",
    )


def _train_fold(task: Task, interruption: Interruption) -> HeldOut:
    assert task.part is not None, "a fold is one of several"
    fitted = fit(task, interruption)
    best = best_epoch(fitted.last.curve)
    assert best is not None, "a complete training has evaluated at least once"
    assert fitted.last.best is not None, "a complete training has evaluated at least once"
    logits = scoring.load_transformer(fitted.last.best, verified=True).logits(task.val.texts)
    return HeldOut(fold_run(task.part.number, best.epoch, task.val.label_ids, logits, fitted.seconds), logits.tolist())


def _keep(task: Task, held: HeldOut) -> None:
    note = {"inputs": task.inputs, "run": held.run.model_dump(mode="json"), "logits": held.logits}
    files.write_json(task.folder / _HELD_OUT, note)
    checkpoints.clear(task.folder)


def _standing(task: Task) -> HeldOut | None:
    """What a fold came to that had ended before the run was killed."""
    try:
        note = json.loads((task.folder / _HELD_OUT).read_text("utf-8"))
        held = HeldOut(FoldRun.model_validate(note["run"]), [[float(one) for one in row] for row in note["logits"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = {len(row) for row in held.logits} == {len(task.data.labels)} and len(held.logits) == len(task.val)
    return held if whole and note["inputs"] == task.inputs else None


def tell_fold(run: FoldRun, count: int) -> None:
    """Say what one fold came to."""
    epoch = "" if run.best_epoch is None else f", in epoch {run.best_epoch:g}"
    emit(
        "note",
        f"fold {run.fold} of {count}: macro-F1 {score(run.macro_f1)}, accuracy {score(run.accuracy)} on "
        f"{number_of(run.rows, 'row')} held out{epoch}",
        fold=run.fold,
        macro_f1=run.macro_f1,
        accuracy=run.accuracy,
    )


def tell_all(folds: Folds) -> None:
    """Say what they came to together, and what follows."""
    epochs = "" if folds.epochs is None else f", for {folds.epochs} epoch{'s' if folds.epochs > 1 else ''}"
    emit(
        "note",
        f"macro-F1 over {len(folds.runs)} folds: {folds.macro_f1_mean:.3f} ± {folds.macro_f1_sd:.3f}, accuracy "
        f"{folds.accuracy_mean:.3f} ± {folds.accuracy_sd:.3f}; the final model learns from all rows{epochs}",
        macro_f1=folds.macro_f1_mean,
        accuracy=folds.accuracy_mean,
    )
