"""What is judged: rows with their true labels, and what one or two models say of them, all in one order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import ConfigError, NotReadyError, UsageError
from ml_run.evaluation.predictions import Predictions
from ml_run.outside.joining import ORDER, match, text_hashes
from ml_run.outside.reading import read_predictions
from ml_run.outside.truth import join, read_truth
from ml_run.quality.labels import in_order
from ml_run.splits import SplitRows
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config import DataConfig
    from ml_run.config.file import LoadedConfig
    from ml_run.outside.reading import Given

_FEWEST_LABELS = 2
_MOST_NAMED = 5
_SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Case:
    """Predictions, and what they are judged on."""

    given: Given
    rows: SplitRows
    labels: tuple[str, ...]
    against: Given | None
    matched: str
    """By what the rows were matched with the test file; empty where the predictions hold their true labels."""
    notes: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        """Whether a file says of itself that it is SYNTHETIC."""
        return any(_SYNTHETIC in name.lower() for name in {self.given.name, *self.rows.files})

    def predictions(self, given: Given, name: str) -> Predictions:
        """What `given` says, its labels matched by name; one that no row truly has becomes id k."""
        import numpy as np

        position = {label: number for number, label in enumerate(self.labels)}
        ids = np.array([position.get(label, len(self.labels)) for label in given.predicted], np.int64)
        return Predictions(name, ids, given.soft.ordered(self.labels) if given.soft else None)


def read_case(path: Path, against: Path | None, loaded: LoadedConfig, project: Path) -> Case:
    """Read the predictions, find their true labels, and bring both models' rows into one order.

    The labels are all that a row truly has, and all that the judged model gives a probability: of one without rows
    nothing is known, and the gate says so.

    Raises:
        UsageError: a file is not there.
        ConfigError: the config contradicts the predictions.
        NotReadyError: the predictions cannot carry a verdict; names file and line.
    """
    data = loaded.config.data
    given = read_predictions(path, data, project)
    matched, notes = "", list(given.notes)
    if given.true is None:
        truth = read_truth(given.name, data, project)
        given, found = join(truth, given, data.language)
        matched = f"the rows of {truth.identity.name}, by {found.how}"
        notes += [_by_order(given.name, truth.identity.name)] if found.how == ORDER else []
    true = given.true
    assert true is not None, "what has none is joined with the test file"
    labels = _labels(given, true, loaded)
    other = None
    if against is not None:
        other, more = _same_rows(read_predictions(against, data, project), given, true, data)
        notes += more
    notes += [note for one in (given, other) if one for note in _unknown_labels(one, labels)]
    return Case(given, _rows(given, true, labels, data), labels, other, matched, tuple(notes))


def _labels(given: Given, true: list[str], loaded: LoadedConfig) -> tuple[str, ...]:
    labels = in_order([*true, *(given.soft.labels if given.soft else ())])
    if len(labels) < _FEWEST_LABELS:
        raise NotReadyError(
            f"{number_of(len(true), 'row')} with one true label only, {labels[0]!r}: a classifier has two or more",
            where=given.name,
            remedy="judge it on rows of every class",
        )
    expected = loaded.config.model.num_labels
    if expected is not None and expected != len(labels):
        where = loaded.where("model.num_labels")
        found = (
            f"model.num_labels is {expected}, but {given.name} has {number_of(len(labels), 'label')}: {_named(labels)}"
        )
        remedy = "judge it on rows of every class, or with the config of its own task: --config FILE"
        raise ConfigError([UsageError(found, where=where, remedy=remedy)])
    return labels


def _same_rows(other: Given, given: Given, true: list[str], data: DataConfig) -> tuple[Given, list[str]]:
    """The other model's predictions in the order of `given`, and what is to be said of them."""
    found = match(given.identity, other.identity, data.language, all_of_other=False)
    notes = [*other.notes]
    notes += [_by_order(other.name, given.name)] if found.how == ORDER else []
    if found.unused:
        notes.append(f"{other.name}: {number_of(found.unused, 'row')} that {given.name} has not are left out")
    lines = [other.identity.lines[position] for position in found.positions]
    other = replace(other.taken(found.positions), identity=given.identity)
    if other.true is not None:
        bad = [number for number, label in enumerate(other.true) if label != true[number]]
        if bad:
            first = f"{other.true[bad[0]]!r} there, {true[bad[0]]!r} in {given.name}"
            raise NotReadyError(
                f"{number_of(len(bad), 'row')} with another true label; the first: {first}",
                where=f"{other.name}:{lines[bad[0]]}",
                remedy="give both files the same true labels, or leave them out of this one",
            )
    return other, notes


def _by_order(name: str, other: str) -> str:
    return f"{name}: matched with {other} by the order of the rows alone: no id, text or line is in both"


def _unknown_labels(given: Given, labels: tuple[str, ...]) -> list[str]:
    notes = []
    unknown = Counter(label for label in given.predicted if label not in labels)
    if unknown:
        rows = number_of(sum(unknown.values()), "row")
        notes.append(f"{given.name}: {_named(tuple(unknown))} is no true label; counted as wrong in {rows}")
    if given.soft and set(given.soft.labels) != set(labels):
        lacking = [label for label in labels if label not in given.soft.labels]
        extra = [label for label in given.soft.labels if label not in labels]
        what = f"no probability of {_named(tuple(lacking))}" if lacking else f"a probability of {_named(tuple(extra))}"
        notes.append(f"{given.name}: {what}, so its probabilities are not scored")
    return notes


def _named(labels: tuple[str, ...]) -> str:
    shown = [repr(label) for label in labels[:_MOST_NAMED]]
    more = len(labels) - len(shown)
    return listed([*shown, f"{more} more"] if more else shown)


def _rows(given: Given, true: list[str], labels: tuple[str, ...], data: DataConfig) -> SplitRows:
    identity = given.identity
    position = {label: number for number, label in enumerate(labels)}
    own = [("", line) for line in identity.lines]
    places = [(name or identity.name, line) for name, line in identity.places or own]
    hashes = identity.hashes
    if hashes is None and identity.texts is not None:
        hashes = text_hashes(identity.texts, data.language)
    if hashes is None:
        names = next(iter(identity.ids.values()), None) or [f"{name}:{line}" for name, line in places]
        hashes = [files.hash_value(name)[:32] for name in names]
    return SplitRows(
        texts=identity.texts or [""] * len(true),
        labels=true,
        label_ids=[position[label] for label in true],
        hashes=hashes,
        files=[name for name, _ in places],
        lines=[line for _, line in places],
        groups=given.groups,
        leaked=[False] * len(true),
    )
