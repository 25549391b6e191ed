"""How the linear model grows with the training rows, and how many more of them would reach the threshold.

The model learns from growing shares of the rows and is scored on the validation rows. An inverse power law is fitted
to its scores, each size weighing the more the larger it is (R. Figueroa et al., Predicting sample size required for
classification performance, BMC Medical Informatics and Decision Making 12:8, 2012). No test row takes part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml_run.modeling.linear_tuning import Rows, Setting, draw_rows, fewest_rows, fit_svm
from ml_run.modeling.ngrams import learn_vocabulary
from ml_run.modeling.power_law import PowerLaw, fit_power_law
from ml_run.results import LearningCurve, LearningPoint
from ml_run.wording import number_of, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from ml_run.results import LinearTrial

REPETITIONS = (6, 5, 4, 3, 1)
"""Of the sizes, the smallest first: what a few rows give depends most on which they are; of all rows there is one."""
_SMALLEST = 0.1
_MOST_ROWS, _MOST_VAL_ROWS, _MOST_CHARACTERS = 5_000, 5_000, 5_000_000
_MOST_FITTED = 30_000
"""Rows times classes: each class is a fit of its own, and all sizes together take about 0.2 ms of it."""
_FEWEST_SIZES, _FEWEST_ROWS, _FEWEST_VAL = 4, 40, 20
_DRAWS = 200
_FARTHEST = 20
"""Times the present rows: farther a curve from a tenth of the rows to all of them tells nothing."""
_TAIL = 0.025

Outcome = Literal["reached", "within_reach", "out_of_reach", "unknown", "no_threshold"]


def learning_curve(
    train: Rows,
    val: Rows,
    labels: Sequence[str],
    *,
    threshold: float | None,
    balanced: bool,
    seed: int,
    chosen: LinearTrial | None = None,
) -> LearningCurve:
    """Train the linear model on growing shares of the training rows, and say what more rows would bring.

    The interval covers which validation rows there are (stratified bootstrap, the same draw for every size) and which
    training rows each repetition had. It cannot cover that growth may not go on as it went.

    Args:
        train: what to learn from; of very many rows, or rows times classes, a sample, drawn with `seed`.
        val: what to score on; likewise.
        labels: the label names, by id.
        threshold: macro-F1 to be reached, None: none.
        balanced: weigh the loss of each class by the inverse of its share, where `chosen` does not say.
        seed: of every random choice.
        chosen: the setting that tuning has found; the same for all sizes. None: the best known from other data.

    Returns:
        The points, what was fitted and what follows; with too few rows, only why nothing can be told.
    """
    k = len(labels)
    setting = Setting(balanced=balanced) if chosen is None else Setting(chosen.words, chosen.c, chosen.balanced)
    learnt = draw_rows(train, min(_MOST_ROWS, max(1, _MOST_FITTED // k)), _MOST_CHARACTERS, setting.words, seed)
    judged = draw_rows(val, _MOST_VAL_ROWS, _MOST_CHARACTERS, setting.words, seed)
    sizes = sizes_of(len(learnt.ids), len(set(learnt.ids)))
    known = LearningCurve(training_rows=len(train.ids), threshold=threshold, outcome="unknown", sentence="")
    if why := _too_few(learnt, judged, sizes, len(train.ids)):
        return _told(known, f"What more training rows would bring cannot be told: {why}.")
    trials = _Measured(judged.ids, sizes, _trials(learnt, judged, sizes, k, setting, seed), k)
    return _concluded(known.model_copy(update={"points": trials.points()}), trials, seed)


def sizes_of(rows: int, classes: int) -> tuple[int, ...]:
    """Up to five sizes from a tenth of the rows to all of them, each larger than the last by about the same factor."""
    smallest = max(math.ceil(_SMALLEST * rows), 2 * classes)
    if smallest >= rows:
        return (rows,)
    steps = len(REPETITIONS) - 1
    return tuple(sorted({round(smallest * (rows / smallest) ** (step / steps)) for step in range(steps + 1)}))


def nested_order(ids: Sequence[int], seed: int) -> list[int]:
    """Numbers of the rows, so that each first part of them has all classes by their shares, and at least one of each.

    Args:
        ids: label ids [n].
        seed: another one gives other rows of each class first.
    """
    import numpy as np

    chance, classes = np.random.default_rng(seed), np.asarray(ids, int)
    place = np.zeros(len(classes))
    for label in np.unique(classes):
        members = chance.permutation(np.flatnonzero(classes == label))
        place[members] = np.arange(len(members)) / len(members)
    return [int(number) for number in np.lexsort((chance.random(len(classes)), place))]


def _too_few(learnt: Rows, judged: Rows, sizes: tuple[int, ...], rows: int) -> str:
    """Why no trend can be seen; empty where one can."""
    classes = len(set(learnt.ids))
    if classes == 1:
        return "they are of one class"
    if len(sizes) >= _FEWEST_SIZES and len(learnt.ids) >= _FEWEST_ROWS and len(judged.ids) >= _FEWEST_VAL:
        return ""
    seen = "" if len(learnt.ids) == rows else ", as many as seconds allow,"
    found = f"{number_of(len(learnt.ids), 'training row')}{seen} and {number_of(len(judged.ids), 'validation row')}"
    return f"{found} of {classes} classes are too few to see a trend"


def _trials(
    train: Rows, val: Rows, sizes: Sequence[int], k: int, setting: Setting, seed: int
) -> list[list[NDArray[np.int64]]]:
    """What the validation rows [n] are taken for, by size and repetition.

    The n-grams and their weights are those of all rows, whose texts, unlike their labels, cost nothing.
    """
    vocabulary, features = learn_vocabulary(train.texts, setting.words, fewest_rows(len(train.ids)))
    judged = vocabulary.features(val.texts)
    orders = [nested_order(train.ids, seed + number) for number in range(REPETITIONS[0])]
    return [
        [_predicted(features, judged, train.ids, order[:size], k, setting, seed) for order in orders[:repetitions]]
        for size, repetitions in zip(sizes, REPETITIONS[-len(sizes) :], strict=True)
    ]


def _predicted(
    features: csr_matrix,
    judged: csr_matrix,
    ids: Sequence[int],
    rows: list[int],
    k: int,
    setting: Setting,
    seed: int,
) -> NDArray[np.int64]:
    import numpy as np

    weights, offsets = fit_svm(features[rows], [ids[row] for row in rows], k, setting, seed)
    predicted: NDArray[np.int64] = np.asarray(judged @ weights.T + offsets).argmax(1)
    return predicted


# --- scores and fits --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measured:
    """What models of several sizes say of the same validation rows."""

    true: Sequence[int]
    sizes: tuple[int, ...]
    predicted: list[list[NDArray[np.int64]]]
    """By size and repetition."""
    k: int

    def points(self) -> tuple[LearningPoint, ...]:
        """Mean and spread of each size."""
        import numpy as np

        whole = np.arange(len(self.true))
        found = []
        for size, repetitions in zip(self.sizes, self.predicted, strict=True):
            scores = [self._macro_f1(one, whole) for one in repetitions]
            sd = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
            found.append(LearningPoint(rows=size, mean=float(np.mean(scores)), sd=sd, repetitions=len(scores)))
        return tuple(found)

    def drawn(self, chance: np.random.Generator) -> NDArray[np.float64]:
        """Mean score of each size [sizes], of validation rows and repetitions drawn with replacement."""
        import numpy as np

        order, true = np.argsort(self.true, kind="stable"), np.asarray(self.true, int)
        counts = np.bincount(true, minlength=self.k)
        first = np.cumsum(counts) - counts
        of_class = true[order]
        rows = order[first[of_class] + (chance.random(len(true)) * counts[of_class]).astype(int)]
        means = [
            np.mean([self._macro_f1(found[one], rows) for one in chance.integers(len(found), size=len(found))])
            for found in self.predicted
        ]
        return np.array(means)

    def _macro_f1(self, predicted: NDArray[np.int64], rows: NDArray[np.int64]) -> float:
        """Over the classes that occur among `rows`."""
        import numpy as np

        true, given = np.asarray(self.true, int)[rows], predicted[rows]
        support, guessed = np.bincount(true, minlength=self.k), np.bincount(given, minlength=self.k)
        hits = np.bincount(true[true == given], minlength=self.k)
        occurs = support > 0
        return float((2 * hits[occurs] / (support + guessed)[occurs]).mean())


# --- what follows -----------------------------------------------------------------------------------------------------


def _concluded(known: LearningCurve, trials: _Measured, seed: int) -> LearningCurve:
    import numpy as np

    law = fit_power_law(trials.sizes, [point.mean for point in known.points])
    known = known.model_copy(update={"a": law.a, "b": law.b, "c": law.c})
    last, present = known.points[-1], known.training_rows
    if known.threshold is None:
        more = f"with twice as many, its curve gives {score(law.score_at(2 * present))}"
        said = f"The linear model reaches a validation macro-F1 of {score(last.mean)} with {_rows(known)}; {more}."
        return _told(known, said, "no_threshold")
    if last.mean >= known.threshold:
        said = f"The linear model reaches the macro-F1 of {known.threshold:g} that deployment.min_f1 asks for on the "
        return _told(known, f"{said}validation split, with {_rows(known)}: {score(last.mean)}.", "reached")
    chance = np.random.default_rng(seed)
    drawn = [fit_power_law(trials.sizes, trials.drawn(chance)) for _ in range(_DRAWS)]
    low, high = _interval([_further(one, known.threshold, present) for one in drawn])
    return _forecast(known, _further(law, known.threshold, present), low, high)


def _further(law: PowerLaw, threshold: float, present: int) -> float:
    """Rows beyond those at hand; infinity where that is too far to be told."""
    needed = law.rows_for(threshold)
    return math.inf if needed > _FARTHEST * present else max(1.0, needed - present)


def _interval(further: list[float]) -> tuple[float, float]:
    ordered = sorted(further)
    tail = int(_TAIL * len(ordered))
    return ordered[tail], ordered[-1 - tail]


def _forecast(known: LearningCurve, further: float, low: float, high: float) -> LearningCurve:
    """What the fitted curve says of a threshold that is not reached yet."""
    goal = f"a validation macro-F1 of {known.threshold:g}"
    known = known.model_copy(
        update={"rows_to_reach": _whole(further), "rows_to_reach_low": _whole(low), "rows_to_reach_high": _whole(high)}
    )
    if math.isinf(low) and math.isinf(further):
        ends = f"it has {score(known.points[-1].mean)} with {_rows(known)}, and {_FARTHEST} times as many would not do"
        return _told(known, f"More rows alone will not bring the linear model to {goal}: {ends}.", "out_of_reach")
    if math.isinf(further) or math.isinf(low):
        said = f"Whether more rows alone would bring the linear model to {goal} cannot be told: "
        least = "its curve is too uncertain" if math.isinf(low) else f"it may take {_about(low)} more, or never happen"
        return _told(known, f"{said}{least}.", "unknown")
    said = f"With about {_about(further)} more training rows the linear model would reach {goal}, if it goes on "
    ends = f"at least {_about(low)}, with no upper end" if math.isinf(high) else f"{_about(low)} to {_about(high)}"
    return _told(known, f"{said}growing as it did (95 % interval: {ends}).", "within_reach")


def _told(known: LearningCurve, said: str, outcome: Outcome = "unknown") -> LearningCurve:
    return known.model_copy(update={"sentence": said, "outcome": outcome})


def _rows(known: LearningCurve) -> str:
    used = known.points[-1].rows
    everything = number_of(known.training_rows, "training row")
    return f"the {everything}" if used == known.training_rows else f"{used:,} of the {everything}"


def _whole(rows: float) -> int | None:
    return None if math.isinf(rows) else math.ceil(rows)


def _about(rows: float) -> str:
    """Two digits: more would promise what no fit can hold."""
    digits = max(0, len(str(math.ceil(rows))) - 2)
    return f"{math.ceil(rows / 10**digits) * 10**digits:,}"
