"""Which of the user's files is which split: by what is given, by name, else the only one."""

import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_run.characters import visible
from ml_run.config.checks import nearest_file
from ml_run.config.names import DATA_FORMATS, DATA_FORMS, HUB_FORM, hub_data_set, is_hub_address
from ml_run.config.names import data_format as format_of
from ml_run.errors import UsageError
from ml_run.reading.sources import shown
from ml_run.results import SPLITS
from ml_run.wording import listed, number_of

DATA = "data"
"""The folder that is looked at where no data is named."""
_WORDS = {
    "train": {"train", "training"},
    "val": {"val", "valid", "validation", "dev"},
    "test": {"test", "testing"},
}
"""Words in a file's name that say which split it is."""
_SYNTHETIC = "synthetic"
_MOST_NAMED = 6


@dataclass(frozen=True)
class Found:
    """Which file is which split."""

    paths: dict[str, str]
    """By split, train first: absolute paths, or the address of a hub data set."""
    why: dict[str, str]
    """By split."""
    notes: tuple[str, ...] = ()
    """What was found beside them and is not used."""


def find_sources(given: Sequence[str], project: Path) -> Found | None:
    """Say which file is which split.

    Args:
        given: files, folders or one hub address, as typed; none: the folder `data` is looked through.
        project: what relative paths are relative to.

    Returns:
        None when nothing is given and nothing is there; a sample of `ml-run quickstart` alone counts as nothing.

    Raises:
        UsageError: something given is not there or in no known format, or it cannot be told which file is which split.
    """
    if not given:
        return _from_data_folder(project)
    if any(map(is_hub_address, given)):
        return _from_hub(given)
    if len(given) == 1 and (project / given[0]).is_dir():
        return _assign(_in_folder(project / given[0], given[0], project), project, whole_folder=True)
    paths = [path for word in given for path in _named(word, project)]
    return _assign(list(dict.fromkeys(paths)), project, whole_folder=False)


def _from_data_folder(project: Path) -> Found | None:
    folder = project / DATA
    if not any(not _is_sample(path) for paths in _folders(folder).values() for path in paths):
        return None
    return _assign(_in_folder(folder, DATA, project), project, whole_folder=True)


def _from_hub(given: Sequence[str]) -> Found:
    if len(given) > 1:
        raise UsageError(
            f"{listed([visible(word) for word in given])} name a hub data set and more",
            remedy="name the hub data set alone: its splits are read from it",
        )
    if hub_data_set(given[0]) is None:
        raise UsageError(f"{visible(given[0])} is no hub data set", remedy=f"write {HUB_FORM}")
    return Found({"train": given[0]}, {"train": "a data set of the hub"})


def _named(word: str, project: Path) -> list[Path]:
    path = Path(os.path.normpath(project / Path(word).expanduser()))
    if path.is_dir():
        return _in_folder(path, word, project)
    if not path.exists():
        raise UsageError("there is no such file", where=visible(word), remedy=nearest_file(path))
    if format_of(path) is None:
        raise UsageError(f"the format of {visible(path.name)} is not known", where=visible(word), remedy=_instead(path))
    return [path]


def _instead(path: Path) -> str:
    if path.suffix.lower() == ".json":
        return (
            "if it holds one object a line, give its name the ending .jsonl; a list becomes that with "
            f"jq -c '.[]' {shlex.quote(path.name)} > {shlex.quote(path.stem)}.jsonl"
        )
    return f"write {DATA_FORMS}"


# --- folders --------------------------------------------------------------------------------------------------------


def _in_folder(folder: Path, name: str, project: Path) -> list[Path]:
    """The data files of the one folder, `folder` or one below it, that has any."""
    found = _folders(folder)
    own = {place: [path for path in paths if not _is_sample(path)] for place, paths in found.items()}
    found = {place: paths for place, paths in own.items() if paths} or found
    if folder in found:
        return found[folder]
    if not found:
        remedy = f"put files there, or name them; their names end in {listed(DATA_FORMATS, last='or')}, each also .gz"
        raise UsageError("the folder holds no data", where=visible(name), remedy=remedy)
    if len(found) > 1:
        places = [shlex.quote(shown(str(place), project)) for place in found]
        more = f", … ({len(places)} in all)" if len(places) > _MOST_NAMED else ""
        commands = listed([f"ml-run init {place}" for place in places[:_MOST_NAMED]], last="or") + more
        raise UsageError(f"{len(found)} folders in it hold data", where=visible(name), remedy=f"name one: {commands}")
    return next(iter(found.values()))


def _folders(folder: Path) -> dict[Path, list[Path]]:
    """All data files in and below `folder` by the folder they are in; hidden ones are not looked at."""
    found: dict[Path, list[Path]] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(os.path.normpath(Path(parent) / name)) for name in sorted(names) if not name.startswith(".")]
        if data := [path for path in paths if format_of(path)]:
            found[Path(os.path.normpath(parent))] = data
    return found


def _is_sample(path: Path) -> bool:
    return path.name.lower().startswith(_SYNTHETIC)


# --- which is which -------------------------------------------------------------------------------------------------


def _assign(paths: list[Path], project: Path, *, whole_folder: bool) -> Found:
    if len(paths) == 1:
        return Found({"train": str(paths[0])}, {"train": "the only file: val and test are taken from it"})
    roles: dict[str | None, list[Path]] = defaultdict(list)
    for path in paths:
        roles[_role(path)].append(path)
    for split in SPLITS:
        if len(roles[split]) > 1:
            raise _too_many(split, roles[split], project)
    why = {split: f"the name {roles[split][0].name} says so" for split in SPLITS if roles[split]}
    unnamed = roles[None]
    if not roles["train"] and len(unnamed) == 1 and why:
        roles["train"], unnamed = unnamed, []
        why = {"train": "the others are named for other splits"} | why
    if not roles["train"] or (unnamed and not whole_folder):
        raise _untold(unnamed or paths, project)
    chosen = {split: str(roles[split][0]) for split in SPLITS if roles[split]}
    notes = [f"{shown(str(path), project)} is not used: its name says no split" for path in unnamed[:_MOST_NAMED]]
    return Found(chosen, {split: why[split] for split in chosen}, tuple(notes))


def _role(path: Path) -> str | None:
    words = set(re.split(r"[^a-z]+", path.name.lower().split(".", maxsplit=1)[0]))
    roles = [split for split, known in _WORDS.items() if words & known]
    return roles[0] if len(roles) == 1 else None


def _too_many(split: str, paths: Sequence[Path], project: Path) -> UsageError:
    return UsageError(
        f"{listed(_names(paths, project))} could all be {split}: the config names one file a split",
        remedy="join them into one file, or name the files to use: ml-run init FILE…",
    )


def _untold(paths: Sequence[Path], project: Path) -> UsageError:
    first = shlex.quote(shown(str(paths[0]), project))
    names = ", ".join(_names(paths, project))
    return UsageError(
        f"{number_of(len(paths), 'file')}, and their names do not say which is train: {names}",
        remedy=f"name one file, of which val and test are then taken (ml-run init {first}), or give the files "
        "names such as train, val and test",
    )


def _names(paths: Iterable[Path], project: Path) -> list[str]:
    names = [shown(str(path), project) for path in paths]
    return names if len(names) <= _MOST_NAMED else [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
