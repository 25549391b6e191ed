"""What an examination of the machine found: checks with their remedies, and how the command ends."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ml_run.errors import ExitCode

Status = Literal["ok", "info", "warning", "error"]
STORE = "store"
"""The check whose error alone is exit code 7: a run would end with it, too, and all else is fit."""
_LONGEST, _MOST = 500, 15


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    found: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True)
class Estimate:
    """What a training with this config will take here."""

    parameters: int
    memory_bytes: int
    """At the most: with the whole vocabulary."""
    memory_bytes_trimmed: int
    """With a vocabulary trimmed to a corpus of usual size."""
    seconds: float | None
    """Of the whole training, all seeds and folds; None where nothing could be measured."""
    steps: int | None
    rows: int | None
    tokens_a_row: float | None
    device: str
    busy: float
    """How many times as long steps take while this machine is as busy as it was when it was asked."""
    how: str


@dataclass(frozen=True)
class Fitness:
    """All checks in the order they are told."""

    checks: tuple[Check, ...]
    estimate: Estimate | None = None

    @property
    def exit_code(self) -> ExitCode:
        """0: fit, perhaps with warnings; 7: the tracking store alone fails; 2: something has to be set up first."""
        failed = {check.name for check in self.checks if check.status == "error"}
        if not failed:
            return ExitCode.OK
        return ExitCode.STORE_FAILED if failed == {STORE} else ExitCode.USAGE

    def told(self) -> dict[str, Any]:
        """The object that `--json` prints, below 10,000 characters."""
        order = ("error", "warning", "ok", "info")
        kept = sorted(self.checks, key=lambda check: order.index(check.status))[:_MOST]
        return {
            "exit_code": int(self.exit_code),
            "fit": self.exit_code == ExitCode.OK,
            "checks": [
                {"name": c.name, "status": c.status, "found": c.found[:_LONGEST], "remedy": c.remedy[:_LONGEST]}
                for c in self.checks
                if c in kept
            ],
            "checks_left_out": len(self.checks) - len(kept),
            "estimate": asdict(self.estimate) if self.estimate else None,
        }
