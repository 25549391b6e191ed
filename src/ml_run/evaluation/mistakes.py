"""Errors people can read: the surest mistakes, what is taken for what, what others got right, doubtful labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ml_run.evaluation.doubts import doubtful
from ml_run.evaluation.passages import opening, words_of
from ml_run.results import ConfusedPair, Mistake, Mistakes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.predictions import Predictions
    from ml_run.evaluation.train_copies import Copy
    from ml_run.splits import SplitRows

_SUREST = 10
_PAIRS = 5
_RIGHT_ELSEWHERE = 5
_SUSPECTS_SHOWN = 5
MOST_SUSPECTS = 50
"""Rows that go into the review queue at most: as many as the data stage puts there for one reason."""
_NO_BASELINE = ("production", "majority")
"""Production is none, and the most frequent class is right by chance."""


def find_mistakes(
    rows: SplitRows,
    labels: tuple[str, ...],
    candidate: Predictions,
    others: Sequence[Predictions],
    copies: Mapping[int, Sequence[Copy]] | None = None,
) -> Mistakes:
    """Sort out what the candidate gets wrong.

    Args:
        rows: the n test rows.
        labels: the k labels.
        candidate: its predictions of the rows.
        others: what other models say of them.
        copies: of test rows that have any in the training data, by row.

    Returns:
        Counts over all mistakes, and those worth showing; the words that pushed are `influence.explain`'s to find.
    """
    import numpy as np

    true = np.asarray(rows.label_ids, np.int64)
    wrong = _surest_first(candidate, np.flatnonzero(candidate.ids != true))
    suspected = doubtful(rows, labels, candidate, others, copies or {})
    surest = tuple(wrong[:_SUREST]) if candidate.probabilities is not None else ()
    pairs = _pairs(wrong, true, candidate.ids, labels)
    right = {other.name: other.ids == true for other in others}
    baselines = [right[name] for name in right if name not in _NO_BASELINE]
    wanted = {*surest, *(row for pair in pairs for row in pair.examples)}
    others_right = [row for row in wrong if row not in wanted and any(one[row] for one in baselines)]
    by_baseline = tuple(others_right[:_RIGHT_ELSEWHERE])
    wanted |= {*by_baseline, *(suspicion.row for suspicion in suspected[:_SUSPECTS_SHOWN])}
    return Mistakes(
        count=len(wrong),
        shown=tuple(_mistake(row, rows, labels, candidate, right) for row in sorted(wanted)),
        surest=surest,
        pairs=pairs,
        right_elsewhere={name: int(one[wrong].sum()) for name, one in right.items()} if wrong else {},
        right_by_baseline=by_baseline,
        suspected=tuple(suspected[:MOST_SUSPECTS]),
        suspicions=len(suspected),
    )


def _surest_first(candidate: Predictions, wrong: NDArray[np.int64]) -> list[int]:
    soft = candidate.probabilities
    found: list[int] = wrong.tolist()
    if soft is None:
        return found
    known = soft.shape[1]
    return sorted(found, key=lambda row: -float(soft[row, candidate.ids[row]]) if candidate.ids[row] < known else 0.0)


def _pairs(
    wrong: list[int], true: NDArray[np.int64], said: NDArray[np.int64], labels: tuple[str, ...]
) -> tuple[ConfusedPair, ...]:
    """The most frequent confusions; `wrong` are the mistakes, surest first."""
    counts = Counter((int(true[row]), int(said[row])) for row in wrong if said[row] < len(labels))
    most = sorted(counts, key=lambda pair: (-counts[pair], pair))[:_PAIRS]
    found = []
    for one, other in most:
        rows = [row for row in wrong if (true[row], said[row]) == (one, other)]
        examples = dict.fromkeys((rows[0], rows[len(rows) // 2], rows[-1]))
        pair = ConfusedPair(
            label=labels[one],
            predicted=labels[other],
            rows=len(rows),
            of=int((true == one).sum()),
            examples=tuple(examples),
        )
        found.append(pair)
    return tuple(found)


def _mistake(
    row: int, rows: SplitRows, labels: tuple[str, ...], candidate: Predictions, right: dict[str, NDArray[np.bool_]]
) -> Mistake:
    said, soft = int(candidate.ids[row]), candidate.probabilities
    is_known = said < len(labels)
    return Mistake(
        row=row,
        file=rows.files[row],
        line=rows.lines[row],
        text=opening(words_of(rows.texts[row]))[0],
        label=rows.labels[row],
        predicted=labels[said] if is_known else None,
        probability=float(soft[row, said]) if soft is not None and is_known else None,
        label_probability=None if soft is None else float(soft[row, rows.label_ids[row]]),
        right=tuple(name for name, one in right.items() if one[row]),
    )
