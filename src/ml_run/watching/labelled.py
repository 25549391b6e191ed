"""The rows whose label is known, and the rule that says when to train again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.languages import find_profile
from ml_run.quality.duplicates import hash_text
from ml_run.splits import TRAIN_ROWS
from ml_run.statistics import confusion_matrix, f1_intervals, rows_to_settle_proportion, wilson
from ml_run.watching.record import Labelled, Retrain
from ml_run.wording import number_of, with_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.watching.deployed import Watched
    from ml_run.watching.traffic import Traffic


def judge_labelled(traffic: Traffic, predicted: NDArray[np.int64], watched: Watched, *, seed: int) -> Labelled | None:
    """Accuracy and macro-F1 where labels are known; None where none is.

    Args:
        traffic: n rows.
        predicted: label ids [n].
        watched: the model.
        seed: of the interval of macro-F1.
    """
    labels = watched.handoff.labels
    rows = [place for place, label in enumerate(traffic.labels) if label is not None]
    if not rows:
        return None
    position = {label: number for number, label in enumerate(labels)}
    known = [place for place in rows if traffic.labels[place] in position]
    true = [position[str(traffic.labels[place])] for place in known]
    matrix = confusion_matrix(true, predicted[known], len(labels))
    return Labelled(
        n=len(rows),
        accuracy=wilson(int(matrix.diagonal().sum()), len(rows)),
        macro_f1=f1_intervals(matrix, seed=seed)[0],
        new=_new(traffic, rows, watched),
        unknown_labels=len(rows) - len(known),
    )


def _new(traffic: Traffic, rows: list[int], watched: Watched) -> int:
    """Different texts among these rows that the model was not trained on; without texts, every row is one."""
    if traffic.texts is None:
        return len(rows)
    path = watched.folder / TRAIN_ROWS
    trained_on = set(path.read_text("utf-8").split()) if path.is_file() else set()
    profile = find_profile(watched.data.language.code) if watched.data.language else None
    return len({hash_text(traffic.texts[place], profile) for place in rows} - trained_on)


def retrain(labelled: Labelled | None, watched: Watched) -> Retrain:
    """Whether to train again: accuracy below the floor, or enough labelled rows that are new.

    The point value decides, as it does in the gate by default; that it could be otherwise with other rows is said.
    """
    floor, most = watched.floor, watched.config.monitoring.new_labels
    rule = f"train again below an accuracy of {floor:g}" if floor is not None else "no accuracy is asked for"
    if labelled is None:
        said = f"without labels it cannot be told ({rule}, or from {most:,} new labels)"
        return Retrain(due=None, floor=floor, labels=most, said=said)
    reasons = []
    value = labelled.accuracy.value
    if floor is not None and value is not None and value < floor:
        reasons.append(f"accuracy is {with_interval(labelled.accuracy)}, below {floor:g}{_open(labelled, floor)}")
    if labelled.new >= most:
        reasons.append(f"{number_of(labelled.new, 'new label')} can be learnt from, {most:,} are enough")
    if reasons:
        return Retrain(due=True, floor=floor, labels=most, said="; ".join(reasons))
    said = (
        f"accuracy is {with_interval(labelled.accuracy)}, {number_of(labelled.new, 'new label')} of {most:,} ({rule})"
    )
    return Retrain(due=False, floor=floor, labels=most, said=said)


def _open(labelled: Labelled, floor: float) -> str:
    """How many labels would tell, where so few cannot."""
    value, high = labelled.accuracy.value, labelled.accuracy.high
    if value is None or high is None or high < floor:
        return ""
    needed = rows_to_settle_proportion(value, floor)
    return f", which so few rows do not show for certain: label {needed:,} to know" if needed else ""
