"""Whether probabilities are to be believed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_run.results import CoveragePoint, ReliabilityBin, RiskCoverage
from ml_run.statistics.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.statistics.confusion import Flags, Ids

ECE_BINS = 15
_MOST_POINTS = 100
_ROUNDING = 1e-9  # 0.07 * 100 is a little more than 7
_CELLS = 4_000_000  # 32 MB of draws at a time


def log_loss(probabilities: NDArray[np.float64], true: Ids) -> float | None:
    """Mean negative log of the probability [n, k] given to the true label, in nats; None for n = 0 or a non-number."""
    losses = log_losses(probabilities, true)
    return None if losses is None else float(losses.mean())


def log_losses(probabilities: NDArray[np.float64], true: Ids) -> NDArray[np.float64] | None:
    """Log loss of each row [n], of which `log_loss` is the mean; None where that is undefined."""
    import numpy as np

    if len(true) == 0 or not np.isfinite(probabilities).all():
        return None
    given = np.asarray(probabilities, float)[np.arange(len(true)), np.asarray(true, int)]
    losses: NDArray[np.float64] = -np.log(np.clip(given, np.finfo(np.float64).tiny, 1.0))
    return losses


def brier_score(probabilities: NDArray[np.float64], true: Ids) -> float | None:
    """Mean over the rows of the squared distance of the probabilities [n, k] from 1 for the true label, 0 for others.

    0 is perfect, 2 is certain of the wrong label. None for n = 0 or a non-number.

    Source: G. W. Brier, Monthly Weather Review 78 (1950), 1-3.
    """
    scores = brier_scores(probabilities, true)
    return None if scores is None else float(scores.mean())


def brier_scores(probabilities: NDArray[np.float64], true: Ids) -> NDArray[np.float64] | None:
    """Brier score of each row [n], of which `brier_score` is the mean; None where that is undefined."""
    import numpy as np

    if len(true) == 0 or not np.isfinite(probabilities).all():
        return None
    off = np.array(probabilities, float)
    off[np.arange(len(true)), np.asarray(true, int)] -= 1.0
    scores: NDArray[np.float64] = (off**2).sum(1)
    return scores


# --- expected calibration error -------------------------------------------------------------------------------------


def expected_calibration_error(confidence: NDArray[np.float64], right: Flags, bins: int = ECE_BINS) -> float | None:
    """Mean absolute gap between confidence and accuracy over equal-width bins of confidence, weighted by rows.

    Even a perfectly calibrated model scores .05 at n = 200 (reliability.md, 3a): read it beside `ece_of_calibrated`.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017. None for n = 0 or a non-number.
    """
    import numpy as np

    values = np.asarray(confidence, float)
    if len(values) == 0 or not np.isfinite(values).all():
        return None
    gaps = np.bincount(_bin_of(values, bins), weights=values - np.asarray(right, float), minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def _bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Number of the bin (low, high] of each confidence."""
    import numpy as np

    numbers: NDArray[np.int64] = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return numbers


def ece_of_calibrated(
    confidence: NDArray[np.float64], *, seed: int, draws: int = 1000, bins: int = ECE_BINS
) -> tuple[float, float] | None:
    """The ECE that chance alone gives a model with these confidences: its mean, and what 95 of 100 stay below.

    Each row is made right with the probability of its confidence, as for a model whose confidences are true, and the
    ECE is taken; `draws` times. What a model shows below the second number is no sign of miscalibration.

    Source: J. Bröcker and L. Smith, Weather and Forecasting 22 (2007), 651-661 (consistency resampling).

    Args:
        confidence: [n], 0-1.
        seed: of the draws.
        draws: how often.
        bins: equal-width bins.

    Returns:
        None for n = 0 or a non-number.
    """
    import numpy as np

    values = np.asarray(confidence, float)
    if len(values) == 0 or not np.isfinite(values).all():
        return None
    values = np.clip(values, 0.0, 1.0)
    order = np.argsort(_bin_of(values, bins), kind="stable")
    values, bin_of = values[order], _bin_of(values, bins)[order]
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1))
    rng = np.random.default_rng(seed)
    found = []
    chunk = max(1, _CELLS // len(values))
    for start in range(0, draws, chunk):
        right = rng.random((min(chunk, draws - start), len(values))) < values
        found.append(np.abs(np.add.reduceat(values - right, starts, axis=1)).sum(1) / len(values))
    every = np.concatenate(found)
    return float(every.mean()), float(np.quantile(every, 0.95))


def calibrated_ece(n: int) -> tuple[float, float]:
    """Expected calibration error (15 bins) that n rows show on average of a perfectly calibrated model, n > 0.

    For before there is a model; afterwards `ece_of_calibrated` tells. The less sure the model, the more: simulated for
    n = 100 to 2,000, 0.5 / sqrt(n) at a mean confidence of .92 and 1.2 / sqrt(n) at .57; these two are returned.
    (reliability.md, 3a, has 0.75 / sqrt(n).)
    """
    return 0.5 / math.sqrt(n), 1.2 / math.sqrt(n)


def reliability_bins(confidence: NDArray[np.float64], right: Flags, bins: int = ECE_BINS) -> tuple[ReliabilityBin, ...]:
    """The bins of `expected_calibration_error` that hold rows: mean confidence, and accuracy with Wilson's interval.

    Args:
        confidence: [n], 0-1.
        right: [n].
        bins: equal-width bins.

    Returns:
        By rising confidence; nothing for n = 0 or a non-number.
    """
    import numpy as np

    values, hits = np.asarray(confidence, float), np.asarray(right, bool)
    if not np.isfinite(values).all():
        return ()
    bin_of = _bin_of(values, bins)
    return tuple(
        ReliabilityBin(
            low=number / bins,
            high=(number + 1) / bins,
            n=int(inside.sum()),
            confidence=float(values[inside].mean()),
            accuracy=wilson(int(hits[inside].sum()), int(inside.sum())),
        )
        for number in range(bins)
        if (inside := bin_of == number).any()
    )


# --- leaving the unsure rows to a person ----------------------------------------------------------------------------


def risk_coverage(confidence: NDArray[np.float64], right: Flags) -> RiskCoverage:
    """How accurate the answers are when only the surest rows are answered, for every share of rows.

    Rows of equal confidence are answered together or not at all, so the curve does not depend on their order. The area
    is the mean over the rows of the share of mistakes among all rows at least as sure.

    Args:
        confidence: [n], 0-1.
        right: [n].

    Returns:
        At most about 100 points; none, and no area, for n = 0 or a non-number.

    Source: Y. Geifman and R. El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017; and with
    G. Uziel, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR 2019 (the area).
    """
    import numpy as np

    values = np.asarray(confidence, float)
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        return RiskCoverage(points=(), area=None)
    distinct, group = np.unique(-values, return_inverse=True)
    rows = np.bincount(group)
    answered, hits = rows.cumsum(), np.bincount(group, weights=np.asarray(right, float)).cumsum()
    accuracy = hits / answered
    shown = np.unique(np.searchsorted(answered, np.linspace(answered[0], n, _MOST_POINTS)))
    points = tuple(
        CoveragePoint(confidence=float(-distinct[i]), coverage=float(answered[i] / n), accuracy=float(accuracy[i]))
        for i in shown
    )
    return RiskCoverage(points=points, area=float(((1 - accuracy) * rows).sum() / n))


def answered_at_risk(confidence: NDArray[np.float64], right: Flags, risk: float) -> CoveragePoint | None:
    """The most rows that can be answered, the surest first, with at most the share `risk` of mistakes among them.

    Rows of equal confidence are answered together or not at all.

    Args:
        confidence: [n], 0-1.
        right: [n].
        risk: from 0 to 1.

    Returns:
        Where the answers end; None where even the surest rows hold more mistakes, for n = 0 and for a non-number.
    """
    import numpy as np

    values = np.asarray(confidence, float)
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        return None
    distinct, group = np.unique(-values, return_inverse=True)
    answered = np.bincount(group).cumsum()
    hits = np.bincount(group, weights=np.asarray(right, float)).cumsum()
    allowed = np.flatnonzero(answered - hits <= risk * answered + _ROUNDING)
    if not len(allowed):
        return None
    last = allowed[-1]
    return CoveragePoint(
        confidence=float(-distinct[last]),
        coverage=float(answered[last] / n),
        accuracy=float(hits[last] / answered[last]),
    )
