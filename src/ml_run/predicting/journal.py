"""How far a job has come, kept such that a process killed at any moment loses the chunk it was at, and nothing else.

Beside OUT stands, while the job is under way, the folder `.OUT.ml-run`:

    journal.json   what the job is, and how much of each file below counts; replaced at once after each chunk
    rows           what will be OUT; what stands behind the noted length is the start of a chunk that was not finished
    rejected       what will be OUT.rejected.jsonl
    shards/        what workers have written (`shard`), before it is put in order into these two
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.characters import visible
from ml_run.errors import UsageError
from ml_run.experiment import read_record, write_record
from ml_run.results import Record
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_run.predicting.output import Form

_LONGER_THAN_A_LOOK = 0.3
_SHARDS = "shards"
_BEGIN_ANEW = "give the command that it was begun with, or begin anew: --restart"


class Job(Record):
    """What has to be the same for a job to go on."""

    format: int = 1
    input_sha256: str
    input_format: str
    model_version: str
    model_digest: str
    text_fields: tuple[str, ...]
    abstain_below: float | None

    def differences(self, begun: Job) -> list[str]:
        """How this job differs from the one that was begun, in words."""
        pairs = {
            "the format of the input": (self.input_format, begun.input_format),
            "the model": (self.model_version, begun.model_version),
            "the field of the text": (_named(self.text_fields), _named(begun.text_fields)),
            "--abstain-below": (_number(self.abstain_below), _number(begun.abstain_below)),
        }
        found = [f"{what} is {now}, it was {then}" for what, (now, then) in pairs.items() if now != then]
        if self.input_sha256 != begun.input_sha256:
            found.insert(0, "the input has other content")
        if self.model_digest != begun.model_digest and self.model_version == begun.model_version:
            found.append(f"the model {self.model_version} is not the one that it was")
        if self.format != begun.format:
            found.append("another version of ml-run began it")
        return found


def _named(fields: tuple[str, ...]) -> str:
    return listed([visible(name) for name in fields])


def _number(value: float | None) -> str:
    return "not set" if value is None else f"{value:g}"


class Progress(Record):
    """How far it has come: `journal.json`."""

    job: Job
    records: int = 0
    """Records of the input that are done, those without a row among them."""
    rows: int = 0
    """Rows of the output."""
    labels: dict[str, int]
    """Rows of each label that was predicted."""
    abstained: int = 0
    reasons: dict[str, int]
    """Rows left out, by the rule that each broke."""
    rows_bytes: int = 0
    rejected_bytes: int = 0
    seconds: float = 0.0
    """Time spent, in all the processes that had a part in it."""
    whole: bool = False

    @property
    def rejected(self) -> int:
        """Rows left out."""
        return sum(self.reasons.values())


def rejected_path(target: Path) -> Path:
    """Where the rows that are left out of `target` are told of."""
    return target.with_name(f"{target.name}.rejected.jsonl")


class State:
    """The folder of a job, held by this process alone; see `opened`."""

    def __init__(self, target: Path, progress: Progress) -> None:
        self._target = target
        self._folder = _folder(target)
        self.progress = progress

    @property
    def shards(self) -> Path:
        """Folder of what workers write."""
        return self._folder / _SHARDS

    @property
    def parts(self) -> Path:
        """Folder of what will be OUT, where that is a folder."""
        return self._folder / "parts"

    @property
    def _rows(self) -> Path:
        return self._folder / "rows"

    @property
    def _rejected(self) -> Path:
        return self._folder / "rejected"

    def commit(self, rows: bytes, rejected: bytes, progress: Progress) -> None:
        """Append a chunk. `progress` says how far the job has come with it, but for the lengths of the files."""
        now = self.progress
        _append(self._rows, now.rows_bytes, rows)
        _append(self._rejected, now.rejected_bytes, rejected)
        lengths = {"rows_bytes": now.rows_bytes + len(rows), "rejected_bytes": now.rejected_bytes + len(rejected)}
        self.progress = progress.model_copy(update=lengths)
        write_record(self._folder / "journal.json", self.progress)

    def publish(self, form: Form | None) -> None:
        """Put OUT in place, which is whole, and what was left out of it; harmless if some of it was done before.

        Args:
            form: of OUT; None where it is a folder, whose content is in `parts`.
        """
        rejected = rejected_path(self._target)
        if not self.progress.rejected:
            rejected.unlink(missing_ok=True)
        elif self._rejected.exists():
            os.truncate(self._rejected, self.progress.rejected_bytes)
            self._rejected.replace(rejected)
            files.crash_point()
        if form is None:
            self._publish_parts()
        elif self.progress.rows and self._rows.exists():
            os.truncate(self._rows, self.progress.rows_bytes)
            form.finish(self._rows, self._target)
        shutil.rmtree(self._folder)
        files.sync(self._target.parent)

    def _publish_parts(self) -> None:
        if self.progress.rows and self.parts.exists():
            if self._target.is_file():
                self._target.unlink()
            files.replace_folder(self.parts, self._target)


def _append(path: Path, at: int, content: bytes) -> None:
    """Write `content` behind the first `at` bytes of a file, and flush it to disk."""
    if not content:
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.truncate(at)
        file.seek(at)
        file.write(content)
        file.flush()
        files.crash_point()
        os.fsync(file.fileno())
    files.crash_point()


def refuse_existing(target: Path, *, restart: bool) -> None:
    """Raise UsageError where OUT is there already and no job goes on that will replace it."""
    if target.exists() and not restart and not (_folder(target) / "journal.json").exists():
        raise UsageError(
            "there is such a file already", where=visible(str(target)), remedy="name another, or replace it: --restart"
        )


@contextmanager
def opened(target: Path, job: Job, *, restart: bool) -> Iterator[State]:
    """Hold the state of the job that writes `target`: of the one that was begun, else of a new one.

    Raises:
        UsageError: another process is at it; or another job was begun, whatever is different, and `restart` is not set.
    """
    folder = _folder(target)
    folder.mkdir(parents=True, exist_ok=True)

    def refusal(note: str) -> UsageError:
        found = f"process {note or 'unknown'} is writing it right now"
        return UsageError(found, where=visible(str(target)), remedy="wait for it to end, or stop it first")

    with files.locked(folder / ".lock", wait=_LONGER_THAN_A_LOOK, refusal=refusal) as lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        state = State(target, _begun(target, job, restart=restart))
        try:
            yield state
        except BaseException:
            if not (state.progress.records or state.shards.exists()):  # nothing was done that would be worth keeping
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _begun(target: Path, job: Job, *, restart: bool) -> Progress:
    folder, journal = _folder(target), _folder(target) / "journal.json"
    if restart:
        for name in ("journal.json", "rows", "rejected"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / _SHARDS, ignore_errors=True)
    begun = read_record(journal, Progress) if journal.exists() else None
    if begun is None or not (begun.records or (folder / _SHARDS).exists()):
        begun = Progress(job=job, labels={}, reasons={})
        write_record(journal, begun)
    differences = job.differences(begun.job)
    if not differences and not begun.whole and not _is_there(folder, begun):
        differences = ["what was written of it has been changed"]
    if differences:
        done = f"{number_of(begun.records, 'record')} of it done" if begun.records else "shards of it written"
        raise UsageError(
            f"another job was begun there, {done}: {'; '.join(differences)}",
            where=visible(str(target)),
            remedy=_BEGIN_ANEW,
        )
    return begun


def _is_there(folder: Path, begun: Progress) -> bool:
    lengths = {"rows": begun.rows_bytes, "rejected": begun.rejected_bytes}
    return all(not n or ((folder / f).is_file() and (folder / f).stat().st_size >= n) for f, n in lengths.items())


def _folder(target: Path) -> Path:
    return target.with_name(f".{target.name}.ml-run")
