"""What `ml-run monitor` shows: alarms first, on one screen, then how accurate the model is and what to do."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ml_run.characters import visible
from ml_run.checking.screen import HEIGHT, Line
from ml_run.wording import number_of, with_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.checking.screen import Mark
    from ml_run.drift.checks import Check
    from ml_run.watching.record import MonitorResult, Status

HEADLINES: dict[Status, str] = {
    "drift": "drift: the traffic is not what the model was tested on",
    "ok": "no drift found",
    "too_few": "too few rows to judge: neither drift nor its absence can be told",
}
_MARKS: dict[Status, Mark] = {"drift": "error", "ok": "ok", "too_few": "warning"}
_DOUBTS = {
    True: "",
    False: ": not to be relied on, for the texts have drifted",
    None: ", if texts look as before, which could not be checked",
}
_LINES_EACH = 2
_LINES_OF_NAMES = 3


def monitor_screen(result: MonitorResult, width: int) -> list[Line]:
    """A check of traffic on one screen of `width` columns; where it is full, every message has one line."""
    lines = list(_screen(result, width, _LINES_EACH))
    return lines if len(lines) <= HEIGHT else list(_screen(result, width, 1))


def _screen(result: MonitorResult, width: int, most: int) -> Iterator[Line]:
    yield from _marked(_MARKS[result.status], HEADLINES[result.status], width, most)
    if result.synthetic:
        yield Line("", "SYNTHETIC data: it shows how ml-run works, and says nothing about a language")
    about = f"{visible(result.file)}: {number_of(result.checked, 'row')} checked against {_reference(result)}"
    yield from _marked("", about, width, most)
    said = {one.said for one in result.checks}
    for reason in result.reasons:
        if reason not in said:
            yield from _marked(_MARKS[result.status], reason, width, most)
    if result.checks:
        yield Line("", "")
        yield from _checks(result, width, most)
    yield Line("", "")
    yield from _closing(result, width, most)


def _reference(result: MonitorResult) -> str:
    version = f"version {result.version} of {result.run}" if result.version else result.run
    return f"{number_of(result.reference_rows, 'test row')} of {version}"


def _checks(result: MonitorResult, width: int, most: int) -> Iterator[Line]:
    for one in result.checks:
        if one.alarm:
            yield from _marked("error", f"{one.said} (p {told_p(one.p_adjusted)})", width, most)
    quiet = [f"{name_of(one)} {told_p(one.p_adjusted)}" for one in result.checks if one.counted and not one.alarm]
    if quiet:
        yield from _marked("ok", f"no alarm (p): {', '.join(quiet)}", width, _LINES_OF_NAMES)


def told_p(value: float) -> str:
    """A p-value as people read it: `.013`, `< .001`."""
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")  # noqa: PLR2004 -- three decimals


def name_of(check: Check) -> str:
    """The check in words."""
    return check.name.replace("_", " ")


def _closing(result: MonitorResult, width: int, most: int) -> Iterator[Line]:
    if result.labelled:
        rows = number_of(result.labelled.n, "labelled row")
        accuracy, macro = with_interval(result.labelled.accuracy), with_interval(result.labelled.macro_f1)
        yield from _marked("", f"accuracy {accuracy}, macro-F1 {macro} on {rows}", width, most)
    if result.estimated_accuracy:
        told = with_interval(result.estimated_accuracy)
        yield from _marked(
            "", f"accuracy estimated from confidence {told}{_DOUBTS[result.estimate_holds]}", width, most
        )
    if result.retrain:
        due = result.retrain.due
        mark: Mark = "warning" if due else "" if due is None else "ok"
        answer = "unknown" if due is None else "yes" if due else "no"
        yield from _marked(mark, f"train again: {answer}; {result.retrain.said}", width, most)
    for note in result.notes:
        yield from _marked("info", note, width, most)
    yield Line("", f"report  {result.report or result.folder + '/result.json'}")
    if result.next_step:
        yield from _marked("", f"next    {result.next_step}", width, most)


def _marked(mark: Mark, text: str, width: int, most: int) -> list[Line]:
    pieces = textwrap.wrap(visible(text), max(width - 2, 12), break_on_hyphens=False) or [""]
    if len(pieces) > most:
        pieces = [*pieces[: most - 1], pieces[most - 1][: max(width - 3, 11)].rstrip() + "…"]
    return [Line(mark, pieces[0]), *(Line("", piece) for piece in pieces[1:])]
