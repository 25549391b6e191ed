"""How the model came to be trained as it was, where that is not what the config asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.wording import listed, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.config import TrainingConfig
    from ml_run.reporting.document import Loose
    from ml_run.results import Attempt


def seed_rows(asked: TrainingConfig) -> list[list[Loose]]:
    """A row of a table: of which seeds the model is the median; none where it is the only one."""
    if not asked.seeds:
        return []
    seeds = listed([str(seed) for seed in asked.seeds])
    return [["Seeds", f"one model each of {seeds}; the median of them by validation macro-F1 is the candidate"]]


def attempt_rows(attempts: Sequence[Attempt], asked: TrainingConfig) -> list[list[Loose]]:
    """Rows of a table: the learning rate that made the model, what was given up before it, and smaller portions."""
    if not attempts:
        return []
    now = attempts[-1]
    rate = f"{now.learning_rate:g} at its peak, warm-up over {percent(now.warmup_ratio)} of the steps"
    rows: list[list[Loose]] = [["Learning rate", rate]]
    rows += [[f"Given up: learning rate {tried.learning_rate:g}", sentence(tried.failure)] for tried in attempts[:-1]]
    if now.micro_batch < asked.batch_size:
        said = f"{now.micro_batch} at once, {now.accumulation} times a step: memory ran out with more"
        rows.append(["Rows in memory", said])
    return rows
