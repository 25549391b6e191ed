import re
from pathlib import Path

import pytest

from ml_run.config.data_checks import LIMITS, RULES
from ml_run.quality.rules import Checks, Sighting, by_share, finding, readiness

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/checks.md"


def test_the_docs_explain_each_rule_with_its_default():
    """docs/checks.md has one row for each rule, with the severity and limits that the table has, and no other."""
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", DOCS.read_text("utf-8"), re.MULTILINE))
    documented = {name: default.replace("`", "") for name, default in rows.items()}
    assert documented == {rule.name: rule.severity for rule in RULES.values()}


def test_the_docs_list_each_limit_with_its_default_and_bounds():
    """The last table of docs/checks.md has one row for each limit, as the rule table has it, and no other."""
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (\S+) \| (\S+) to (\S+) \| (.+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    documented = [(name, *map(float, numbers), meaning) for name, *numbers, meaning in rows]
    assert documented == [(n, limit.default, limit.low, limit.high, limit.meaning) for n, limit in LIMITS.items()]


def test_each_rule_is_used_and_each_used_is_in_the_table():
    """A rule nobody looks for, or a finding without a rule, would make the docs a lie."""
    sources = [*(ROOT / "src/ml_run/quality").glob("*.py"), *(ROOT / "src/ml_run/reading").glob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    assert [name for name in RULES if f'"{name}"' not in text] == []
    used = set(re.findall(r'(?:finding|Fault|Unusable)\(\s*"(\w+)"', text))
    assert used <= set(RULES)
    assert len(used) > 15


def test_each_rule_says_what_to_do():
    """No rule without a default severity, a meaning and a remedy, each short enough for a line."""
    for rule in RULES.values():
        assert rule.severity.split(";")[0] in {"error", "warning", "info"}
        assert 0 < len(rule.meaning) <= 100
        assert 0 < len(rule.remedy) <= 140


@pytest.mark.parametrize(
    ("share", "severity"), [(0.0, "info"), (0.01, "info"), (0.011, "warning"), (0.05, "warning"), (0.051, "error")]
)
def test_limits_are_exceeded_not_reached(share, severity):
    """A limit of 1 % is passed by more than 1 %."""
    assert by_share(share, warning=0.01, error=0.05) == severity


def test_the_worst_finding_decides_readiness():
    """One error is not ready, one warning is ready with warnings, notes are ready."""
    note = finding("bom", "info", "m", count=1)
    warning = finding("imbalance", "warning", "m", count=1)
    error = finding("encoding", "error", "m", count=1)
    assert readiness([]) == readiness([note]) == "ready"
    assert readiness([note, warning]) == "ready with warnings"
    assert readiness([note, error, warning]) == "not ready"


def test_findings_are_ordered_by_severity():
    """Errors stand causes first, as the table does; among others, what concerns most rows stands first."""
    found = [
        finding("bom", "info", "m", count=9),
        finding("imbalance", "warning", "m", count=1),
        finding("conflict", "warning", "m", count=5),
        finding("label_only_in_eval", "error", "m", count=7),
        finding("encoding", "error", "m", count=1),
    ]
    ordered = [one.rule for one in Checks().apply(found)]
    assert ordered == ["encoding", "label_only_in_eval", "conflict", "imbalance", "bom"]
    changed = Checks({"bom": "error", "encoding": "off", "label_only_in_eval": "info"}).apply(found)
    assert [one.rule for one in changed] == ["bom", "conflict", "imbalance", "label_only_in_eval"]


def test_an_example_is_the_start_of_the_text():
    """Long texts are cut at 120 characters, and that is seen."""
    [example] = finding("bom", "info", "m", [Sighting("f", 1, " " + "x" * 500)], count=1).examples
    assert example.text == "x" * 119 + "…"
