"""The part of the report about who should not rely on the model, drawn from slices, classes and confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import Loose, Rich, Section, Strong, User, bullets, paragraph, rich
from ml_run.reporting.mistake_sections import confused_pairs
from ml_run.reporting.slice_sections import not_for
from ml_run.wording import number_of, percent, score

if TYPE_CHECKING:
    from ml_run.results import ClassScores, Estimate, Evaluation

_HALF = 0.5
"""A class is named where another test set could find that fewer than half of its texts are found, or rightly named."""
_NAMED = 4
_BEGINNING = "Do not rely on"
"""Each warning begins so."""


def reliance(evaluation: Evaluation, *, synthetic: bool = False) -> Section:
    """Who should not rely on the model, each in a sentence."""
    first: list[Loose] = ["Do not rely on it at all: it has learnt from SYNTHETIC texts."] if synthetic else []
    said = [*first, *unreliable(evaluation), *_anyone(evaluation)]
    content = (
        bullets(said) if said else paragraph("Nothing in these test rows speaks against it; see what is not known.")
    )
    return Section("reliance", "Who should not rely on it", (content,))


def weaknesses(evaluation: Evaluation) -> list[Rich]:
    """What it gets wrong most often and what it should not be relied on for, each in a line."""
    pairs = confused_pairs(evaluation.candidate, evaluation.labels)
    warnings = unreliable(evaluation)
    more = f" And {number_of(len(warnings) - 1, 'warning')} more, below." if warnings[1:] else ""
    said = [rich(Strong("Wrong most often: "), pairs[0], ".")] if pairs else []
    return [*said, rich(_emphasised(warnings[0]), more)] if warnings else said


def _emphasised(warning: Loose) -> Rich:
    first, *rest = rich(warning)
    assert isinstance(first, str), "each warning begins with words of ours"
    return rich(Strong(_BEGINNING), first.removeprefix(_BEGINNING), *rest)


def unreliable(evaluation: Evaluation) -> list[Loose]:
    """What the test rows speak against relying on it for, the worst of each kind first; empty where they do not."""
    classes = evaluation.candidate.classes
    found = [c for c in _weakest_first(classes, "recall") if _doubtful(c.recall)]
    named = [c for c in _weakest_first(classes, "precision") if _doubtful(c.precision)]
    return [
        *not_for(evaluation),
        *_limited([_misses(c) for c in found]),
        *_limited([_promises(c) for c in named]),
        *_overconfident(evaluation),
    ]


def _weakest_first(classes: tuple[ClassScores, ...], which: str) -> list[ClassScores]:
    return sorted(classes, key=lambda c: getattr(c, which).low or 0.0)


def _doubtful(estimate: Estimate) -> bool:
    return estimate.value is not None and estimate.low is not None and estimate.low < _HALF


def _limited(said: list[Loose]) -> list[Loose]:
    more = len(said) - _NAMED
    rest = f"The same holds for {number_of(more, 'class')} more, under Scores."
    return [*said[:_NAMED], rest] if more > 0 else said


def _misses(scores: ClassScores) -> Loose:
    of = round(scores.support * (scores.recall.value or 0.0))
    return rich(
        "Do not rely on it to find texts of ",
        User(scores.label),
        f": it found {of:,} of {scores.support:,}, and of all such texts perhaps as few as {_few(scores.recall)}.",
    )


def _promises(scores: ClassScores) -> Loose:
    return rich(
        "Do not rely on it when it says ",
        User(scores.label),
        f": that was right in {percent(scores.precision.value)} of cases, and may be in as few as "
        f"{_few(scores.precision)}.",
    )


def _few(estimate: Estimate) -> str:
    return f"{100 * (estimate.low or 0.0):.0f} of 100"


def _overconfident(evaluation: Evaluation) -> list[Loose]:
    scores = evaluation.candidate
    if scores.ece is None or scores.ece_ceiling is None or scores.ece <= scores.ece_ceiling:
        return []
    off = f"it is off by {percent(scores.ece)} on average (ECE {score(scores.ece)})"
    return [f"Do not rely on its confidence: {off}, and more than chance explains."]


def _anyone(evaluation: Evaluation) -> list[Loose]:
    """What holds of every model that is not always right."""
    accuracy = evaluation.candidate.accuracy.value
    if accuracy is None or accuracy >= 1:
        return []
    wrong = max(1, round(100 * (1 - accuracy)))
    told = f"about {wrong} of 100 texts like these get one"
    return [f"Do not rely on it alone where one wrong label does harm: {told}. Let a person read those."]
