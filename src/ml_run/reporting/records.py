"""Reading back what the stages of a run left in its experiment folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ml_run.experiment import read_record
from ml_run.results import (
    STAGES,
    Decision,
    Deployment,
    Evaluation,
    PreparedData,
    Record,
    Registration,
    RunError,
    RunRecord,
    StageName,
    TrainedModel,
    Verdict,
)

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.results import ModelScores

AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True)
class Place:
    """What was asked, and the folder that a report stands in."""

    config: Config
    experiment: Experiment

    def shown(self, text: str) -> str:
        """`text` with paths relative to the project folder: reports are shared, folders of one machine are not."""
        shorter = text.replace(f"{self.experiment.project}/", "")
        home = Path.home()
        return shorter if home == home.parent else shorter.replace(f"{home}/", "~/")


@dataclass(frozen=True)
class Facts(Place):
    """All that is known of a run; None for what its stages have not come to."""

    run: RunRecord
    data: PreparedData | None = None
    model: TrainedModel | None = None
    evaluation: Evaluation | None = None
    verdict: Verdict | None = None
    deployment: Deployment | None = None
    registration: Registration | None = None
    error: RunError | None = None

    @property
    def synthetic(self) -> bool:
        """True when data or model say that they are SYNTHETIC."""
        return any(record is not None and record.synthetic for record in (self.data, self.model))

    @property
    def linear(self) -> ModelScores | None:
        """Scores of the linear baseline, when it was scored."""
        baselines = self.evaluation.baselines if self.evaluation else ()
        return next((scores for scores in baselines if scores.name == "linear"), None)

    @property
    def stopped_in(self) -> str | None:
        """The stage that an error or a signal ended, when one did."""
        if self.error and self.error.stage:
            return self.error.stage
        ended = (stage for stage in STAGES if (record := self.run.stages.get(stage)) and record.status in _CUT)
        return next(ended, None)


_CUT = ("failed", "interrupted")


def read_facts(config: Config, experiment: Experiment) -> Facts:
    """Read every record that the run has written so far.

    Raises:
        UsageError: `run.json` is missing, or a record cannot be read.
    """
    run = experiment.read_run()
    deployed = _standing(run, "gate", experiment.deployment, Decision)
    verdict = _standing(run, "gate", experiment.verdict, Verdict)
    return Facts(
        config=config,
        experiment=experiment,
        run=run,
        data=_read_if_there(experiment.data_report, PreparedData),
        model=_standing(run, "train", experiment.training_record, TrainedModel),
        evaluation=_standing(run, "evaluate", experiment.metrics, Evaluation),
        verdict=verdict or (deployed.verdict if deployed else None),
        deployment=deployed.deployment if deployed else None,
        registration=_standing(run, "gate", experiment.registration, Registration),
        error=_read_if_there(experiment.error_file, RunError),
    )


def _standing(run: RunRecord, stage: StageName, path: Path, kind: type[AnyRecord]) -> AnyRecord | None:
    # A resumed run that stopped early may hold records of its first walk: they tell of another model.
    walked = [run.stages[s] for s in STAGES[: STAGES.index(stage) + 1] if s in run.stages]
    if any(record.status != "finished" for record in walked):
        return None
    return _read_if_there(path, kind)


def _read_if_there(path: Path, kind: type[AnyRecord]) -> AnyRecord | None:
    return read_record(path, kind) if path.exists() else None
