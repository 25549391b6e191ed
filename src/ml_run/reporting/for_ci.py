"""What a command that ends with a verdict leaves for CI: JUnit XML where it was asked for, and the job's summary.

Neither changes how the command ends: what cannot be written is told, and that is all.
"""

from __future__ import annotations

from errno import EEXIST
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import UsageError
from ml_run.experiment import Experiment, read_record
from ml_run.reporting import junit, step_summary
from ml_run.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml_run.errors import MlRunError
    from ml_run.results import RunResult

_OPTION = "--junit"
_XML = b"<?xml"


def junit_file(words: Sequence[str]) -> Path | None:
    """The file that `--junit` names in the words of a command, also where the other words are wrong."""
    given = list(words[: words.index("--")]) if "--" in words else list(words)
    values = [after for word, after in pairwise(given) if word == _OPTION]
    values += [word.removeprefix(f"{_OPTION}=") for word in given if word.startswith(f"{_OPTION}=")]
    return Path(values[-1]) if values and values[-1] else None


def begin(file: Path) -> None:
    """Replace what an earlier run left in `file`; a run that is killed without a word leaves it as an error.

    Raises:
        UsageError: it cannot be written, which is better known before hours of training than after.
    """
    try:
        _write(file, junit.xml_of_unfinished())
    except OSError as error:
        remedy = f"name a file in a folder you may write to: {_OPTION} gate.xml"
        raise UsageError(f"cannot write here: {error.strerror}", where=f"{_OPTION} {file}", remedy=remedy) from None


def tell_result(result: RunResult, file: Path | None, project: Path) -> list[str]:
    """Leave what came of a run, or of judging predictions.

    Args:
        result: what `--json` prints.
        file: where the JUnit XML goes, if it was asked for.
        project: the folder that holds `experiments/`.

    Returns:
        What could not be written, in words for people.
    """

    def write(path: Path) -> None:
        verdict = Experiment(project / result.folder, project).verdict
        criteria = read_record(verdict, Verdict).criteria if result.verdict else ()
        _write(path, junit.xml_of_result(result, criteria))

    return _leave(file, write, lambda: step_summary.markdown_of_result(result))


def tell_error(error: MlRunError, code: int, file: Path | None) -> list[str]:
    """Leave what ended the command before it had a result; returns what could not be written."""

    def write(path: Path) -> None:
        _write(path, junit.xml_of_error(error, code))

    return _leave(file, write, lambda: step_summary.markdown_of_error(error, code))


def _leave(file: Path | None, write: Callable[[Path], None], summary: Callable[[], str]) -> list[str]:
    faults = []
    if file is not None:
        faults += _fault(_OPTION, lambda: write(file))
    if step_summary.is_wanted():
        faults += _fault("the job summary", lambda: step_summary.append(summary()))
    return faults


def _fault(name: str, work: Callable[[], None]) -> list[str]:
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- the verdict must come out whatever becomes of this
        return [f"{name} could not be written: {error}"]
    return []


def _write(file: Path, content: bytes) -> None:
    path = file.resolve()  # a link stays a link
    if path.exists() and not (path.is_file() and _is_xml(path)):
        raise OSError(EEXIST, "something else than JUnit XML is there, and is left as it is")
    files.write_bytes(path, content)


def _is_xml(path: Path) -> bool:
    """Whether it is empty or XML: no data, config or device is ever replaced."""
    with path.open("rb") as file:
        return file.read(len(_XML)) in {b"", _XML}
