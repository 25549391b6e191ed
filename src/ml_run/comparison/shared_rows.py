"""What two runs predicted for the test rows that both have."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import UsageError
from ml_run.evaluation.comparing import compare
from ml_run.evaluation.predictions import Predictions
from ml_run.modeling.scores import score_predictions

if TYPE_CHECKING:
    from ml_run.experiment import Experiment
    from ml_run.results import Comparison, ModelScores

_COLUMNS = ["row_hash", "label", "predicted"]


@dataclass(frozen=True)
class SharedRows:
    """The n test rows that both runs have, in B's order."""

    labels: tuple[str, ...]
    true: list[int]
    """Ids of B's labels [n]."""
    a: Predictions
    b: Predictions
    relabelled: int
    """Rows that A has under another label."""
    seed: int

    def difference(self) -> Comparison:
        """B minus A."""
        return compare(self.b, self.a, self.true, self.labels, seed=self.seed)

    def scores(self, predictions: Predictions) -> ModelScores:
        """The scores of one of the two on these rows, n > 0."""
        return score_predictions(predictions.name, predictions.ids, None, self.true, self.labels, seed=self.seed)


def shared_rows(a: Experiment, b: Experiment, labels: tuple[str, ...]) -> SharedRows:
    """Pair the test rows of two runs by the hash of their text; rows that say the same are paired in their order.

    Args:
        a: a run that was evaluated.
        b: another.
        labels: B's; what A calls by another name is wrong.

    Raises:
        UsageError: the predictions of a run are gone, or were written by an older version.
    """
    import numpy as np

    ours, theirs = _read(b), _read(a)
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for number, row in enumerate(theirs["row_hash"]):
        waiting[row].append(number)
    pairs = [(i, waiting[row].popleft()) for i, row in enumerate(ours["row_hash"]) if waiting.get(row)]
    position = {label: number for number, label in enumerate(labels)}

    def ids(columns: dict[str, list[str]], name: str, rows: list[int]) -> list[int]:
        return [position.get(columns[name][row], len(labels)) for row in rows]

    in_b, in_a = [i for i, _ in pairs], [j for _, j in pairs]
    return SharedRows(
        labels=labels,
        true=ids(ours, "label", in_b),
        a=Predictions("A", np.array(ids(theirs, "predicted", in_a), np.int64)),
        b=Predictions("B", np.array(ids(ours, "predicted", in_b), np.int64)),
        relabelled=sum(ours["label"][i] != theirs["label"][j] for i, j in pairs),
        seed=files.seed_of(sorted(ours["row_hash"][i] for i in in_b)),
    )


def _read(experiment: Experiment) -> dict[str, list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns: dict[str, list[str]] = pq.read_table(experiment.predictions, columns=_COLUMNS).to_pydict()
    except (OSError, pa.ArrowException):
        raise UsageError(
            f"the predictions of run {experiment.id} are gone or damaged",
            where=experiment.relative(experiment.predictions),
            remedy=f"ml-run --resume {experiment.id} makes them again",
        ) from None
    return columns
