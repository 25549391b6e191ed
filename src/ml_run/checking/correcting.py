"""`ml-run check-data --apply`: corrected files beside the originals, all of them or none."""

from __future__ import annotations

import gzip
import os
import re
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.checking.folder import locked_check
from ml_run.config.names import data_format, is_hub_address
from ml_run.errors import ConfigError, MlRunError, UsageError
from ml_run.quality.corrections import find_corrections, labelled_rows
from ml_run.quality.fields import choose_fields
from ml_run.quality.review import read_queue
from ml_run.reading import read_sources
from ml_run.reading.lines import read_bytes
from ml_run.reading.rewriting import differs, relabelled
from ml_run.reading.sources import read_file, shown
from ml_run.runs import with_lines

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.config.file import LoadedConfig
    from ml_run.quality.corrections import Change
    from ml_run.quality.fields import Fields
    from ml_run.reading import Source

_CORRECTED = re.compile(r"(?P<stem>.*)\.corrected(?:-(?P<number>\d+))?")


@dataclass(frozen=True)
class Corrected:
    """What applying a review queue changed."""

    changes: list[Change]
    confirmed: int
    """Rows whose label was found right."""
    unanswered: int
    """Rows of the queue without a correct_label."""
    files: dict[str, str] = field(default_factory=dict)
    """The corrected file of each original, both relative to the project folder."""
    config: str = ""
    """The config file."""
    config_lines: dict[str, str] = field(default_factory=dict)
    """What to write in it, by key."""
    next_step: str = ""


def apply_corrections(loaded: LoadedConfig, project: Path, queue: Path) -> Corrected:
    """Write what the answers in a review queue change into new files beside the originals.

    Raises:
        UsageError: the queue cannot be read.
        ConfigError: an answer does not fit the data, or a file of a name that is needed is there; all such faults.
            Nothing is written, then.
        NotReadyError: a source cannot be read.
    """
    answers, unanswered = read_queue(_read(queue, project), str(queue))
    if not answers:
        return Corrected([], 0, unanswered, next_step=f"fill in the column correct_label of {queue}")
    config = loaded.config
    sources = read_sources(config.data, project)
    try:
        used, _ = choose_fields(config.data, sources)
    except ConfigError as error:
        raise with_lines(error, loaded) from None
    rows = labelled_rows(sources, used, config.data.label_map)
    names = [source.name for source in sources.values()]
    found = find_corrections(answers, rows, names, used.label)
    if not found.changes:
        return Corrected([], found.confirmed, unanswered, next_step="nothing: the labels are right as they are")
    paths = _paths(config, project)
    with locked_check(project):
        targets = _write(found.changes, sources, used, config, paths)
    return Corrected(
        found.changes,
        found.confirmed,
        unanswered,
        files={name: shown(str(target), project) for name, target in targets.items()},
        config=os.path.relpath(loaded.path),
        config_lines={
            f"data.{split}_path": os.path.relpath(targets[name], loaded.path.parent)
            for split, (name, _) in paths.items()
            if name in targets
        },
        next_step="ml-run check-data",
    )


def _read(queue: Path, project: Path) -> bytes:
    try:
        return queue.read_bytes()
    except FileNotFoundError:
        made = project / "experiments/check_data/data/review_queue.csv"
        remedy = f"did you mean {shown(str(made), project)}?" if made.exists() else "ml-run check-data makes a queue"
        raise UsageError("there is no such file", where=str(queue), remedy=remedy) from None
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror}", where=str(queue)) from None


def _paths(config: Config, project: Path) -> dict[str, tuple[str, Path]]:
    """The files of the config, by split: as findings name them, and where they are."""
    data = config.data
    named = {"train": data.train_path, "val": data.val_path, "test": data.test_path}
    return {
        split: (shown(path, project), Path(path))
        for split, path in named.items()
        if path is not None and not is_hub_address(path)
    }


# --- writing --------------------------------------------------------------------------------------------------------


def _write(
    changes: list[Change],
    sources: dict[str, Source],
    used: Fields,
    config: Config,
    paths: dict[str, tuple[str, Path]],
) -> dict[str, Path]:
    """Write every corrected file under a temporary name, read it back, and only then give all their names."""
    by_file: dict[str, dict[int, Change]] = defaultdict(dict)
    for change in changes:
        by_file[change.file][change.line] = change
    ready: dict[str, tuple[Path, Path]] = {}
    faults: list[MlRunError] = []
    with ExitStack() as stack:
        for name, changed in by_file.items():
            path = next(path for other, path in paths.values() if other == name)
            source = next(source for source in sources.values() if source.name == name)
            target = _target(path)
            try:
                new = stack.enter_context(files.scratch_folder(path.parent, target.name)) / target.name
                _write_one(path, new, source, used, {line: change.value for line, change in changed.items()})
                _verify(new, source, used, config, changed)
                _refuse_other(target, new)
                ready[name] = (new, target)
            except MlRunError as fault:
                faults.append(fault)
            except OSError as error:
                remedy = "allow writing there, or copy the data to a folder you may write to"
                faults.append(UsageError(f"cannot write here: {error.strerror}", where=str(path.parent), remedy=remedy))
        if faults:
            raise ConfigError(faults)
        _place(list(ready.values()))
    return {name: target for name, (_, target) in ready.items()}


def _target(path: Path) -> Path:
    """`train.jsonl.gz` → `train.corrected.jsonl.gz`, and `train.corrected.jsonl` → `train.corrected-2.jsonl`."""
    ending = str(data_format(path))
    start = path.name.lower().rindex(ending)
    stem, ending = path.name[:start], path.name[start:]
    before = _CORRECTED.fullmatch(stem)
    if before:
        return path.with_name(f"{before['stem']}.corrected-{int(before['number'] or 1) + 1}{ending}")
    return path.with_name(f"{stem}.corrected{ending}")


def _write_one(path: Path, new: Path, source: Source, used: Fields, values: dict[int, Any]) -> None:
    try:
        content = relabelled(read_bytes(path, source.name), str(data_format(path)), source, used.label, values)
    except ValueError as error:
        raise UsageError(str(error), where=source.name, remedy="write the file again with proper quoting") from None
    new.write_bytes(gzip.compress(content, mtime=0) if path.name.lower().endswith(".gz") else content)
    new.chmod(path.stat().st_mode & 0o777)
    files.sync(new)


def _verify(new: Path, source: Source, used: Fields, config: Config, changed: dict[int, Change]) -> None:
    """Read the file as any run will, and see that it says what was meant and nothing else is different."""
    again = read_file(new, source.name)
    fault = differs(source, again, used.label, changed)
    rows = labelled_rows({"train": again}, used, config.data.label_map)
    wrong = (
        [line for line, change in changed.items() if rows[source.name, line].label != change.new] if not fault else []
    )
    if fault or wrong:
        found = fault or f"line {wrong[0]} would not have the label {changed[wrong[0]].new!r}"
        remedy = "nothing was written; correct these rows in the file by hand"
        raise UsageError(
            f"the corrected file would not be read back as it should: {found}", where=source.name, remedy=remedy
        )


def _refuse_other(target: Path, new: Path) -> None:
    if target.exists() and target.read_bytes() != new.read_bytes():
        raise UsageError(
            "a file of this name is there, with other content, and nothing is ever overwritten",
            where=str(target),
            remedy="delete it if it came from an earlier state of the same queue; if the config is to build on it, "
            "name it there and make a new queue",
        )


def _place(ready: list[tuple[Path, Path]]) -> None:
    placed: list[Path] = []
    try:
        for new, target in ready:
            if not target.exists():
                new.rename(target)
                placed.append(target)
                files.crash_point()
                files.sync(target.parent)
    except BaseException:
        for target in placed:
            target.unlink(missing_ok=True)
        raise
