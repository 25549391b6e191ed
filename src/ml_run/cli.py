"""Words in, exit code out: the Typer app, the only error boundary, the only exit.

Nothing heavy is imported here before arguments and config are checked, so `--help` and every config error answer at
once.
"""

import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ml_run import __version__, console, runs
from ml_run.config.file import LoadedConfig, json_schema, load_config
from ml_run.errors import ExitCode, Interrupted, MlRunError, UsageError, error_object
from ml_run.events import recording
from ml_run.experiment import (
    Experiment,
    check_name,
    find_experiment,
    is_locked,
    list_experiments,
    locked,
)
from ml_run.modeling import machine
from ml_run.results import STAGES, Deployment, RunResult, StageName

CONFIG = Path("ml_config.yaml")
NEWEST_LISTED = 30
"""Runs that `list --json` shows: its object stays under 10,000 characters, as agents' tools need it."""
UNFINISHED = "unfinished"
"""Stands for `--resume` without an ID: the newest run that has not finished."""
FLAGS = {"--json", "--quiet", "--exit-zero", "--dry-run"}
"""Options without a value: a command may be looked for behind them."""
DECIDING = {"run", "quickstart", "evaluate"}
"""Commands that end with a verdict, and tell CI of it."""


class _RunByDefault(TyperGroup):
    """Takes a first word that is no command for the name of a run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((word for word in args if word not in FLAGS), None)
        if args and args[0] in FLAGS and first in self.commands:
            ctx.fail(f"write the command first: ml-run {first} {shlex.join(a for a in args if a != first)}")
        if not args or (args[0] not in self.commands and args[0] not in {"--help", "--version"}):
            args = ["run", *args]
        return super().parse_args(ctx, _resume_with_value(args))


def _resume_with_value(args: list[str]) -> list[str]:
    """Give `--resume` the value it may leave out."""
    filled = []
    for position, word in enumerate(args):
        filled.append(word)
        follows = args[position + 1 : position + 2]
        if word == "--resume" and (not follows or follows[0].startswith("-")):
            filled.append(UNFINISHED)
    return filled


app = typer.Typer(
    cls=_RunByDefault,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Decide whether a text classifier for a language with little data is good enough to deploy. "
    "`ml-run NAME` walks the whole road: data, train, evaluate, gate, deploy, registry.",
    epilog="Exit codes: 0 done (verdict PASS), 2 usage or config, 3 data not ready, 4 training failed, 5 verdict FAIL, "
    "6 verdict INCONCLUSIVE, 7 store or deployment failed (production unchanged), 8 monitor found drift, "
    "130/143 interrupted, 1 bug.",
)

ConfigOption = Annotated[Path, typer.Option("--config", help="The config file.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key, e.g. training.epochs=3.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
JunitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the criteria as JUnit XML, for CI.")
]
ExitZeroOption = Annotated[bool, typer.Option("--exit-zero", help="Exit 0 on FAIL and INCONCLUSIVE.")]
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Folder name, unique prefix of it, unique run name, or latest.")
]


def _print_version(*, wanted: bool) -> None:
    if wanted:
        console.print_text(__version__)
        raise typer.Exit


@app.callback()
def _main(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    pass


# --- the run --------------------------------------------------------------------------------------------------------


@app.command("run")
def run_cli(
    name: Annotated[str | None, typer.Argument(help="Name of the run; left out: made from the time.")] = None,
    config: ConfigOption = CONFIG,
    overrides: SetOption = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help=f"Stop after one of: {', '.join(STAGES)}.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="[ID]", help="Go on with a run; without ID, the newest unfinished one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything that can be checked, touch nothing.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    exit_zero: ExitZeroOption = False,
    junit: JunitOption = None,
) -> None:
    """Walk the whole road: data to registry (the default)."""
    stage = _check_stage(until)
    if name is not None:
        check_name(name)
    if resume is not None and (dry_run or (name is not None and resume != UNFINISHED)):
        raise UsageError("--resume ID goes with neither NAME nor --dry-run", remedy="leave the other out")
    if dry_run and junit is not None:
        raise UsageError("--dry-run decides nothing, --junit has nothing to tell of it", remedy="leave one of them out")
    if dry_run:
        _dry_run(config, overrides, as_json=as_json, quiet=quiet)
        return
    _begin_junit(junit)
    if resume is not None:
        _refuse_changes(config, overrides)
        experiment, loaded, last = runs.reopen(name if resume == UNFINISHED else resume, stage)
    else:
        loaded, last = _load(config, overrides), stage or STAGES[-1]
        experiment = runs.begin(name, loaded, sys.argv[1:], overrides=overrides or (), until=last)
    _walk(experiment, loaded, last, as_json=as_json, quiet=quiet, exit_zero=exit_zero, junit=junit)


def _refuse_changes(config: Path, overrides: list[str] | None) -> None:
    if overrides or config != CONFIG:
        raise UsageError(
            "a run is resumed with the config it was started with, --config and --set do not go with --resume",
            remedy="start a new run to change the config",
        )


def _check_stage(until: str | None) -> StageName | None:
    for stage in STAGES:
        if until == stage:
            return stage
    if until is None:
        return None
    raise UsageError(f"--until {until!r} is not a stage", remedy=f"use one of: {', '.join(STAGES)}")


def _load(config: Path, overrides: list[str] | None = None) -> LoadedConfig:
    loaded = load_config(config, overrides or ())
    for warning in loaded.warnings:
        console.print_note(f"⚠ {warning}")
    return loaded


def _walk(
    experiment: Experiment,
    loaded: LoadedConfig,
    until: StageName,
    *,
    as_json: bool,
    quiet: bool,
    exit_zero: bool,
    junit: Path | None,
) -> None:
    with console.showing(quiet=quiet, secrets=loaded.secrets):
        result, error = runs.walk(experiment, loaded, until, exit_zero=exit_zero)
    if error is not None:
        console.print_error(error, loaded.secrets)
    _leave_for_ci(result, junit)
    _answer(result.exit_code, as_json, result, lambda: console.print_result(result))


def _begin_junit(file: Path | None) -> None:
    if file is not None:
        from ml_run.reporting import for_ci

        for_ci.begin(file)


def _leave_for_ci(result: RunResult, junit: Path | None) -> None:
    from ml_run.reporting import for_ci

    for fault in for_ci.tell_result(result, junit, Path.cwd()):
        console.print_note(f"⚠ {fault}")


def _dry_run(config: Path, overrides: list[str] | None, *, as_json: bool, quiet: bool) -> None:
    from ml_run.rehearsal import rehearse

    loaded = _load(config, overrides)
    with console.showing(quiet=quiet, secrets=loaded.secrets):
        plan = rehearse(loaded.config, Path.cwd())
    if as_json:
        console.print_json(plan)
    else:
        console.print_plan(plan)


# --- the first gates, and the quickstart --------------------------------------------------------------------------


@app.command("check-config")
def check_config_cli(
    config: ConfigOption = CONFIG,
    overrides: SetOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the config, for editors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the config file; print it with its defaults."""
    if schema:
        console.print_json(json_schema())
        return
    loaded = _load(config, overrides)
    if as_json:
        console.print_json({"config": str(config), "valid": True, "warnings": list(loaded.warnings)})
    else:
        console.print_text(loaded.resolved_yaml.rstrip())
        console.print_note(f"✔ {config} is valid")


@app.command("check-data")
def check_data_cli(
    config: ConfigOption = CONFIG,
    overrides: SetOption = None,
    queue: Annotated[
        Path | None,
        typer.Option(
            "--apply",
            metavar="FILE",
            help="Take the filled-in review queue FILE, and write corrected data files beside the originals.",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check the data: what would make a result a lie.

    Trains nothing. What it finds is in experiments/check_data/. Exit code 3: the data is not ready.
    """
    if queue is not None:
        _apply_queue(config, overrides, queue, as_json=as_json, quiet=quiet)
        return
    from ml_run import checking

    loaded = _load(config, overrides)
    with console.showing(quiet=quiet, secrets=loaded.secrets, findings=False):
        check = checking.check_data(loaded, Path.cwd())
    _answer(
        check.exit_code,
        as_json,
        checking.told_check(check),
        lambda: console.print_lines(lambda width: checking.check_screen(check, width)),
    )


def _apply_queue(config: Path, overrides: list[str] | None, queue: Path, *, as_json: bool, quiet: bool) -> None:
    from ml_run import checking

    loaded = _load(config, overrides)
    with console.showing(quiet=quiet, secrets=loaded.secrets):
        corrected = checking.apply_corrections(loaded, Path.cwd(), queue)
    if as_json:
        console.print_json(checking.told_corrections(corrected))
    else:
        console.print_lines(lambda width: checking.corrections_screen(corrected, width))


@app.command("init")
def init_cli(
    data: Annotated[
        list[str] | None, typer.Argument(metavar="[DATA]...", help="Files, a folder of them, or hf://; else: data/.")
    ] = None,
    config: ConfigOption = CONFIG,
    text_field: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Field of the text; repeated: joined. Left out: found.")
    ] = None,
    label_field: Annotated[str | None, typer.Option(metavar="NAME", help="Field of the label; else: found.")] = None,
    claude_only: Annotated[bool, typer.Option("--claude-only", help="Write the files in .claude/ alone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a config that fits your data, and .claude/.

    Looks at fields, labels, language and lengths; says what it took for what, and why. It overwrites nothing.
    """
    from ml_run import starting

    request = starting.Request(tuple(data or ()), str(config), tuple(text_field or ()), label_field, force, claude_only)
    with console.showing(quiet=quiet):
        started = starting.start(request, Path.cwd())
    _answer(
        ExitCode.OK,
        as_json,
        started.told(),
        lambda: console.print_lines(lambda width: starting.started_screen(started, width)),
    )


@app.command("doctor")
def doctor_cli(
    config: ConfigOption = CONFIG, overrides: SetOption = None, as_json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Is this machine fit: packages, model, memory, time, store.

    Writes nothing. Exit code 2: something has to be set up first; 7: the tracking store alone fails.
    """
    from ml_run import fitness

    with console.showing(quiet=quiet):
        found = fitness.examine(config, overrides or (), Path.cwd(), usual=config == CONFIG)
    _answer(
        found.exit_code,
        as_json,
        found.told(),
        lambda: console.print_lines(lambda width: fitness.fitness_screen(found, width)),
    )


@app.command("quickstart")
def quickstart_cli(as_json: JsonOption = False, quiet: QuietOption = False, junit: JunitOption = None) -> None:
    """Run a SYNTHETIC sample to a deployed model, offline.

    The sample, with planted defects of every kind, is written to data/sample/.
    """
    from ml_run.quickstart import write_sample

    _begin_junit(junit)
    config = write_sample(Path.cwd() / "data" / "sample")
    loaded = _load(config)
    last = STAGES[-1]
    experiment = runs.begin("quickstart SYNTHETIC", loaded, sys.argv[1:], overrides=(), until=last)
    _walk(experiment, loaded, last, as_json=as_json, quiet=quiet, exit_zero=False, junit=junit)


# --- predictions from anywhere ----------------------------------------------------------------------------------------


@app.command("evaluate")
def evaluate_cli(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="Predictions of any model, one a row.")],
    against: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Predictions to compare with, as with production.")
    ] = None,
    config: ConfigOption = CONFIG,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    exit_zero: ExitZeroOption = False,
    junit: JunitOption = None,
) -> None:
    """Judge the predictions of any model: metrics, tests and gate.

    A row holds the predicted label (`predicted`, `prediction` or `pred`), the true label or what finds it in the test
    file of the config (id, text or line), and may hold probabilities. Needs no config: --set deployment.min_f1=0.8
    """
    from ml_run import outside

    _begin_junit(junit)
    # Without a config only --set says what to reach; the keys that every config needs mean nothing here.
    text = None if config != CONFIG or config.exists() else "data: {train_path: none}\nmodel: {name: none}\n"
    loaded = load_config(config, overrides or (), sources=False, text=text)
    with console.showing(quiet=quiet, secrets=loaded.secrets):
        result = outside.judge_predictions(predictions, against, loaded, Path.cwd(), exit_zero=exit_zero)
    _leave_for_ci(result, junit)
    _answer(result.exit_code, as_json, result.told(), lambda: console.print_outside(result))


# --- using a model ----------------------------------------------------------------------------------------------------


@app.command("predict")
def predict_cli(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="A file, folder or URL of jsonl, csv, tsv or parquet, also .gz.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="What to write; its ending tells the format, none: a folder.")
    ],
    model: Annotated[
        str, typer.Option(metavar="ID", help="Whose model: production, or a run (an ID as for show).")
    ] = "production",
    text_field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Field of the text; repeated: joined. Left out: as the run read it."),
    ] = None,
    abstain_below: Annotated[
        float | None, typer.Option(metavar="P", help="Mark rows whose confidence is below P.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew: drop what an earlier try left, and replace OUT.")
    ] = False,
    engine: Annotated[str, typer.Option(metavar="local|ray", help="Where: in this process, or a cluster.")] = "local",
    workers: Annotated[int, typer.Option(metavar="N", help="Workers of the cluster.")] = 1,
    gpus: Annotated[float, typer.Option(metavar="N", help="GPUs that each worker asks for; 0.5: two share one.")] = 0,
    address: Annotated[str, typer.Option(metavar="CLUSTER", help="local, auto, or ray://host:port.")] = "local",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict every row of a file, of any size, or of many.

    A job that was killed goes on where it stopped: give the same command. Rows that cannot be read are in
    OUT.rejected.jsonl with their reasons.
    """
    from ml_run import predicting

    compute = predicting.compute_of(engine, workers, gpus, address)
    place, fields = predicting.place_of(source), tuple(text_field or ())
    request = predicting.Request(place, target, model, fields, abstain_below, restart, compute)
    try:
        with console.showing(quiet=quiet):
            result = predicting.predict_file(request, Path.cwd())
    except Interrupted as stopped:
        again = shlex.join(["ml-run", *(word for word in sys.argv[1:] if word != "--restart")])
        _tell(MlRunError("stopped by a signal; what is done is kept", remedy=f"go on: {again}"), stopped.exit_code)
        raise typer.Exit(stopped.exit_code) from None
    _answer(
        ExitCode.OK, as_json, result.told(), lambda: console.print_text("\n".join(predicting.predicted_lines(result)))
    )


@app.command("monitor")
def monitor_cli(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New traffic: texts, labelled or not, or predictions.")],
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="Whose model: a run; left out: the one in production.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check new traffic for drift, and the model for accuracy.

    Held against what was handed over with the deployed model. Exit code 8: drift; 6: too few rows to judge.
    """
    from ml_run import watching

    with console.showing(quiet=quiet):
        result = watching.monitor(file, run_id, Path.cwd())
    _answer(
        result.exit_code,
        as_json,
        result.told(),
        lambda: console.print_lines(lambda width: watching.monitor_screen(result, width)),
    )


@app.command("serve")
def serve_cli(
    host: Annotated[str, typer.Option(help="Address to listen on; one that others reach needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    deadline: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=3600, help="Time in which a request is answered, or 504.")
    ] = 10.0,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, max=3600, help="Time to answer what is there when told to stop.")
    ] = 20.0,
    traffic_log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Note each prediction in FILE, for monitor; without its text.")
    ] = None,
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Note the texts, too.")] = False,
    docs: Annotated[bool, typer.Option("--docs", help="Serve /docs: what programs can ask, for people.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Serve the deployed model over HTTP, with a page to try it.

    Follows what is deployed while it serves. SIGTERM or Ctrl-C: answers what is there and ends with exit code 0.
    Whoever asks must show the token in the environment variable MLRUN_TOKEN, if that is set.
    """
    from ml_run import serving

    settings = serving.Settings(
        host, port, deadline, grace, docs=docs, traffic_log=traffic_log, log_texts=log_texts,
        token=serving.token_of_environment(),
    )  # fmt: skip

    def started(server: serving.Started) -> None:
        if as_json:
            console.print_json(server._asdict())
        else:
            console.print_text(f"version {server.version} serves at {server.url}; Ctrl-C stops it")
        sys.stdout.flush()

    with console.showing(quiet=quiet, secrets=[settings.token] if settings.token else []):
        serving.serve(Path.cwd(), settings, started)


# --- past runs ------------------------------------------------------------------------------------------------------


@app.command("list")
def list_cli(as_json: JsonOption = False) -> None:
    """Past runs, newest last."""
    found = [runs.summary(experiment) for experiment in list_experiments(Path.cwd())]
    if as_json:
        shown = found[-NEWEST_LISTED:]
        console.print_json({"runs": shown, "omitted": len(found) - len(shown)})
    elif found:
        console.print_runs(found)
    else:
        console.print_note("no runs yet; start one: ml-run quickstart")


@app.command("show")
def show_cli(run_id: IdArgument = "latest", as_json: JsonOption = False) -> None:
    """One run: how far it came, its result, what next."""
    experiment = find_experiment(Path.cwd(), run_id)
    run = experiment.read_run()
    result = runs.read_result(experiment)
    if as_json:
        console.print_json(runs.told(experiment))
        return
    console.print_run(run)
    if result is not None:
        console.print_result(result)
    elif is_locked(experiment):
        console.print_note("this run is being walked right now")
    else:
        console.print_note(f"this run was killed; go on with: ml-run --resume {run.id}")


@app.command("compare")
def compare_cli(
    run_a: Annotated[str, typer.Argument(metavar="A", help="The run to start from: an ID as for show.")],
    run_b: Annotated[str, typer.Argument(metavar="B", help="The run to compare with it.")],
    as_json: JsonOption = False,
) -> None:
    """What changed between two runs, and what that did to the scores.

    Compared are the test rows that both have; a sentence says whether the difference is more than noise.
    """
    from ml_run.comparison import compare_runs

    found = compare_runs(*(find_experiment(Path.cwd(), reference) for reference in (run_a, run_b)))
    _answer(ExitCode.OK, as_json, found, lambda: console.print_comparison(found))


# --- deployment -----------------------------------------------------------------------------------------------------


@app.command("deploy")
def deploy_cli(
    run_id: IdArgument,
    override: Annotated[
        str | None, typer.Option(metavar="REASON", help="Deploy a run that did not pass; the reason is recorded.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Promote a run that passed to production."""
    from ml_run.conclusion import redeployed
    from ml_run.stages.deploy import deploy_experiment

    experiment = find_experiment(Path.cwd(), run_id)
    loaded = runs.reload(experiment, sources=False)
    with (
        locked(experiment),
        console.showing(quiet=quiet, secrets=loaded.secrets),
        recording(experiment.logs, loaded.secrets),
    ):
        deployment = deploy_experiment(loaded.config, experiment, override)
        redeployed(loaded.config, experiment, deployment)
    _show_deployment(deployment, as_json=as_json)


@app.command("rollback")
def rollback_cli(config: ConfigOption = CONFIG, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Go back to the model in production before."""
    from ml_run.stages.deploy import rollback

    loaded = load_config(config, sources=False)  # going back needs neither the data nor the base model
    with console.showing(quiet=quiet, secrets=loaded.secrets):
        deployment = rollback(loaded.config, Path.cwd())
    _show_deployment(deployment, as_json=as_json)


def _show_deployment(deployment: Deployment, *, as_json: bool) -> None:
    if as_json:
        console.print_json(deployment)
    else:
        console.print_deployment(deployment)


@app.command("sync")
def sync_cli(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Send the tracking store what it missed while away.

    What it has is not sent twice.
    """
    with console.showing(quiet=quiet):
        sent = runs.send_pending(Path.cwd())
    if as_json:
        console.print_json({"sent": sent})
    else:
        console.print_text(
            "\n".join(f"{r['id']}: {r['status']} {r['reason']}".rstrip() for r in sent) or "nothing to send"
        )
    raise typer.Exit(ExitCode.STORE_FAILED if any(r["status"] == "pending" for r in sent) else ExitCode.OK)


# --- the boundary ---------------------------------------------------------------------------------------------------


@contextmanager
def _boundary() -> Iterator[None]:
    """Turn whatever ends the command into a message and an exit code."""
    try:
        yield
    except MlRunError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except Interrupted as stopped:
        _tell(MlRunError("stopped by a signal", remedy="give the command again"), stopped.exit_code)
        sys.exit(stopped.exit_code)
    except typer.TyperException as error:  # a wrong word or option
        _tell(UsageError(error.format_message(), remedy="ml-run --help shows commands and options"))
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 -- the error boundary
        remedy = f"this is a bug in ml-run: please report it with the log {_write_trace(error)}"
        _tell(MlRunError(f"unexpected {type(error).__name__}: {error}", remedy=remedy))
        sys.exit(ExitCode.BUG)


def _tell(error: MlRunError, code: int | None = None) -> None:
    console.print_error(error)
    if "--json" in sys.argv:  # whoever asked for one object gets one, in whatever way the command ends
        console.print_json(error_object(error, code))
    if _ci_listens(sys.argv[1:]):
        from ml_run.reporting import for_ci

        ended = int(error.exit_code if code is None else code)
        for fault in for_ci.tell_error(error, ended, for_ci.junit_file(sys.argv[1:])):
            console.print_note(f"⚠ {fault}")


def _ci_listens(words: list[str]) -> bool:
    """Whether a command that ends with a verdict was to tell CI of it, as far as these words can be understood."""
    if "GITHUB_STEP_SUMMARY" not in os.environ and not any(word.startswith("--junit") for word in words):
        return False
    first = next((word for word in words if word not in FLAGS), "run")
    return first in DECIDING or first not in {command.name for command in app.registered_commands}


def _answer(code: int, as_json: bool, told: Any, show: Callable[[], None]) -> None:
    """Write what a command has found to stdout, as JSON or as `show` does, and end with its exit code."""
    with _code_for_gone_reader(code):
        if as_json:
            console.print_json(told)
        else:
            show()
    raise typer.Exit(code)


@contextmanager
def _code_for_gone_reader(code: int) -> Iterator[None]:
    """Keep the exit code where the reader of stdout has gone, e.g. `| head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more as it exits, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(code) from None


def _write_trace(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="ml-run-bug-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as log:
        log.write(f"ml-run {__version__}, python {sys.version}\n")
        log.write("".join(traceback.format_exception(error)))
    return log.name


def main() -> None:
    """Parse the words, do what they say, exit with its code."""
    # Waiting threads sleep instead of spinning: half the training time where another process wants the cores. OpenMP
    # reads this as torch is loaded, which happens after here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    machine.use_one_heap()
    with _boundary():
        sys.exit(app(standalone_mode=False) or ExitCode.OK)
