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
from ml_run.results import Mistake, Mistakes, Pushed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.passages import Word
    from ml_run.modeling.scoring import Scorer

    Part = list[Word]
    Ranked = tuple[float, Part]

MOST_TEXTS = 25
_PARTS = (30, 15, 8)
"""Parts that a long text is first divided into; the first number that fits into the time is taken. In a text of up to
twice as many words, each word is left out at once."""
_KEPT, _FINER = 3, 6
"""The strongest parts, each of which is divided again into so many, until they are words."""
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
    before: float
    """Log-odds of the wrong label against the right one, of the whole text."""

    def parts(self, first: int) -> list[Part]:
        """What is left out in the first round: words, or parts of the text of equal length."""
        return _divided(self.words, len(self.words) if len(self.words) <= 2 * first else first)

    def asked(self, first: int) -> int:
        """How often at most the model is asked about the text."""
        parts = self.parts(first)
        total, size = len(parts), max(map(len, parts), default=1)
        while size > 1:
            total += _KEPT * min(size, _FINER)
            size = -(-size // _FINER)
        return total


def _divided(words: list[Word], most: int) -> list[Part]:
    """The words in at most `most` parts of equal length, in their order."""
    size = -(-len(words) // most) if words else 1
    return [words[start : start + size] for start in range(0, len(words), size)]


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
    wanted = [mistake for mistake in _first(mistakes) if mistake.predicted in scorer.labels]
    if not wanted:
        return mistakes
    emit("progress", "looking for the words that spoke for mistakes", stage="evaluate", done=0, total=1)
    whole, per_text = _timed(scorer, [texts[mistake.row] for mistake in wanted])
    cases = [
        _Case(mistake, texts[mistake.row], words_of(texts[mistake.row]), _log_odds(mistake, logits, scorer))
        for mistake, logits in zip(wanted, whole, strict=True)
    ]
    affordable = seconds / per_text if per_text else float("inf")
    first, number = _plan(cases, affordable)
    if not number:
        why = f"it would take longer than {seconds:g} seconds: one text takes {per_text:.2f}"
        return mistakes.model_copy(
            update={"explained": f"the words that spoke for mistakes were not looked for: {why}"}
        )
    pushed = _pushed(cases[:number], first, scorer)
    return mistakes.model_copy(
        update={
            "shown": tuple(m.model_copy(update={"pushed": pushed.get(m.row, ())}) for m in mistakes.shown),
            "explained": _how(cases[:number], first, len(cases), len(mistakes.shown), seconds),
        }
    )


def words_for(text: str, label: str, instead: str, scorer: Scorer) -> tuple[Pushed, ...]:
    """The words of any text that spoke for one label against another, at most 5, strongest first.

    Found as for mistakes, without a bound on the time: the model is asked about 60 shorter texts, or about as many.

    Args:
        text: of any length; of a long one, parts are left out first.
        label: what they spoke for, e.g. what the model says.
        instead: what they spoke against, e.g. the runner-up.
        scorer: the model.
    """
    words = words_of(text)
    asked = Mistake(row=0, file="", line=0, text=opening(words)[0], label=instead, predicted=label)
    case = _Case(asked, text, words, _log_odds(asked, scorer.logits([text])[0], scorer))
    return _pushed([case], _PARTS[0], scorer)[asked.row]


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
    """Into how many parts long texts are divided, and how many of `cases` can be asked about."""
    for first in _PARTS:
        if sum(case.asked(first) for case in cases) <= affordable:
            return first, len(cases)
    sums = accumulate(case.asked(_PARTS[-1]) for case in cases)
    return _PARTS[-1], sum(asked <= affordable for asked in sums)


def _pushed(cases: list[_Case], first: int, scorer: Scorer) -> dict[int, tuple[Pushed, ...]]:
    """The pushing words of each case, by its row."""
    found = _ask(cases, [case.parts(first) for case in cases], scorer)
    while coarse := [n for n, ranked in enumerate(found) if any(len(part) > 1 for _, part in ranked[:_KEPT])]:
        finer = [[sub for _, part in found[n][:_KEPT] for sub in _divided(part, _FINER)] for n in coarse]
        for n, ranked in zip(coarse, _ask([cases[n] for n in coarse], finer, scorer), strict=True):
            found[n] = ranked
    return {case.mistake.row: _strongest(case, ranked) for case, ranked in zip(cases, found, strict=True)}


def _log_odds(mistake: Mistake, logits: NDArray[np.float32], scorer: Scorer) -> float:
    """Of the wrong label against the right one."""
    wrong, right = (scorer.labels.index(name) for name in (str(mistake.predicted), mistake.label))
    return float(logits[wrong]) - float(logits[right])


def _ask(cases: list[_Case], parts: list[list[Part]], scorer: Scorer) -> list[list[Ranked]]:
    """What leaving out each of its parts takes from the log-odds of each case, the most first."""
    logits = iter(
        scorer.logits([_without(case.text, p) for case, some in zip(cases, parts, strict=True) for p in some])
    )
    found = []
    for case, some in zip(cases, parts, strict=True):
        changes = [case.before - _log_odds(case.mistake, next(logits), scorer) for _ in some]
        found.append(sorted(zip(changes, some, strict=True), key=lambda one: -one[0]))
    return found


def _without(text: str, part: Part) -> str:
    return text[: part[0].start] + text[part[-1].end :]


def _strongest(case: _Case, ranked: list[Ranked]) -> tuple[Pushed, ...]:
    """The words without which the log-odds of the wrong label fall most."""
    starts = dict(zip((word.start for word in case.words), opening(case.words)[1], strict=False))
    least = max(0.0, ranked[0][0] * _LEAST_SHARE) if ranked else 0.0
    found = []
    for change, part in ranked[:_MOST_SHOWN]:
        if round(change, 3) > 0 and change >= least:
            found.append(Pushed(text=joined(part), change=round(change, 3), start=starts.get(part[0].start)))
    return tuple(found)


def _how(cases: list[_Case], first: int, wanted: int, shown: int, seconds: float) -> str:
    is_long = any(len(case.words) > 2 * first for case in cases)
    longer = (
        f"; of texts of more than {2 * first} words, {first} parts were left out first, then the words of the {_KEPT} "
    )
    longer += "parts that did most"
    fewer = f"; done for {len(cases)} of the {shown} mistakes shown" if len(cases) < shown else ""
    fewer += f", to stay within {seconds:g} seconds" if len(cases) < wanted else ""
    return _METHOD + (longer if is_long else "") + fewer
