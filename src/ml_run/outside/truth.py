"""The true labels of predictions that hold none: those of the config's test file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run.config.names import is_hub_address
from ml_run.errors import NotReadyError, UsageError
from ml_run.outside.fields import label_field, text_fields
from ml_run.outside.joining import match
from ml_run.outside.reading import identify, read_source
from ml_run.quality.structure import scalar

if TYPE_CHECKING:
    from ml_run.config import DataConfig
    from ml_run.outside.joining import Match
    from ml_run.outside.reading import Given, Identity


@dataclass(frozen=True)
class Truth:
    """The n test rows and their labels."""

    identity: Identity
    labels: list[str]


def read_truth(predictions: str, config: DataConfig, project: Path) -> Truth:
    """Read the test file of the config.

    Args:
        predictions: the file that needs labels, for people.
        config: names the file and its fields.
        project: paths are shown relative to it.

    Raises:
        UsageError: the config names no test file, or none that can be read here.
        NotReadyError: a row of it has no label.
    """
    if config.test_path is None or is_hub_address(config.test_path):
        raise UsageError(
            "it holds no true labels, and the config names no test file to take them from",
            where=predictions,
            remedy="write the true label into each row as 'label', or set data.test_path to the test file",
        )
    source = read_source(Path(config.test_path), project)
    field = label_field(source, config.label_field)
    if field is None:
        raise NotReadyError("there is no field with the label", where=source.name, remedy="name it in data.label_field")
    labels = []
    for row in source.rows:
        label = (scalar(row.values.get(field)) or "").strip()
        if not label:
            where = f"{source.name}:{row.line}"
            raise NotReadyError(f"it has no label in {field!r}", where=where, remedy="write one label in each row")
        labels.append(config.label_map.get(label, label))
    identity = identify(source, text_fields(source, config.text_field))
    return Truth(replace(identity, places=[("", line) for line in identity.lines]), labels)


def join(truth: Truth, given: Given, language: str | None) -> tuple[Given, Match]:
    """The predictions in the order of the test rows, with their true labels.

    Raises:
        NotReadyError: a test row has no prediction or several, or a prediction belongs to none.
    """
    identity = given.identity
    if identity.places is not None and len({file for file, _ in identity.places}) == 1:
        identity = replace(identity, places=[("", line) for _, line in identity.places])
    found = match(truth.identity, identity, language, all_of_other=True)
    return replace(given.taken(found.positions), identity=truth.identity, true=truth.labels), found
