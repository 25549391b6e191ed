"""A file of predictions, by whatever tool, into rows that say what they are about and what was predicted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ml_run.errors import NotReadyError, UsageError
from ml_run.outside.fields import FILE, HASH, IDS, LINE, choose_fields
from ml_run.outside.probabilities import Soft, read_confidence, read_probabilities
from ml_run.quality.structure import scalar
from ml_run.reading.sources import read_file, shown
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.config import DataConfig
    from ml_run.outside.fields import Fields
    from ml_run.reading import Source


@dataclass(frozen=True)
class Identity:
    """By what the n rows of one file are told apart; lists have the order of the file."""

    name: str
    """The file, as the user named it."""
    lines: list[int]
    """1-based physical line of each row in it."""
    ids: dict[str, list[str]]
    """Fields that hold an identifier in every row."""
    texts: list[str] | None
    """None where a row has no text."""
    hashes: list[str] | None
    """Content hashes that ml-run wrote."""
    places: list[tuple[str, int]] | None
    """File and line of each row in the file that was predicted; the file is empty where only lines are given."""

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class Given:
    """What one file of predictions says of n rows."""

    name: str
    """The file, relative to the project folder."""
    path: Path
    """Absolute."""
    identity: Identity
    """Of these rows: of the test file's, once they are joined with it."""
    digest: str
    """SHA-256 of the file."""
    true: list[str] | None
    """None where it holds no true labels."""
    predicted: list[str]
    soft: Soft | None
    confidence: NDArray[np.float64] | None
    groups: list[str | None]
    notes: list[str] = field(default_factory=list)
    """What was seen that does not keep it from being judged."""

    def __len__(self) -> int:
        return len(self.predicted)

    def taken(self, positions: list[int]) -> Given:
        """The rows at these positions, in this order; `identity` stays that of the file."""
        return replace(
            self,
            true=None if self.true is None else [self.true[i] for i in positions],
            predicted=[self.predicted[i] for i in positions],
            soft=None if self.soft is None else replace(self.soft, values=self.soft.values[positions]),
            confidence=None if self.confidence is None else self.confidence[positions],
            groups=[self.groups[i] for i in positions],
        )


def read_predictions(path: Path, config: DataConfig, project: Path) -> Given:
    """Read one file of predictions.

    Args:
        path: jsonl, csv, tsv or parquet, each also .gz.
        config: names the fields of labels, texts and groups where they are not called as usual, and maps labels.
        project: paths are shown relative to it.

    Raises:
        UsageError: there is no such file.
        ConfigError: its name does not tell the format.
        NotReadyError: a line cannot be read, a row has no predicted label, or its probabilities are none.
    """
    from ml_run import files

    source = read_source(path, project)
    fields = choose_fields(source, config)
    label_map = {} if fields.own else config.label_map

    def tidy(label: str) -> str:
        return label_map.get(label.strip(), label.strip())

    predicted = _labels(source, fields.predicted, tidy)
    true = _labels(source, fields.label, tidy) if fields.label else None
    soft, note = read_probabilities(source, fields, tidy, frozenset(predicted) | frozenset(true or ()))
    given = Given(
        name=source.name,
        path=path.absolute(),
        identity=identify(source, fields.text),
        digest=files.hash_file(path),
        true=true,
        predicted=predicted,
        soft=soft,
        confidence=read_confidence(source, fields.confidence) if soft is None and fields.confidence else None,
        groups=_groups(source, fields),
        notes=[f"{source.name}: {note}"] if note else [],
    )
    given.notes.extend(_contradictions(given))
    return given


def read_source(path: Path, project: Path) -> Source:
    """All rows of a file, of which none may be unreadable.

    Raises:
        UsageError: there is no such file.
        NotReadyError: it has no rows, or lines that cannot be read.
    """
    name = shown(str(path.absolute()), project)
    if not path.is_file():
        raise UsageError("there is no such file", where=name, remedy="name a file with one prediction a line")
    source = read_file(path, name)
    lost = [fault for fault in source.faults if fault.raw is not None and fault.rule != "blank_line"]
    if lost:
        more = f"; so are {number_of(len(lost) - 1, 'line')} more" if len(lost) > 1 else ""
        raise NotReadyError(
            f"the line cannot be read: {lost[0].problem}{more}",
            where=f"{name}:{lost[0].line}",
            remedy="correct it: each row counts",
        )
    if not source.rows:
        raise NotReadyError("the file has no rows", where=name, remedy="name a file with one prediction a line")
    return source


def _labels(source: Source, name: str, tidy: Callable[[str], str]) -> list[str]:
    values = [scalar(row.values.get(name)) for row in source.rows]
    bad = [number for number, value in enumerate(values) if not (value or "").strip()]
    if bad:
        more = f", nor have {number_of(len(bad) - 1, 'row')} more" if len(bad) > 1 else ""
        raise NotReadyError(
            f"it has no label in {name!r}{more}",
            where=f"{source.name}:{source.rows[bad[0]].line}",
            remedy="write one label in each row",
        )
    return [tidy(value or "") for value in values]


def _groups(source: Source, fields: Fields) -> list[str | None]:
    if fields.group is None:
        return [None] * len(source.rows)
    return [scalar(row.values.get(fields.group)) or None for row in source.rows]


# --- by what rows are told apart ------------------------------------------------------------------------------------


def identify(source: Source, text: tuple[str, ...]) -> Identity:
    """By what the rows of `source` can be told apart; `text` are the fields that make up their text."""
    return Identity(
        name=source.name,
        lines=[row.line for row in source.rows],
        ids={name: values for name in IDS if (values := _complete(source, name))},
        texts=_texts(source, text) if text else None,
        hashes=_complete(source, HASH),
        places=_places(source),
    )


def _complete(source: Source, name: str) -> list[str] | None:
    """The values of a field that every row has one in."""
    if name not in source.fields:
        return None
    values = [scalar(row.values.get(name)) for row in source.rows]
    return [value for value in values if value] if all(values) else None


def _texts(source: Source, fields: tuple[str, ...]) -> list[str] | None:
    found = []
    for row in source.rows:
        parts = [part for name in fields if isinstance(part := row.values.get(name), str) and part.strip()]
        if not parts:
            return None
        found.append(parts[0] if len(fields) == 1 else " ".join(part.strip() for part in parts))
    return found


def _places(source: Source) -> list[tuple[str, int]] | None:
    lines = _complete(source, LINE)
    if lines is None or not all(line.isdecimal() for line in lines):
        return None
    names = _complete(source, FILE) or [""] * len(lines)
    return [(name, int(line)) for name, line in zip(names, lines, strict=True)]


# --- what probabilities say of predictions --------------------------------------------------------------------------


def _contradictions(given: Given) -> list[str]:
    """A predicted label that is not the most probable one: said, and the predicted label counts."""
    import numpy as np

    if given.soft is None:
        return []
    position = {label: number for number, label in enumerate(given.soft.labels)}
    chosen = np.array([position.get(label, -1) for label in given.predicted])
    values = given.soft.values
    own = np.where(chosen >= 0, values[np.arange(len(values)), chosen], 0.0)
    bad = np.flatnonzero(own < values.max(1) - _TIE)
    if not len(bad):
        return []
    rows = f"in {number_of(len(bad), 'row')}, first line {given.identity.lines[bad[0]]},"
    return [f"{given.name}: {rows} the predicted label is not the most probable one; the predicted one counts"]


_TIE = 1e-6
"""Probabilities this close are equal: files round them."""
