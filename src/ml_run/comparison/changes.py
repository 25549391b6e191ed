"""What is not the same in two runs: data, config, base model, code."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from ml_run.comparison.record import KeyChange, SplitChange
from ml_run.errors import UsageError
from ml_run.experiment import read_record
from ml_run.results import SPLITS, TrainedModel
from ml_run.splits import HOLDOUT, read_split

if TYPE_CHECKING:
    from ml_run.experiment import Experiment

_COMMIT = 12
_LONGEST_VALUE = 120


def data_changes(a: Experiment, b: Experiment) -> tuple[SplitChange, ...]:
    """How the prepared rows of each split differ.

    Raises:
        UsageError: a run has no prepared splits.
    """
    held_out = any(experiment.split(HOLDOUT).is_file() for experiment in (a, b))
    names = (*SPLITS, HOLDOUT) if held_out else SPLITS
    return tuple(split_change(name, _labels_by_row(a, name), _labels_by_row(b, name)) for name in names)


LabelsByRow = dict[str, Counter[str]]
"""Labels by row hash: a text may stand in a split more than once, under different labels."""


def split_change(name: str, a: LabelsByRow, b: LabelsByRow) -> SplitChange:
    """How the rows of one split differ; copies of a row count each."""
    counts_a, counts_b = ({row: labels.total() for row, labels in side.items()} for side in (a, b))
    both = {row: min(count, counts_b.get(row, 0)) for row, count in counts_a.items()}
    same = sum((labels & b.get(row, Counter())).total() for row, labels in a.items())
    total_a, total_b, shared = sum(counts_a.values()), sum(counts_b.values()), sum(both.values())
    return SplitChange(
        split=name,
        rows_a=total_a,
        rows_b=total_b,
        added=total_b - shared,
        removed=total_a - shared,
        relabelled=shared - same,
    )


def _labels_by_row(experiment: Experiment, split: str) -> LabelsByRow:
    path = experiment.split(split)
    if not path.is_file() and split == HOLDOUT:
        return {}
    if not path.is_file():
        raise UsageError(
            f"run {experiment.id} has no prepared rows any more",
            where=experiment.relative(path),
            remedy="compare runs whose data folder is whole",
        )
    rows = read_split(path)
    found: LabelsByRow = defaultdict(Counter)
    for row, label in zip(rows.hashes, rows.labels, strict=True):
        found[row][label] += 1
    return found


# --- config, model, code ----------------------------------------------------------------------------------------------


def config_changes(a: Experiment, b: Experiment) -> tuple[KeyChange, ...]:
    """Keys of the resolved configs with other values; secrets are masked in these files."""
    return _changes(_config(a), _config(b))


def _config(experiment: Experiment) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(experiment.config_file.read_text("utf-8"))
        return {f"{section}.{key}": value for section, keys in document.items() for key, value in keys.items()}
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        raise UsageError(
            "the config of the run cannot be read",
            where=experiment.relative(experiment.config_file),
            remedy="compare runs whose folders are whole",
        ) from None


def model_changes(a: Experiment, b: Experiment) -> tuple[KeyChange, ...]:
    """Base model and its revision."""
    found = [read_record(experiment.training_record, TrainedModel) for experiment in (a, b)]
    one, other = ({"base": model.base, "base revision": model.base_revision} for model in found)
    return _changes(one, other)


def code_changes(a: Experiment, b: Experiment) -> tuple[KeyChange, ...]:
    """Git commit of the project, and versions of ml-run and of libraries."""
    runs = [experiment.read_run() for experiment in (a, b)]
    one, other = ({"git commit": (run.git_commit or "")[:_COMMIT], **run.versions} for run in runs)
    return _changes(one, other)


def _changes(a: dict[str, Any], b: dict[str, Any]) -> tuple[KeyChange, ...]:
    keys = dict.fromkeys([*a, *b])
    return tuple(
        KeyChange(key=key, a=_shown(a.get(key)), b=_shown(b.get(key))) for key in keys if a.get(key) != b.get(key)
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
