"""Python and packages: installed, within the bounds that ml-run declares, and as they were tested."""

from __future__ import annotations

import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from ml_run.config.names import INSTALL_RAY
from ml_run.fitness.record import Check
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_run.config import Config

_US = "ml-run"
_PINS = "constraints.txt"
_EXTRAS = {
    "onnx": "a deployed model that answers faster on a CPU",
    "ray": "a training, or predictions, on several machines",
}
"""Extras for users, and what they are for."""
_MOST_NAMED = 5


def python_check() -> Check:
    """The running Python against what the installed package asks for."""
    asked, version = metadata.metadata(_US)["Requires-Python"], platform.python_version()
    if version in SpecifierSet(asked, prereleases=True):
        return Check("python", "ok", f"{version} ({asked})")
    remedy = f"make an environment with a Python {asked} and install ml-run into it"
    return Check("python", "error", f"{version}, and ml-run needs {asked}", remedy)


def package_checks(project: Path) -> Iterator[Check]:
    """Every package that ml-run needs, in one line if all fit; and how they differ from the tested versions."""
    needed = _requirements("")
    wrong = [fault for one in needed if (fault := _fault(one))]
    pins = _pinned(project)
    if wrong:
        constraint = f" -c {pins[0]}" if pins else ""
        yield Check("packages", "error", _some(wrong), f"pip install{constraint} --upgrade {_US}")
        return
    if pins is None:
        yield Check(
            "packages", "ok", f"all {len(needed)} are within the bounds that ml-run {metadata.version(_US)} sets"
        )
        return
    file, versions = pins
    other = [told for one in needed if (told := _untested(one.name, versions))]
    if other:
        found = f"within the bounds, but {number_of(len(other), 'package')} not as tested: {_some(other)}"
        yield Check("packages", "warning", found, f"for the same numbers everywhere: pip install -c {file} {_US}")
    else:
        yield Check("packages", "ok", f"all {len(needed)} as pinned in {file}")


def extra_checks(config: Config | None) -> Iterator[Check]:
    """The optional parts: an error where the config asks for one that is not there."""
    asked = _asked_for(config)
    for extra, purpose in _EXTRAS.items():
        wrong = [fault for one in _requirements(extra) if (fault := _fault(one))]
        remedy = INSTALL_RAY if extra == "ray" else f"install it: pip install '{_US}[{extra}]'"
        if not wrong:
            yield Check(extra, "ok", f"installed: for {purpose}")
        elif extra in asked:
            yield Check(extra, "error", f"{asked[extra]} needs it: {_some(wrong)}", remedy)
        else:
            yield Check(extra, "info", f"not installed; optional, for {purpose}", remedy)


def _asked_for(config: Config | None) -> dict[str, str]:
    """Extras that the config cannot do without, and the key that says so."""
    if config is None:
        return {}
    asked = {"ray": "compute.engine"} if config.compute.engine == "ray" else {}
    formats: Sequence[str] = getattr(config.deployment, "formats", None) or ()
    return asked | ({"onnx": "deployment.formats"} if any("onnx" in name for name in formats) else {})


def _requirements(extra: str) -> list[Requirement]:
    """What the installed package asks for: with no extra, or what an extra adds."""
    everything = [Requirement(text) for text in metadata.requires(_US) or ()]
    if not extra:
        return [one for one in everything if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [
        one for one in everything
        if one.marker and one.marker.evaluate({"extra": extra}) and not one.marker.evaluate({"extra": ""})
    ]  # fmt: skip


def _fault(needed: Requirement) -> str | None:
    """What is wrong with one package; None when it fits."""
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} is not installed"
    if version not in SpecifierSet(str(needed.specifier), prereleases=True):
        return f"{needed.name} is {version}, not {needed.specifier}"
    return None


def _untested(name: str, versions: dict[str, str]) -> str | None:
    """How the version of one package differs from the tested one; None where it does not, or none is named."""
    version, tested = metadata.version(name), versions.get(_plain(name))
    if tested is None or version.partition("+")[0] == tested.partition("+")[0]:  # torch is 2.13.0+cpu
        return None
    return f"{name} {version} (tested: {tested})"


def _pinned(project: Path) -> tuple[str, dict[str, str]] | None:
    """The file of tested versions, where there is one: in the project, or beside the sources that are installed."""
    spec = find_spec("ml_run")
    beside = [Path(spec.origin).parents[2]] if spec and spec.origin else []
    for folder in (project, *beside):
        file = folder / _PINS
        if file.is_file():
            lines = [line.partition("==") for line in file.read_text("utf-8", "replace").splitlines()]
            return str(file), {_plain(name): version.strip() for name, mark, version in lines if mark}
    return None


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")


def _some(named: Sequence[str]) -> str:
    shown = list(named[:_MOST_NAMED])
    more = len(named) - len(shown)
    return listed([*shown, f"{more} more"] if more else shown)
