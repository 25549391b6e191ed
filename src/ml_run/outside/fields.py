"""Which fields of a file of predictions hold what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.errors import NotReadyError
from ml_run.quality.fields import LABEL, LABEL_ALTERNATIVES, TEXT, TEXT_ALTERNATIVES
from ml_run.wording import listed

if TYPE_CHECKING:
    from ml_run.config import DataConfig
    from ml_run.reading import Source

PREDICTED = ("predicted", "prediction", "pred")
"""Names of the field with the label that the model gave; one of them is there."""
OBJECTS = ("probabilities", "scores")
CONFIDENCE = "confidence"
COLUMN_PREFIX = "p_"
IDS = ("id", "row_id", "gold_id")
HASH, FILE, LINE = "row_hash", "file", "line"
_MOST_NAMES = 20


@dataclass(frozen=True)
class Fields:
    """The fields in use; None or empty for what the file has not."""

    predicted: str
    label: str | None
    text: tuple[str, ...]
    columns: tuple[str, ...]
    """Fields `p_<label>`."""
    object: str | None
    """Field with `{label: probability}`."""
    confidence: str | None
    group: str | None
    own: bool
    """Written by ml-run: texts are joined and labels mapped already."""


def choose_fields(source: Source, config: DataConfig) -> Fields:
    """Find the fields by their names.

    Raises:
        NotReadyError: no field, or more than one, can be the predicted label.
    """
    own = HASH in source.fields
    return Fields(
        predicted=_predicted(source),
        label=label_field(source, None if own else config.label_field),
        text=text_fields(source, None if own else config.text_field),
        columns=tuple(field for field in source.fields if field.startswith(COLUMN_PREFIX)),
        object=next((field for field in OBJECTS if field in source.fields), None),
        confidence=CONFIDENCE if CONFIDENCE in source.fields else None,
        group=config.group_field if config.group_field in source.fields else None,
        own=own,
    )


def _predicted(source: Source) -> str:
    found = [field for field in PREDICTED if field in source.fields]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotReadyError(
            f"{listed(found)} could both be the predicted label", where=source.name, remedy="leave one of them out"
        )
    names = ", ".join(visible(field) for field in source.fields[:_MOST_NAMES])
    raise NotReadyError(
        f"there is no field with the predicted label; its fields are: {names}",
        where=source.name,
        remedy=f"call it {listed(PREDICTED, last='or')}",
    )


def label_field(source: Source, configured: str | None) -> str | None:
    """The field with the true label, as the data stage finds it; None where there is none."""
    if configured is not None:
        return configured if configured in source.fields else None
    return _known(source, LABEL, LABEL_ALTERNATIVES)


def text_fields(source: Source, configured: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The fields that make up the text, as the data stage finds them; none where one is missing."""
    if configured is not None:
        wanted = (configured,) if isinstance(configured, str) else configured
        return wanted if all(field in source.fields for field in wanted) else ()
    known = _known(source, TEXT, TEXT_ALTERNATIVES)
    return (known,) if known else ()


def _known(source: Source, default: str, alternatives: tuple[str, ...]) -> str | None:
    if default in source.fields:
        return default
    present = [field for field in alternatives if field in source.fields]
    return present[0] if len(present) == 1 else None
