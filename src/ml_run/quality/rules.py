"""Findings of the data stage: made by rule, judged by `data.checks`, summed up as readiness."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ml_run.config.data_checks import LIMITS, RULES
from ml_run.quality.masking import mask
from ml_run.results import Example, Finding, Readiness, Severity

MOST_EXAMPLES = 20
_LONGEST_TEXT = 120
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Sighting:
    """One place where a rule was seen."""

    file: str
    line: int | None = None
    text: str = ""
    label: str | None = None


def finding(
    rule: str,
    severity: Severity,
    message: str,
    seen: Iterable[Sighting] = (),
    *,
    count: int,
    total: int | None = None,
    remedy: str | None = None,
) -> Finding:
    """One finding of `rule`.

    Args:
        rule: a name of `RULES`.
        severity: by the rule's default limits.
        message: what was seen, in one sentence, with its numbers.
        seen: where; the first 20 are kept.
        count: rows (or files, or classes) concerned.
        total: rows looked at, for the share.
        remedy: where it is more exact than the rule's own.
    """
    examples = tuple(_example(sighting) for sighting, _ in zip(seen, range(MOST_EXAMPLES), strict=False))
    return Finding(
        rule=rule,
        severity=severity,
        message=message,
        count=count,
        share=count / total if total else None,
        examples=examples,
        remedy=remedy or RULES[rule].remedy,
    )


def _example(sighting: Sighting) -> Example:
    # Masked before it is cut: half of an e-mail address looks like none.
    start = mask(sighting.text).strip()
    text = start if len(start) <= _LONGEST_TEXT else start[: _LONGEST_TEXT - 1] + "…"
    return Example(file=sighting.file, line=sighting.line, text=text, label=sighting.label)


def by_share(share: float, *, warning: float, error: float | None = None, below: Severity = "info") -> Severity:
    """The severity of a share: `below` up to `warning`, `error` above its limit."""
    if error is not None and share > error:
        return "error"
    return "warning" if share > warning else below


class Checks:
    """What the config wants of the checks: the severity of each rule, and its limits.

    Args:
        severities: `data.checks`.
        limits: `data.limits`.
    """

    def __init__(
        self,
        severities: Mapping[str, Severity | Literal["off"]] | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self._severities = severities or {}
        self._limits = limits or {}

    def limit(self, name: str) -> float:
        """The limit called `rule.limit`, as configured or by default."""
        return self._limits.get(name, LIMITS[name].default)

    def wants(self, *rules: str) -> bool:
        """False when all of `rules` are off, so that looking for them would be wasted."""
        return any(self._severities.get(rule) != "off" for rule in rules)

    def apply(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Set severities as the config has them, drop what is off, and put the worst first.

        Errors stand in the order of the table, which goes from causes to what follows from them (a line that cannot be
        read may be the only one of its class); warnings and notes by how many rows they concern.
        """
        kept = []
        for found in findings:
            wanted = self._severities.get(found.rule, found.severity)
            if wanted != "off":
                kept.append(found.model_copy(update={"severity": wanted}))
        return tuple(sorted(kept, key=_worst_first))


def _worst_first(found: Finding) -> tuple[int, int, int, str]:
    place = list(RULES).index(found.rule) if found.severity == "error" else 0
    return _ORDER[found.severity], place, -found.count, found.rule


def readiness(findings: Iterable[Finding]) -> Readiness:
    """The data stage's answer: the worst severity decides."""
    severities = {found.severity for found in findings}
    if "error" in severities:
        return "not ready"
    return "ready with warnings" if "warning" in severities else "ready"
