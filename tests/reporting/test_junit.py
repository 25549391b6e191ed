"""The gate as JUnit XML: which outcome each thing has, and that any words make a valid document."""

import pytest

from junit_schema import criterion, outcomes, parsed, properties, result
from ml_run.errors import ConfigError, NotReadyError, UsageError
from ml_run.reporting.junit import xml_of_error, xml_of_result, xml_of_unfinished
from ml_run.results import Deployment, Registration, RunError
from test_experiment import HOSTILE


def suite_of(one):
    return parsed(xml_of_result(one, one.criteria))


def test_each_criterion_is_a_test_and_only_pass_passes():
    """FAIL and INCONCLUSIVE are both failures, told apart by their type: a gate that could not decide is not green."""
    one = result(
        criterion("min_f1"), criterion("min_class_f1[Af-Maay]", "FAIL", "0.75 misses 0.8"),
        criterion("max_ece", "INCONCLUSIVE"), verdict="FAIL", reason="0.75 misses 0.8", exit_code=5, seconds=61.5,
    )  # fmt: skip
    suite = suite_of(one)
    assert outcomes(suite) == {
        "min_f1": "passed", "min_class_f1[Af-Maay]": "failure FAIL", "max_ece": "failure INCONCLUSIVE",
    }  # fmt: skip
    failure = suite.find(".//failure")
    assert failure.get("message") == "0.75 misses 0.8"
    assert failure.text == "FAIL: 0.75 misses 0.8\nwanted: macro_f1 >= 0.8 on 1,234 rows"
    assert (suite.get("name"), suite.get("time")) == ("ml-run one", "61.500")
    assert properties(suite) == {"id": "exp_1", "verdict": "FAIL", "exit_code": "5"}
    assert suite.find("system-out").text.splitlines() == [
        "FAIL: 0.75 misses 0.8", "PASS min_f1: because", "FAIL min_class_f1[Af-Maay]: 0.75 misses 0.8",
        "INCONCLUSIVE max_ece: because",
    ]  # fmt: skip


@pytest.mark.parametrize("criteria", [(), (criterion("min_f1"),)], ids=["no criteria", "all met"])
def test_a_verdict_that_no_criterion_carries_is_a_failure_of_its_own(criteria):
    """INCONCLUSIVE for want of criteria, or although each is met, never makes a suite without a failure."""
    suite = suite_of(result(*criteria, verdict="INCONCLUSIVE", reason="no test rows of Maay", exit_code=6))
    assert outcomes(suite) == dict.fromkeys([c.name for c in criteria], "passed") | {"verdict": "failure INCONCLUSIVE"}
    assert suite.find(".//failure").get("message") == "no test rows of Maay"


def test_a_run_that_was_to_stop_before_its_gate_is_skipped():
    """Nothing was decided, and nothing was wrong: one skipped test, so that no CI complains of an empty suite."""
    suite = suite_of(result(stages={"data": "finished"}))
    assert outcomes(suite) == {"verdict": "skipped"}
    told = "no verdict was asked for: the run stopped after the stage data, as it was told to"
    assert suite.find(".//skipped").get("message") == told


def test_an_end_before_the_gate_is_one_error_with_found_where_and_remedy():
    """A run that never came to its gate shows one error, named after the stage, of the kind that result.json has."""
    error = RunError(found="loss is NaN", where="step 7", remedy="lower it", stage="train", kind="non_finite")
    suite = suite_of(result(status="failed", exit_code=4, error=error))
    assert outcomes(suite) == {"train": "error non_finite"}
    assert suite.find(".//error").get("message") == "loss is NaN"
    assert suite.find(".//error").text == "found: loss is NaN\nwhere: step 7\nwhat to do: lower it"


def test_a_store_that_failed_after_a_pass_is_an_error_beside_it():
    """Exit 7 with a PASS: the criteria pass and the suite does not; a password in an address is masked."""
    address = "postgresql://me:hunter22@host/db"
    registration = Registration(status="pending", tracking_uri=address, model_name="m", reason=f"{address} is away")
    deployment = Deployment(action="failed", reason="disk full", next_step="ml-run --resume exp_1")
    one = result(criterion("min_f1"), verdict="PASS", exit_code=7, deployment=deployment, registration=registration)
    content = xml_of_result(one, one.criteria)
    assert outcomes(parsed(content)) == {"min_f1": "passed", "deploy": "error failed", "registry": "error pending"}
    assert b"hunter22" not in content
    assert b"postgresql://me:***@host/db is away" in content


def test_every_fault_of_a_config_is_in_one_error():
    """What ended the command before there was a run is one test with all faults in it."""
    faults = [UsageError("no such key", where="ml_config.yaml:3", remedy="mend it"), UsageError("two")]
    suite = parsed(xml_of_error(ConfigError(faults), 2))
    assert outcomes(suite) == {"run": "error config"}
    assert suite.find(".//error").get("message") == "no such key (and 1 more)"
    told = "found: no such key\nwhere: ml_config.yaml:3\nwhat to do: mend it\n\nfound: two"
    assert suite.find(".//error").text == told
    assert properties(suite) == {"exit_code": "2"}
    assert outcomes(parsed(xml_of_error(NotReadyError("empty"), 3))) == {"run": "error notready"}


def test_while_a_run_works_its_file_is_an_error():
    """A process that is killed without a word leaves an error, not a file without failures."""
    assert outcomes(parsed(xml_of_unfinished())) == {"run": "error unfinished"}


@pytest.mark.parametrize("words", [*HOSTILE, "]]>", "&lt;", "\udcff\ufffe\x85", "زبان\u200f", "ፊደል", "a\nb"], ids=ascii)
def test_any_words_make_a_valid_document(words):
    """Control characters, half pairs, markup and every script: the document is valid and XML 1.0 can hold it."""
    error = RunError(found=words, where=words, remedy=words, stage=None, kind="bug")
    one = result(
        criterion(f"min_class_f1[{words}]", "FAIL", words), verdict="FAIL", reason=words, name=words, error=error
    )
    text = xml_of_result(one, one.criteria).decode("utf-8")
    parsed(text.encode())
    assert all(c == "\n" or (c >= " " and not "\x7f" <= c <= "\x9f") for c in text)
    assert "\u202e" not in text
    parsed(xml_of_error(UsageError(words, where=words, remedy=words), 2))
