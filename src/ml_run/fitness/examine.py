"""`ml-run doctor`: one look after the other; nothing is written, and no look stops the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config.file import load_config
from ml_run.config.names import LINEAR
from ml_run.errors import ConfigError
from ml_run.fitness.base_model import model_check
from ml_run.fitness.hardware import processor
from ml_run.fitness.packages import extra_checks, package_checks, python_check
from ml_run.fitness.places import claude_check, cluster_check, disk_check, folder_check, store_check
from ml_run.fitness.record import Check, Fitness
from ml_run.fitness.shapes import shape_of
from ml_run.fitness.workload import workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ml_run.config import Config
    from ml_run.fitness.record import Estimate

_MOST_FAULTS = 5


def examine(path: Path, overrides: Sequence[str], project: Path, *, usual: bool) -> Fitness:
    """Look at everything that a run with this config will need.

    Args:
        path: the config.
        overrides: as `--set` gives them.
        project: where runs are made.
        usual: the config was not named: that it is not there is no fault.
    """
    checks = [python_check(), *package_checks(project)]
    if any(check.status == "error" for check in checks):
        return Fitness(tuple(checks))  # whatever else is looked at would stumble over the same package
    config, told = _config(path, overrides, usual=usual)
    checks += told
    estimate: Estimate | None = None
    if config is None:
        checks.append(Check("device", "ok", processor().said))
    else:
        checks.append(model_check(config.model))
        trained, estimate = _training(config)
        checks += trained
    checks += _places(config, project)
    return Fitness((*checks, *extra_checks(config)), estimate)


def _config(path: Path, overrides: Sequence[str], *, usual: bool) -> tuple[Config | None, list[Check]]:
    if usual and not overrides and not path.exists():
        remedy = "ml-run init writes one that fits your data; model, memory, time and store are looked at with it"
        return None, [Check("config", "info", f"there is no {path}", remedy)]
    try:
        loaded = load_config(path, overrides)
    except ConfigError as error:
        faults = [Check("config", "error", f"{one.where}: {one.found}", one.remedy) for one in error.faults]
        more = len(faults) - _MOST_FAULTS
        if more > 0:
            faults[_MOST_FAULTS:] = [Check("config", "error", f"and {more} more faults", "ml-run check-config")]
        return None, faults
    warnings = [Check("config", "warning", warning) for warning in loaded.warnings[:_MOST_FAULTS]]
    return loaded.config, [Check("config", "ok", f"{path} is valid"), *warnings]


def _training(config: Config) -> tuple[list[Check], Estimate | None]:
    from ml_run.fitness.training import training_checks
    from ml_run.modeling.scoring import quiet_libraries

    if config.model.name == LINEAR:
        return training_checks(config, workload(config))
    with quiet_libraries():
        return training_checks(config, workload(config))


def _places(config: Config | None, project: Path) -> Iterator[Check]:
    yield folder_check(project)
    yield disk_check(project, _parameters(config))
    if config is not None:
        yield store_check(config, project)
        if cluster := cluster_check(config):
            yield cluster
    yield claude_check(project)


def _parameters(config: Config | None) -> int | None:
    shape = shape_of(config.model) if config and config.model.name != LINEAR else None
    return shape.parameters if shape else None
