"""A file of traffic: texts, what is known of their labels, and what the model said of them, where it stands there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import NotReadyError, UsageError
from ml_run.outside.fields import OBJECTS, PREDICTED, Fields, text_fields
from ml_run.outside.probabilities import read_probabilities
from ml_run.quality.fields import LABEL
from ml_run.quality.structure import NOT_ROWS, Unusable, scalar, text_of
from ml_run.reading.sources import read_file, shown
from ml_run.watching.pieces import is_log, read_log
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.reading import RawRow, Source
    from ml_run.watching.deployed import Watched

VERSION = ("model_version", "version")
"""Names of the field with the version that a prediction is by."""
CHARACTERS = "characters"
_COLUMN = "p_"
MOST_ROWS = 10_000
"""More rows tell no more: the reference rows are what limits a test."""


@dataclass(frozen=True)
class Traffic:
    """n rows of traffic; lists have their order."""

    name: str
    """The file, relative to the project folder."""
    digest: str
    """SHA-256 of the file."""
    rows: int
    """All in the file."""
    without_text: int
    """Rows left out."""
    texts: list[str] | None
    """None for a log of predictions without texts."""
    characters: list[float] | None
    """Of each text; None where neither texts nor lengths are known."""
    labels: list[str | None]
    """The true ones; None where it is not known."""
    probabilities: NDArray[np.float64] | None
    """[n, k], where the watched version has said it; None: to be scored."""
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)


def read_traffic(path: Path, watched: Watched, project: Path) -> Traffic:
    """Read a file of traffic, by whatever wrote it.

    Args:
        path: jsonl, csv, tsv or parquet, each also .gz; or a traffic log, which is read with its rotated pieces.
        watched: its run says how the fields are called, and which labels there are.
        project: the path is shown relative to it.

    Raises:
        UsageError: there is no such file.
        NotReadyError: it cannot be read, or has neither texts nor predictions of the watched version.
    """
    name = shown(str(path.absolute()), project)
    if is_log(path):
        source, digest, notes = read_log(path, name)
    elif path.is_file():
        source, digest, notes = read_file(path, name), files.hash_file(path), []
    else:
        raise UsageError("there is no such file", where=name, remedy="name a file of new texts, one a row")
    fields = text_fields(source, watched.data.text_fields) or text_fields(source, None)
    said = _said(source, watched)
    if source.rows and not fields and said is None:
        raise NotReadyError(
            f"there is no field with texts; its fields are: {', '.join(source.fields[:20])}",
            where=name,
            remedy=f"call it {listed([repr(one) for one in watched.data.text_fields])}, as in the training data",
        )
    return _taken(source, digest, notes, fields, said, watched)


def _taken(
    source: Source, digest: str, notes: list[str], fields: tuple[str, ...], said: _Said | None, watched: Watched
) -> Traffic:
    lost = sum(1 for fault in source.faults if fault.rule not in NOT_ROWS)
    if lost:
        notes.append(f"{number_of(lost, 'line')} could not be read")
    if fields and fields != watched.data.text_fields and said is None:  # predictions hold the text as it was read
        notes.append(f"there is no field {listed(watched.data.text_fields)}; {fields[0]} is taken for the text")
    rows, soft = source.rows, None
    if said and (not fields or len(said.rows) == len(rows)):
        if len(said.rows) < len(rows):
            others = number_of(len(rows) - len(said.rows), "row")
            notes.append(f"{others} without a text are by another version of the model, and were left out")
        rows, soft = said.rows, said.probabilities
    texts = [_text(row, fields) for row in rows] if fields else None
    usable = [place for place in range(len(rows)) if texts is None or texts[place]]
    places = _spread(usable, MOST_ROWS)
    if len(places) < len(usable):
        notes.append(f"of {number_of(len(usable), 'row')}, {len(places):,} evenly spread ones were compared")
    return Traffic(
        name=source.name,
        digest=digest,
        rows=len(source.rows) + lost,
        without_text=len(rows) - len(usable) + lost,
        texts=None if texts is None else [texts[place] for place in places],
        characters=_characters(rows, texts, places, source),
        labels=[_label(rows[place], source, watched) for place in places],
        probabilities=None if soft is None else soft[places],
        notes=notes,
    )


def _spread(places: list[int], most: int) -> list[int]:
    return places if len(places) <= most else [places[i * len(places) // most] for i in range(most)]


def _text(row: RawRow, fields: tuple[str, ...]) -> str:
    """Empty where the data stage would leave the row out: the reference has no such rows either."""
    try:
        return text_of(row.values, fields)
    except Unusable:
        return ""


def _characters(rows: list[RawRow], texts: list[str] | None, places: list[int], source: Source) -> list[float] | None:
    if texts is not None:
        return [float(len(texts[place])) for place in places]
    if CHARACTERS not in source.fields:
        return None
    found = [rows[place].values.get(CHARACTERS) for place in places]
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    return numbers if len(numbers) == len(found) else None


def _label(row: RawRow, source: Source, watched: Watched) -> str | None:
    name = next((name for name in (watched.data.label_field, LABEL) if name in source.fields), None)
    value = (scalar(row.values.get(name)) or "").strip() if name else ""
    return watched.config.data.label_map.get(value, value) or None


# --- predictions that stand in the file -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """The rows that the watched version has predicted, and how."""

    rows: list[RawRow]
    probabilities: NDArray[np.float64]


def _said(source: Source, watched: Watched) -> _Said | None:
    """None where the file holds no predictions with probabilities, or none by the watched version."""
    version = next((name for name in VERSION if name in source.fields), None)
    predicted = next((name for name in PREDICTED if name in source.fields), None)
    if version is None or predicted is None:
        return None
    ours = {watched.version, watched.experiment.id}
    rows = [row for row in source.rows if scalar(row.values.get(version)) in ours]
    fields = Fields(
        predicted=predicted,
        label=None,
        text=(),
        columns=tuple(name for name in source.fields if name.startswith(_COLUMN)),
        object=next((name for name in OBJECTS if name in source.fields), None),
        confidence=None,
        group=None,
        own=True,
    )
    if not rows or not (fields.columns or fields.object):
        return None
    labels = watched.handoff.labels
    soft, _ = read_probabilities(replace(source, rows=rows), fields, str, frozenset(labels))
    ordered = soft.ordered(labels) if soft else None
    return None if ordered is None else _Said(rows, ordered)
