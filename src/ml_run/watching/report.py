"""The report on a window of traffic: no text of it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run import files
from ml_run.reporting import markdown, page
from ml_run.reporting.document import (
    Code,
    Content,
    Document,
    Figure,
    Loose,
    Mark,
    Opening,
    Rich,
    Section,
    Strong,
    User,
    bullets,
    paragraph,
    rich,
    table,
)
from ml_run.reporting.report import SYNTHETIC
from ml_run.watching import figures
from ml_run.watching.meaning import MEANING, METHOD
from ml_run.watching.screen import HEADLINES, name_of, told_p
from ml_run.wording import number_of, percent, sentence, short_estimate, with_interval

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.drift.checks import Check
    from ml_run.watching.deployed import Watched
    from ml_run.watching.record import MonitorResult, Status
    from ml_run.watching.traffic import Traffic

_WORDS: dict[Status, str] = {"drift": "DRIFT", "ok": "NO DRIFT", "too_few": "TOO FEW ROWS"}
_WARNINGS = {
    True: "It holds only while texts look as before and each label's texts stay as they were.",
    False: "It is not to be relied on here: the texts have drifted, and models can be sure of wrong answers.",
    None: "It holds only if texts look as before, which could not be checked without them.",
}
_FIGURES = "figures"
_EIGHTH = 8
"""A window larger than this part of the reference leans on the luck of that reference (data-quality.md, 4.2)."""


def write_monitor_report(result: MonitorResult, traffic: Traffic, watched: Watched, folder: Path) -> Path:
    """Write `report.md`, `report.html` and `figures/*.svg` into `folder`; return the page's path.

    Raises:
        OSError: it cannot be written.
    """
    document = _document(result, traffic, watched)
    for section in document.sections:
        for figure in section.content:
            if isinstance(figure, Figure):
                files.write_text(folder / _FIGURES / f"{figure.name}.svg", figure.file)
    files.write_text(folder / "report.md", markdown.render(document, figures=_FIGURES))
    files.write_text(folder / "report.html", page.render(document))
    return folder / "report.html"


def _document(result: MonitorResult, traffic: Traffic, watched: Watched) -> Document:
    version = f"version {result.version}" if result.version else "its model"
    about = rich(f"{number_of(result.checked, 'row')} checked against {version} of ", Code(result.run))
    sections = [_checks(result)] if result.checks else []
    sections += [*_accuracy(result), *_labels(result), *_texts(result, traffic, watched)]
    return Document(
        what="Traffic check",
        name=result.file,
        about=about,
        banner=SYNTHETIC if result.synthetic else "",
        opening=_opening(result),
        sections=(*sections, _method(result, watched, traffic)),
    )


def _opening(result: MonitorResult) -> Opening:
    points: list[Rich] = [rich(sentence(reason)) for reason in result.reasons]
    if result.labelled:
        rows = number_of(result.labelled.n, "labelled row")
        points.append(rich(f"Accuracy on {rows}: {with_interval(result.labelled.accuracy)}."))
    if result.retrain:
        points.append(rich(Strong("Train again? "), sentence(result.retrain.said)))
    points += [rich(sentence(note)) for note in result.notes]
    return Opening(Mark(_WORDS[result.status]), sentence(HEADLINES[result.status]), tuple(points))


def _checks(result: MonitorResult) -> Section:
    rows: list[list[Loose]] = [_row(one) for one in result.checks]
    heads: list[Loose] = ["Check", "Before", "Now", "Effect", "Alarm from", "p", "p, all checks", "PSI"]
    content: list[Content] = [
        figures.strengths(result),
        table("What was compared, alarms first", heads, rows, numeric=" nnnnnnn"),
    ]
    alarms = [one for one in result.checks if one.alarm]
    if alarms:
        items: list[Loose] = [
            rich(Strong(f"{name_of(one)}: "), sentence(one.said), " ", MEANING[one.name]) for one in alarms
        ]
        content.append(bullets(items))
    return Section("checks", "What was checked", tuple(content))


def _row(one: Check) -> list[Loose]:
    is_share = one.effect_name == "difference of shares"
    told = percent if is_share or one.name in {"confidence", "characters"} else _number
    return [
        rich(Strong(name_of(one)), " ", Mark("ALARM")) if one.alarm else name_of(one),
        "–" if one.before is None else told(one.before),
        "–" if one.now is None else told(one.now),
        f"{one.effect:+.3f}" if is_share else f"{one.effect:.3f}",
        "–" if one.alarm_at is None else f"{one.alarm_at:.3f}",
        told_p(one.p_value) if one.counted else "–",
        told_p(one.p_adjusted) if one.counted else "not counted",
        "–" if one.psi is None else f"{one.psi:.2f}",
    ]


def _number(value: float) -> str:
    return f"{value:,.4g}"


def _accuracy(result: MonitorResult) -> list[Section]:
    content: list[Content] = []
    if result.labelled:
        said = (
            f"On {number_of(result.labelled.n, 'labelled row')}: accuracy {with_interval(result.labelled.accuracy)}, "
        )
        said += f"macro-F1 {with_interval(result.labelled.macro_f1)}. "
        said += f"{number_of(result.labelled.new, 'text')} among them are new to the model."
        content.append(paragraph(said))
    if result.estimated_accuracy:
        told = with_interval(result.estimated_accuracy)
        warning = _WARNINGS[result.estimate_holds]
        content.append(paragraph(f"Estimated from the model's confidence, without labels: {told}. {warning}"))
    return [Section("accuracy", "How accurate the model is on this traffic", tuple(content))] if content else []


def _labels(result: MonitorResult) -> list[Section]:
    if not result.labels:
        return []
    rows: list[list[Loose]] = [
        [
            User(one.label),
            percent(one.before),
            percent(one.predicted_before),
            percent(one.predicted),
            short_estimate(one.estimated) if one.estimated else "–",
            "–" if one.labelled is None else percent(one.labelled),
        ]
        for one in result.labels[: 4 * figures.MOST_LABELS]
    ]
    heads: list[Loose] = [
        "Label",
        "True before",
        "Predicted before",
        "Predicted now",
        "True now, estimated",
        "Labelled",
    ]
    said = paragraph(
        "The estimate undoes the model's usual errors, as they were counted on the test rows; it holds if only the "
        "shares of labels have changed (black-box shift estimation). In brackets: 95 % intervals."
    )
    shares = table("Shares of labels, most changed first", heads, rows, numeric=" nnnnn")
    return [Section("labels", "Labels", (figures.label_shares(result.labels), said, shares))]


def _texts(result: MonitorResult, traffic: Traffic, watched: Watched) -> list[Section]:
    if not result.checks:
        return []
    content: list[Content] = []
    if traffic.characters:
        before, now = watched.handoff.characters.values, sorted(traffic.characters)
        content.append(figures.cumulative("length", "characters of a text", before, now))
    if result.characters:
        rows: list[list[Loose]] = [
            [rich(Code(_shown(one.character))), percent(one.before), percent(one.now)] for one in result.characters
        ]
        heads: list[Loose] = ["Character", "Before", "Now"]
        content.append(table("Characters whose share changed most", heads, rows, numeric=" nn"))
    return [Section("texts", "Texts", tuple(content))] if content else []


def _shown(character: str) -> str:
    return f"U+{ord(character):04X}" if character.isspace() or not character.isprintable() else character


def _method(result: MonitorResult, watched: Watched, traffic: Traffic) -> Section:
    said = [*METHOD]
    if result.checked > result.reference_rows / _EIGHTH:
        said.append(
            f"The window of {number_of(result.checked, 'row')} is large beside a reference of "
            f"{result.reference_rows:,}: the chance of a false alarm holds on average over test splits, and an "
            "unlucky one alarms more often."
        )
    rows: list[list[Loose]] = [
        ["File", rich(User(result.file), f", {number_of(result.rows, 'row')}, SHA-256 ", Code(traffic.digest[:16]))],
        ["Model", rich(Code(result.run), f", version {result.version or '–'}")],
        ["Reference", f"{number_of(result.reference_rows, 'test row')}, handed over {watched.handoff.created}"],
        ["Chance of a false alarm", f"{result.alpha:g} for the whole window"],
        ["Fewest rows", f"{result.minimum_window}"],
    ]
    return Section("method", "How it was checked", (bullets(list(said)), table("Facts", ["", ""], rows)))
