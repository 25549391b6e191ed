"""What `ml-run doctor` shows: one line a check with its remedy below, then the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.checking import Line, columned
from ml_run.errors import ExitCode
from ml_run.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.checking.screen import Mark
    from ml_run.fitness.record import Fitness


def fitness_screen(fitness: Fitness, width: int) -> list[Line]:
    """All checks on a screen of `width` columns, and the answer."""
    return [*columned(list(_checks(fitness)), width), Line("", ""), *columned([_answer(fitness)], width)]


def _checks(fitness: Fitness) -> Iterator[tuple[Mark, str, str]]:
    for check in fitness.checks:
        yield check.status, check.name, check.found
        if check.remedy:
            yield "", "", f"→ {check.remedy}"


def _answer(fitness: Fitness) -> tuple[Mark, str, str]:
    failed = list(dict.fromkeys(check.name for check in fitness.checks if check.status == "error"))
    if failed:
        mend = "then ask again: ml-run doctor"
        if fitness.exit_code == ExitCode.STORE_FAILED:
            mend = "a run would end with all its files and exit code 7, and ml-run sync would send them later"
        return "error", "", f"not fit: {listed(failed)}; {mend}"
    warned = list(dict.fromkeys(check.name for check in fitness.checks if check.status == "warning"))
    if warned:
        return "warning", "", f"fit, with something to know about {listed(warned)}"
    return "ok", "", "fit"
