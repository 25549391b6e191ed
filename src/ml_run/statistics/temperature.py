"""One number that makes probabilities as sure as they are right; no prediction changes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.statistics.confusion import Ids

_COLDEST, _HOTTEST = 0.01, 100.0


def fit_temperature(scores: NDArray[np.float64], ids: Ids, known: NDArray[np.bool_] | None = None) -> float:
    """What to divide `scores` by so that their softmax is as likely as possible; no prediction changes.

    As if one row more had been found wrong: scores that make no mistake on few rows would otherwise be taken for
    certain. Logs of probabilities serve as scores.

    Args:
        scores: [n, k], of rows the model has not learnt from.
        ids: their label ids [n].
        known: which classes the model has seen [k]; rows of others tell nothing. None: all.

    Returns:
        Between .01 and 100; 1 where no row tells anything.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2; J. Platt, Probabilistic
    Outputs for Support Vector Machines, 1999, section 2.2, for the targets.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    seen = np.ones(scores.shape[1], bool) if known is None else known
    true = np.asarray(ids, int)
    rows, place = seen[true], np.cumsum(seen) - 1
    given, true = scores[rows][:, seen], place[true[rows]]
    n, k = given.shape
    if n == 0 or k < 2:  # noqa: PLR2004 -- one class alone is certain at any temperature
        return 1.0
    wrong = 1 / (n + 2)
    targets = np.full((n, k), wrong / (k - 1))
    targets[np.arange(n), true] = 1 - wrong

    def loss(log_temperature: float) -> float:
        scaled = given / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(1)) - (targets * scaled).sum(1)).mean())

    best = minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
    return float(np.exp(best.x))


def with_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities [n, k] as they are when the scores behind them are divided by `temperature`."""
    import numpy as np

    scaled = log_probabilities(probabilities) / temperature
    scaled -= scaled.max(1, keepdims=True, initial=-np.inf)
    shares = np.exp(scaled)
    result: NDArray[np.float64] = shares / shares.sum(1, keepdims=True)
    return result


def log_probabilities(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logs of probabilities [n, k], finite also for 0: the scores that a softmax made them of, but for a constant."""
    import numpy as np

    scores: NDArray[np.float64] = np.log(np.clip(np.asarray(probabilities, float), np.finfo(np.float64).tiny, None))
    return scores
