"""The report on predictions from elsewhere: no data stage, no training, no run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.reporting import (
    markdown,
    mistake_sections,
    page,
    reliance_sections,
    score_sections,
    slice_sections,
    trust_sections,
)
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
    bullets,
    paragraph,
    rich,
    table,
)
from ml_run.reporting.opening import MEANING, compared_with
from ml_run.reporting.reliance_sections import weaknesses
from ml_run.reporting.report import SYNTHETIC
from ml_run.wording import number_of, percent, sentence, signed_with_interval, with_interval

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config import Config
    from ml_run.results import Evaluation, ModelScores, Verdict


@dataclass(frozen=True)
class Judged:
    """Predictions that were judged."""

    config: Config
    evaluation: Evaluation
    verdict: Verdict
    sources: tuple[tuple[str, str, str], ...]
    """What each file is, its name, and its SHA-256."""
    notes: tuple[str, ...]
    """What was seen in reading them."""
    synthetic: bool
    """A file says of itself that it is SYNTHETIC."""


def write_predictions_report(judged: Judged, folder: Path) -> Path:
    """Write `report.md`, `report.html` and `evaluation/figures/*.svg`; the same predictions give the same bytes.

    Args:
        judged: what came of it.
        folder: where they are written.

    Returns:
        The path of `report.html`.

    Raises:
        OSError: the folder cannot be written.
    """
    document = _document(judged)
    for section in document.sections:
        for figure in section.content:
            if isinstance(figure, Figure):
                files.write_text(folder / "evaluation" / "figures" / f"{figure.name}.svg", figure.file)
    files.write_text(folder / "report.md", markdown.render(document, figures="evaluation/figures"))
    files.write_text(folder / "report.html", page.render(document))
    return folder / "report.html"


def _document(judged: Judged) -> Document:
    evaluation = judged.evaluation
    about = rich(f"{number_of(evaluation.n, 'row')}, {number_of(len(evaluation.labels), 'label')}")
    banner = SYNTHETIC if judged.synthetic else ""
    return Document(
        "Report on predictions", judged.sources[0][1], about, banner, _opening(judged), tuple(_sections(judged))
    )


def _opening(judged: Judged) -> Opening:
    evaluation, verdict = judged.evaluation, judged.verdict
    points: list[Rich] = [
        _reached(evaluation.candidate),
        *weaknesses(evaluation),
        rich(Strong("Why: "), sentence(verdict.reason)),
    ]
    points += [_against(evaluation)] if evaluation.production else []
    return Opening(Mark(verdict.overall), sentence(MEANING[verdict.overall]), tuple(points))


def _reached(scores: ModelScores) -> Rich:
    right = sum(row[i] for i, row in enumerate(scores.confusion))
    return rich(
        f"{right:,} of {number_of(scores.n, 'row')} got the right label (accuracy {percent(scores.accuracy.value)}). "
        f"Macro-F1, in which a rare class counts as much as a common one, is {with_interval(scores.macro_f1)}."
    )


def _against(evaluation: Evaluation) -> Rich:
    comparison = compared_with(evaluation, "production")
    name = f"production ({evaluation.production_version})"
    if comparison is None or comparison.macro_f1_difference.value is None:
        why = comparison.note if comparison else "no difference could be computed"
        return rich(f"It could not be compared with {name}: {why}.")
    difference = signed_with_interval(comparison.macro_f1_difference)
    return rich(f"Macro-F1 against {name}: {difference} on {number_of(comparison.n, 'row')}.")


def _sections(judged: Judged) -> list[Section]:
    evaluation = judged.evaluation
    said = paragraph(
        "Whether the model was trained on any of these rows is not known here. In brackets: 95 % intervals."
    )
    found = [
        mistake_sections.mistakes(evaluation),
        reliance_sections.reliance(evaluation, synthetic=judged.synthetic),
        score_sections.criteria(judged.verdict),
    ]
    found.append(Section("scores", "Scores", (said, *score_sections.score_evidence(judged.config, evaluation))))
    found += [
        *slice_sections.weaker(evaluation),
        *mistake_sections.more_mistakes(evaluation),
        *trust_sections.trust(judged.config, evaluation),
    ]
    return [*found, Section("sources", "What was judged", tuple(_sources(judged)))]


def _sources(judged: Judged) -> list[Content]:
    rows: list[list[Loose]] = [[what, Code(name), Code(digest)] for what, name, digest in judged.sources]
    content: list[Content] = [table("Files", ["", "File", "SHA-256"], rows)]
    return [*content, bullets([sentence(note) for note in judged.notes])] if judged.notes else content
