"""Whether the data is ready, why, and what to do first: for a reader who reads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config.data_checks import RULES
from ml_run.reporting.document import Code, Content, Loose, Mark, Opening, Rich, bullets, paragraph, rich
from ml_run.wording import listed, number_of, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reporting.records import Place
    from ml_run.results import Finding, PreparedData

READINESS = {
    "ready": "nothing was found that stands against training and judging a model with it.",
    "ready with warnings": "it can be used, and the warnings below say what to look at.",
    "not ready": "it cannot carry a verdict before the errors below are mended.",
}
_REASONS_SHOWN = 5
_LONGEST_REASON = 240
_ACTIONS_SHOWN = 3
_REVIEWED = ("conflict", "conflict_near", "label_error", "annotator_disagreement", "wrong_language")
"""Rules whose rows stand in the review queue; most valuable first."""
_COPIES = ("leak_exact", "leak_near")
"""Two findings, one thing to do."""
_ORDER: dict[str, int] = {
    "leak_exact": 1, "leak_near": 1, "leak_group": 1,
    "shortcut": 3, "language_by_class": 3, "gate_undecidable": 3,
    "class_small": 4, "truncation": 4, "unknown_tokens": 4,
}  # fmt: skip
"""Warnings by what mending them is worth: what makes a score a lie, what leaves it undecided, what lowers it."""
_REVIEW_ORDER = 2
_OTHERS = 5


def data_opening(prepared: PreparedData) -> Opening:
    """The first lines of a data check."""
    ready = prepared.readiness
    headline = sentence(f"the data is {ready}: {READINESS[ready]}")
    return Opening(Mark(ready.upper()), headline, tuple(rich(reason) for reason in _reasons(prepared)))


def readiness(prepared: PreparedData) -> list[Content]:
    """Ready or not, and why, in plain words."""
    said = paragraph("The data is ", Mark(prepared.readiness), ": ", READINESS[prepared.readiness])
    why = _reasons(prepared)
    return [said, *([bullets(why)] if why else [])]


def readiness_line(prepared: PreparedData) -> Rich:
    """Readiness in one line, for the first lines of a run's report."""
    counts = [
        number_of(number, severity)
        for severity in ("error", "warning")
        if (number := sum(found.severity == severity for found in prepared.findings))
    ]
    why = f": {listed(counts)}, under The data" if counts else ""
    return rich("The data is ", Mark(prepared.readiness), f"{why}.")


def _reasons(prepared: PreparedData) -> list[Loose]:
    severity = {"not ready": "error", "ready with warnings": "warning"}.get(prepared.readiness)
    deciding = [found for found in prepared.findings if found.severity == severity]
    found: list[Loose] = [rich(_cut(sentence(f.message)), " (", Code(f.rule), ")") for f in deciding[:_REASONS_SHOWN]]
    if len(deciding) > _REASONS_SHOWN:
        found.append(f"And {number_of(len(deciding) - _REASONS_SHOWN, f'{severity}')} more, under the findings.")
    return found


def _cut(message: str) -> str:
    """The start of a message that names many classes; the findings have it whole."""
    if len(message) <= _LONGEST_REASON:
        return message
    return message[:_LONGEST_REASON].rpartition(" ")[0].rstrip(",;:") + " …"


# --- what to do first -----------------------------------------------------------------------------------------------


def first_actions(place: Place, prepared: PreparedData) -> list[Loose]:
    """The three actions most worth their time: errors first, then what is most likely to make a score wrong."""
    ranked: list[tuple[int, Loose]] = [(_rank(found), _action(found)) for found in _mendable(prepared.findings)]
    reviewed = [found for rule in _REVIEWED for found in prepared.findings if found.rule == rule]
    queue = [(_review_rank(reviewed), _review(place, reviewed))] if reviewed else []
    shown = sorted([*ranked, *queue], key=lambda entry: entry[0])[:_ACTIONS_SHOWN]
    if queue and queue[0] not in shown and shown[-1][0] > 0:
        shown[-1:] = queue  # a list that people can work through is worth a place, if nothing blocks
    return [action for _, action in shown]


def _mendable(findings: Sequence[Finding]) -> list[Finding]:
    wanted = [found for found in findings if found.severity != "info" and found.rule not in _REVIEWED]
    copies = [found for found in wanted if found.rule in _COPIES]
    return [found for found in wanted if found not in copies[1:]]


def _rank(found: Finding) -> int:
    return 0 if found.severity == "error" else _ORDER.get(found.rule, _OTHERS)


def _review_rank(reviewed: Sequence[Finding]) -> int:
    severities = {found.severity for found in reviewed}
    if "error" in severities:
        return 0
    return _REVIEW_ORDER if "warning" in severities else _OTHERS


def _action(found: Finding) -> Loose:
    return rich(sentence(found.remedy), " (", Code(found.rule), ")")


def _review(place: Place, reviewed: Sequence[Finding]) -> Loose:
    queue = place.experiment.relative(place.experiment.review_queue)
    holds = "; ".join(f"{RULES[found.rule].meaning} ({found.count:,})" for found in reviewed)
    return rich(
        "Have somebody who speaks the language go through ",
        Code(queue),
        ", from the top, and write the right label into its last column. ",
        f"It holds {holds}. Then, with the same --config if you gave one: ",
        Code(f"ml-run check-data --apply {queue}"),
        ".",
    )
