"""Checkpoints that can be trusted: sealed by a manifest as they are written, verified before any byte is read.

The Trainer takes the checkpoint with the highest number, whole or not, and its state files are pickles. So nothing
here is handed to it, and nothing unpickled, that does not hash as it was written.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_run import files
from ml_run.events import emit
from ml_run.modeling import attempts
from ml_run.modeling.curve import best_epoch, read_curve
from ml_run.results import Compute, EpochScores, Number, Record, TrainedModel

_NOTE = "ml_run.json"
_STATE = "trainer_state.json"
_REQUIRED = ("optimizer.pt", "scheduler.pt", "rng_state.pth", _STATE, _NOTE)
_FINISHED = "finished.json"
_KEPT = 2  # the second is the way back when the newest turns out to be damaged


class Note(Record):
    """What ml-run adds to a checkpoint."""

    inputs: str
    """SHA-256 of all that the training depends on."""
    seconds: float
    """Wall time of training up to here, summed over resumes."""
    base_revision: str | None
    device: str
    class_weights: tuple[float, ...] | None
    peak_memory_mb: Number
    compute: Compute | None = None
    attempt: int = 1
    """Which attempt at this training it belongs to."""
    whole_vocabulary: int | None = None
    """Pieces of the base model before its vocabulary was trimmed; None where it was not."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint."""

    folder: Path
    note: Note
    state: dict[str, Any]
    """The Trainer's own state."""

    @property
    def step(self) -> int:
        """Training steps done."""
        return int(self.state["global_step"])

    @property
    def max_steps(self) -> int:
        """Training steps planned."""
        return int(self.state["max_steps"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """All that the Trainer logged up to here, over all resumes."""
        return list(self.state["log_history"])

    @property
    def curve(self) -> tuple[EpochScores, ...]:
        """The training curve up to here."""
        return read_curve(self.history)

    @property
    def best(self) -> Path | None:
        """Folder of the checkpoint of the best epoch so far; None before the first epoch has ended."""
        return _best_folder(self.folder.parent, self.history)


def seal(folder: Path, note: Note) -> None:
    """Make the checkpoint that the Trainer has just written into `folder` one that can be trusted; prune older ones."""
    files.write_text(folder / _NOTE, note.model_dump_json())
    files.seal_folder(folder)
    files.sync(folder.parent)
    _prune(folder.parent)


def newest_verified(folder: Path, inputs: str, attempt: int = 1) -> Checkpoint | None:
    """Return the newest checkpoint in `folder` that is as it was written; remove those newer than it.

    A checkpoint counts only if the checkpoint of its best epoch does, since training will come back to that one.

    Args:
        folder: the experiment's `checkpoints/`; may be missing.
        inputs: a checkpoint of other data or another configuration is never used.
        attempt: nor is one of another attempt.
    """
    for candidate in _numbered(folder):
        fault = _fault(candidate, inputs, attempt)
        if fault is None:
            return _read(candidate)
        emit("warning", f"{candidate.name} is not used: {fault}", checkpoint=candidate.name, fault=fault)
        shutil.rmtree(candidate)
    return None


def clear(folder: Path) -> None:
    """Remove all checkpoints in `folder`, and those of single seeds or folds below it."""
    for checkpoint in [*_numbered(folder), *folder.glob("seed_*"), *folder.glob("fold_*"), *folder.glob("final")]:
        shutil.rmtree(checkpoint)


def discard_unsealed(folder: Path) -> None:
    """Remove checkpoints that were being written when an error came."""
    for candidate in _numbered(folder):
        if not (candidate / files.MANIFEST).exists():
            shutil.rmtree(candidate, ignore_errors=True)


def mark_finished(folder: Path, inputs: str, trained: TrainedModel) -> None:
    """Note in `folder` that the model is written, then remove the checkpoints: the note alone answers a resume."""
    files.write_json(folder / _FINISHED, {"inputs": inputs, "trained": trained.model_dump(mode="json")})
    clear(folder)
    attempts.forget(folder)


def finished(folder: Path, inputs: str) -> TrainedModel | None:
    """What `mark_finished` noted in `folder` for the same inputs; None when there is no such note."""
    try:
        note = json.loads((folder / _FINISHED).read_text("utf-8"))
        return TrainedModel.model_validate(note["trained"]) if note["inputs"] == inputs else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fault(folder: Path, inputs: str, attempt: int) -> str | None:
    """Why the checkpoint in `folder` cannot be used, None if it can. Reads JSON and hashes files, nothing else."""
    fault = _own_fault(folder, inputs, attempt)
    if fault is not None:
        return fault
    best = _read(folder).best
    if best is None or best == folder:
        return None
    fault = _own_fault(best, inputs, attempt)
    return None if fault is None else f"{best.name}, its best epoch, cannot be used: {fault}"


def _own_fault(folder: Path, inputs: str, attempt: int) -> str | None:
    if not folder.is_dir():
        return "it is gone"
    fault = files.manifest_fault(folder)
    if fault is not None:
        return fault
    missing = [name for name in _REQUIRED if not (folder / name).is_file()]
    if missing or not list(folder.glob("model*.safetensors")):
        return f"{missing[0] if missing else 'model.safetensors'} was never written"
    note = _read(folder).note
    if note.inputs != inputs:
        return "it belongs to other data or another configuration"
    return None if note.attempt == attempt else "it belongs to an attempt that was given up"


def _read(folder: Path) -> Checkpoint:
    note = Note.model_validate_json((folder / _NOTE).read_bytes())
    return Checkpoint(folder, note, json.loads((folder / _STATE).read_text("utf-8")))


def _best_folder(parent: Path, history: list[dict[str, Any]]) -> Path | None:
    best = best_epoch(read_curve(history))
    return None if best is None else parent / f"checkpoint-{best.step}"


def _prune(folder: Path) -> None:
    sealed = [checkpoint for checkpoint in _numbered(folder) if (checkpoint / files.MANIFEST).exists()]
    kept = set(sealed[:_KEPT]) | {_best_of(checkpoint) for checkpoint in sealed[:_KEPT]}
    for checkpoint in _numbered(folder):
        if checkpoint not in kept:
            shutil.rmtree(checkpoint)


def _best_of(folder: Path) -> Path | None:
    try:
        return _read(folder).best
    except (OSError, ValueError):
        return None  # damaged since it was sealed: it will be refused when it is needed


def _numbered(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
