"""The rows that the checks look at, and those that were left out."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_run.quality.rules import Sighting


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text that can be used."""

    file: str
    line: int
    text: str
    label: str
    group: str | None
    raw: Mapping[str, Any]
    """The row as it stands in its file."""
    hash: str = ""
    """First 32 hexadecimal digits of SHA-256 over the normalised text; empty until it is known how to normalise."""


Splits = dict[str, list[Row]]
"""Rows by split, in the order of their sources."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that is left out; it becomes a line of `rejected.jsonl`."""

    split: str
    file: str
    line: int
    reason: str
    """Name of the rule."""
    problem: str
    raw: Any
    """The row as it stands in its file; the text of the line when it could not be read."""


def without_nan(value: Any) -> Any:
    """A raw row as JSON can hold it: nothing in the place of what is no number."""
    if isinstance(value, Mapping):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sighting(row: Row) -> Sighting:
    """Where `row` was seen."""
    return Sighting(row.file, row.line, row.text, row.label)


def every_row(splits: Splits) -> Iterable[Row]:
    """All rows, train first."""
    return (row for rows in splits.values() for row in rows)


def total(splits: Splits) -> int:
    """How many rows there are."""
    return sum(map(len, splits.values()))


def per_file(rows: Iterable[Row | Rejected | Sighting]) -> str:
    """Say how many of `rows` stand in which file: `10 in data/train.jsonl, 2 in data/test.jsonl`."""
    counts = Counter(row.file for row in rows)
    return ", ".join(f"{count:,} in {file}" for file, count in counts.items())
