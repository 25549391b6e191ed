"""Which labels the copies of a test row have in the training data: those trained on, and those left out as leaks."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ml_run.languages import find_profile
from ml_run.quality.duplicates import hash_text
from ml_run.quality.fields import Fields
from ml_run.quality.labels import tidy_labels
from ml_run.quality.near import find_near_copies
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.structure import take_rows
from ml_run.reading import Source
from ml_run.reading.types import RawRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.languages import Profile
    from ml_run.results import PreparedData
    from ml_run.splits import SplitRows

_LEAKS = ("leak_exact", "leak_near")


class Copy(NamedTuple):
    """A training row that says the same as a test row, or nearly."""

    label: str
    file: str
    line: int


def copies_in_train(
    config: Config, experiment: Experiment, data: PreparedData, splits: dict[str, SplitRows], rows: Sequence[int]
) -> dict[int, list[Copy]]:
    """The copies, exact and near, of some test rows in the training data.

    Args:
        config: the run's config.
        experiment: its `rejected.jsonl` holds the training rows that were left out for having a copy.
        data: the data stage's answer.
        splits: the prepared rows of `train` and `test`.
        rows: numbers of test rows; those that the data stage found no copy of are not looked at.

    Returns:
        The copies by row; rows without any are absent.
    """
    test = splits["test"]
    asked = {row: _row(test, row) for row in rows if test.leaked[row]}
    if not asked:
        return {}
    profile = find_profile(data.language.code) if data.language else None
    pool = _left_out(config, experiment, data, profile)
    if config.data.leaks == "keep":  # otherwise no row of train has a copy in test
        pool += [_row(splits["train"], row) for row in range(len(splits["train"]))]
    near = find_near_copies(
        {"train": pool, "test": list(asked.values())}, Checks(config.data.checks, config.data.limits), profile
    )
    by_hash: dict[str, list[Row]] = defaultdict(list)
    for row in pool:
        by_hash[row.hash].append(row)
    found = {
        number: [
            Copy(one.label, one.file, one.line) for same in (row.hash, *near.of(row)) for one in by_hash.get(same, ())
        ]
        for number, row in asked.items()
    }
    return {number: copies for number, copies in found.items() if copies}


def _row(rows: SplitRows, row: int) -> Row:
    return Row(rows.files[row], rows.lines[row], rows.texts[row], rows.labels[row], None, {}, rows.hashes[row])


def _left_out(config: Config, experiment: Experiment, data: PreparedData, profile: Profile | None) -> list[Row]:
    """Training rows that were left out as leaks, read as the data stage read them."""
    raw: dict[str, list[RawRow]] = defaultdict(list)
    if experiment.rejected.is_file():
        for line in experiment.rejected.read_text("utf-8").splitlines():
            rejected = json.loads(line)
            if rejected["split"] == "train" and rejected["reason"] in _LEAKS:
                raw[rejected["file"]].append(RawRow(rejected["line"], rejected["row"]))
    fields = Fields(data.text_fields, data.label_field, None)
    taken = {file: take_rows(Source(file, (), rows, []), "train", fields)[0] for file, rows in raw.items()}
    tidied, _ = tidy_labels(taken, config.data.label_map)
    return [
        Row(row.file, row.line, row.text, row.label, None, {}, hash_text(row.text, profile))
        for rows in tidied.values()
        for row in rows
    ]
