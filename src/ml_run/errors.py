"""The few errors a user can meet: what was found, where, and what to do next.

Library code raises these; only `cli.py` turns them into a line on stderr and an exit code.
"""

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The exit codes a CI job may rely on."""

    OK = 0
    BUG = 1
    USAGE = 2
    NOT_READY = 3
    TRAINING_FAILED = 4
    FAIL = 5
    INCONCLUSIVE = 6
    STORE_FAILED = 7
    DRIFT = 8
    INTERRUPTED = 130
    TERMINATED = 143


class MlRunError(Exception):
    """An expected error.

    Args:
        found: what was found, in one sentence, with the user's own value in it.
        where: file and line, config key or folder it was found in; empty when there is none.
        remedy: what to do next; empty when nothing can be done.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, found: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel between processes; Python alone would make each anew from its sentence.
        return _made_anew, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  → {self.remedy}" if self.remedy else ""
        return f"{place}{self.found}{advice}"


def _made_anew(kind: type[MlRunError], args: tuple[Any, ...], facts: dict[str, Any]) -> MlRunError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class UsageError(MlRunError):
    """The command line asks for something that cannot be done (exit 2)."""

    exit_code = ExitCode.USAGE


class ConfigError(MlRunError):
    """`ml_config.yaml` is not valid (exit 2); holds every fault found, not the first.

    Args:
        faults: one error a fault, each with its own place and remedy; at least one.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, faults: list[MlRunError]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class NotReadyError(MlRunError):
    """The data cannot carry a verdict (exit 3)."""

    exit_code = ExitCode.NOT_READY


class TrainingError(MlRunError):
    """Training diverged, collapsed or ran out of memory (exit 4).

    Args:
        kind: `non_finite`, `out_of_memory`, `disk_full`, `collapsed`, `killed`, `incomplete`, `folds`, `storage` or
            `no_room`: machine-readable cause.
        curable: the same training with a lower learning rate, or in smaller portions, may well succeed.
    """

    exit_code = ExitCode.TRAINING_FAILED

    def __init__(self, found: str, *, kind: str, where: str = "", remedy: str = "", curable: bool = False) -> None:
        super().__init__(found, where=where, remedy=remedy)
        self.kind = kind
        self.curable = curable


class StoreError(MlRunError):
    """The tracking store, registry or deployment folder failed; production is unchanged (exit 7)."""

    exit_code = ExitCode.STORE_FAILED


class ProductionChangedError(StoreError):
    """Production is no longer the model the candidate was compared with; trying again cannot help."""


class Interrupted(BaseException):  # like KeyboardInterrupt, it must pass every `except Exception`
    """Ctrl-C or SIGTERM arrived; state is saved and the run can be resumed.

    Args:
        signal: the number of the signal that arrived.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal

    @property
    def exit_code(self) -> int:
        """128 + signal number, as shells have it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal


def error_object(error: MlRunError, code: int | None = None) -> dict[str, object]:
    """An error as the JSON object that `--json` prints when there is no run to tell of; the first 20 faults."""
    faults = error.faults[:20] if isinstance(error, ConfigError) else [error]
    told = [{"found": fault.found, "where": fault.where, "remedy": fault.remedy} for fault in faults]
    return {"status": "failed", "exit_code": int(error.exit_code if code is None else code), "errors": told}
