"""Which words pushed a model towards a wrong answer: each is left out once, and the model asked again.

The method is erasure (J. Li, W. Monroe, D. Jurafsky, "Understanding Neural Networks through Representation Erasure",
arXiv:1612.08220, 2016), on words of the input and with the log-odds of the wrong label against the right one in place
of the log-likelihood of the right one. It asks nothing of a model but scores, so that it is the same for all.
"""

from __future__ import annotations

import time
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ml_run.evaluation.passages import joined, opening, words_of
from ml_run.events import emit
from ml_run.results import Mistakes, Pushed
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.passages import Word
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import Mistake

MOST_TEXTS = 25
_PIECES = (60, 30, 15)
"""Parts that a text is divided into, where it has more words; the first number that fits into the time is taken."""
SECONDS = 10.0
"""Processor time of one thread that asking again may take: about that of the clock on a machine at rest."""
_MOST_SHOWN = 5
_LEAST_SHARE = 0.2
"""Of the strongest push, below which one is not worth showing."""
_METHOD = (
    "each word was left out once and the model asked again: the words shown are those without which the wrong label "
    "loses most against the right one (erasure, Li, Monroe and Jurafsky 2016)"
)


class _Case(NamedTuple):
    mistake: Mistake
    text: str
    words: list[Word]

    def pieces(self, most: int) -> list[list[Word]]:
        """The words in at most `most` parts of equal length, in their order."""
        size = -(-len(self.words) // most)
        return [self.words[start : start + size] for start in range(0, len(self.words), size or 1)]


def explain(mistakes: Mistakes, texts: Sequence[str], scorer: Scorer, *, seconds: float = SECONDS) -> Mistakes:
    """Find the words that pushed, for the mistakes that are shown, at most 25 of them.

    Args:
        mistakes: as `find_mistakes` gives them.
        texts: of all test rows.
        scorer: the candidate.
        seconds: processor time that it may take; where one forward pass says that it would take longer, words are
            taken together, then fewer mistakes are explained, then none.

    Returns:
        The mistakes, with `pushed` and `explained` filled in.
    """
    cases = [_Case(m, texts[m.row], words_of(texts[m.row])) for m in _first(mistakes) if m.predicted in scorer.labels]
    if not cases:
        return mistakes
    emit("progress", "looking for the words that spoke for mistakes", stage="evaluate", done=0, total=1)
    whole, per_text = _timed(scorer, [case.text for case in cases])
    affordable = seconds / per_text if per_text else float("inf")
    most, number = _plan(cases, affordable)
    if not number:
        left_out = f"it would take longer than {seconds:g} seconds: one text takes {per_text:.2f}"
        return mistakes.model_copy(
            update={"explained": f"the words that spoke for mistakes were not looked for: {left_out}"}
        )
    pushed = _pushed(cases[:number], whole, most, scorer)
    return mistakes.model_copy(
        update={
            "shown": tuple(m.model_copy(update={"pushed": pushed.get(m.row, ())}) for m in mistakes.shown),
            "explained": _how(cases[:number], most, len(mistakes.shown), seconds),
        }
    )


def _first(mistakes: Mistakes) -> list[Mistake]:
    """The mistakes to explain: those at the head of each list before those that only a later list names."""
    shown = {mistake.row: mistake for mistake in mistakes.shown}
    rows = [
        *mistakes.surest,
        *(row for pair in mistakes.pairs for row in pair.examples),
        *(suspicion.row for suspicion in mistakes.suspected),
        *mistakes.right_by_baseline,
    ]
    return [shown[row] for row in dict.fromkeys(rows) if row in shown][:MOST_TEXTS]


def _timed(scorer: Scorer, texts: list[str]) -> tuple[NDArray[np.float32], float]:
    """The logits of `texts`, and the processor time that one of them takes, once the model is warm."""
    scorer.logits(texts[:1])
    before = time.thread_time()
    logits = scorer.logits(texts)
    return logits, (time.thread_time() - before) / len(texts)


def _plan(cases: list[_Case], affordable: float) -> tuple[int, int]:
    """Into how many parts texts are divided, and how many of `cases` can be asked about."""
    for most in _PIECES:
        if sum(len(case.pieces(most)) for case in cases) <= affordable:
            return most, len(cases)
    sums = accumulate(len(case.pieces(_PIECES[-1])) for case in cases)
    return _PIECES[-1], sum(asked <= affordable for asked in sums)


def _pushed(cases: list[_Case], whole: NDArray[np.float32], most: int, scorer: Scorer) -> dict[int, tuple[Pushed, ...]]:
    """The pushing words of each case, by its row; `whole` are the logits of the texts as they are."""
    import numpy as np

    parts = [case.pieces(most) for case in cases]
    variants = [_without(case.text, part) for case, pieces in zip(cases, parts, strict=True) for part in pieces]
    logits = scorer.logits(variants)
    bounds = np.cumsum([0, *map(len, parts)])
    found = {}
    for number, case in enumerate(cases):
        columns = [scorer.labels.index(name) for name in (str(case.mistake.predicted), case.mistake.label)]
        wrong, right = logits[bounds[number] : bounds[number + 1], columns].astype(float).T
        before = float(whole[number, columns[0]]) - float(whole[number, columns[1]])
        found[case.mistake.row] = _strongest(case, parts[number], before - (wrong - right))
    return found


def _without(text: str, part: list[Word]) -> str:
    return text[: part[0].start] + text[part[-1].end :]


def _strongest(case: _Case, parts: list[list[Word]], changes: NDArray[np.float64]) -> tuple[Pushed, ...]:
    """The parts of a text without which the log-odds of the wrong label fall most."""
    starts = dict(zip((word.start for word in case.words), opening(case.words)[1], strict=False))
    least = max(changes, default=0.0) * _LEAST_SHARE
    found = []
    for number in sorted(range(len(parts)), key=lambda part: -changes[part])[:_MOST_SHOWN]:
        part, change = parts[number], round(float(changes[number]), 3)
        if change > 0 and change >= least:
            is_shown = part[-1].start in starts
            found.append(Pushed(text=joined(part), change=change, start=starts[part[0].start] if is_shown else None))
    return tuple(found)


def _how(cases: list[_Case], most: int, shown: int, seconds: float) -> str:
    longest = max(len(case.words) for case in cases)
    together = f"; of long texts up to {number_of(-(-longest // most), 'word')} together" if longest > most else ""
    fewer = f"; done for {len(cases)} of the {shown} mistakes shown, to stay within {seconds:g} seconds"
    return _METHOD + together + (fewer if len(cases) < min(shown, MOST_TEXTS) else "")
