"""The config as the run uses it (absolute paths) and as the experiment keeps it (complete, without secrets)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ml_run.config.checks import PATH_KEYS, STORAGE_KEY, UNLABELLED_KEY, Subject
from ml_run.config.names import LINEAR, is_hub_address
from ml_run.config.sections import Config
from ml_run.config.values import as_written, has_placeholder
from ml_run.redaction import mask_uris

_HEADER = """\
# As ml-run read it: defaults filled in, ${NAME} left in place, passwords as ***. Relative paths are relative to the
# project folder.
"""
_RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:)(.+)")


def with_absolute_paths(config: Config, subject: Subject) -> Config:
    """`config` with data files, a local model folder and a sqlite store named from the root of the file system."""
    copies = {}
    for section, keys in _by_section(config):
        changed = {name: _absolute(f"{section}.{name}", value, subject) for name, value in keys.items()}
        copies[section] = getattr(config, section).model_copy(update=changed)
    return config.model_copy(update=copies)


def resolved_yaml(config: Config, subject: Subject) -> str:
    """The text of the experiment's `config.yaml`, which `load_config(file, base=current folder)` reads back."""
    document = {
        section: {name: _kept(f"{section}.{name}", value, subject) for name, value in keys.items()}
        for section, keys in _by_section(config)
    }
    dumped: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    return _HEADER + dumped


def _by_section(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    for section in Config.model_fields:
        keys = getattr(config, section)
        yield section, {name: getattr(keys, name) for name in type(keys).model_fields}


def _is_path(key: str, value: str, subject: Subject) -> bool:
    if key == "model.name":
        return value != LINEAR and subject.path(value).is_dir()
    if key == STORAGE_KEY:
        return "://" not in value
    return key in (*PATH_KEYS, UNLABELLED_KEY) and not is_hub_address(value)


def _absolute(key: str, value: Any, subject: Subject) -> Any:
    if not isinstance(value, str):
        return value
    if key == "tracking.uri" and (store := _RELATIVE_SQLITE.fullmatch(value)):
        return f"{store[1]}{subject.path(store[2])}"
    return str(subject.path(value)) if _is_path(key, value, subject) else value


def _kept(key: str, value: Any, subject: Subject) -> Any:
    node = subject.values.nodes.get(key)
    if node is not None and value is not None and has_placeholder(node):
        written = as_written(node)
        return mask_uris(_rebased(key, written, value, subject)) if isinstance(written, str) else written
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, str):
        return value
    if key == "tracking.uri" and (store := _RELATIVE_SQLITE.fullmatch(value)):
        return store[1] + _relative(subject.path(store[2]))
    if not _is_path(key, value, subject):
        return mask_uris(value)
    kept = _relative(subject.path(value))
    return f"./{kept}" if kept == LINEAR else kept


def _rebased(key: str, written: str, value: Any, subject: Subject) -> str:
    """A text with `${NAME}` that names a place below the config's folder, renamed from the current folder."""
    folder = _relative(subject.base)
    if folder == "." or not isinstance(value, str):
        return written
    if key == "tracking.uri":
        store = _RELATIVE_SQLITE.fullmatch(written)
        return f"{store[1]}{folder}/{store[2]}" if store and _RELATIVE_SQLITE.fullmatch(value) else written
    inside = _is_path(key, value, subject) and not Path(value).is_absolute() and not value.startswith("~/")
    return f"{folder}/{written}" if inside else written


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
