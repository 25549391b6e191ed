"""The part of the report about the data: is it ready, what to do first, what it holds, what was found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting import data_evidence, data_labels
from ml_run.reporting.data_figures import class_balance, largest_and_smallest
from ml_run.reporting.data_opening import first_actions, readiness
from ml_run.reporting.document import (
    Code,
    Content,
    Folded,
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
from ml_run.results import SPLITS
from ml_run.wording import number_of, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reporting.records import Place
    from ml_run.results import Advice, Finding, PreparedData


def data(place: Place, prepared: PreparedData) -> Section:
    """All about the data as one section of a run's report."""
    content = readiness(prepared)
    for part in data_parts(place, prepared):
        content += [Heading((part.title,)), *part.content]
    return Section("data", "The data", tuple(content))


def data_parts(place: Place, prepared: PreparedData) -> list[Section]:
    """What is known of the data, part by part; a part of which nothing is known is left out."""
    actions = first_actions(place, prepared)
    first: list[Content] = [bullets(actions, numbered=True)] if actions else []
    parts: list[tuple[str, str, Sequence[Content]]] = [
        ("first", "What to do first", first),
        ("splits", "The splits and their classes", _splits(place, prepared)),
        ("lengths", "How much of a text the model reads", data_evidence.lengths(place, prepared)),
        ("copies", "Copies inside and between the splits", data_evidence.copies(prepared)),
        ("decidable", "Can these test rows decide the criteria?", data_evidence.decidable(prepared)),
        ("shortcuts", "Can the label be told without reading?", data_evidence.shortcuts(prepared)),
        ("label-errors", "Likely label errors", data_labels.label_errors(place, prepared)),
        ("language", "Language and script", data_labels.language(prepared)),
        ("findings", "Findings, worst first", _findings(place, prepared)),
        ("advice", "Advice for this language, on what was measured", _advice(prepared.advice)),
    ]
    return [Section(name, title, tuple(content)) for name, title, content in parts if content]


def _splits(place: Place, prepared: PreparedData) -> list[Content]:
    names = [name for name in SPLITS if name in prepared.splits]
    splits = [prepared.splits[name] for name in names]
    if not splits:
        return []
    columns: list[Loose] = ["Split", "From", "Rows kept", "Rows left out", "Words: median", "Words: 95 of 100 below"]
    rows: list[list[Loose]] = [
        [
            Strong(split.name),
            User(place.shown(split.source)),
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
        where = Code(place.experiment.relative(place.experiment.rejected))
        content.append(paragraph(f"{number_of(left_out, 'row')} left out; each stands with its reason in ", where, "."))
    if any(split.rows for split in splits):
        content += [class_balance(prepared), _balance(prepared, names)]
    return content


def _balance(prepared: PreparedData, names: Sequence[str]) -> Content:
    columns: list[Loose] = ["Class", *names]
    large, between, small = largest_and_smallest(prepared)
    rows = [_balance_row(prepared, names, User(label), [label]) for label in large]
    if between:
        rows.append(_balance_row(prepared, names, f"{number_of(len(between), 'class')} between", between))
    rows += [_balance_row(prepared, names, User(label), [label]) for label in small]
    return Folded(table("Rows of each class, and their share of the split", columns, rows, numeric=" nnn"))


def _balance_row(prepared: PreparedData, names: Sequence[str], title: Loose, labels: Sequence[str]) -> list[Loose]:
    return [title, *(_cell(prepared, name, labels) for name in names)]


def _cell(prepared: PreparedData, name: str, labels: Sequence[str]) -> str:
    split = prepared.splits[name]
    rows = sum(split.classes.get(label, 0) for label in labels)
    return f"{rows:,} ({percent(rows / split.rows)})" if split.rows else f"{rows:,}"


# --- findings -------------------------------------------------------------------------------------------------------


def _findings(place: Place, prepared: PreparedData) -> list[Content]:
    if not prepared.findings:
        return [paragraph("No check found anything.")]
    return [piece for finding in prepared.findings for piece in _finding(place, prepared, finding)]


def _finding(place: Place, prepared: PreparedData, finding: Finding) -> list[Content]:
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
    # The list of likely label errors stands beside what it can be trusted for.
    if finding.examples and not (finding.rule == data_labels.LABEL_ERROR and prepared.label_errors):
        content.append(data_labels.examples(place, finding))
    return content


def _advice(pieces: tuple[Advice, ...]) -> list[Content]:
    items: list[Loose] = [
        rich(Strong(f"{piece.topic}: "), sentence(piece.text), f" (Source: {piece.source}; checked {piece.dated}.)")
        for piece in pieces
    ]
    return [bullets(items)] if items else []
