"""Reading and writing `ml_config.yaml`: every fault at once, each with its line, and secrets that stay secret."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml_run.config import strict_yaml
from ml_run.config.checks import Subject, check
from ml_run.config.model_checks import check_model
from ml_run.config.resolved import resolved_yaml, with_absolute_paths
from ml_run.config.schema import branches, describe, json_schema, sections
from ml_run.config.sections import TEXT_PATTERN, Config
from ml_run.config.strict_yaml import Faults, Place
from ml_run.config.values import Values, as_written, read_values, set_value, show
from ml_run.errors import ConfigError, UsageError
from ml_run.redaction import MASK, redact, uri_passwords

__all__ = ["LoadedConfig", "json_schema", "load_config"]

_TRACKING_URI = "MLFLOW_TRACKING_URI"
_SECRET_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_URI_VARIABLES = (_TRACKING_URI, "MLFLOW_REGISTRY_URI")
_MOST_PER_CENT = 100


@dataclass(frozen=True)
class LoadedConfig:
    """A config that holds, and what was learnt in reading it. Shows no secret when printed."""

    config: Config
    """Its paths are absolute; `reports.path` stays relative to the project folder."""
    path: Path
    """The file, absolute."""
    resolved_yaml: str
    """For the experiment's `config.yaml`: defaults filled, `${NAME}` kept, passwords as `***`, paths relative to the
    current folder where they lie below it. `load_config(file, base=that folder)` reads it back to the same config."""
    warnings: tuple[str, ...]
    """What is allowed but surely not meant, each with its place."""
    secrets: tuple[str, ...] = field(repr=False)
    """What must not be shown or written: values that `${NAME}` brought in, passwords in URIs, known token variables."""
    _places: Mapping[str, str] = field(repr=False)

    def where(self, key: str) -> str:
        """Where `key` was written, for faults found later: `ml_config.yaml:9` for `model.num_labels`.

        A key that is not written is placed at its section, or else at the file.
        """
        while key and key not in self._places:
            key = key.rpartition(".")[0]
        return self._places[key]


def load_config(
    path: Path,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    base: Path | None = None,
    sources: bool = True,
    text: str | None = None,
) -> LoadedConfig:
    """Read and check a config file.

    Args:
        path: the file.
        overrides: `--set` values, each `section.key=value`; they go over the file in their order.
        environ: where `${NAME}` is looked up.
        base: folder that relative paths are relative to; default: the folder of the file.
        sources: False for a run that is only looked back on: its data and base model may be gone by now.
        text: what is read in place of the file, for a command that does without one.

    Raises:
        ConfigError: holds every fault found, in the order of their lines; no fault holds a secret.
    """
    faults, values = Faults(), Values()
    whole = Place(0, _shown_path(path))
    try:
        root = _read_root(_read_text(path, whole, faults) if text is None else text, whole, faults)
        for order, override in enumerate(overrides):
            set_value(root, override, order, faults)
        values = read_values(root, environ, faults)
    except strict_yaml.Unreadable:
        raise ConfigError([_redacted(fault, ()) for fault in faults.errors()]) from None
    secrets = _secrets(values, environ)
    _take_password_from_environment(values, environ)
    config = _validate(values, whole, faults)
    subject = Subject(values, (base or path.parent).absolute(), whole, faults)
    if sources:
        check(subject)
        check_model(subject)
    if faults or config is None:
        raise ConfigError([_redacted(fault, secrets) for fault in faults.errors()])
    return LoadedConfig(
        config=with_absolute_paths(config, subject),
        path=path.absolute(),
        resolved_yaml=resolved_yaml(config, subject),
        warnings=tuple(redact(warning, secrets) for warning in subject.warnings),
        secrets=secrets,
        _places={"": str(whole)} | {key: redact(str(place), secrets) for key, place in values.places.items()},
    )


# --- reading --------------------------------------------------------------------------------------------------------


def _shown_path(path: Path) -> str:
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path)


def _read_root(text: str, whole: Place, faults: Faults) -> strict_yaml.Mapping:
    node = strict_yaml.read(text, lambda line: Place(line, f"{whole}:{line}"), faults)
    if isinstance(node, strict_yaml.Mapping):
        return node
    if not faults:
        found = "is empty" if node is None else f"holds {show(node)}, not sections with keys"
        faults.add(whole, found, "it needs at least data.train_path and model.name; docs/config.md lists every key")
    raise strict_yaml.Unreadable


def _read_text(path: Path, whole: Place, faults: Faults) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            faults.add(whole, "is not a file", "name the config file itself: --config FILE")
            raise strict_yaml.Unreadable
        with path.open("rb") as file:
            content = file.read(strict_yaml.MAX_BYTES + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        faults.add(whole, "there is no such file" if missing else f"cannot be read: {error.strerror}", _instead(path))
        raise strict_yaml.Unreadable from None
    if len(content) > strict_yaml.MAX_BYTES:
        faults.add(whole, "is larger than 1 MB, which no config is", "name the config file: --config FILE")
        raise strict_yaml.Unreadable
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        faults.add(Place(line, f"{whole}:{line}"), "is not UTF-8 here", "save the file as UTF-8")
        raise strict_yaml.Unreadable from None


def _instead(path: Path) -> str:
    names = [entry.name for pattern in ("*.yaml", "*.yml") for entry in path.parent.glob(pattern)]
    if near := get_close_matches(path.name, names, n=1):
        return f"did you mean --config {path.parent / near[0]}?"
    return "name your config with --config FILE, or see a first run with: ml-run quickstart"


# --- secrets --------------------------------------------------------------------------------------------------------


def _secrets(values: Values, environ: Mapping[str, str]) -> tuple[str, ...]:
    found = [*values.secrets, *(environ.get(name, "") for name in _SECRET_VARIABLES)]
    texts = [environ.get(name, "") for name in _URI_VARIABLES]
    texts += [value for keys in values.typed.values() for value in keys.values() if isinstance(value, str)]
    found += [password for text in texts for password in uri_passwords(text)]
    return tuple(dict.fromkeys(secret for secret in found if secret))


def _take_password_from_environment(values: Values, environ: Mapping[str, str]) -> None:
    # A resumed run reads its own config back, where a literal password became ***: the environment has the address.
    tracking = values.typed.get("tracking", {})
    if f":{MASK}@" in (tracking.get("uri") or "") and environ.get(_TRACKING_URI):
        tracking["uri"] = None


def _redacted(fault: UsageError, secrets: Sequence[str]) -> UsageError:
    found, where, remedy = (redact(text, secrets) for text in (fault.found, fault.where, fault.remedy))
    return UsageError(found, where=where, remedy=remedy)


# --- types and bounds -----------------------------------------------------------------------------------------------


def _validate(values: Values, whole: Place, faults: Faults) -> Config | None:
    try:
        return Config.model_validate({"data": {}, "model": {}} | values.typed)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    explained = {(str(section), str(name)) for section, name in (detail["loc"][:2] for detail in details)}
    told: set[str] = set()
    for detail in details:
        section, name, *inner = map(str, detail["loc"])
        entry = inner[0] if "additionalProperties" in sections()[section][name] and inner else ""
        key = f"{section}.{name}"
        if not {section, key} & values.failed and f"{key}.{entry}" not in told:
            told.add(f"{key}.{entry}")  # each alternative of a type has a fault of its own
            _explain(key, entry, detail, values, whole, faults)
    values.failed |= {f"{section}.{name}" for section, name in explained}
    return None


def _explain(key: str, entry: str, detail: Any, values: Values, whole: Place, faults: Faults) -> None:
    section, name = key.split(".")
    schema = sections()[section][name]
    if detail["type"] == "missing":
        faults.add(values.place(key, whole), f"{key} is missing", f"add it under {section}: {schema['description']}")
        return
    node = values.nodes[key]
    if entry and isinstance(node, strict_yaml.Mapping):
        node, schema, key = node.entries[entry], schema["additionalProperties"], f"{key}.{entry}"
    faults.add(values.place(key, whole), f"{key} is {show(node)}", _remedy(detail, schema, as_written(node)))


def _remedy(detail: Any, schema: dict[str, Any], written: Any) -> str:
    must = f"it must be {describe(schema)}"
    branch = branches(schema)[0]
    if detail["type"] == "string_pattern_mismatch" and branch.get("pattern") == TEXT_PATTERN:
        return f"{must}, not starting with a blank"
    if detail["type"] == "less_than_equal" and (branch.get("minimum"), branch.get("maximum")) == (0, 1):
        share = float(written) / _MOST_PER_CENT if "${" not in written else 0
        return f"{must}; {written} per cent is {share:g}" if 0 < share <= 1 else must
    return must
