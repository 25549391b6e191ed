"""Doubtful labels of test rows, added to the run's review queue, which people may have begun to fill in."""

from __future__ import annotations

import csv
import io
import logging
import re
from typing import TYPE_CHECKING

from ml_run import files
from ml_run.events import emit
from ml_run.quality.review import COLUMNS, LABEL_ERROR, Review, review_queue, safe_cell
from ml_run.quality.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.experiment import Experiment
    from ml_run.results import Suspicion
    from ml_run.splits import SplitRows

REASON = "evaluation: "
"""Begins every reason that comes from here; labels are never changed by it."""
_EARLIER = re.compile(rf"(?:^|; ){REASON}the model is sure of ")
_WHY, _ANSWER = COLUMNS.index("why"), COLUMNS.index("correct_label")
Cells = list[str]


def queue_suspects(experiment: Experiment, rows: SplitRows, suspected: Sequence[Suspicion]) -> str | None:
    """Add the suspects to the end of `data/review_queue.csv`, or another reason to a row that stands there already.

    What an earlier walk of the stage added goes first, so that walking it again adds nothing twice; a row with a
    `correct_label` stays as it is. A queue that was saved in another form is somebody's work and is not touched: the
    suspects then stand in `evaluation/review_queue.csv`.

    Args:
        experiment: the run.
        rows: the test rows.
        suspected: numbers of rows, each with what speaks against its label.

    Returns:
        The file they stand in, relative to the experiment folder; None where there are no suspects.

    Raises:
        OSError: the queue cannot be written.
    """
    added = list(csv.reader(io.StringIO(_queue(rows, suspected), newline="")))[1:]
    path = experiment.review_queue
    content = path.read_bytes() if path.is_file() else review_queue([]).encode()
    queue = _read(content)
    if queue is None:
        if not added:
            return None
        path, queue = experiment.evaluation / path.name, []
        said = f"{experiment.relative(experiment.review_queue)} was saved in another form and is left as it is"
        emit("warning", f"{said}: doubtful test labels stand in {experiment.relative(path)}", level=logging.WARNING)
    merged = _merged([row for row in map(_without_earlier, queue) if row], added)
    if merged != queue or (merged and not path.is_file()):
        files.write_text(path, _written(merged))
    return path.relative_to(experiment.folder).as_posix() if added else None


def _queue(rows: SplitRows, suspected: Sequence[Suspicion]) -> str:
    """The suspects alone, as a queue of their own."""
    reviews = []
    for one in suspected:
        at = one.row
        row = Row(rows.files[at], rows.lines[at], rows.texts[at], rows.labels[at], None, {})
        reviews.append(Review("test", row, LABEL_ERROR, REASON + one.why))
    return review_queue(reviews).removeprefix("\ufeff")


def _read(content: bytes) -> list[Cells] | None:
    """The rows of a queue that is in the form it was written in; None for one that is not."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        return None
    return rows if tuple(header) == COLUMNS and all(len(row) == len(COLUMNS) for row in rows) else None


def _without_earlier(row: Cells) -> Cells | None:
    """A row without the reason that an earlier walk gave; None when that was the only one, and nobody answered."""
    earlier = _EARLIER.search(row[_WHY])
    if not earlier or row[_ANSWER].strip():
        return row
    why = row[_WHY][: earlier.start()]
    return [*row[:_WHY], why, *row[_WHY + 1 :]] if why else None


def _merged(queue: list[Cells], added: list[Cells]) -> list[Cells]:
    place = {tuple(row[:2]): number for number, row in enumerate(queue)}
    merged = list(queue)
    for row in added:
        number = place.get(tuple(row[:2]))
        if number is None:
            merged.append(row)
        elif not queue[number][_ANSWER].strip():
            why = safe_cell(f"{queue[number][_WHY]}; {row[_WHY]}")
            merged[number] = [*queue[number][:_WHY], why, *queue[number][_WHY + 1 :]]
    return merged


def _written(rows: list[Cells]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([COLUMNS, *rows])
    return "\ufeff" + text.getvalue()
