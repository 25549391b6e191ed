"""Writing the report of a run: from its records to Markdown, HTML and figures."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from ml_run import events, files
from ml_run.reporting import (
    markdown,
    mistake_sections,
    page,
    reliance_sections,
    run_sections,
    score_sections,
    slice_sections,
    trust_sections,
)
from ml_run.reporting.data_opening import data_opening
from ml_run.reporting.data_sections import data, data_parts
from ml_run.reporting.document import Code, Document, Figure, Section, bullets, rich
from ml_run.reporting.next_steps import limits, next_steps
from ml_run.reporting.opening import opening, summary_line
from ml_run.reporting.publishing import publish
from ml_run.reporting.records import Place, read_facts
from ml_run.results import SPLITS
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from pathlib import Path

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.reporting.document import Loose
    from ml_run.reporting.records import Facts
    from ml_run.results import PreparedData

SYNTHETIC = (
    "SYNTHETIC data: made by a generator to show how ml-run works. No score here says anything about a language."
)


def write_reports(config: Config, experiment: Experiment) -> Path:
    """Write the report of a run from whichever records it has; may be called again at any time.

    Writes `report.md`, `report.html` and `evaluation/figures/*.svg` in the experiment folder, the copy
    `<reports.path>/implementation/ml-run-YYYY-MM-DD.md` and its line in `<reports.path>/_registry.md`. The same records
    give the same bytes.

    Args:
        config: the run's resolved config.
        experiment: the run's folder.

    Returns:
        The path of `report.html`.

    Raises:
        UsageError: `run.json` is missing, or a record cannot be read.
        OSError: the experiment folder cannot be written. A copy that cannot be written is a warning.
    """
    facts = read_facts(config, experiment)
    document = build_document(facts)
    figures = _write_figures(facts, document)
    files.write_text(experiment.report_md, markdown.render(document, figures=_seen_from(experiment.folder, figures)))
    files.write_text(experiment.report_html, page.render(document))
    try:
        _publish(facts, document, figures)
    except OSError as error:
        where = experiment.project / config.reports.path
        message = f"the report could not be copied to {where}: {error.strerror}; it is in {experiment.report_md}"
        events.emit("warning", message, level=logging.WARNING)
    return experiment.report_html


def write_data_report(config: Config, experiment: Experiment, prepared: PreparedData) -> Path:
    """Write the report of a data check alone: no run, no model.

    Writes `report.md` and `report.html` in the experiment folder, and nothing else. The same record gives the same
    bytes.

    Args:
        config: what was asked.
        experiment: the folder that the data was prepared in.
        prepared: the data stage's answer.

    Returns:
        The path of `report.html`.

    Raises:
        OSError: the folder cannot be written.
    """
    document = data_document(Place(config, experiment), prepared)
    files.write_text(experiment.report_md, markdown.render(document, figures=""))
    files.write_text(experiment.report_html, page.render(document))
    return experiment.report_html


def data_document(place: Place, prepared: PreparedData) -> Document:
    """All that the report of a data check says, the answer first."""
    splits = [prepared.splits[name] for name in SPLITS if name in prepared.splits]
    counts = [f"{number_of(split.rows, 'row')} of {split.name}" for split in splits]
    about = rich(f"{listed(counts)} · " if counts else "", "fingerprint ", Code(prepared.fingerprint[:12]))
    name = place.shown(splits[0].source) if splits else place.experiment.project.name
    banner = SYNTHETIC if prepared.synthetic else ""
    parts = tuple(data_parts(place, prepared))
    return Document("Data check", name, about, banner, data_opening(prepared), parts, _language(prepared))


def build_document(facts: Facts) -> Document:
    """All that the report says, decision first."""
    about = rich(Code(facts.run.id), f" · begun {facts.run.created[:19].replace('T', ' ')} UTC")
    banner = SYNTHETIC if facts.synthetic else ""
    sections = tuple(_sections(facts))
    return Document("Report of the run", facts.run.name, about, banner, opening(facts), sections, _language(facts.data))


def _language(prepared: PreparedData | None) -> str:
    return prepared.language.code if prepared and prepared.language else ""


def _sections(facts: Facts) -> list[Section]:
    found: list[Section] = []
    evaluation = facts.evaluation
    found += [mistake_sections.mistakes(evaluation, facts)] if evaluation else []
    found += _listed("limits", "What is not known", limits(facts))
    found += [reliance_sections.reliance(evaluation, synthetic=facts.synthetic)] if evaluation else []
    found += _listed("next", "What would help most", next_steps(facts))
    found += [score_sections.criteria(facts.verdict)] if facts.verdict else []
    if evaluation:
        found.append(score_sections.scores(facts, evaluation))
        found += slice_sections.weaker(evaluation, facts.config, facts.data)
        found += mistake_sections.more_mistakes(evaluation, facts)
        found += trust_sections.trust(facts.config, evaluation)
        found += trust_sections.learning(evaluation.learning_curve)
    found += [data(facts, facts.data)] if facts.data else []
    found += [run_sections.training(facts, facts.model)] if facts.model else []
    found += [run_sections.deployment(facts)] if facts.deployment or facts.registration else []
    return [*found, run_sections.asked(facts), run_sections.reproduce(facts)]


def _listed(name: str, title: str, items: list[Loose]) -> list[Section]:
    return [Section(name, title, (bullets(items),))] if items else []


def _write_figures(facts: Facts, document: Document) -> Path | None:
    """Write each figure as a file of its own; None for a run that was not evaluated."""
    if facts.evaluation is None:
        return None
    folder = facts.experiment.evaluation / "figures"
    for section in document.sections:
        for figure in section.content:
            if isinstance(figure, Figure):
                files.write_text(folder / f"{figure.name}.svg", figure.file)
    return folder


def _seen_from(folder: Path, figures: Path | None) -> str:
    return os.path.relpath(figures, folder) if figures else ""


def _publish(facts: Facts, document: Document, figures: Path | None) -> None:
    publish(
        facts.experiment.project / facts.config.reports.path,
        facts.run.id,
        facts.run.created[:10],
        document.opening.mark.text,
        summary_line(facts),
        lambda folder: markdown.render(document, figures=_seen_from(folder, figures)),
    )
