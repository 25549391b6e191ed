"""The result as Markdown for a CI job's page and for a comment on a pull request.

GitHub Actions names a file in `GITHUB_STEP_SUMMARY` and shows what is appended to it on the job's page; any other CI
can set the variable and read the file. The text stays well under the 65,536 characters that a comment may have.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ml_run.errors import ConfigError
from ml_run.redaction import redact
from ml_run.reporting.document import Code, Loose, Rich, Strong, User, rich, table
from ml_run.reporting.markdown import escape, line
from ml_run.reporting.markdown import table as table_text
from ml_run.reporting.opening import MEANING
from ml_run.reporting.report import SYNTHETIC
from ml_run.wording import duration, interval, number_of, score, sentence

if TYPE_CHECKING:
    from ml_run.errors import MlRunError
    from ml_run.results import Estimate, RunResult

_VARIABLE = "GITHUB_STEP_SUMMARY"
_FAULTS_SHOWN = 20
_PAGE = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
_ADDRESS = re.compile(r"https?://[\w.:-]+/[\w./-]+")


def markdown_of_result(result: RunResult) -> str:
    """What came of a run, or of judging predictions: the decision first, then the criteria, then what to do next."""
    parts = [f"## ml-run: {_mark(result)}"]
    parts += [f"> **{escape(SYNTHETIC)}**"] if result.synthetic else []
    parts += [line(point) for point in _points(result)]
    parts += [_criteria(result)] if result.criteria else []
    parts += [_scores(result)] if result.scores else []
    if result.next_step:
        parts.append(line(rich(Strong("Next: "), _step(result.next_step))))
    return "\n\n".join([*parts, line(_where(result)) + _artefacts()]) + "\n"


def markdown_of_error(error: MlRunError, code: int) -> str:
    """What ended a command before there was a run: every fault, where it is, and what to do."""
    faults = error.faults if isinstance(error, ConfigError) else [error]
    parts = ["## ml-run: ERROR", f"Nothing was run (exit code {code})."]
    points = [line(_problem("", f.found, f.where, f.remedy)) for f in faults[:_FAULTS_SHOWN]]
    if faults[_FAULTS_SHOWN:]:
        points.append(f"… and {number_of(len(faults) - _FAULTS_SHOWN, 'fault')} more")
    return "\n\n".join([*parts, "\n".join(f"- {point}" for point in points)]) + "\n"


def is_wanted() -> bool:
    """Whether `GITHUB_STEP_SUMMARY` names a file."""
    return bool(os.environ.get(_VARIABLE))


def append(text: str) -> None:
    """Append `text` to the file that `GITHUB_STEP_SUMMARY` names.

    Raises:
        OSError: it cannot be written.
    """
    # A pipe that nobody reads is an error, not a reason to wait.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
    file = os.open(os.environ[_VARIABLE], flags, 0o666)
    try:
        os.write(file, f"\n{text}".encode())
    finally:
        os.close(file)


# --- the parts ------------------------------------------------------------------------------------------------------


def _mark(result: RunResult) -> str:
    if result.verdict:
        return result.verdict
    if result.status == "interrupted":
        return "INTERRUPTED"
    if result.readiness == "not ready":
        return "NOT READY"
    return "ERROR" if result.error else "NO VERDICT"


def _points(result: RunResult) -> list[Rich]:
    points = []
    if result.verdict:
        points.append(rich(Strong(sentence(MEANING[result.verdict])), f" {sentence(result.reason)}"))
    elif not result.error:
        points.append(rich(f"No verdict was asked for. Stages walked: {', '.join(result.stages)}."))
    if result.deployment:
        points.append(rich(Strong(f"{result.deployment.action.capitalize()}: "), sentence(result.deployment.reason)))
    if result.registration and result.registration.status == "pending":
        points.append(_problem("Not recorded in the tracking store yet: ", result.registration.reason, "", ""))
    if result.error:
        stage = f" in the stage {result.error.stage}" if result.error.stage else ""
        points.append(_problem(f"The run ended{stage}: ", result.error.found, result.error.where, ""))
    return points


def _problem(start: str, found: str, where: str, remedy: str) -> Rich:
    pieces: list[Loose] = [Strong(start)] if start else []
    pieces += [Code(redact(where, ())), ": "] if where else []
    pieces.append(_sentence(found))
    pieces += [" ", Strong("What to do: "), _sentence(remedy)] if remedy else []
    return rich(*pieces)


def _sentence(text: str) -> str:
    return sentence(" ".join(redact(text, ()).splitlines()))


def _criteria(result: RunResult) -> str:
    rows: list[list[Loose]] = [
        [
            User(c.name),
            score(c.value),
            "–" if c.low is None or c.high is None else f"{c.low:.3f}–{c.high:.3f}",
            f"{c.direction} {c.threshold:g}",
            f"{c.n:,}",
            Strong(c.verdict) if c.verdict != "PASS" else c.verdict,
        ]
        for c in result.criteria
    ]
    omitted = f"; {result.criteria_omitted} more are in the report" if result.criteria_omitted else ""
    columns: list[Loose] = ["criterion", "value", "interval", "needed", "n", "verdict"]
    return table_text(table(f"Criteria{omitted}", columns, rows, numeric=" nnnn"))


def _scores(result: RunResult) -> str:
    def shown(estimate: Estimate) -> str:
        return f"{score(estimate.value)} {interval(estimate)}"

    rows: list[list[Loose]] = [
        [model, shown(scores["accuracy"]), shown(scores["macro_f1"])] for model, scores in result.scores.items()
    ]
    caption = f"Scores on {number_of(result.n_test or 0, 'test row')}, with 95 % intervals"
    return table_text(table(caption, ["model", "accuracy", "macro-F1"], rows, numeric=" nn"))


def _step(step: str) -> Loose:
    return Code(step) if step.startswith("ml-run ") else _sentence(step)


def _where(result: RunResult) -> Rich:
    name = "" if result.id.endswith(result.name) else f" · {result.name}"
    took = f" · {duration(result.seconds)}" if result.seconds else ""
    pieces: list[Loose] = ["Run ", Code(result.id), f"{name}{took}"]
    if result.report:
        pieces += [" · report: ", Code(result.report)]
    return rich(*pieces)


def _artefacts() -> str:
    """A link to the page that has the job's artefacts, where GitHub says which it is."""
    server, repository, run = (os.environ.get(name, "") for name in _PAGE)
    address = f"{server}/{repository}/actions/runs/{run}"
    known = server and repository and run and _ADDRESS.fullmatch(address)
    return f" ([artefacts of this job]({address}#artifacts))" if known else ""
