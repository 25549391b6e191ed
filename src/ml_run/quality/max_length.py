"""`model.max_length`: how long the training texts are in tokens, and what another value would cost or gain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_run.wording import percent, score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.token_counts import Reader
    from ml_run.quality.truncation import Ablation

_BINS = 20
_FEWEST_BINS, _MOST_BINS = 10, 40
_NICE = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
_MOST = 0.95
_CHEAPER = 0.7
_FEW_CUT = 0.02


def histogram(lengths: NDArray[np.int64], max_length: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows by length in about 20 bins of one width, and the bins' edges.

    `max_length` is an edge where a width allows it. The last bin is wider where some texts are very long: it holds all
    beyond the 99th percentile. Bins include their lower edge, the last one also its upper edge.
    """
    import numpy as np

    longest = int(lengths.max())
    top = max(int(np.percentile(lengths, 99)), 1)
    width = _width(top, max_length)
    edges = list(range(0, top + width, width))
    edges[-1] = max(edges[-1], longest)
    counts, _ = np.histogram(lengths, edges)
    return tuple(map(int, counts)), tuple(edges)


def _width(top: int, max_length: int) -> int:
    divisors = [d for d in range(1, max_length + 1) if max_length % d == 0]
    best = min(divisors, key=lambda d: abs(math.log(top / d / _BINS)))
    plain = math.ceil(top / _BINS)
    return best if max_length <= top and _FEWEST_BINS <= top / best <= _MOST_BINS else plain


def advise_length(
    lengths: NDArray[np.int64], max_length: int, reader: Reader, ablation: Ablation | None, errors: float
) -> str:
    """One sentence on what to do about `max_length`.

    Time is taken to grow with the tokens read; rows of like length are trained together, so padding hardly counts.

    Args:
        lengths: tokens of each training text, uncut.
        max_length: as configured.
        reader: says what the model can read at most.
        ablation: what the cut costs a linear model, where that was looked at.
        errors: standard errors from which a loss counts.
    """
    import numpy as np

    cut = float((lengths > max_length).mean())
    end = " (estimated with a tokenizer learnt from a part of the texts)" if reader.estimate else ""
    if ablation is not None and not ablation.costs(errors):
        return _when_cut_for_nothing(lengths, max_length, ablation, reader) + end
    if ablation is None and cut <= _FEW_CUT:
        return _when_it_fits(lengths, max_length, cut) + end
    longer = _longer(lengths, max_length, _nice(float(np.quantile(lengths, _MOST))), reader)
    if ablation is None:
        return f"{longer}; whether that helps could not be seen beforehand{end}"
    return f"the cut part helps: {longer}{end}"


def _when_it_fits(lengths: NDArray[np.int64], max_length: int, cut: float) -> str:
    import numpy as np

    target = _nice(float(np.quantile(lengths, _MOST)))
    time = _time(lengths, target, max_length)
    if target < max_length and time < _CHEAPER:
        return f"95 % of the training texts fit {target} tokens: max_length {target} would take {_times(time)} the time"
    if not cut:
        return f"keep max_length {max_length}: no training text is cut, the longest has {int(lengths.max()):,} tokens"
    return f"keep max_length {max_length}: {percent(1 - cut)} of the training texts fit it"


def _longer(lengths: NDArray[np.int64], max_length: int, target: int, reader: Reader) -> str:
    """What raising `max_length` to `target`, or to the most the model reads, would bring."""
    if reader.longest is not None and target > reader.longest:
        if max_length >= reader.longest:
            return (
                f"{reader.name} reads no more than {reader.longest} tokens, so divide long texts, put first what "
                "matters, or take a model that reads more"
            )
        target = reader.longest
    fit = float((lengths <= target).mean())
    time = _time(lengths, target, max_length)
    return f"max_length {target} would hold {percent(fit)} of the training texts whole, at {_times(time)} the time"


def _when_cut_for_nothing(lengths: NDArray[np.int64], max_length: int, ablation: Ablation, reader: Reader) -> str:
    """Keep `max_length`, or shorten it where a linear model reads as well from fewer words."""
    per_word = (max_length - reader.special) / ablation.covered
    now = ablation.point(ablation.covered)
    for point in ablation.points:
        if point.words is None or point.words >= ablation.covered:
            break
        target = _nice(point.words * per_word + reader.special)
        time = _time(lengths, target, max_length)
        if point.macro_f1 >= now.macro_f1 and target < max_length and time < _CHEAPER:
            return (
                f"try max_length {target} first: a linear model does at least as well on the {point.words} words it "
                f"holds (macro-F1 {score(point.macro_f1)}) as on {ablation.covered} ({score(now.macro_f1)}), "
                f"and training takes {_times(time)} the time"
            )
    return f"keep max_length {max_length}: a linear model does not clearly lose by what is cut off"


def _time(lengths: NDArray[np.int64], target: int, max_length: int) -> float:
    import numpy as np

    return float(np.minimum(lengths, target).sum() / np.minimum(lengths, max_length).sum())


def _times(time: float) -> str:
    if time < 1:
        return f"about {round(100 * time)} % of"
    return f"about {time:.1f} times"


def _nice(length: float) -> int:
    return next((nice for nice in _NICE if nice >= length), math.ceil(length))
