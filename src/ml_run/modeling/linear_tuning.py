"""Choosing, fitting and calibrating the linear model: a few fits on training rows, judged on validation rows."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ml_run import statistics
from ml_run.errors import TrainingError
from ml_run.modeling.linear import LinearScorer
from ml_run.modeling.ngrams import learn_vocabulary
from ml_run.modeling.scoring import softmax
from ml_run.results import LinearTrial, LinearTuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

WORDS = (64, 128, None)
"""Words read of a text, in the order they are tried: on news the first 64 are best (data-quality.md, 2.8)."""
STRENGTHS = (0.25, 0.5, 1.0)
_TUNING_ROWS, _TUNING_CHARACTERS = 10_000, 5_000_000
_TRAINING_CHARACTERS = 20_000_000
"""Beyond these a sample of the rows is drawn: for the trials, which should take seconds; for the model, for memory."""
_A_WORD = 8
"""Characters of a word and its blank, generously."""
_ROWS_A_TERM = 10_000
_TOLERANCE, _MOST_PASSES = 0.01, 50
"""With scikit-learn's own, 0.0001 and 1,000, no score on MasakhaNEWS changes, and labels by chance take hours."""
_NEVER = -1e4
"""Score of a class without training rows."""

Step = Callable[[int, int], None]
"""Called before each fit with the number of fits done and the number of all fits; may raise to stop."""


class Rows(NamedTuple):
    """Texts and their label ids."""

    texts: Sequence[str]
    ids: Sequence[int]


@dataclass(frozen=True)
class Setting:
    """What is fixed before a fit."""

    words: int | None = WORDS[0]
    """Words read of a text; None: all."""
    c: float = STRENGTHS[0]
    balanced: bool = True
    """Weigh the loss of each class by the inverse of its share."""


@dataclass(frozen=True)
class _Tried:
    setting: Setting
    predicted: NDArray[np.int64]
    """Label ids of the validation rows."""


def tune(
    train: Rows,
    val: Rows,
    labels: tuple[str, ...],
    *,
    balanced: bool,
    seed: int,
    step: Step = lambda _done, _total: None,
) -> tuple[LinearScorer, LinearTuning]:
    """Try a few settings, keep one, fit it and calibrate its probabilities.

    The first setting is the best known from elsewhere; another takes its place only where it is better on the
    validation rows by more than one standard error, for on few rows the best of several is best by chance (the rule of
    L. Breiman et al., Classification and Regression Trees, 1984, section 3.4.3). Words read are tried first, then C,
    then the weights of the classes. The model learns from the training rows alone: the validation rows choose and
    calibrate, and of rows it has learnt from any model is surer than it should be.

    Args:
        train: what to learn from; of very many rows a sample, drawn with `seed`.
        val: what to choose and calibrate on; likewise.
        labels: the label names, by id.
        balanced: weigh the loss of each class by the inverse of its share, without trying otherwise.
        seed: of every random choice.
        step: told of progress.

    Returns:
        The model, and how it was found. The same rows and seed give the same model.

    Raises:
        TrainingError: all training rows are of one class.
    """
    if len(set(train.ids)) == 1:
        raise TrainingError(
            f"all {len(train.ids):,} training rows are of one class, {labels[train.ids[0]]}",
            kind="one_class",
            remedy="add rows of the other classes to the training split",
        )
    learnt, judged = (draw_rows(rows, _TUNING_ROWS, _TUNING_CHARACTERS, None, seed) for rows in (train, val))
    search = _Search(learnt, judged, len(labels), seed, step, _readable(learnt.texts), may_be_unbalanced=not balanced)
    chosen = search.run()
    step(search.fits - 1, search.fits)
    rows = training_rows(train, chosen.setting.words, seed)
    vocabulary, features = learn_vocabulary(rows.texts, chosen.setting.words, fewest_rows(len(rows.ids)))
    weights, offsets = fit_svm(features, rows.ids, len(labels), chosen.setting, seed)
    raw = LinearScorer(labels, vocabulary, weights, offsets)
    scores = raw.logits(judged.texts).astype(float)
    temperature = statistics.fit_temperature(scores, judged.ids, offsets > _NEVER)
    return replace(raw, temperature=temperature), LinearTuning(
        trials=tuple(_trial(one, judged, len(labels)) for one in search.tried),
        chosen=_trial(chosen, judged, len(labels)),
        features=len(vocabulary.terms),
        tuning_rows=len(learnt.ids),
        training_rows=len(rows.ids),
        temperature=temperature,
        val_ece_uncalibrated=expected_error(scores, judged.ids),
        val_ece=expected_error(scores / temperature, judged.ids),
    )


# --- search -----------------------------------------------------------------------------------------------------------


@dataclass
class _Search:
    """Tries settings on the same rows."""

    train: Rows
    val: Rows
    k: int
    seed: int
    step: Step
    words: tuple[int | None, ...]
    may_be_unbalanced: bool

    def __post_init__(self) -> None:
        self.tried: list[_Tried] = []
        self._features: dict[int | None, tuple[csr_matrix, csr_matrix]] = {}

    @property
    def fits(self) -> int:
        """All fits of a run, the last one included: the model itself."""
        return len(self.words) + len(STRENGTHS) - 1 + self.may_be_unbalanced + 1

    def run(self) -> _Tried:
        """Try one thing after the other; return what to keep."""
        for words in self.words:
            self._try(Setting(words))
        best = self._best().setting
        for c in STRENGTHS[1:]:
            self._try(replace(best, c=c))
        if self.may_be_unbalanced:
            self._try(replace(self._best().setting, balanced=False))
        return self._best()

    def _best(self) -> _Tried:
        kept, *others = self.tried
        for other in others:
            found = statistics.macro_f1_difference_error(
                self.val.ids, other.predicted, kept.predicted, self.k, seed=self.seed
            )
            if found is not None and found[0] > found[1]:
                kept = other
        return kept

    def _try(self, setting: Setting) -> None:
        import numpy as np

        self.step(len(self.tried), self.fits)
        if setting.words not in self._features:
            vocabulary, features = learn_vocabulary(self.train.texts, setting.words, fewest_rows(len(self.train.ids)))
            self._features[setting.words] = features, vocabulary.features(self.val.texts)
        features, judged = self._features[setting.words]
        weights, offsets = fit_svm(features, self.train.ids, self.k, setting, self.seed)
        self.tried.append(_Tried(setting, np.asarray(judged @ weights.T + offsets).argmax(1)))


def _readable(texts: Sequence[str]) -> tuple[int | None, ...]:
    """Numbers of words worth trying: those that leave something of some text unread, and all."""
    longest = max(len(text.split()) for text in texts)
    return tuple(words for words in WORDS if words is None or words < longest)


def fewest_rows(rows: int) -> int:
    """Training rows that a term must occur in: of what one row says, nothing can be learnt about others."""
    return max(2, rows // _ROWS_A_TERM)


def training_rows(rows: Rows, words: int | None, seed: int) -> Rows:
    """The rows that a model which reads that many words learns from: all, or what memory allows, drawn with `seed`."""
    return draw_rows(rows, len(rows.ids), _TRAINING_CHARACTERS, words, seed)


def draw_rows(rows: Rows, most: int, characters: int, words: int | None, seed: int) -> Rows:
    """All rows, or `most`, drawn with `seed`, or as many of them as have about `characters` in what is read of them."""
    lengths = [len(text) if words is None else min(len(text), words * _A_WORD) for text in rows.texts]
    if len(lengths) <= most and sum(lengths) <= characters:
        return rows
    chance = random.Random(seed)  # noqa: S311 -- nothing secret
    kept: list[int] = []
    for number in chance.sample(range(len(lengths)), min(most, len(lengths))):
        characters -= lengths[number]
        if characters < 0 and kept:
            break
        kept.append(number)
    kept.sort()
    return Rows([rows.texts[number] for number in kept], [rows.ids[number] for number in kept])


def fit_svm(
    features: csr_matrix, ids: Sequence[int], k: int, setting: Setting, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A linear SVM, one class against the others: weights [k, terms] and offsets [k].

    Args:
        features: [rows, terms].
        ids: label ids [rows], of at least two classes; the others score so low that no row is given them.
        k: number of labels.
        setting: its C and its weights of the classes apply.
        seed: of the order in which rows are looked at.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    weighed = "balanced" if setting.balanced else None
    model = LinearSVC(C=setting.c, class_weight=weighed, random_state=seed, tol=_TOLERANCE, max_iter=_MOST_PASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, np.asarray(ids, int))
    weights, offsets = np.zeros((k, features.shape[1]), np.float32), np.full(k, _NEVER, np.float32)
    two = len(model.classes_) == 2  # noqa: PLR2004 -- of which scikit-learn gives the second one's weights alone
    weights[model.classes_] = np.outer([-0.5, 0.5], model.coef_) if two else model.coef_
    offsets[model.classes_] = model.intercept_ * [-0.5, 0.5] if two else model.intercept_
    return weights, offsets


def _trial(tried: _Tried, val: Rows, k: int) -> LinearTrial:
    matrix = statistics.confusion_matrix(val.ids, tried.predicted, k)
    return LinearTrial(
        words=tried.setting.words,
        c=tried.setting.c,
        balanced=tried.setting.balanced,
        val_macro_f1=float(statistics.f1_by_class(matrix).mean()),
        val_accuracy=float(matrix.diagonal().sum() / len(val.ids)),
    )


def expected_error(scores: NDArray[np.float64], ids: Sequence[int]) -> float | None:
    """Expected calibration error of `scores` [n, k] for rows with the label ids `ids` [n]."""
    import numpy as np

    shares = softmax(scores)
    return statistics.expected_calibration_error(shares.max(1), shares.argmax(1) == np.asarray(ids, int))
