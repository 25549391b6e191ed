"""Runs the train stage for tests: on a small real corpus, here or in a process that can be killed or signalled."""

import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from conftest import LABELS, make_rows
from harness import QUIET, fork_server
from ml_run.config import Config
from ml_run.experiment import Experiment
from ml_run.interruption import Interruption
from ml_run.results import Lengths, PreparedData, SplitSummary, TrainedModel
from ml_run.splits import SplitRows, write_split

STEPS_PER_EPOCH = 4
MAX_STEPS = 12


@dataclass(frozen=True)
class Work:
    """A prepared experiment: 64 training rows, 4 steps an epoch, 3 epochs, unless overridden."""

    config: Config
    experiment: Experiment
    data: PreparedData

    def train(self) -> TrainedModel:
        """Walk the train stage in this process."""
        from ml_run.stages.train import train_model

        with Interruption().installed() as interruption:
            return train_model(self.config, self.experiment, self.data, interruption)

    def weights(self) -> str:
        """SHA-256 of the trained weights."""
        return hashlib.sha256((self.experiment.model / "model.safetensors").read_bytes()).hexdigest()

    def checkpoints(self) -> list[str]:
        return sorted((p.name for p in self.experiment.checkpoints.glob("checkpoint-*")), key=lambda n: int(n[11:]))


def prepare(folder: Path, *, train=64, val=30, rows=None, model=None, **training) -> Work:
    """Write the splits of a run into `folder`/experiments/exp; `rows` replaces the rows of a split by name."""
    experiment = Experiment(folder / "experiments" / "exp")
    for seed, (name, count) in enumerate({"train": train, "val": val}.items()):
        _write(experiment, name, (rows or {}).get(name) or make_rows(count, seed))
    config = Config.model_validate(
        {
            "data": {"train_path": "train.jsonl"},
            "model": {"name": "scratch:tiny", "max_length": 32} | (model or {}),
            "training": {"learning_rate": 0.002, "epochs": 3, "seed": 7} | training,
        }
    )
    return Work(config, experiment, _report())


def _write(experiment, name, rows):
    count = len(rows)
    write_split(
        experiment.split(name),
        SplitRows(
            texts=[row["text"] for row in rows],
            labels=[row["label"] for row in rows],
            label_ids=[LABELS.index(row["label"]) for row in rows],
            hashes=[hashlib.sha256(row["text"].encode()).hexdigest()[:32] for row in rows],
            files=[f"{name}.jsonl"] * count,
            lines=list(range(1, count + 1)),
            groups=[None] * count,
            leaked=[False] * count,
        ),
    )


def _report():
    lengths = Lengths(minimum=1, median=1, mean=1, p95=1, maximum=1)
    splits = {
        name: SplitSummary(
            name=name, source=f"{name}.jsonl", rows=1, rejected=0, classes={}, characters=lengths, words=lengths,
            fingerprint=name,
        )
        for name in ("train", "val", "test")
    }  # fmt: skip
    return PreparedData(
        labels=LABELS, splits=splits, text_fields=("text",), label_field="label", findings=(), readiness="ready",
        fingerprint="data",
    )  # fmt: skip


@dataclass(frozen=True)
class Faults:
    """What is to go wrong in a training process, and when."""

    signals: tuple[int, ...] = ()
    """Sent to the process itself, one after the other, as step `at` begins (or training ends, with `at` = -1)."""
    at: int = 0
    every_step: bool = False
    """Write a checkpoint after each step, as a very long epoch would."""
    poison: bool = False
    """Set a weight to NaN as step `at` begins."""
    quit: bool = False
    """Make the Trainer stop as step `at` ends, as its own just-in-time checkpointing does."""
    rates: tuple[float, float] = (0.0, 1.0)
    """Strike only in an attempt whose learning rate is between these."""
    seed: int | None = None
    """Strike only in the training of this seed."""
    most_rows: int | None = None
    """Ask torch for more memory than there is whenever it trains on more rows at once."""
    memory_mb: int | None = None
    """Address space allowed beyond what the process holds when it starts."""
    before: dict[int, int] = field(default_factory=dict)
    """Signal dispositions the process is started with, as a shell would with `&`."""


@dataclass(frozen=True)
class Outcome:
    """How a training process ended."""

    code: int
    """Exit code; negative signal number when a signal ended it."""
    error: str
    """Class of the exception that ended it, empty for none or when it was killed."""
    kind: str
    message: str
    err: str
    """What reached stderr."""


class Training:
    """The train stage in a process of its own."""

    def __init__(self, work: Work, faults: Faults | None = None):
        self._base = work.experiment.project / f"{time.monotonic_ns()}"
        self._process = fork_server().Process(target=_child, args=(work, faults or Faults(), str(self._base)))
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.is_alive()

    def wait(self, timeout: float = 120) -> Outcome:
        self._process.join(timeout)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise TimeoutError(self._base.with_suffix(".err").read_text())
        told = self._base.with_suffix(".json")
        values = json.loads(told.read_text()) if told.exists() else {"error": "", "kind": "", "message": ""}
        return Outcome(self._process.exitcode, err=self._base.with_suffix(".err").read_text(), **values)


def train_apart(work: Work, **faults) -> Outcome:
    """Walk the train stage in a process of its own, with faults."""
    return Training(work, Faults(**faults)).wait()


def _child(work, faults, base):
    handle = os.open(base + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 2)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115 -- open to the end
    os.environ.update(QUIET)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, faults.before.get(number, signal.SIG_DFL))
    import torch

    torch.set_num_threads(1)
    _install(faults)
    told, code = {"error": "", "kind": "", "message": ""}, 0
    try:
        work.train()
    except BaseException as error:  # noqa: BLE001 -- whatever ended it is told to the test
        told = {"error": type(error).__name__, "kind": getattr(error, "kind", ""), "message": str(error)}
        code = int(getattr(error, "exit_code", 1))
    Path(base + ".json").write_text(json.dumps(told))
    os._exit(code)


def _install(faults):
    from ml_run.modeling import callbacks, trainer

    if faults.every_step:
        callbacks.CHECKPOINT_EVERY_SECONDS = 0.0
    if faults.memory_mb is not None:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + faults.memory_mb * 2**20,) * 2)
    build = trainer.build_trainer

    def with_faults(*args, **kwargs):
        job = build(*args, **kwargs)
        job.add_callback(make_fault(faults))
        if faults.most_rows is not None:
            job.model.register_forward_pre_hook(_exhausted_beyond(faults.most_rows), with_kwargs=True)
        return job

    trainer.build_trainer = with_faults


def _exhausted_beyond(rows):
    import torch

    def hook(model, args, inputs):
        if model.training and len(inputs["input_ids"]) > rows:
            torch.empty(1 << 50)

    return hook


def make_fault(faults: Faults):
    """The faults as a callback of a real Trainer."""
    from transformers import TrainerCallback

    class Fault(TrainerCallback):
        def on_step_begin(self, args, state, control, **given):
            low, high = faults.rates
            meant = low <= args.learning_rate <= high and faults.seed in {None, args.seed}
            if state.global_step + 1 == faults.at and meant:
                self._strike()
                if faults.poison:
                    next(given["model"].parameters()).data[5] = float("nan")

        def on_step_end(self, args, state, control, **given):
            if faults.quit and state.global_step == faults.at:
                control.should_training_stop = True
            return control

        def on_train_end(self, args, state, control, **given):
            if faults.at == -1:
                self._strike()

        def _strike(self):
            for number in faults.signals:
                os.kill(os.getpid(), number)

    return Fault()
