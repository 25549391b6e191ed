"""The part of the report about the data: is it ready, what does it hold, what was found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import (
    Code,
    Content,
    Heading,
    Loose,
    Mark,
    Section,
    Strong,
    User,
    bullets,
    paragraph,
    rich,
    table,
)
from ml_run.reporting.figures import class_balance
from ml_run.results import SPLITS
from ml_run.wording import number_of, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reporting.records import Facts
    from ml_run.results import Advice, Example, Finding, PreparedData

_EXAMPLES_SHOWN = 5
_READINESS = {
    "ready": "nothing was found that stands against training and judging a model with it.",
    "ready with warnings": "it can be used, and the warnings below say what to look at.",
    "not ready": "it cannot carry a verdict before the errors below are mended.",
}


def data(facts: Facts, prepared: PreparedData) -> Section:
    """Readiness, splits, class balance, findings and the advice of the language profile."""
    content: list[Content] = [
        paragraph("The data is ", Mark(prepared.readiness), ": ", _READINESS[prepared.readiness]),
        *([_language(prepared)] if prepared.language else []),
        *_splits(facts, prepared),
        Heading(("Findings, worst first",)),
        *_findings(facts, prepared),
    ]
    if prepared.advice:
        content += [Heading(("Advice for this language, on what was measured",)), bullets(_advice(prepared.advice))]
    return Section("data", "The data", tuple(content))


def _language(prepared: PreparedData) -> Content:
    guess = prepared.language
    assert guess is not None, "called only with a language"
    how = "as configured" if guess.how == "configured" else "recognised from the text"
    return paragraph(f"Language: {guess.name} ({guess.code}), {how}. ", sentence(guess.evidence))


def _splits(facts: Facts, prepared: PreparedData) -> list[Content]:
    names = [name for name in SPLITS if name in prepared.splits]
    splits = [prepared.splits[name] for name in names]
    columns: list[Loose] = ["Split", "From", "Rows kept", "Rows left out", "Words: median", "Words: 95 of 100 below"]
    rows: list[list[Loose]] = [
        [
            Strong(split.name),
            User(facts.shown(split.source)),
            f"{split.rows:,}",
            f"{split.rejected:,}",
            f"{split.words.median:,.0f}",
            f"{split.words.p95:,.0f}",
        ]
        for split in splits
    ]
    content: list[Content] = [table("The splits", columns, rows, numeric="  nnnn")]
    left_out = sum(split.rejected for split in splits)
    if left_out:
        where = Code(facts.experiment.relative(facts.experiment.rejected))
        content.append(paragraph(f"{number_of(left_out, 'row')} left out; each stands with its reason in ", where, "."))
    if splits and any(split.rows for split in splits):
        content += [class_balance(prepared), _balance(prepared, names)]
    return content


def _balance(prepared: PreparedData, names: Sequence[str]) -> Content:
    columns: list[Loose] = ["Class", *names]
    rows: list[list[Loose]] = [
        [User(label), *(_cell(prepared, name, label) for name in names)] for label in prepared.labels
    ]
    return table("Rows of each class, and their share of the split", columns, rows, numeric=" nnn")


def _cell(prepared: PreparedData, name: str, label: str) -> str:
    split = prepared.splits[name]
    rows = split.classes.get(label, 0)
    return f"{rows:,} ({percent(rows / split.rows)})" if split.rows else f"{rows:,}"


# --- findings -------------------------------------------------------------------------------------------------------


def _findings(facts: Facts, prepared: PreparedData) -> list[Content]:
    if not prepared.findings:
        return [paragraph("No check found anything.")]
    return [piece for finding in prepared.findings for piece in _finding(facts, finding)]


def _finding(facts: Facts, finding: Finding) -> list[Content]:
    share = f" ({percent(finding.share)})" if finding.share is not None else ""
    content: list[Content] = [
        paragraph(
            Mark(finding.severity),
            " ",
            Code(finding.rule),
            f" · {finding.count:,}{share} · ",
            sentence(finding.message),
        ),
        paragraph(Strong("What to do: "), sentence(finding.remedy)),
    ]
    if finding.examples:
        content.append(_examples(facts, finding))
    return content


def _examples(facts: Facts, finding: Finding) -> Content:
    shown = finding.examples[:_EXAMPLES_SHOWN]
    labelled = any(example.label is not None for example in shown)
    columns: list[Loose] = ["Where", *(["Label"] if labelled else []), "Text"]
    rows = [_example(facts, example, labelled=labelled) for example in shown]
    more = ", more in data/report.json" if len(shown) < len(finding.examples) else ""
    return table(f"{finding.rule}: {number_of(len(rows), 'example')} of {finding.count:,}{more}", columns, rows)


def _example(facts: Facts, example: Example, *, labelled: bool) -> list[Loose]:
    file = facts.shown(example.file)
    where = file if example.line is None else f"{file}:{example.line}"
    label: list[Loose] = [User(example.label) if example.label is not None else "–"] if labelled else []
    return [User(where), *label, User(example.text) if example.text else "–"]


def _advice(pieces: tuple[Advice, ...]) -> list[Loose]:
    return [
        rich(Strong(f"{piece.topic}: "), sentence(piece.text), f" (Source: {piece.source}; checked {piece.dated}.)")
        for piece in pieces
    ]
