"""`scoring.json` in a model folder: what turns the bare scores of the weights beside it into the model's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ml_run import files
from ml_run.results import Format, Record

if TYPE_CHECKING:
    from pathlib import Path

SCORING = "scoring.json"


class Scoring(Record):
    """`scoring.json`. A folder without it, as plain transformers writes one, is scored by these defaults."""

    version: Literal[1] = 1
    format: Format = "safetensors"
    """Which of the files in the folder compute the scores; of a linear model there is but one kind."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What scores are divided by before the softmax. None: by nothing, or as the weights' own file says."""
    abstain_below: Annotated[float, Field(ge=0, le=1)] | None = None
    """Confidence below which the model abstains; None: never."""


def read_scoring(folder: Path) -> Scoring:
    """How the model in `folder` is scored. Raises ValueError where `scoring.json` cannot be understood."""
    path = folder / SCORING
    return Scoring.model_validate_json(path.read_bytes()) if path.exists() else Scoring()


def write_scoring(folder: Path, scoring: Scoring) -> None:
    """Write `scoring.json` into `folder`, which is sealed after it."""
    files.write_json(folder / SCORING, scoring.model_dump(mode="json"))
