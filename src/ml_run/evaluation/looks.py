"""`experiments/test_ledger.jsonl`: which model was judged on which test rows, and when; only ever appended to.

Whoever tries twenty models on one test set and keeps the best has chosen by luck. So every look is counted, and each
is judged at a stricter level than the one before (`statistics.alpha_of_look`). A line is one look:

    {"time", "run", "test_set", "model", "against", "number", "previous", "hash"}

`previous` is the hash of the line before and `hash` that of the line itself, so that no line can be changed, taken out
or put in between without a trace. That lines at the end or the whole file are gone is seen from the runs: each keeps
the hash of its line in `evaluation/metrics.json`. Whatever is missing, counting goes on from the highest number known.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ml_run import files
from ml_run.errors import StoreError
from ml_run.events import emit, utc_now
from ml_run.experiment import EXPERIMENTS
from ml_run.results import Look, Record
from ml_run.statistics import MANY_LOOKS, alpha_of_look, level_of_look
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LEDGER = "test_ledger.jsonl"
_PATIENCE_SECONDS = 60.0
_MOST_NAMED = 5


class Line(Record):
    """One look, as it stands in the ledger."""

    time: str
    run: str
    """Id of the experiment, or what else was judged."""
    test_set: str
    model: str
    """Digest of the model that was judged."""
    against: str | None
    """Version in production it was compared with."""
    number: int
    previous: str
    hash: str


@dataclass(frozen=True)
class _Ledger:
    """What was read: the lines that can be read, and what is wrong with the file."""

    lines: tuple[Line, ...] = ()
    faults: tuple[str, ...] = ()
    damaged: int = 0
    """Lines that cannot be read or were changed: each may have been a look at any test set."""

    @property
    def head(self) -> str:
        return self.lines[-1].hash if self.lines else ""

    def of(self, test_set: str) -> list[Line]:
        return [line for line in self.lines if line.test_set == test_set]


def ledger_path(project: Path) -> Path:
    """The ledger of a project."""
    return project / EXPERIMENTS / LEDGER


def digest_of_rows(hashes: Iterable[str]) -> str:
    """Name of a test set: SHA-256 over the sorted content hashes of its rows; their order does not matter."""
    return files.hash_value(sorted(hashes))


def take_look(project: Path, hashes: Iterable[str], *, model: str, run: str, against: str | None) -> Look:
    """Note in the ledger that `model` is judged on these rows; say which look at them this is.

    The same model on the same rows is the same look, however often an evaluation is resumed or repeated. What is wrong
    with the ledger, and that a fresh test set is due, is told as a warning and as `Look.warning`.

    Args:
        project: the project folder.
        hashes: content hash of each test row.
        model: digest of the model, or of its predictions.
        run: id of the experiment.
        against: version in production that it is compared with.

    Raises:
        StoreError: another process has held the ledger for a minute.
    """
    path, test_set = ledger_path(project), digest_of_rows(hashes)
    path.parent.mkdir(parents=True, exist_ok=True)

    def refusal(_note: str) -> StoreError:
        return StoreError("another run holds the ledger of test sets", where=str(path), remedy="try again")

    with files.locked(path, wait=_PATIENCE_SECONDS, refusal=refusal):
        ledger, recorded = _read(path), _recorded(project, test_set)
        gone = {run: look for run, look in recorded.items() if look.head not in {line.hash for line in ledger.lines}}
        line = next((line for line in ledger.of(test_set) if line.model == model), None)
        if line is None:
            line = _line(ledger, test_set, model, run, against, _next_number(ledger, test_set, recorded))
            _append(path, line)
    faults = [*ledger.faults, *_what_is_missing(gone)]
    look = _look(line, faults)
    if look.warning:
        emit("warning", look.warning, level=logging.WARNING, look=look.number)
    return look


def _look(line: Line, faults: list[str]) -> Look:
    warnings = [_said_of(faults)] if faults else []
    if line.number >= MANY_LOOKS:
        warnings.append(
            f"this is look {line.number} at this test set: the best of so many models owes some of its score to luck, "
            "and differences are judged ever more strictly; a fresh test set is due"
        )
    return Look(
        number=line.number,
        alpha=alpha_of_look(line.number),
        level=level_of_look(line.number),
        test_set=line.test_set,
        head=line.hash,
        warning="; ".join(warnings),
    )


def _said_of(faults: list[str]) -> str:
    return f"{EXPERIMENTS}/{LEDGER}: {'; '.join(faults)}. Looks are counted on from the highest number known"


# --- reading --------------------------------------------------------------------------------------------------------


def _read(path: Path) -> _Ledger:
    lines: list[Line] = []
    faults: list[str] = []
    damaged = 0
    expected: str | None = ""
    for number, raw in enumerate(path.read_bytes().split(b"\n"), 1):
        if not raw:
            continue
        line = _parsed(raw)
        if line is None:
            damaged += 1
            faults.append(f"line {number} cannot be read or was changed after it was written")
            expected = None
            continue
        if expected is not None and line.previous != expected:
            faults.append(f"before line {number} at least one line is missing")
        lines.append(line)
        expected = line.hash
    return _Ledger(tuple(lines), tuple(faults), damaged)


def _parsed(raw: bytes) -> Line | None:
    """The line, unless it is not as it was written."""
    try:
        line = Line.model_validate_json(raw)
    except ValidationError:
        return None
    return line if line.hash == _hash(line) else None


def _hash(line: Line) -> str:
    return files.hash_value(line.model_dump(exclude={"hash"}))


def _recorded(project: Path, test_set: str) -> dict[str, Look]:
    """The looks at this test set that runs have kept, by the id of the run."""
    found = {}
    for path in sorted((project / EXPERIMENTS).glob("*/evaluation/metrics.json")):
        try:
            content = json.loads(path.read_bytes())
            look = Look.model_validate(content["look"]) if content.get("look") else None
        except (OSError, ValueError, AttributeError):
            continue
        if look is not None and look.test_set == test_set:
            found[path.parent.parent.name] = look
    return found


def _what_is_missing(gone: dict[str, Look]) -> list[str]:
    if not gone:
        return []
    named = [f"{run} (look {look.number})" for run, look in list(gone.items())[:_MOST_NAMED]]
    more = [f"{len(gone) - _MOST_NAMED} more"] if len(gone) > _MOST_NAMED else []
    looks = number_of(len(gone), "look")
    return [f"not in it, though runs have recorded them: {looks} at this test set, by {listed([*named, *more])}"]


# --- writing --------------------------------------------------------------------------------------------------------


def _next_number(ledger: _Ledger, test_set: str, recorded: dict[str, Look]) -> int:
    """One more than the highest number known; a line that cannot be read counts as a look at these rows."""
    known = ledger.of(test_set)
    highest = max([0, *(line.number for line in known), *(look.number for look in recorded.values())])
    return max(highest, len(known) + ledger.damaged) + 1


def _line(ledger: _Ledger, test_set: str, model: str, run: str, against: str | None, number: int) -> Line:
    line = Line(
        time=utc_now(), run=run, test_set=test_set, model=model, against=against, number=number,
        previous=ledger.head, hash="",
    )  # fmt: skip
    return line.model_copy(update={"hash": _hash(line)})


def _append(path: Path, line: Line) -> None:
    """Add one line by one write; a line that a crash cut short is ended first."""
    content = path.read_bytes()
    text = ("\n" if content and not content.endswith(b"\n") else "") + json.dumps(line.model_dump()) + "\n"
    files.crash_point()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, text.encode("utf-8"))
        os.fsync(handle)
    finally:
        os.close(handle)
    files.sync(path.parent)
    files.crash_point()
