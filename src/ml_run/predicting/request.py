"""What `ml-run predict` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from ml_run import cluster
from ml_run.config.sections import ComputeConfig
from ml_run.errors import UsageError
from ml_run.predicting.inputs import is_url

_REMEDY = "--engine local or ray; --workers 1 or more; --gpus 0 or more; --address auto, local or ray://host:port"


def place_of(source: str) -> Path | str:
    """IN as it was written: a path, or a URL."""
    return source if is_url(source) else Path(source)


def compute_of(engine: str, workers: int, gpus: float, address: str) -> ComputeConfig:
    """Where to do the work, by workers that ask for so many GPUs each.

    Raises:
        UsageError: a value means nothing, or there is nothing to which it could apply.
    """
    asked = {"engine": engine, "workers": workers, "gpus_per_worker": gpus, "address": address}
    try:
        compute = ComputeConfig.model_validate(asked)
    except ValidationError as error:
        wrong = error.errors()[0]
        option = str(wrong["loc"][0]).partition("_")[0]
        raise UsageError(f"--{option} {wrong['input']} cannot be", remedy=_REMEDY) from None
    if engine == "ray":
        cluster.refuse_missing("--engine ray")
    if engine == "local" and compute != ComputeConfig():
        raise UsageError("--workers, --gpus and --address go with --engine ray", remedy="add it, or leave them out")
    return compute


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    source: Path | str
    """A file or folder; a URL as text."""
    target: Path
    model: str
    """`production`, or the ID of a run."""
    text_fields: tuple[str, ...] = ()
    """Empty: those that the model's run read."""
    abstain_below: float | None = None
    restart: bool = False
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    @property
    def in_shards(self) -> bool:
        """It is done a shard at a time: IN may be many files, or many workers take part."""
        return self.compute.engine != "local" or is_url(self.source) or Path(self.source).is_dir()
