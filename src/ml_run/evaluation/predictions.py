"""What a model says of a set of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.errors import TrainingError
from ml_run.events import emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import Scorer


@dataclass(frozen=True)
class Predictions:
    """What one model says of n rows, in their order."""

    name: str
    """`candidate`, `majority`, `linear`, `production`, or the name of a file."""
    ids: NDArray[np.int64]
    """[n]; an id of k or more is a label this run does not know."""
    probabilities: NDArray[np.float64] | None = None
    """[n, k], for models that give them."""

    def subset(self, rows: NDArray[np.bool_]) -> Predictions:
        """The predictions of the rows that are true in `rows` [n]."""
        soft = self.probabilities
        return Predictions(self.name, self.ids[rows], None if soft is None else soft[rows])


def predict(scorer: Scorer, name: str, texts: Sequence[str], labels: tuple[str, ...]) -> Predictions:
    """Score the texts; the model's labels are matched with `labels` by name, never by position.

    Args:
        scorer: the model.
        name: of the model, for people.
        texts: n texts.
        labels: the k labels of the run.

    Raises:
        TrainingError: a score is no number: its row would be counted for whatever class comes first.
    """
    import numpy as np

    def progress(done: int, total: int) -> None:
        emit("progress", f"scoring {name}", stage="evaluate", done=done, total=total)

    probabilities = scorer.probabilities(texts, progress=progress).astype(np.float64)
    lost = int((~np.isfinite(probabilities)).any(1).sum())
    if lost:
        raise TrainingError(
            f"the {name} model gives scores that are no numbers for {lost} of {len(texts)} test rows",
            kind="non_finite",
            remedy="train it anew with a smaller training.learning_rate",
        )
    position = {label: number for number, label in enumerate(labels)}
    to_run = np.array([position.get(label, len(labels)) for label in scorer.labels])
    ids = to_run[probabilities.argmax(1)] if len(texts) else np.zeros(0, np.int64)
    same = set(scorer.labels) == set(labels)
    ordered = probabilities[:, [scorer.labels.index(label) for label in labels]] if same else None
    return Predictions(name, ids, ordered)
