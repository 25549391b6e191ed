"""What reading hands over: rows as they stand in the source, and what could not be read."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in its source."""

    line: int
    """1-based physical line it begins on (row number for parquet and hub data sets)."""
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the file itself."""

    rule: str
    """Name of the data check it belongs to."""
    line: int | None
    """None when it is about the whole file."""
    problem: str
    raw: Any = None
    """What stands there, as far as it can be shown, when a row is lost by it; None when none is."""


@dataclass(frozen=True)
class Source:
    """All that was read from one file, or from one split of a hub data set."""

    name: str
    """As the user named it, relative to the project folder."""
    fields: tuple[str, ...]
    """All fields that occur, in the order first seen."""
    rows: list[RawRow]
    faults: list[Fault]
