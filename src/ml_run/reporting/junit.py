"""The gate as JUnit XML, so that every CI shows its criteria as tests.

Each criterion is a test case of one suite. A criterion that is INCONCLUSIVE is a failure like one that FAILs, with its
own type: CI takes a skipped test for harmless, and a gate that could not decide has let nothing pass. `skipped` is left
for what was not asked for: a run that was told to stop before its gate. What ended a command early, or kept a model
that passed from being deployed or recorded, is an error with what was found, where, and what to do.

The order of elements and the attributes are those that the schemas of Ant's and of Jenkins' JUnit reports have in
common. Nothing in it names the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ml_run.characters import visible, visible_lines
from ml_run.errors import ConfigError
from ml_run.events import utc_now
from ml_run.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.errors import MlRunError
    from ml_run.results import CriterionResult, RunResult

_CLASS = "ml-run.gate"
"""The same for all runs: CI finds a test of an earlier run by class and name."""


@dataclass(frozen=True)
class _Case:
    name: str
    outcome: str = ""
    """`failure`, `error` or `skipped`; empty for a test that passed."""
    kind: str = ""
    message: str = ""
    details: str = ""


def xml_of_result(result: RunResult, criteria: Sequence[CriterionResult]) -> bytes:
    """What came of a run, or of judging predictions.

    Args:
        result: what `--json` prints.
        criteria: all that were judged; `result` leaves some out where they are many.

    Returns:
        A whole document in UTF-8.
    """
    cases = [_criterion(one) for one in criteria]
    if result.verdict and result.verdict not in {one.verdict for one in criteria}:
        cases.append(_Case("verdict", "failure", result.verdict, result.reason))
    cases += _problems(result)
    if not cases:
        walked = f" the run stopped after the stage {list(result.stages)[-1]}," if result.stages else ""
        cases.append(_Case("verdict", "skipped", message=f"no verdict was asked for:{walked} as it was told to"))
    said = [f"{result.verdict}: {result.reason}"] if result.verdict else []
    said += [f"{one.verdict} {one.name}: {one.reason}" for one in criteria]
    facts = {
        "id": result.id,
        "verdict": result.verdict or "",
        "exit_code": str(result.exit_code),
        "report": result.report or "",
        "synthetic": "true" if result.synthetic else "",
    }
    return _document(f"ml-run {result.name}", cases, facts, "\n".join(said), result.seconds)


def xml_of_error(error: MlRunError, code: int) -> bytes:
    """What ended a command before there was a run; one test case, every fault of a config in it.

    Args:
        error: what was found, where, and what to do.
        code: the exit code of the command.

    Returns:
        A whole document in UTF-8.
    """
    faults = error.faults if isinstance(error, ConfigError) else [error]
    more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
    told = "\n\n".join(_told(fault.found, fault.where, fault.remedy) for fault in faults)
    kind = type(error).__name__.removesuffix("Error").lower()
    return _document("ml-run", [_Case("run", "error", kind, faults[0].found + more, told)], {"exit_code": str(code)})


def xml_of_unfinished() -> bytes:
    """What stands in the file while a command works, and stays there if it is killed without a word.

    Returns:
        A whole document in UTF-8.
    """
    found, remedy = "ml-run has not come to its end", "where nothing runs any more it was killed: ml-run --resume"
    return _document("ml-run", [_Case("run", "error", "unfinished", found, _told(found, "", remedy))], {})


# --- test cases -----------------------------------------------------------------------------------------------------


def _criterion(one: CriterionResult) -> _Case:
    if one.verdict == "PASS":
        return _Case(one.name)
    wanted = f"{one.metric} {one.direction} {one.threshold:g} on {one.n:,} rows"
    return _Case(one.name, "failure", one.verdict, one.reason, f"{one.verdict}: {one.reason}\nwanted: {wanted}")


def _problems(result: RunResult) -> list[_Case]:
    """What went wrong apart from the verdict."""
    found = []
    if result.error:
        error = result.error
        told = _told(error.found, error.where, error.remedy)
        found.append(_Case(error.stage or "run", "error", error.kind or "error", error.found, told))
    if result.deployment and result.deployment.action == "failed":
        reason = result.deployment.reason
        found.append(_Case("deploy", "error", "failed", reason, _told(reason, "", result.deployment.next_step)))
    if result.registration and result.registration.status == "pending":
        reason, where = result.registration.reason, result.registration.tracking_uri
        found.append(_Case("registry", "error", "pending", reason, _told(reason, where, "ml-run sync")))
    return found


def _told(found: str, where: str, remedy: str) -> str:
    lines = {"found": found, "where": where, "what to do": remedy}
    return "\n".join(f"{what}: {text}" for what, text in lines.items() if text)


# --- the document ---------------------------------------------------------------------------------------------------


def _document(name: str, cases: list[_Case], facts: dict[str, str], said: str = "", seconds: float = 0.0) -> bytes:
    counts = {kind: str(sum(case.outcome == kind for case in cases)) for kind in ("failure", "error", "skipped")}
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites, "testsuite", name=_clean(name), package="ml-run", id="0", hostname="localhost",
        timestamp=utc_now()[: len("2026-11-23T05:15:30")], tests=str(len(cases)), failures=counts["failure"],
        errors=counts["error"], skipped=counts["skipped"], time=f"{seconds:.3f}",
    )  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    for fact, value in facts.items():
        if value:
            ET.SubElement(properties, "property", name=fact, value=_clean(value))
    for case in cases:
        _add_case(suite, case)
    ET.SubElement(suite, "system-out").text = _clean_lines(said)
    ET.SubElement(suite, "system-err")
    ET.indent(suites)
    content: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add_case(suite: ET.Element, case: _Case) -> None:
    element = ET.SubElement(suite, "testcase", name=_clean(case.name), classname=_CLASS, time="0")
    if case.outcome:
        outcome = ET.SubElement(element, case.outcome, message=_clean(case.message))
        if case.kind:
            outcome.set("type", case.kind)
        outcome.text = _clean_lines(case.details) or None


def _clean(text: str) -> str:
    """`text` on one line without passwords; what XML cannot hold is written out."""
    return visible(redact(" ".join(text.splitlines()), ()))


def _clean_lines(text: str) -> str:
    return visible_lines(redact(text, ()))
