"""The probabilities that come with predictions: read, and refused where they are none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run.config.names import data_format
from ml_run.errors import NotReadyError
from ml_run.outside.fields import COLUMN_PREFIX
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.outside.fields import Fields
    from ml_run.reading import Source

TOLERANCE = 0.02
"""How far the probabilities of a row may sum to something else than 1: they may be rounded."""
_EXACT = 1e-9
_LONGEST = 40
_REMEDY = f"give each row probabilities from 0 to 1 that sum to 1 (within {TOLERANCE}), or leave the probabilities out"


@dataclass(frozen=True)
class Soft:
    """Probabilities [n, k] of the labels of one file, in its own order of labels."""

    labels: tuple[str, ...]
    values: NDArray[np.float64]

    def ordered(self, labels: tuple[str, ...]) -> NDArray[np.float64] | None:
        """In the order of `labels`, matched by name; None unless these are the same labels."""
        if set(labels) != set(self.labels):
            return None
        return self.values[:, [self.labels.index(label) for label in labels]]


def read_probabilities(
    source: Source, fields: Fields, tidy: Callable[[str], str], known: frozenset[str]
) -> tuple[Soft | None, str]:
    """The probabilities of every row.

    Args:
        source: n rows.
        fields: where they stand: columns go before an object.
        tidy: what becomes of a label before it is compared.
        known: labels that are true or predicted anywhere; columns of which none names one are no probabilities.

    Returns:
        The probabilities, None where the file has none; and what is to be said of columns that were not read.

    Raises:
        NotReadyError: they are no numbers, negative, or do not sum to 1; names the first line.
    """
    note = ""
    if fields.columns:
        names = [tidy(field.removeprefix(COLUMN_PREFIX)) for field in fields.columns]
        if known & set(names):
            return _checked(source, *_from_columns(source, fields.columns, names)), ""
        note = f"{', '.join(fields.columns)}: no such label is true or predicted, so these are not read"
    if fields.object:
        return _checked(source, *_from_objects(source, fields.object, tidy)), note
    return None, note


def read_confidence(source: Source, field: str) -> NDArray[np.float64]:
    """Of each row [n] how sure the model is of the label it gave.

    Raises:
        NotReadyError: it is no number from 0 to 1; names the first line.
    """
    import numpy as np

    values = np.array([_number(row.values.get(field)) for row in source.rows], float)
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(bad):
        written = source.rows[bad[0]].values.get(field)
        remedy = "write a number from 0 to 1, or leave the field out"
        raise _fault(source, bad, f"{field} is {_shown(written)}, no number from 0 to 1", remedy)
    return values


def _from_columns(
    source: Source, columns: tuple[str, ...], names: list[str]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    import numpy as np

    labels = tuple(dict.fromkeys(names))
    values = np.zeros((len(source.rows), len(labels)))
    for column, name in zip(columns, names, strict=True):
        written = [row.values.get(column) for row in source.rows]
        values[:, labels.index(name)] += _probabilities(source, column, written)
    return labels, values


def _from_objects(
    source: Source, field: str, tidy: Callable[[str], str]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """A label that the object of one row leaves out has no probability there."""
    import numpy as np

    objects: list[dict[str, Any]] = []
    for number, row in enumerate(source.rows):
        value = row.values.get(field)
        if not isinstance(value, dict):
            remedy = "write {label: probability} in each row; in csv and tsv a column p_<label> for each label"
            raise _fault(source, [number], f"{field} is {_shown(value)}, no object", remedy)
        objects.append(value)
    # Parquet fills objects up with the labels of other rows; elsewhere an empty value is a fault.
    is_parquet = data_format(Path(source.name)) == ".parquet"
    names = list(dict.fromkeys(name for one in objects for name in one))
    labels = tuple(dict.fromkeys(map(tidy, names)))
    values = np.zeros((len(objects), len(labels)))
    for name in names:
        written = [one.get(name, 0.0) for one in objects]
        written = [0.0 if value is None else value for value in written] if is_parquet else written
        values[:, labels.index(tidy(name))] += _probabilities(source, f"{field}[{name!r}]", written)
    return labels, values


def _probabilities(source: Source, name: str, written: list[Any]) -> NDArray[np.float64]:
    """The numbers that are written, none of them negative."""
    import numpy as np

    found = np.array([_number(value) for value in written], float)
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(found >= 0) | np.isinf(found))
    if len(bad):
        raise _fault(source, bad, f"{name} is {_shown(written[bad[0]])}, no probability", _REMEDY)
    return found


def _checked(source: Source, labels: tuple[str, ...], values: NDArray[np.float64]) -> Soft:
    """Rows that sum to 1, made exact where they were rounded."""
    import numpy as np

    sums = values.sum(1)
    bad = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
    if len(bad):
        raise _fault(source, bad, f"the probabilities sum to {sums[bad[0]]:.4g}, not to 1", _REMEDY)
    rounded = np.abs(sums - 1) > _EXACT
    values[rounded] /= sums[rounded, None]
    return Soft(labels, values)


def _number(value: Any) -> float:
    """A value as a number, NaN where it is none."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "empty or NaN"  # the reader of JSON lines makes nothing of NaN
    return repr(value if not isinstance(value, str) else value[:_LONGEST])[:_LONGEST]


def _fault(source: Source, rows: NDArray[np.int64] | list[int], found: str, remedy: str) -> NotReadyError:
    """The first of the faulty rows, and how many more there are."""
    more = f" (and so on in {number_of(len(rows) - 1, 'row')} more)" if len(rows) > 1 else ""
    return NotReadyError(f"{found}{more}", where=f"{source.name}:{source.rows[rows[0]].line}", remedy=remedy)
