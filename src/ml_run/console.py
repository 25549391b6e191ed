"""The terminal: progress and log lines on stderr, results on stdout. The only file that imports rich."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from ml_run.errors import ConfigError, MlRunError
from ml_run.events import logger, one_line
from ml_run.redaction import redact
from ml_run.results import Comparison, Deployment, Estimate, Record, RunRecord, RunResult, VerdictWord
from ml_run.wording import duration, number_of, percent, signed, signed_with_interval

if TYPE_CHECKING:
    from ml_run.checking import Line
    from ml_run.comparison import RunComparison, Side
    from ml_run.outside import OutsideResult

PLAIN_PROGRESS_SECONDS = 30.0
"""Where stderr is no terminal, a progress line is written this often: CI logs stay short."""
_NARROW = 72
"""Columns below which a value and its interval do not stand side by side."""
_SHORTEST_NAME = 6
_MARKS = {"stage_finished": ("✔", "green"), "stage_failed": ("✘", "red"), "stage_skipped": ("↷", "dim")}
_COLOURS = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}
_SYNTHETIC = "SYNTHETIC data: a smoke test of the tool, no claim about any language"
_LINE_MARKS = {
    "error": ("✘", "red"),
    "warning": ("⚠", "yellow"),
    "info": ("·", "dim"),
    "ok": ("✔", "green"),
    "": ("", ""),
}


def _stdout() -> Console:
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def _stderr() -> Console:
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


class _TerminalHandler(logging.Handler):
    """Shows events as they come: one line a stage, its verdict when it ends, a live line in between."""

    def __init__(self, secrets: Sequence[str], *, findings: bool) -> None:
        super().__init__(logging.INFO)
        self._secrets = secrets
        self._findings = findings
        self._console = _stderr()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._last_plain = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Show one event."""
        try:
            event, data = getattr(record, "event", "log"), getattr(record, "data", {})
            message = one_line(redact(record.getMessage(), self._secrets))
            if event == "progress":
                self._show_progress(message, data)
            elif event in _MARKS:
                self._end_live()
                self._stage_line(event, message, data)
            elif event == "stage_started":
                self._start_live(data["stage"])
            elif event == "finding":
                if self._findings:
                    self._finding(message, data)
            elif record.levelno >= logging.WARNING or event == "warning":
                self._print("  ⚠ ", "yellow", message)
            elif event in {"run_started", "note"}:
                self._console.print(Text(message, "bold" if event == "run_started" else "dim"))
        except Exception:  # noqa: BLE001 -- showing must never end a run
            self.handleError(record)

    def close(self) -> None:
        """Take the live line away."""
        self._end_live()
        super().close()

    def _print(self, mark: str, style: str, message: str) -> None:
        if not self._console.is_terminal:
            self._console.print(Text(mark + message), soft_wrap=True)
            return
        line = Table.grid()  # whose second column keeps the lines of a long message beside its mark
        line.add_row(Text(mark, style), Text(message, overflow="fold"))
        self._console.print(line)

    def _stage_line(self, event: str, message: str, data: dict[str, Any]) -> None:
        mark, style = _MARKS[event]
        seconds = data.get("seconds")
        tail = f"  ({duration(seconds)})" if seconds is not None else ""
        self._print(f"{mark} ", style, message + tail)

    def _finding(self, message: str, data: dict[str, Any]) -> None:
        severity = data.get("severity", "info")
        if severity != "info":
            mark, style = _LINE_MARKS[severity]
            self._print(f"  {mark} ", style, message)

    def _start_live(self, stage: str) -> None:
        self._last_plain = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(Text(f"▸ {stage}"))
            return
        self._end_live()
        line = TextColumn("▸ {task.description}", markup=False)
        self._progress = Progress(line, console=self._console, transient=True)
        self._progress.start()
        self._task = self._progress.add_task(stage, total=None)

    def _end_live(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _show_progress(self, message: str, data: dict[str, Any]) -> None:
        # What matters most comes first: a narrow terminal cuts the end off.
        share = f" {percent(data['done'] / data['total'])}" if data.get("total") else ""
        line = ", ".join([f"{data.get('stage', '')}{share}", *_measured(data), message])
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task, description=line, completed=data.get("done", 0), total=data.get("total") or None
            )
        elif not self._console.is_terminal and time.monotonic() - self._last_plain >= PLAIN_PROGRESS_SECONDS:
            self._last_plain = time.monotonic()
            self._console.print(Text(f"  {line}"), soft_wrap=True)


def _measured(data: dict[str, Any]) -> Iterator[str]:
    """What training tells of itself beside its steps."""
    if data.get("seconds_left"):
        yield f"{duration(data['seconds_left'])} left"
    for key, form in (
        ("loss", "loss {:.3f}"),
        ("val_macro_f1", "val macro-F1 {:.3f}"),
        ("rows_per_second", "{:,.0f} rows/s"),
    ):
        if data.get(key) is not None:
            yield form.format(data[key])


@contextmanager
def showing(*, quiet: bool, secrets: Sequence[str] = (), findings: bool = True) -> Iterator[None]:
    """Show the events of a run on stderr within the block; nothing with `quiet`; `findings` one by one if wanted."""
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler: logging.Handler = logging.NullHandler() if quiet else _TerminalHandler(secrets, findings=findings)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


# --- errors and notes (stderr) --------------------------------------------------------------------------------------


def print_error(error: MlRunError, secrets: Sequence[str] = ()) -> None:
    """Show an expected error: what was found, where, what to do; all faults of a config together."""
    faults = error.faults if isinstance(error, ConfigError) else [error]
    console = _stderr()
    if len(faults) > 1:
        console.print(Text(f"✘ {len(faults)} faults:", "red"))
    for fault in faults:
        place = f"{fault.where}: " if fault.where else ""
        found = Text("✘ ", "red").append(f"{place}{_lines(redact(fault.found, secrets))}", "default")
        console.print(found, soft_wrap=True)
        if fault.remedy:
            console.print(Text(f"  → {_lines(redact(fault.remedy, secrets))}"), soft_wrap=True)


def _lines(text: str) -> str:
    return "\n".join(one_line(line) for line in text.split("\n"))


def print_note(text: str) -> None:
    """Show one line on stderr."""
    _stderr().print(Text(_lines(text)), soft_wrap=True)


# --- results (stdout) -----------------------------------------------------------------------------------------------


def print_text(text: str) -> None:
    """Write text to stdout as it is."""
    sys.stdout.write(text + "\n")


def print_json(value: Record | list[dict[str, Any]] | dict[str, Any]) -> None:
    """Write one JSON value to stdout."""
    if isinstance(value, Record):
        print_text(value.model_dump_json(indent=2))
    else:
        print_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_result(result: RunResult) -> None:
    """Show a run's result: the decision first, then the evidence, then what to do next."""
    parts: list[RenderableType] = [_two_columns(_facts(result))]
    if result.criteria:
        parts += ["", _criteria_table(result)]
    if result.scores:
        parts += ["", _scores_table(result)]
    _write(*parts, "", _two_columns(_closing(result)))


def _write(*parts: RenderableType) -> None:
    """Print to stdout; where that is no terminal, without the blanks that pad a table's last column."""
    console = _stdout()
    if console.is_terminal:
        console.print(*parts, sep="\n")
        return
    with console.capture() as capture:
        console.print(*parts, sep="\n")
    print_text("\n".join(line.rstrip() for line in capture.get().rstrip().split("\n")))


def _two_columns(rows: Iterable[tuple[str, Text]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _closing(result: RunResult) -> Iterator[tuple[str, Text]]:
    if result.report:
        yield "report", Text(result.report)
    if result.next_step:
        yield "next", Text(_lines(result.next_step))


def _facts(result: RunResult) -> Iterator[tuple[str, Text]]:
    name = "" if result.id.endswith(result.name) else f"  {result.name}"
    yield "run", Text(f"{result.id}{name}")
    if result.synthetic:
        yield "", Text(_SYNTHETIC, "yellow")
    if result.verdict:
        yield "verdict", _verdict(result.verdict, result.reason)
    elif result.error:
        yield result.status, Text(_lines(result.error.found), "red")
    else:
        yield "status", Text(f"{result.status} after {', '.join(result.stages)}")
    if result.readiness:
        counts = ", ".join(number_of(result.findings[s], s) for s in ("error", "warning") if s in result.findings)
        yield "data", Text(f"{result.readiness}{f' ({counts})' if counts else ''}")
    if result.deployment:
        yield result.deployment.action, Text(result.deployment.reason)
    if result.registration:
        registered = result.registration
        note = registered.reason if registered.status == "pending" else f"MLflow run {registered.run_id}"
        yield "registry", Text(f"{registered.status}: {note}")


def _verdict(verdict: VerdictWord, reason: str) -> Text:
    return Text(verdict, _COLOURS[verdict]).append(f"  {one_line(reason)}", "default")


def _criteria_table(result: RunResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("criterion", overflow="fold")
    for title in ("value", *(() if _is_narrow() else ("95 % interval",)), "needed", "n", "verdict"):
        table.add_column(title, justify="left" if title == "verdict" else "right", no_wrap=True)
    for c in result.criteria:
        table.add_row(
            Text(one_line(c.name)),
            *_cells(Estimate(value=c.value, low=c.low, high=c.high)),
            f"{c.direction} {c.threshold:g}",
            f"{c.n:,}",
            Text(c.verdict + (" ?" if c.straddles and c.verdict != "INCONCLUSIVE" else ""), _COLOURS[c.verdict]),
        )
    return table


def _scores_table(result: RunResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    interval = () if _is_narrow() else ("",)
    for title in (f"on {result.n_test:,} test rows", "accuracy", *interval, "macro-F1", *interval):
        table.add_column(title, justify="left" if title.startswith("on ") else "right", no_wrap=True)
    for name, scores in result.scores.items():
        table.add_row(name, *_cells(scores["accuracy"]), *_cells(scores["macro_f1"]))
    return table


def _is_narrow() -> bool:
    return _stdout().width < _NARROW


def _cells(estimate: Estimate) -> tuple[str, ...]:
    """A value and its interval side by side; in a narrow terminal one below the other, so that no number is cut."""
    value, between = _number(estimate.value), _interval(estimate)
    return (f"{value}\n{between}".rstrip(),) if _is_narrow() else (value, between)


def print_outside(result: "OutsideResult") -> None:
    """Show what came of judging predictions, as a run's result is shown."""
    parts: list[RenderableType] = [_two_columns(_outside_facts(result))]
    if result.criteria:
        parts += ["", _criteria_table(result)]
    parts += ["", _scores_table(result)]
    if result.comparisons:
        parts += ["", _two_columns(("difference", Text(_difference(c))) for c in result.comparisons)]
    _write(*parts, "", _two_columns(_closing(result)))


def _outside_facts(result: "OutsideResult") -> Iterator[tuple[str, Text]]:
    rows = f"{number_of(result.n_test or 0, 'row')}, {number_of(result.labels, 'label')}"
    yield "candidate", Text(f"{one_line(result.predictions)}  {rows}")
    if result.synthetic:
        yield "", Text(_SYNTHETIC, "yellow")
    if result.matched:
        yield "judged on", Text(one_line(result.matched))
    if result.against:
        yield "production", Text(one_line(result.against))
    for note in result.notes:
        yield "note", Text(one_line(note), "yellow")
    if result.verdict:
        yield "verdict", _verdict(result.verdict, result.reason)


def _difference(comparison: Comparison) -> str:
    against = f"candidate minus {comparison.against}: "
    if comparison.note:
        return against + comparison.note
    macro, accuracy = comparison.macro_f1_difference, comparison.accuracy_difference
    return f"{against}macro-F1 {signed_with_interval(macro)}, accuracy {signed_with_interval(accuracy)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    return "" if estimate.low is None or estimate.high is None else f"{estimate.low:.3f}–{estimate.high:.3f}"


def print_runs(runs: list[dict[str, Any]]) -> None:
    """Show past runs, newest last, as a table that fits the terminal: a long name is cut, nothing else."""
    outcomes = [_outcome(run) for run in runs]
    others = [
        max(len(run["id"]) for run in runs),
        max(len(word) for o in outcomes for word in o.split()),
        len("macro-F1"),
    ]
    room = _stdout().width - sum(width + 2 for width in others) - 2
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("id", no_wrap=True)
    table.add_column("name", overflow="ellipsis", no_wrap=True, max_width=max(room, _SHORTEST_NAME))
    table.add_column("outcome", no_wrap=True)
    table.add_column("macro-F1", justify="right", no_wrap=True)
    for run, outcome in zip(runs, outcomes, strict=True):
        name = "" if run["id"].endswith(run["name"]) else one_line(run["name"])
        colour = _COLOURS.get(run["verdict"], "default")
        table.add_row(run["id"], Text(name), Text(outcome, colour), _number(run["macro_f1"]))
    _write(table)


def _outcome(run: dict[str, Any]) -> str:
    """The verdict; below it, or in its place, how the run ended where that was not well."""
    status, verdict = run["status"], run["verdict"]
    if verdict is None:
        return str(status)
    return str(verdict) if status == "finished" else f"{verdict}\n{status}"


def print_comparison(found: "RunComparison") -> None:
    """Show what changed between two runs and what that did to the scores, in tables that fit 80 columns."""
    sides = _two_columns([("A", _side(found.a)), ("B", _side(found.b))])
    changed = [*found.model, *found.config, *found.code]
    if changed:
        rows = [[one.key, one.a or "–", one.b or "–"] for one in changed]
        rows += [["…", f"{number_of(found.config_omitted, 'key')} more", ""]] if found.config_omitted else []
        keys: RenderableType = _plain_table(("changed", "A", "B"), rows, "lll")
    else:
        keys = "nothing changed in config, base model and code"
    data = [
        [one.split, *(f"{n:,}" for n in (one.rows_a, one.rows_b, one.added, one.removed, one.relabelled))]
        for one in found.data
    ]
    rows_table = _plain_table(("rows", "A", "B", "added", "removed", "relabelled"), data, "lrrrrr")
    scores = _plain_table(_SCORE_TITLES, list(_score_rows(found)), "lrrrr")
    _write(sides, "", keys, "", rows_table, "", scores, "", Text(found.conclusion, "bold"))


_SCORE_TITLES = ("score on", "A", "B", "B − A", "95 % interval")


def _side(side: "Side") -> Text:
    name = "" if side.id.endswith(side.name) else f"  {one_line(side.name)}"
    verdict = side.verdict or "no verdict"
    return Text(f"{side.id}{name}  ").append(verdict, _COLOURS.get(verdict, "default"))


def _score_rows(found: "RunComparison") -> Iterator[list[str]]:
    a, b = found.a, found.b
    if (a.n_test, b.n_test) != (found.shared, found.shared):
        for name, one, other in (("macro-F1", a.macro_f1, b.macro_f1), ("accuracy", a.accuracy, b.accuracy)):
            yield [f"{name}, own test rows", _number(one.value), _number(other.value), "", ""]
    difference = found.difference
    for name, one, other, gap in (
        ("macro-F1", a.macro_f1_shared, b.macro_f1_shared, difference.macro_f1_difference),
        ("accuracy", a.accuracy_shared, b.accuracy_shared, difference.accuracy_difference),
    ):
        between = "" if gap.low is None or gap.high is None else f"{signed(gap.low)} to {signed(gap.high)}"
        told = "" if gap.value is None else signed(gap.value)
        yield [f"{name}, {found.shared:,} shared", _number(one.value), _number(other.value), told, between]


def _plain_table(titles: Sequence[str], rows: list[list[str]], justify: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title, side in zip(titles, justify, strict=True):
        number = side == "r"
        table.add_column(title, justify="right" if number else "left", overflow="fold", no_wrap=number)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


def print_run(run: RunRecord) -> None:
    """Show how far a run came: one line a stage."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("stage", "status", "time", ""):
        table.add_column(title, overflow="fold")
    for name, stage in run.stages.items():
        seconds = "" if stage.seconds is None else duration(stage.seconds)
        table.add_row(name, stage.status, seconds, Text(_lines(stage.message)))
    _write(table)
    print_text("")


def print_plan(plan: dict[str, Any]) -> None:
    """Show what a dry run found and what the run would do."""
    _write(_two_columns(_plan(plan)), "", "nothing was written")


def _plan(plan: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    yield "data", Text(plan["data"])
    for finding in plan["findings"]:
        yield "", Text(one_line(finding))
    yield "rows", Text(", ".join(f"{count:,} {split}" for split, count in plan["rows"].items()))
    yield "labels", Text(", ".join(one_line(label) for label in plan["labels"]))
    steps = plan["training_steps"]
    how = "trained in seconds" if steps is None else f"{steps:,} training steps at most"
    yield "model", Text(f"{plan['model']}, {how}")
    criteria = ", ".join(f"{name} {value}" for name, value in plan["criteria"].items())
    yield "criteria", Text(criteria or "none: the verdict will be INCONCLUSIVE")
    yield "on PASS", Text("deploy" if plan["auto_deploy"] else "wait for `ml-run deploy`")
    yield "tracking", Text(plan["tracking"])


def print_lines(screen: "Callable[[int], Iterable[Line]]") -> None:
    """Show lines with their marks; `screen` makes them for a number of columns."""
    console = _stdout()
    for line in screen(console.width):
        mark, style = _LINE_MARKS[line.mark]
        start = f"{mark} " if mark else "  "
        # Lines are as long as they are to be: paths that are longer than the terminal stay whole.
        console.print(Text(start, style).append(line.text, "default") if line.text else "", soft_wrap=True)


def print_deployment(deployment: Deployment) -> None:
    """Show what `deploy` or `rollback` did."""
    console = _stdout()
    console.print(Text(f"{deployment.action}: ", "bold").append(deployment.reason, "default"))
    if deployment.next_step:
        console.print(Text(f"next: {deployment.next_step}"), soft_wrap=True)
