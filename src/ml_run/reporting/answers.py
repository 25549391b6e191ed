"""The part of the model card that is written last: how the model answers, and in which format it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting import markdown
from ml_run.reporting.document import Code, Content, Loose, paragraph, rich, table
from ml_run.wording import UNDEFINED, number_of, percent, score

if TYPE_CHECKING:
    from ml_run.results import FormatTrial, Served

_TITLE = "## How it answers"


def render_answers(served: Served) -> str:
    """The section as Markdown, to stand behind what `render_model_card` gives."""
    content = [*_confidence(served), *_formats(served)]
    return "\n" + "\n\n".join([_TITLE, *(markdown.content(piece) for piece in content)]) + "\n"


def _confidence(served: Served) -> list[Content]:
    if served.temperature is None:
        return [paragraph("Its scores on the validation rows are no finite numbers: nothing was fitted to them.")]
    fitted = f"{number_of(served.rows, 'row')} that it has not learnt from"
    said: list[Content] = [
        paragraph(
            rich(
                f"Its scores are divided by {served.temperature:.3g} (the temperature, fitted on {fitted}) before they "
                "become probabilities, which changes no label. ",
                Code("scoring.json"),
                " holds it; ",
                Code("ml_run.modeling.scoring.load_scorer(folder)"),
                " applies it, and plain transformers does not.",
            )
        )
    ]
    one = served.abstaining
    if one is not None and one.below is not None:
        told = (
            f"It abstains below a confidence of {one.below:g}: so {percent(one.coverage or 0)} of those rows were "
            f"answered, {percent(one.risk or 0)} of them wrongly; {percent(one.at_risk)} were allowed."
        )
        said.append(paragraph(told))
    elif one is not None:
        said.append(paragraph(f"It never abstains: no confidence leaves at most {percent(one.at_risk)} mistakes."))
    return said


def _formats(served: Served) -> list[Content]:
    if not served.trials:
        return []
    columns: list[Loose] = ["Format", "Equal labels", "Largest difference", "One text", "95 % within", "Rows/s", "Size"]
    rows = [_row(trial) for trial in served.trials]
    said = (
        f"It serves as {served.format}: the fastest of these whose labels are those of the trained weights. They were "
        f"compared on {number_of(served.compared, 'validation row')}, on the machine that trained it."
    )
    refused: list[Content] = [
        paragraph(f"{trial.format} does not serve: {trial.refused}.") for trial in served.trials if trial.refused
    ]
    return [paragraph(said), table("Formats", columns, rows, numeric=" nnnnnn"), *refused]


def _row(trial: FormatTrial) -> list[Loose]:
    if trial.single_ms_p50 is None:
        return [trial.format, *[UNDEFINED] * 6]
    return [
        trial.format,
        percent(trial.same_labels or 0),
        score(trial.largest_difference),
        f"{trial.single_ms_p50:.1f} ms",
        f"{trial.single_ms_p95 or 0:.1f} ms",
        f"{trial.rows_per_second or 0:.1f}",
        f"{trial.megabytes or 0:.1f} MB",
    ]
