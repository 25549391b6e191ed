"""What two runs predicted for the test rows that both have."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.errors import UsageError
from ml_run.evaluation.comparing import compare
from ml_run.evaluation.predictions import Predictions
from ml_run.modeling.scores import score_predictions

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ml_run.experiment import Experiment
    from ml_run.results import Comparison, ModelScores

_COLUMNS = ["row_hash", "file", "line", "label", "predicted"]


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
    by_line: bool
    """Whether rows were found by file and line, as no text is the same."""
    seed: int

    def difference(self) -> Comparison:
        """B minus A."""
        return compare(self.b, self.a, self.true, self.labels, seed=self.seed)

    def scores(self, predictions: Predictions) -> ModelScores:
        """The scores of one of the two on these rows, n > 0."""
        return score_predictions(predictions.name, predictions.ids, None, self.true, self.labels, seed=self.seed)


def shared_rows(a: Experiment, b: Experiment, labels: tuple[str, ...]) -> SharedRows:
    """Pair the test rows of two runs by the hash of their text; rows that say the same are paired in their order.

    Where no text is the same, but files, lines and labels of all rows are, the texts were read from other fields
    (`data.text_field`) of the same rows: then they are paired by file and line.

    Args:
        a: a run that was evaluated.
        b: another.
        labels: B's; what A calls by another name is wrong.

    Raises:
        UsageError: the predictions of a run are gone, or were written by an older version.
    """
    import numpy as np

    ours, theirs = _read(b), _read(a)
    pairs = _paired(theirs["row_hash"], ours["row_hash"])
    by_line = not pairs and sorted(_places(theirs, "label")) == sorted(_places(ours, "label"))
    if by_line:
        pairs = _paired(_places(theirs), _places(ours))
    position = {label: number for number, label in enumerate(labels)}

    def ids(columns: dict[str, list[Any]], name: str, rows: list[int]) -> list[int]:
        return [position.get(columns[name][row], len(labels)) for row in rows]

    in_b, in_a = [i for i, _ in pairs], [j for _, j in pairs]
    return SharedRows(
        labels=labels,
        true=ids(ours, "label", in_b),
        a=Predictions("A", np.array(ids(theirs, "predicted", in_a), np.int64)),
        b=Predictions("B", np.array(ids(ours, "predicted", in_b), np.int64)),
        relabelled=sum(ours["label"][i] != theirs["label"][j] for i, j in pairs),
        by_line=by_line,
        seed=files.seed_of(sorted(ours["row_hash"][i] for i in in_b)),
    )


def _paired(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Places in B and in A of what both hold, in B's order."""
    waiting: dict[Hashable, deque[int]] = defaultdict(deque)
    for number, row in enumerate(a):
        waiting[row].append(number)
    return [(i, waiting[row].popleft()) for i, row in enumerate(b) if waiting.get(row)]


def _places(columns: dict[str, list[Any]], *more: str) -> list[tuple[Any, ...]]:
    """File and line of each row, and what more is asked for."""
    return list(zip(columns["file"], columns["line"], *(columns[name] for name in more), strict=True))


def _read(experiment: Experiment) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns: dict[str, list[Any]] = pq.read_table(experiment.predictions, columns=_COLUMNS).to_pydict()
    except (OSError, pa.ArrowException):
        raise UsageError(
            f"the predictions of run {experiment.id} are gone or damaged",
            where=experiment.relative(experiment.predictions),
            remedy=f"ml-run --resume {experiment.id} makes them again",
        ) from None
    return columns
