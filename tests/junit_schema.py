"""What JUnit XML has to be like: the rules that the schemas of Ant's and of Jenkins' reports have in common."""

import re
from xml.etree import ElementTree as ET

from ml_run.results import CriterionResult, RunResult

SUITE = {
    "name": r".+", "package": r".+", "id": r"\d+", "hostname": r".+", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    "tests": r"\d+", "failures": r"\d+", "errors": r"\d+", "skipped": r"\d+", "time": r"\d+(\.\d+)?",
}  # fmt: skip
OUTCOMES = {"failure": {"type", "message"}, "error": {"type", "message"}, "skipped": {"message"}}


def parsed(content):
    """The only suite of a valid document; AssertionError says which rule a document breaks."""
    root = ET.fromstring(content)
    assert (root.tag, root.attrib) == ("testsuites", {})
    (suite,) = root
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == set(SUITE)
    for name, form in SUITE.items():
        assert re.fullmatch(form, suite.get(name)), name
    tags = [child.tag for child in suite]
    cases = tags.count("testcase")
    assert cases > 0
    assert tags == ["properties", *["testcase"] * cases, "system-out", "system-err"]
    for one in suite.find("properties"):
        assert one.tag == "property"
        assert set(one.attrib) == {"name", "value"}
    for case in suite.iter("testcase"):
        _check_case(case)
    counted = {"tests": cases, **{n + "s": len(list(suite.iter(n))) for n in ("failure", "error")}}
    counted["skipped"] = len(list(suite.iter("skipped")))
    assert {name: int(suite.get(name)) for name in counted} == counted
    return suite


def _check_case(case):
    assert set(case.attrib) == {"name", "classname", "time"}
    assert case.get("name")
    assert re.fullmatch(r"\d+(\.\d+)?", case.get("time"))
    assert len(case) <= 1, "one outcome a case"
    for outcome in case:
        assert set(outcome.attrib) == OUTCOMES[outcome.tag]
        assert len(outcome) == 0


def outcomes(suite):
    """By the name of each case: its outcome and type, or `passed`."""
    return {
        case.get("name"): " ".join(filter(None, (case[0].tag, case[0].get("type")))) if len(case) else "passed"
        for case in suite.iter("testcase")
    }


def properties(suite):
    return {one.get("name"): one.get("value") for one in suite.find("properties")}


def criterion(name, verdict="PASS", reason="because"):
    return CriterionResult(
        name=name, metric="macro_f1", direction=">=", threshold=0.8, value=0.75, low=0.6, high=0.85, n=1234,
        verdict=verdict, reason=reason, straddles=False,
    )  # fmt: skip


def result(*criteria, **values):
    values = {
        "id": "exp_1",
        "name": "one",
        "status": "finished",
        "exit_code": 0,
        "folder": "experiments/exp_1",
    } | values
    return RunResult(criteria=criteria, **values)
