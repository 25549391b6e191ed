"""The model that serves: what `experiments/deployments/current` points at, followed without a request failing."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import deployments
from ml_run.errors import MlRunError, StoreError
from ml_run.events import emit
from ml_run.modeling.scoring import load_scorer
from ml_run.serving.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_run.modeling.scoring import Scorer
    from ml_run.serving.metrics import Metrics

_LOOK_SECONDS = 0.25
_AGAIN_SECONDS = 30.0
"""After which a version that could not be loaded is tried again: somebody may have mended it."""
_CARD = "README.md"
_WARM_UP = ("", "a text", "and a longer one, of several words " * 60)


@dataclass(frozen=True)
class ServedModel:
    """A deployed version, verified, loaded and warm."""

    version: str
    digest: str
    scorer: Scorer
    card: str
    """The model card, Markdown; empty where there is none."""


def load_deployed(project: Path, version: str) -> ServedModel:
    """Load one deployed version, of which every file is compared with its manifest, and score a few texts with it.

    Raises:
        StoreError: it is not what was deployed, it cannot be loaded, or it gives no numbers.
    """
    folder = deployments.version_folder(project, version)
    digest = deployments.verified_digest(project, version)
    scorer = load_scorer(folder, verified=True, threads=_all_but_a_core())
    _warm_up(scorer, folder)
    card = folder / _CARD
    return ServedModel(version, digest, scorer, card.read_text("utf-8", "replace") if card.is_file() else "")


def _warm_up(scorer: Scorer, folder: Path) -> None:
    import numpy as np

    logits = scorer.logits(_WARM_UP)
    if logits.shape != (len(_WARM_UP), len(scorer.labels)) or not np.isfinite(logits).all():
        raise StoreError("the model gives no numbers for the texts it is tried on", where=str(folder))


def _all_but_a_core() -> int:
    """Leave a core to the rest of the machine: all cores and one busy neighbour are five times slower (2e)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


class Models:
    """Which model serves, and the change to another one."""

    def __init__(self, project: Path, metrics: Metrics) -> None:
        self._project = project
        self._metrics = metrics
        self._worker = Worker("loading")
        self._failed: tuple[str, float] | None = None
        self._told = ""
        self.serving: ServedModel | None = None
        """None while the first one is being loaded. Replaced whole; whoever took it keeps it to the end."""

    @property
    def wanted(self) -> str | None:
        """The version that should serve and cannot be loaded; None while all is as it should be."""
        return self._failed[0] if self._failed else None

    async def run(self, ready: Callable[[ServedModel], None]) -> None:
        """Load what is deployed, tell `ready`, then follow the pointer for ever.

        Raises:
            StoreError: the first model cannot be loaded.
        """
        first = deployments.deployed_version(self._project)
        self.serving = await self._worker.do(load_deployed, self._project, first)
        ready(self.serving)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._follow(self.serving)

    async def _follow(self, serving: ServedModel) -> None:
        version = deployments.current_version(self._project)
        if version is None or version == serving.version:
            self._failed, self._told = None, ""
            return
        if self._failed and self._failed[0] == version and time.monotonic() < self._failed[1] + _AGAIN_SECONDS:
            return
        try:
            self.serving = await self._worker.do(load_deployed, self._project, version)
        except Exception as error:  # noqa: BLE001 -- the model that serves goes on, whatever the new one is
            self._fail(version, serving, error)
            return
        self._failed, self._told = None, ""
        self._metrics.switches.add()
        emit("note", f"version {version} serves now, in place of version {serving.version}", version=version)

    def _fail(self, version: str, serving: ServedModel, error: Exception) -> None:
        self._failed = (version, time.monotonic())
        self._metrics.switch_failures.add()
        why = error.found if isinstance(error, MlRunError) else f"{type(error).__name__}: {error}"
        told = f"version {version} cannot serve, version {serving.version} goes on: {why}"
        if told != self._told:
            emit("warning", told, level=logging.WARNING, version=version)
        self._told = told
