"""What is not known, and what to do next: advice drawn from the records, most useful first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config.names import LINEAR
from ml_run.reporting.document import Code, Loose, User, rich
from ml_run.reporting.opening import beats_linear
from ml_run.wording import interval, number_of, score, sentence, with_interval

if TYPE_CHECKING:
    from ml_run.reporting.records import Facts
    from ml_run.results import ClassScores, Evaluation, TrainedModel

_SMALL_TEST = 300
"""Test rows below which the interval of an accuracy near .85 is wider than eight points."""
_SHOWN = 3
_NAMED = 12
_ONLY_ROUNDING = 0.005


def limits(facts: Facts) -> list[Loose]:
    """What the numbers of this report do not tell."""
    found: list[Loose] = []
    if facts.synthetic:
        found.append("The data is SYNTHETIC: the scores show that a run works, nothing about a language.")
    if facts.evaluation:
        found += [*_test_size(facts.evaluation), *_small_classes(facts, facts.evaluation)]
    if facts.evaluation and facts.evaluation.look and facts.evaluation.look.warning:
        found.append(sentence(facts.evaluation.look.warning))
    if facts.evaluation and facts.evaluation.candidate_without_leaks:
        clean = facts.evaluation.candidate_without_leaks
        found.append(
            "Test rows with a copy in train were kept (data.leaks: keep). On the "
            f"{number_of(clean.n, 'row')} without one the macro-F1 is "
            f"{with_interval(clean.macro_f1)}. Trust that number."
        )
    if facts.model:
        found.append(_one_run(facts.model))
    if facts.evaluation:
        found.append(
            "The scores hold for texts like those of the test split. Texts of another source, time, topic or kind of "
            "speaker were not tested."
        )
        if facts.evaluation.production is None:
            found.append("There was no production model to compare with.")
    return found


def _one_run(model: TrainedModel) -> str:
    if model.seeds:
        return (
            f"{len(model.seeds)} trainings were made, and one of them is the candidate: how far their scores lie apart "
            "stands under Scores. The intervals cover the choice of the test rows, not that of the seed."
        )
    if model.linear:
        return (
            "One model was trained, on one choice of training rows. Other rows can give another; the intervals cover "
            "the choice of the test rows, not that of the training rows."
        )
    return (
        f"One training run was made, with seed {model.seed}. Another seed can score differently; "
        "the intervals cover the choice of the test rows, not that of the seed."
    )


def _test_size(evaluation: Evaluation) -> list[Loose]:
    accuracy = evaluation.candidate.accuracy
    if accuracy.low is None or accuracy.high is None:
        return [f"The accuracy on {number_of(evaluation.n, 'test row')} has no interval."]
    points = 50 * (accuracy.high - accuracy.low)
    small = " That is a small test set: small differences between models mean nothing on it."
    return [
        f"With {number_of(evaluation.n, 'test row')} the accuracy is known to about ±{points:.1f} points."
        + (small if evaluation.n < _SMALL_TEST else "")
    ]


def _small_classes(facts: Facts, evaluation: Evaluation) -> list[Loose]:
    least = facts.config.gate.min_support
    small = [c for c in evaluation.candidate.classes if c.support < least]
    if not small:
        return []
    pieces: list[Loose] = [f"Little is known of classes with fewer than {least} test rows: "]
    for number, scores in enumerate(small[:_NAMED]):
        rows = number_of(scores.support, "row")
        pieces += ["; " if number else "", User(scores.label), f" ({rows}, F1 {_f1(scores)})"]
    rest = f"; and {number_of(len(small) - _NAMED, 'class')} more" if len(small) > _NAMED else ""
    return [rich(*pieces, f"{rest}.")]


def _f1(scores: ClassScores) -> str:
    return score(scores.f1.value) if scores.f1.low is None else interval(scores.f1)


def next_steps(facts: Facts) -> list[Loose]:
    """What would help most, in order."""
    found: list[Loose] = [
        rich(Code(f.rule), ": ", sentence(f.remedy))
        for f in (facts.data.findings if facts.data else ())
        if f.severity == "error"
    ]
    if facts.error and facts.error.remedy and not found:  # data that is not ready has said what to do
        found.append(sentence(facts.shown(facts.error.remedy)))
    found += [*_more_test_rows(facts), *_cheaper_model(facts), *_weak_classes(facts), *_longer_training(facts)]
    warnings = [f for f in (facts.data.findings if facts.data else ()) if f.severity == "warning"]
    found += [rich(Code(f.rule), ": ", sentence(f.remedy)) for f in warnings[:_SHOWN]]
    return found


def _more_test_rows(facts: Facts) -> list[Loose]:
    wanted = [c for c in (facts.verdict.criteria if facts.verdict else ()) if c.rows_to_settle]
    if not wanted:
        return []
    most = max(wanted, key=lambda c: c.rows_to_settle or 0)
    first: tuple[Loose, ...] = ()
    if most.label_first:
        first = (" Begin with rows of ", User(most.label_first), ": each of them tells most.")
    return [
        rich(
            f"Label more test rows: about {most.rows_to_settle:,} in all would settle ", Code(most.name),
            f", at the value seen now. The test split has {most.n:,} for it.", *first,
        )
    ]  # fmt: skip


def _cheaper_model(facts: Facts) -> list[Loose]:
    ours = facts.evaluation.candidate.macro_f1.value if facts.evaluation else None
    theirs = facts.linear.macro_f1.value if facts.linear else None
    if ours is None or theirs is None or beats_linear(facts):
        return []
    return [
        rich(
            "Take the linear model in earnest: as the candidate, with ",
            Code(f"--set model.name={LINEAR}"),
            ", it walks to the same gate in seconds and needs no accelerator. A larger model earns its cost only once "
            "it beats it on the same test rows.",
        )
    ]


def _weak_classes(facts: Facts) -> list[Loose]:
    classes = facts.evaluation.candidate.classes if facts.evaluation else ()
    known = sorted(
        (c for c in classes if c.f1.value is not None and c.f1.value < 1 - _ONLY_ROUNDING),
        key=lambda c: c.f1.value or 0.0,
    )
    if not known:
        return []
    worst, train = known[0], facts.data.splits.get("train") if facts.data else None
    has = f", which has {number_of(train.classes.get(worst.label, 0), 'training row')}" if train else ""
    return [
        rich(
            "Label more training rows of ",
            User(worst.label),
            f"{has}: it has the lowest F1, {with_interval(worst.f1)}.",
        )
    ]


def _longer_training(facts: Facts) -> list[Loose]:
    model = facts.model
    if model is None or model.best_epoch is None or len(model.curve) < 2:  # noqa: PLR2004 -- a trend needs two points
        return []
    if model.stopped_early or model.best_epoch < model.curve[-1].epoch or model.folds:
        return []
    return [
        rich(
            "Train longer: the last epoch was the best one, so the score was still rising. Raise ",
            Code("training.epochs"),
            ".",
        )
    ]
