"""The experiment folder as a frozen value: every path, how one is made, found, locked and resumed."""

import json
import logging
import os
import platform
import re
import socket
import subprocess
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ml_run import files
from ml_run.errors import UsageError
from ml_run.events import emit, utc_now
from ml_run.results import Record, RunRecord, StageName

EXPERIMENTS = "experiments"
_NAME_PUNCTUATION = set(" ._-+,:()")
_LONGEST_NAME = 120
_LONGER_THAN_A_LOOK = 0.3  # seconds; whoever asks whether a run is walked holds its lock for a moment
_VERSIONED = ("ml-run", "torch", "transformers", "datasets", "mlflow", "scikit-learn", "numpy")
AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True)
class Experiment:
    """One run's folder; all of a run's files are reached through its properties."""

    folder: Path
    _project: Path | None = None
    """The project folder, where the run does not lie in it: a rehearsal."""

    @property
    def id(self) -> str:
        """The folder's name, e.g. `exp_20261123_051530`."""
        return self.folder.name

    @property
    def project(self) -> Path:
        """The folder `ml-run` was started in: holds `experiments/`."""
        return self._project or self.folder.parent.parent

    @property
    def run_file(self) -> Path:
        """`run.json`: identity, status and stage records."""
        return self.folder / "run.json"

    @property
    def config_file(self) -> Path:
        """The resolved config."""
        return self.folder / "config.yaml"

    @property
    def logs(self) -> Path:
        """Folder of `run.log` and `events.jsonl`."""
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        """Folder of the data stage."""
        return self.folder / "data"

    @property
    def data_report(self) -> Path:
        """`PreparedData` as JSON."""
        return self.data / "report.json"

    def split(self, name: str) -> Path:
        """Parquet file of one prepared split (`train`, `val`, `test`)."""
        return self.data / f"{name}.parquet"

    @property
    def rejected(self) -> Path:
        """Rows left out, each with its reason."""
        return self.data / "rejected.jsonl"

    @property
    def review_queue(self) -> Path:
        """Rows most worth a native speaker's minutes."""
        return self.data / "review_queue.csv"

    @property
    def checkpoints(self) -> Path:
        """Training state; pruned on success."""
        return self.folder / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.folder / "model"

    @property
    def seed_models(self) -> Path:
        """The models of `training.seeds`; removed once they have been scored."""
        return self.folder / "models"

    def seed_model(self, seed: int) -> Path:
        """The model of one of `training.seeds`."""
        return self.seed_models / f"seed_{seed}"

    @property
    def reference(self) -> Path:
        """Some validation texts and the logits that training saw for them; deployment is checked against these."""
        return self.folder / "reference.json"

    @property
    def out_of_fold(self) -> Path:
        """With `training.folds`: what is said of each row of train and val by the model that did not learn from it."""
        return self.folder / "out_of_fold.parquet"

    @property
    def training_record(self) -> Path:
        """`TrainedModel` as JSON; written after the model folder is sealed."""
        return self.folder / "training.json"

    @property
    def evaluation(self) -> Path:
        """Folder of the evaluate stage."""
        return self.folder / "evaluation"

    @property
    def metrics(self) -> Path:
        """`Evaluation` as JSON."""
        return self.evaluation / "metrics.json"

    @property
    def seed_scores(self) -> Path:
        """Test scores of the models of `training.seeds`, by digest."""
        return self.evaluation / "seeds.json"

    @property
    def predictions(self) -> Path:
        """Row-level predictions on the test split."""
        return self.evaluation / "predictions.parquet"

    @property
    def verdict(self) -> Path:
        """`Verdict` as JSON."""
        return self.evaluation / "verdict.json"

    @property
    def deployment(self) -> Path:
        """`{"verdict": Verdict, "deployment": Deployment}`."""
        return self.folder / "deployment.json"

    @property
    def handoff(self) -> Path:
        """What monitoring needs."""
        return self.folder / "handoff.json"

    @property
    def registration(self) -> Path:
        """`Registration` as JSON: what the tracking store has been sent."""
        return self.folder / "registration.json"

    @property
    def error_file(self) -> Path:
        """`RunError` as JSON: why the run ended without a verdict; absent when it did not."""
        return self.folder / "error.json"

    @property
    def report_md(self) -> Path:
        """The report as Markdown."""
        return self.folder / "report.md"

    @property
    def report_html(self) -> Path:
        """The report as one self-contained page."""
        return self.folder / "report.html"

    @property
    def result(self) -> Path:
        """`RunResult`; the last file a run writes."""
        return self.folder / "result.json"

    def relative(self, path: Path) -> str:
        """`path` relative to the project folder, as shown to the user and stored in records."""
        return path.relative_to(self.project).as_posix()

    def read_run(self) -> RunRecord:
        """Read `run.json`; raises UsageError when the folder is no readable experiment."""
        return read_record(self.run_file, RunRecord)

    def write_run(self, record: RunRecord) -> None:
        """Replace `run.json` atomically."""
        write_record(self.run_file, record)


def write_record(path: Path, record: Record) -> None:
    """Write one record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read one record; raises UsageError naming the file when it is missing or damaged."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UsageError("there is no such file", where=str(path)) from None
    except ValidationError as error:
        raise UsageError(
            f"not a {kind.__name__} this version can read ({error.error_count()} faults)",
            where=str(path),
            remedy="it was changed by hand or written by another version of ml-run; start a new run",
        ) from None


# --- names, making and finding --------------------------------------------------------------------------------------


def check_name(name: str) -> str:
    """Return `name` if it may name a run; raise UsageError saying what is wrong otherwise. Names never become paths."""
    remedy = "use 1-120 letters, digits, blanks and . _ - + , : ( ), not starting with -"
    if not name.strip():
        raise UsageError("the run's name is empty", remedy=remedy)
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"the run's name has {len(name)} characters", remedy=remedy)
    if name.startswith("-"):
        raise UsageError(f"the run's name {name!r} starts with -", remedy=remedy)
    for character in name:
        if not (_is_letter_or_digit(character) or character in _NAME_PUNCTUATION):
            raise UsageError(f"the run's name {name!a} holds {_describe(character)}", remedy=remedy)
    return name


def _is_letter_or_digit(character: str) -> bool:
    # Marks (M*) are part of letters in many scripts: vowel signs, tone marks.
    return unicodedata.category(character)[0] in "LMN"


def _describe(character: str) -> str:
    return f"{character!a} ({unicodedata.name(character, f'U+{ord(character):04X}')})"


def create_experiment(
    project: Path,
    name: str | None,
    *,
    config_text: str,
    command: str,
    config_path: Path,
    overrides: tuple[str, ...] = (),
    until: StageName = "registry",
) -> Experiment:
    """Make the folder of a new run, its config and, last, its `run.json`: without that, a folder is no run.

    Args:
        project: folder that holds (or will hold) `experiments/`.
        name: a checked name, or None for one made from the time.
        config_text: the resolved config, secrets masked.
        command: the command line as typed, secrets masked.
        config_path: the config file of the run.
        overrides: the `--set` values, secrets masked.
        until: the last stage to walk.

    Raises:
        UsageError: the folder cannot be written.
    """
    root = project / EXPERIMENTS
    now = datetime.now(UTC)
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = _new_folder(root, f"exp_{now:%Y%m%d_%H%M%S}")
    except OSError as error:
        raise _not_writable(root, error) from None
    experiment = Experiment(folder)
    files.write_text(experiment.config_file, config_text)
    experiment.write_run(
        RunRecord(
            id=folder.name,
            name=name or folder.name.removeprefix("exp_"),
            status="running",
            created=utc_now(),
            command=command,
            config_path=str(config_path),
            overrides=overrides,
            until=until,
            versions=_versions(),
            git_commit=_git_commit(project),
            host=_host(),
        )
    )
    return experiment


def _not_writable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot write here: {error.strerror}", where=str(folder), remedy="start ml-run in a folder you may write to"
    )


def _new_folder(root: Path, stem: str) -> Path:
    number = 1
    while True:
        folder = root / (stem if number == 1 else f"{stem}_{number}")
        try:
            folder.mkdir()  # atomic: of two runs in one second, one gets it and the other goes on to _2
        except FileExistsError:
            number += 1
            continue
        files.sync(root)
        return folder


def list_experiments(project: Path) -> list[Experiment]:
    """All experiments whose `run.json` can be read, oldest first; a warning names each that cannot."""
    return [experiment for experiment in _folders(project) if _is_readable(experiment)]


def _folders(project: Path) -> list[Experiment]:
    runs = (project / EXPERIMENTS).glob("exp_*/run.json")
    return [Experiment(run.parent) for run in sorted(runs, key=lambda run: _age_key(run.parent.name))]


def _is_readable(experiment: Experiment) -> bool:
    try:
        experiment.read_run()
    except (UsageError, OSError) as error:
        emit("warning", f"run {experiment.id} is left out: {error}", level=logging.WARNING)
        return False
    return True


def _age_key(folder_name: str) -> tuple[str, int]:
    stem, number = re.fullmatch(r"(exp_\d+_\d+|.*?)(?:_(\d+))?", folder_name).groups()  # type: ignore[union-attr]
    return stem, int(number or 1)


def find_experiment(project: Path, reference: str) -> Experiment:
    """Find a run by folder name, unique prefix of it, unique run name, or `latest`.

    A run whose `run.json` is damaged can be found by its folder's name only: reading it then says what is wrong.

    Raises:
        UsageError: none or several fit; the message lists what there is.
    """
    for experiment in _folders(project):
        if experiment.id == reference:
            return experiment
    experiments = list_experiments(project)
    if not experiments:
        raise UsageError(
            "there are no runs yet", where=str(project / EXPERIMENTS), remedy="start one: ml-run quickstart"
        )
    if reference == "latest":
        return experiments[-1]
    matches = [e for e in experiments if e.id.startswith(reference)]
    matches = matches or [e for e in experiments if e.read_run().name == reference]
    if len(matches) == 1:
        return matches[0]
    found = "no run" if not matches else f"{len(matches)} runs"
    shown = ", ".join(e.id for e in (matches or experiments)[-5:])
    raise UsageError(f"{found} called {reference!r}", remedy=f"name one of: {shown} (ml-run list shows all)")


# --- locking --------------------------------------------------------------------------------------------------------


@contextmanager
def locked(experiment: Experiment) -> Iterator[None]:
    """Hold the run's lock within the block.

    Raises:
        UsageError: another process walks this run; names its pid, host and start.
    """

    def refusal(note: str) -> UsageError:
        return UsageError(
            f"run {experiment.id} is being walked by {_holder(note)}",
            remedy="wait for it to end, or stop that process first",
        )

    with ExitStack() as stack:
        try:
            file = stack.enter_context(files.locked(_lock(experiment), wait=_LONGER_THAN_A_LOOK, refusal=refusal))
        except OSError as error:
            raise _not_writable(experiment.folder, error) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "start": utc_now()}))
        file.flush()
        yield


def is_locked(experiment: Experiment) -> bool:
    """True while a live process walks this run."""
    return files.is_locked(_lock(experiment))


def _lock(experiment: Experiment) -> Path:
    return experiment.folder / ".lock"


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}, started {holder['start']}"
    except (ValueError, KeyError, TypeError):
        return "another process that is just starting"


# --- what a run record says of its surroundings ---------------------------------------------------------------------


def stage_is_done(experiment: Experiment, stage: StageName, inputs: str) -> str | None:
    """Say why `stage` must be walked (again), or None when its result stands.

    A result stands when the stage finished, its inputs are the same, and every output file hashes as recorded.
    """
    record = experiment.read_run().stages.get(stage)
    if record is None or record.status != "finished":
        return "it has not finished yet"
    if record.inputs != inputs:
        return "its inputs changed"
    for name, digest in record.outputs.items():
        path = experiment.folder / name
        if not path.is_file():
            return f"{name} is gone"
        if files.hash_file(path) != digest:
            return f"{name} was changed"
    return None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _host() -> dict[str, str]:
    # No host name and no user name: run records are shared.
    return {"system": platform.system(), "machine": platform.machine(), "cores": str(os.cpu_count())}


def _git_commit(project: Path) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 -- whichever git the user has
            cwd=project, capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
