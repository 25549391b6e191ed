"""What a model says of a set of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.errors import TrainingError
from ml_run.events import emit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.modeling.scoring import Scorer
    from ml_run.splits import SplitRows


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


def write_predictions(path: Path, rows: SplitRows, predictions: Predictions, labels: tuple[str, ...]) -> None:
    """Write one line a row to a parquet file: where it stands, its label, what was said of it and how surely."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert predictions.probabilities is not None, "the candidate was trained on these labels"
    columns = {
        "row": np.arange(len(rows)),
        "file": rows.files,
        "line": rows.lines,
        "text": rows.texts,
        "label": rows.labels,
        "predicted": [labels[i] for i in predictions.ids],
        "correct": predictions.ids == np.asarray(rows.label_ids),
        "confidence": predictions.probabilities.max(1),
        "characters": [len(text) for text in rows.texts],
        "row_hash": rows.hashes,
    }
    columns |= {f"p_{label}": predictions.probabilities[:, i] for i, label in enumerate(labels)}
    with files.atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
