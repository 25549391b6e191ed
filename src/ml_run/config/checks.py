"""What types cannot know of a config: files that are not there, and values that contradict one another.

Nothing heavy is imported and no network is asked, so these faults are told before anything is spent.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

from ml_run.characters import visible
from ml_run.config import strict_yaml
from ml_run.config.data_checks import LIMITS, RULES
from ml_run.config.language_codes import find_language, nearest_languages
from ml_run.config.names import (
    DATA_FORMS,
    HUB_FORM,
    HUB_PREFIX,
    INSTALL_ONNX,
    INSTALL_RAY,
    LINEAR,
    SCRATCH_PREFIX,
    TEXT_FORMAT,
    data_format,
    hub_data_set,
    is_hub_address,
    onnx_is_installed,
)
from ml_run.config.sections import Config
from ml_run.config.strict_yaml import Faults, Place
from ml_run.config.values import Values, as_written
from ml_run.redaction import MASK, uri_passwords
from ml_run.wording import listed

PATH_KEYS = ("data.train_path", "data.val_path", "data.test_path")
UNLABELLED_KEY = "data.unlabelled_path"
STORAGE_KEY = "compute.storage"
_VALUE_CRITERIA = (
    "deployment.min_accuracy",
    "deployment.min_f1",
    "gate.min_class_f1",
    "gate.min_class_recall",
    "gate.must_beat_baseline",
    "gate.max_ece",
    "gate.max_latency_ms",
)
_PRODUCTION_CRITERIA = ("gate.max_regression", "gate.min_improvement")
_DATA_ADVICE = f"write {DATA_FORMS}, or {HUB_PREFIX}dataset[/config]"


@dataclass
class Subject:
    """The config under test: the values that are sound, and where to say what is wrong."""

    values: Values
    base: Path
    """Folder that relative paths are relative to."""
    whole: Place
    """Place of what is written nowhere."""
    faults: Faults
    warnings: list[str] = field(default_factory=list)

    def get(self, key: str) -> Any:
        """The value of `key`, its default where it is not written, None where it is at fault."""
        section, name = key.split(".")
        if {section, key} & self.values.failed:
            return None
        default = _DEFAULTS[key]
        return self.values.typed.get(section, {}).get(name, default)

    def place(self, key: str) -> Place:
        """Where `key` is written."""
        return self.values.place(key, self.whole)

    def fault(self, key: str, found: str, remedy: str) -> None:
        """Note a fault of `key`."""
        self.faults.add(self.place(key), found, remedy)

    def warn(self, key: str, text: str) -> None:
        """Note what is allowed but surely not meant."""
        self.warnings.append(f"{self.place(key)}: {text}")

    def path(self, value: str) -> Path:
        """`value` as an absolute path; links are not followed, so that the user's own name for a file is kept."""
        home = Path(value).expanduser() if value.startswith("~/") else Path(value)
        return Path(os.path.normpath(self.base / home))


def _defaults() -> dict[str, Any]:
    found = {}
    for section, info in Config.model_fields.items():
        for name, key in info.annotation.model_fields.items():  # type: ignore[union-attr]
            found[f"{section}.{name}"] = None if key.is_required() else key.default
    return found


_DEFAULTS: Mapping[str, Any] = _defaults()


def check(subject: Subject) -> None:
    """Note every fault and warning that follows from the values together and from the files they name."""
    for key in PATH_KEYS:
        if value := subject.get(key):
            _check_data_path(subject, key, value)
    _check_unlabelled(subject)
    _check_same_file(subject)
    _check_shares(subject)
    _check_language(subject)
    _check_rules(subject)
    _check_holdout(subject)
    _check_seeds(subject)
    _check_epochs(subject)
    _check_processes(subject)
    _check_engine(subject)
    _check_gate(subject)
    _check_formats(subject)
    _check_tracking(subject)


# --- data -----------------------------------------------------------------------------------------------------------


def _check_data_path(subject: Subject, key: str, value: str) -> None:
    if is_hub_address(value):
        if hub_data_set(value) is None:
            subject.fault(key, f"{key} is {value}, which is no hub data set", f"write {HUB_FORM}")
        return
    if "://" in value:
        subject.fault(key, f"{key} is {value}, which is not on this machine", f"fetch it first, then {_DATA_ADVICE}")
        return
    path = subject.path(value)
    if data_format(path) is None:
        subject.fault(key, f"{key} is {value}: this ending says no format that is read", _DATA_ADVICE)
    else:
        _check_file(subject, key, value)


def _check_unlabelled(subject: Subject) -> None:
    value = subject.get(UNLABELLED_KEY)
    if not value:
        return
    if not value.lower().removesuffix(".gz").endswith(TEXT_FORMAT):
        remedy = f"name a text file with one text a line, its name ending in {TEXT_FORMAT} or {TEXT_FORMAT}.gz"
        subject.fault(UNLABELLED_KEY, f"{UNLABELLED_KEY} is {value}: only plain text is read here", remedy)
        return
    _check_file(subject, UNLABELLED_KEY, value)
    name = str(subject.get("model.name"))
    off = subject.get("model.trim_vocabulary") == "off"
    if off or name == "linear" or name.startswith(SCRATCH_PREFIX):
        why = "model.trim_vocabulary is off" if off else f"model.name is {name}, whose vocabulary is not trimmed"
        subject.warn(UNLABELLED_KEY, f"{UNLABELLED_KEY} changes nothing: {why}")


def _check_file(subject: Subject, key: str, value: str) -> None:
    path = subject.path(value)
    if path.is_dir():
        subject.fault(key, f"{key} is {value}, which is a folder", "name a file in it")
    elif not path.exists():
        subject.fault(key, f"{key} is {value}: there is no such file", nearest_file(path))
    elif not os.access(path, os.R_OK):
        subject.fault(key, f"{key} is {value}: you may not read it", f"chmod u+r {value}")


def nearest_file(path: Path) -> str:
    """What to do about a file that is not there: its most similar neighbour, or the first folder that is missing."""
    folder = path.parent
    if not folder.is_dir():
        while not folder.parent.is_dir():
            folder = folder.parent
        return f"there is no folder {folder}; relative paths are relative to the config file"
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if near := get_close_matches(path.name, names, n=1, cutoff=0.5):
        return f"did you mean {near[0]}?"
    return f"{folder} holds {', '.join(names[:5]) or 'no files'}"


def _check_same_file(subject: Subject) -> None:
    for first, second in combinations(PATH_KEYS, 2):
        one, other = subject.get(first), subject.get(second)
        if not one or not other or is_hub_address(one) or is_hub_address(other):
            continue
        if subject.path(one).resolve() == subject.path(other).resolve():
            remedy = f"name two files, or leave {second.partition('.')[2]} out to have it taken from train_path"
            subject.fault(second, f"{second} is the same file as {first}, {other}", remedy)


def _check_shares(subject: Subject) -> None:
    shares = [
        subject.get(f"data.{name}_share") or 0 for name in ("val", "test") if subject.get(f"data.{name}_path") is None
    ]
    if sum(shares) >= 1:
        found = f"data.val_share and data.test_share take {sum(shares):g} of the rows, which leaves none to train on"
        subject.fault("data.test_share", found, "lower them, e.g. to 0.15 and 0.2")


def _check_language(subject: Subject) -> None:
    language = subject.get("data.language")
    if language is None or find_language(language):
        return
    near = nearest_languages(language)
    meant = f"did you mean {listed(near, last='or')}?" if near else "write its ISO 639 code, e.g. so for Somali;"
    remedy = f"{meant} leave the key out for a language that ml-run has no code for: none needs it"
    subject.fault("data.language", f"data.language is {language}, which is no language that ml-run knows", remedy)


def _check_rules(subject: Subject) -> None:
    for name, place in _entries(subject, "data.checks"):
        if name not in RULES:
            near = get_close_matches(name, RULES, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"docs/checks.md lists all: {', '.join(RULES)}"
            subject.faults.add(place, f"data.checks names {visible(name)}, which is no data check", remedy)
    values = subject.get("data.limits") or {}
    for name, place in _entries(subject, "data.limits"):
        if name not in LIMITS:
            near = get_close_matches(name, LIMITS, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"docs/checks.md lists all: {', '.join(LIMITS)}"
            subject.faults.add(place, f"data.limits names {visible(name)}, which is no limit of a data check", remedy)
        elif name in values and not LIMITS[name].low <= values[name] <= LIMITS[name].high:
            bounds = f"it must be from {LIMITS[name].low:g} to {LIMITS[name].high:g}: {LIMITS[name].meaning}"
            subject.faults.add(place, f"data.limits.{name} is {values[name]:g}", bounds)


def _entries(subject: Subject, key: str) -> Iterable[tuple[str, Place]]:
    """The names that stand in a mapping, each with its place."""
    node = subject.values.nodes.get(key)
    return node.places.items() if isinstance(node, strict_yaml.Mapping) else ()


def _check_holdout(subject: Subject) -> None:
    group = subject.get("evaluation.holdout_group")
    if group and "data.group_field" not in subject.values.failed and subject.get("data.group_field") is None:
        subject.fault(
            "evaluation.holdout_group",
            f"evaluation.holdout_group is {group}, but data.group_field is not set: no row says what source it is of",
            "set data.group_field to the field that holds the source, or remove evaluation.holdout_group",
        )


# --- training -------------------------------------------------------------------------------------------------------


def _check_seeds(subject: Subject) -> None:
    seeds = subject.get("training.seeds")
    if not seeds:
        return
    if subject.get("training.folds"):
        found = f"training.folds is {subject.get('training.folds')} and training.seeds names {len(seeds)} seeds"
        subject.fault("training.folds", found, "remove training.seeds or training.folds: a run does one of the two")
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        found = f"training.seeds names {listed([str(seed) for seed in twice], last='and')} more than once"
        subject.fault("training.seeds", found, "name each seed once: the same seed gives the same model")
    # A resumed run reads the config as it was resolved, with the default of every key.
    if subject.get("training.seed") not in {None, _DEFAULTS["training.seed"]}:
        found = f"training.seed is {subject.get('training.seed')} and training.seeds names others"
        subject.fault("training.seed", found, "remove training.seed: each of training.seeds trains one model")


def _check_epochs(subject: Subject) -> None:
    if subject.get("training.epochs") == "auto" and subject.get("training.early_stopping_patience") == 0:
        found = "training.epochs is auto and training.early_stopping_patience is 0: nothing would end the training"
        subject.fault("training.epochs", found, "write a number of epochs, or a patience of 1 or more")


def _check_processes(subject: Subject) -> None:
    processes, rows = subject.get("compute.processes"), subject.get("training.batch_size")
    if processes is None or rows is None or rows % processes == 0:
        return
    nearest = max(processes, rows - rows % processes)
    subject.fault(
        "compute.processes",
        f"training.batch_size is {rows}, which compute.processes, {processes}, does not divide",
        f"set training.batch_size to a multiple of {processes}, e.g. {nearest}, or change compute.processes",
    )


def _check_engine(subject: Subject) -> None:
    if subject.get("compute.engine") != "ray":
        return
    if find_spec("ray") is None:
        subject.fault("compute.engine", "compute.engine is ray, and Ray is not installed", INSTALL_RAY)
    processes, workers, rows = (
        subject.get(key) for key in ("compute.processes", "compute.workers", "training.batch_size")
    )
    if processes is not None and processes > 1:
        found = f"compute.processes is {processes}, and compute.engine is ray"
        subject.fault("compute.processes", found, "remove it: on a cluster, compute.workers share one training")
    together = not subject.get("training.seeds")
    if together and workers is not None and rows is not None and rows % workers:
        nearest = max(workers, rows - rows % workers)
        subject.fault(
            "compute.workers",
            f"training.batch_size is {rows}, which compute.workers, {workers}, does not divide",
            f"set training.batch_size to a multiple of {workers}, e.g. {nearest}, or change compute.workers",
        )


# --- gate and tracking ----------------------------------------------------------------------------------------------


def _check_gate(subject: Subject) -> None:
    at_fault = any(key in subject.values.failed for key in (*_VALUE_CRITERIA, *_PRODUCTION_CRITERIA))
    if not at_fault:
        _check_criteria(subject)
    if subject.get("gate.max_regression") is not None and subject.get("gate.min_improvement") is not None:
        subject.warn(
            "gate.max_regression",
            "gate.max_regression changes nothing beside gate.min_improvement, which asks more",
        )
    if subject.get("gate.decide_on") == "lower_bound" and subject.get("deployment.min_accuracy") == 1:
        found = "deployment.min_accuracy is 1 and gate.decide_on is lower_bound: no interval's lower end reaches 1"
        subject.fault("deployment.min_accuracy", found, "lower it, or decide on the point value")


def _check_criteria(subject: Subject) -> None:
    # By identity: a threshold of 0 is a criterion, and equals False.
    by_value, by_production = (
        any(subject.get(key) is not None and subject.get(key) is not False for key in keys)
        for keys in (_VALUE_CRITERIA, _PRODUCTION_CRITERIA)
    )
    nothing = "the verdict will be INCONCLUSIVE and nothing will be deployed; set deployment.min_accuracy or min_f1"
    if not by_value and not by_production:
        subject.warn("deployment", f"no criterion is set: {nothing}")
    elif not by_value and subject.get("deployment.first_deploy") == "value_criteria":
        text = f"every criterion compares with production: while there is none, {nothing}"
        subject.warn("gate", text)


def _check_formats(subject: Subject) -> None:
    named = subject.get("deployment.formats")
    if not named:
        return
    if subject.get("model.name") == LINEAR:
        subject.warn("deployment.formats", "deployment.formats changes nothing: a linear model has but one")
    elif (missing := [name for name in named if name != "safetensors"]) and not onnx_is_installed():
        found = f"deployment.formats names {listed(missing)}, and the extra `onnx` is not installed"
        subject.fault("deployment.formats", found, f"{INSTALL_ONNX}; or name safetensors alone")


def _check_tracking(subject: Subject) -> None:
    uri = subject.get("tracking.uri")
    if not uri:
        return
    if f":{MASK}@" in uri:
        remedy = "set MLFLOW_TRACKING_URI to the whole address, or write ${NAME} in place of the password"
        subject.fault("tracking.uri", f"tracking.uri has {MASK} in place of its password", remedy)
    if any("${" not in password for password in uri_passwords(as_written(subject.values.nodes["tracking.uri"]))):
        text = "tracking.uri holds a password in plain text; a resumed run will ask for it: write ${NAME} in its place"
        subject.warn("tracking.uri", text)
