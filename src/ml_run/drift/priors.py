"""Which labels new rows truly have, estimated from the predicted ones and from how the model errs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.results import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DRAWS = 500
_MOST_LABELS = 50
_ENDS = (0.025, 0.975)


def estimated_prior(
    confusion: NDArray[np.int64], predicted: NDArray[np.int64], *, seed: int
) -> tuple[Estimate, ...] | None:
    """Black-box shift estimation: the shares of labels that explain the predicted ones, with 95 % intervals.

    It holds if only the shares have changed, and texts of one label are as they were. The intervals are percentiles of
    a parametric bootstrap over both the confusion counts and the predictions.

    Args:
        confusion: counts on the reference rows [k, k]; rows: true label, columns: predicted.
        predicted: counts of the new rows [k].
        seed: of the bootstrap.

    Returns:
        k estimates; None where a label has no reference row, or for more than 50 labels.

    Source: Z. Lipton, Y.-X. Wang and A. Smola, Detecting and Correcting for Label Shift with Black Box Predictors,
    ICML 2018.
    """
    import numpy as np

    support, n = confusion.sum(1), int(predicted.sum())
    if len(confusion) > _MOST_LABELS or (support == 0).any() or n == 0:
        return None
    rng = np.random.default_rng(seed)
    value = _solved((confusion / support[:, None])[None], (predicted / n)[None])[0]
    # Half a row in each cell: what never happened among few rows is not impossible.
    soft = (confusion + 0.5) / (confusion + 0.5).sum(1, keepdims=True)
    rates = np.stack(
        [rng.multinomial(rows, share, _DRAWS) / rows for rows, share in zip(support, soft, strict=True)], 1
    )
    shares = rng.multinomial(n, (predicted + 0.5) / (predicted + 0.5).sum(), _DRAWS) / n
    low, high = np.quantile(_solved(rates, shares), _ENDS, axis=0)
    return tuple(
        Estimate(value=float(v), low=float(min(a, v)), high=float(max(b, v)))
        for v, a, b in zip(value, low, high, strict=True)
    )


def _solved(rates: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of labels [r, k] from rates [r, k, k] (true by predicted) and shares of predictions [r, k]."""
    import numpy as np

    found = np.einsum("rpt,rp->rt", np.linalg.pinv(rates.transpose(0, 2, 1)).transpose(0, 2, 1), shares)
    clipped = np.clip(found, 0.0, None)
    total = clipped.sum(1, keepdims=True)
    result: NDArray[np.float64] = np.where(total > 0, clipped / np.where(total > 0, total, 1), shares)
    return result
