"""What came of checking a window of traffic, as it is printed and kept."""

from __future__ import annotations

import json
from typing import Any, Literal

from ml_run.drift.checks import Check  # noqa: TC001 -- pydantic reads it
from ml_run.results import Estimate, Number, Record

LONGEST = 9_500
"""Characters of the object that `--json` prints: agents' tools cut output at 10,000."""

Status = Literal["ok", "drift", "too_few"]


class LabelShare(Record):
    """How frequent one label is."""

    label: str
    before: float
    """Share of the reference rows that have it."""
    predicted_before: float
    """Share of the reference rows that the model gave it to."""
    predicted: float
    """Share of the new rows that the model gave it to."""
    estimated: Estimate | None = None
    """Share of the new rows that truly have it, by black-box shift estimation: if only the shares have changed."""
    labelled: Number = None
    """Share of the new rows with a label that have this one."""


class CharacterShare(Record):
    """How frequent one character is among all."""

    character: str
    before: float
    now: float


class Labelled(Record):
    """The model on the new rows whose label is known."""

    n: int
    accuracy: Estimate
    macro_f1: Estimate
    """Over all labels; undefined where one has no row."""
    new: int
    """Different rows among them that the model was not trained on."""
    unknown_labels: int
    """Rows with a label that the model does not know; it got them wrong."""


class Retrain(Record):
    """Whether to train again, by the rule: accuracy below a floor, or enough new labels."""

    due: bool | None
    """None: it cannot be told without labels."""
    floor: Number
    """Accuracy below which the model is to be trained again."""
    labels: int
    """New labelled rows from which it is to be trained again."""
    said: str


class MonitorResult(Record):
    """`result.json`, the same object that `--json` prints."""

    status: Status
    exit_code: int
    reasons: tuple[str, ...]
    """Why the status is what it is, worst first."""
    file: str
    rows: int
    """All in the file."""
    checked: int
    """Rows that were compared with the reference."""
    without_text: int
    """Rows left out because nothing can be read in them."""
    run: str
    version: str | None
    reference_rows: int
    minimum_window: int
    alpha: float
    """Chance that a window without drift raises an alarm, by all checks together."""
    checks: tuple[Check, ...] = ()
    """Alarms first."""
    estimated_accuracy: Estimate | None = None
    """From the model's confidence, without labels."""
    estimate_holds: bool | None = None
    """False where texts drifted, for confidence tells nothing then; None where there were no texts to look at."""
    labelled: Labelled | None = None
    retrain: Retrain | None = None
    labels: tuple[LabelShare, ...] = ()
    characters: tuple[CharacterShare, ...] = ()
    """Whose share changed most."""
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    folder: str
    """Relative to the project folder."""
    report: str | None = None
    next_step: str = ""

    def told(self) -> dict[str, Any]:
        """The object that `--json` prints; where it would be too long, labels are left out, then notes."""
        full: dict[str, Any] = _rounded(self.model_dump(mode="json"))
        for name in ("characters", "labels", "notes"):
            while full[name] and len(json.dumps(full, ensure_ascii=False)) > LONGEST:
                full[name].pop()
                full[f"{name}_omitted"] = full.get(f"{name}_omitted", 0) + 1
        return full


def _rounded(value: Any) -> Any:
    """Six significant digits: no number here is known better."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
