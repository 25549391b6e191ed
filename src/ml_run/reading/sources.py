"""Which sources the config names, and reading each by its format."""

import os
from pathlib import Path

from ml_run import events, files
from ml_run.characters import visible
from ml_run.config import Config, DataConfig
from ml_run.config.names import DATA_FORMS, data_format, is_hub_address
from ml_run.errors import ConfigError, MlRunError, NotReadyError, UsageError
from ml_run.reading import delimited, hub, json_lines, parquet
from ml_run.reading.lines import lines_of, opened
from ml_run.reading.types import Source
from ml_run.results import SPLITS


def read_sources(data: DataConfig, project: Path) -> dict[str, Source]:
    """Read what the config names, by split; a split it names no source for is absent, unless the hub has it.

    Raises:
        NotReadyError: sources cannot be read at all; names every one.
        ConfigError: a path has no ending that tells its format.
    """
    sources: dict[str, Source] = {}
    faults: list[NotReadyError] = []
    paths = _paths(data)
    for done, (split, path) in enumerate(paths.items(), start=1):
        try:
            if is_hub_address(path):
                sources |= _read_hub(split, path, data)
            else:
                sources[split] = read_file(Path(path), shown(path, project))
        except NotReadyError as fault:
            faults.append(fault)
        events.emit("progress", f"{shown(path, project)} read", stage="data", done=done, total=len(paths))
    if faults:
        raise _joined(faults)
    return {split: sources[split] for split in SPLITS if split in sources}


def read_file(path: Path, name: str) -> Source:
    """Read one file; `name` is what it is called in findings."""
    ending = data_format(path)
    if ending is None:
        raise ConfigError(
            [UsageError(f"the format of {path.name} is not known", where=name, remedy=f"write {DATA_FORMS}")]
        )
    with opened(path, name) as content:
        if ending == ".parquet":
            return parquet.parse(content)
        lines = lines_of(content)
        if ending == ".jsonl":
            return json_lines.parse(lines)
        return delimited.parse(lines, "\t" if ending == ".tsv" else ",")


def source_fingerprint(config: Config) -> str:
    """SHA-256 over the sources as they are now: bytes of files, address and revision of hub data sets.

    Raises:
        NotReadyError: a file is missing or may not be read.
    """
    found = {}
    for split, path in _paths(config.data).items():
        if is_hub_address(path):
            found[split] = f"{path}@{config.data.revision or ''}"
        else:
            found[split] = _hash(Path(path))
    return files.hash_value(found)


def shown(path: str, project: Path) -> str:
    """A source as findings name it: relative to the project folder, hub addresses as they are."""
    if is_hub_address(path):
        return path
    # Names of files may hold bytes that are not UTF-8, which no record could carry.
    return visible(os.path.relpath(path, project))


def _paths(data: DataConfig) -> dict[str, str]:
    named = {"train": data.train_path, "val": data.val_path, "test": data.test_path}
    return {split: path for split, path in named.items() if path is not None}


def _read_hub(split: str, address: str, data: DataConfig) -> dict[str, Source]:
    """The split asked for; from the address of train also those that no other path is given for."""
    fetched = hub.load(address, data.revision)
    wanted = [split]
    if split == "train":
        wanted += [other for other in SPLITS if other not in _paths(data)]
    picked = {name: hub.pick(fetched, name) for name in wanted}
    if picked[split] is None:
        raise NotReadyError(
            f"the data set has no split for {split}; it has {', '.join(map(str, fetched))}",
            where=address,
            remedy=f"its split must be called {' or '.join(hub.SPLIT_NAMES[split])}",
        )
    return {name: hub.rows_of(part, f"{address}:{part.split}") for name, part in picked.items() if part is not None}


def _hash(path: Path) -> str:
    try:
        return files.hash_file(path)
    except OSError as error:
        raise NotReadyError(
            f"the file cannot be read: {error.strerror}",
            where=visible(str(path)),
            remedy="check the path and its permissions",
        ) from None


def _joined(faults: list[NotReadyError]) -> MlRunError:
    if len(faults) == 1:
        return faults[0]
    described = "; ".join(f"{fault.where}: {fault.found}" for fault in faults)
    return NotReadyError(f"{len(faults)} sources cannot be read: {described}", remedy=faults[0].remedy)
