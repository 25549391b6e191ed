"""The part of the report about slices: which texts the model is weaker on, and what becomes of it on a new source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import Code, Content, Folded, Heading, Loose, Section, User, paragraph, rich, table
from ml_run.reporting.slice_figures import slice_accuracy
from ml_run.wording import (
    listed,
    number_of,
    percent,
    score,
    sentence,
    signed_with_interval,
    with_interval,
)

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.results import Evaluation, HeldOutScores, PreparedData, SliceScores, SourceDependence

MOST_SHOWN = 12
"""Slices in the chart and in the table, besides those that are weaker; the record has them all."""
_NAMED = 12
_KINDS = {
    "length": "length",
    "cut": "length",
    "group": "source",
    "other_groups": "source",
    "no_group": "source",
    "language": "language",
    "script": "script",
    "copied": "copies",
}


def weaker(evaluation: Evaluation, config: Config | None = None, data: PreparedData | None = None) -> list[Section]:
    """What is known of the slices; no section where nothing was looked at.

    Args:
        evaluation: the scores.
        config: of the run; None for predictions from elsewhere.
        data: the data stage's answer; likewise.
    """
    content = [*_slices(evaluation), *_sources(evaluation.sources), *_held_out(evaluation.holdout, data)]
    if not content:
        return []
    return [Section("slices", "Where it is weaker", (*content, *_not_looked_at(config, data)))]


def not_for(evaluation: Evaluation) -> list[Loose]:
    """Who should not rely on the model, one statement a slice that is weaker beyond chance."""
    return [
        rich(
            "Do not rely on it for texts ",
            *_of(one),
            f": {percent(one.accuracy.value)} of them got the right label, {_points(one)} points fewer than of the "
            "others, and more than chance explains.",
        )
        for one in evaluation.slices
        if one.worse
    ]


def _points(one: SliceScores) -> str:
    return f"{-100 * (one.difference.value or 0.0):.1f}"


def _of(one: SliceScores) -> list[Loose]:
    """Which texts these are, to go on after "texts"."""
    if one.kind == "group":
        return ["of the source ", User(one.name)]
    if one.kind in {"length", "other_groups"}:
        return [f"of {one.name}"]
    return [one.name]


# --- slices -----------------------------------------------------------------------------------------------------------


def _slices(evaluation: Evaluation) -> list[Content]:
    judged = [one for one in evaluation.slices if one.worse is not None]
    worse = [one for one in judged if one.worse]
    few = [one for one in evaluation.slices if one.worse is None]
    if not evaluation.slices:
        return []
    shown = judged[: max(MOST_SHOWN, len(worse))]
    content: list[Content] = [paragraph(_asked(judged)), paragraph(*_answer(evaluation, worse))] if judged else []
    content += [slice_accuracy(shown, evaluation.candidate.accuracy), _table(shown)] if shown else []
    if left := len(judged) - len(shown):
        rest = f"{number_of(left, 'further slice')} {'is' if left == 1 else 'are'} in the record of the evaluation"
        content.append(paragraph(f"{rest}; none of them is weaker beyond chance."))
    return [*content, *_too_few(few)]


def _asked(judged: list[SliceScores]) -> str:
    kinds = list(dict.fromkeys(_KINDS[one.kind] for one in judged))
    return (
        f"The test rows were divided by {listed(kinds)}: {number_of(len(judged), 'slice')}, and of each it was asked "
        "whether the model is right less often on it than on all other rows. Slices overlap. Of so many some look bad "
        "by chance; weaker is what stays clear of chance when they are counted."
    )


def _answer(evaluation: Evaluation, worse: list[SliceScores]) -> list[Loose]:
    if not worse:
        how_sure = "That does not make it equally good on all: the intervals say how much worse each may be."
        return [f"No slice is weaker beyond chance. {how_sure}"]
    said: list[Loose] = ["It is weaker on texts "]
    for number, one in enumerate(worse[:_NAMED]):
        said += ["; " if number else "", *_of(one), f" ({percent(one.accuracy.value)} right)"]
    more = f"; and on {number_of(len(worse) - _NAMED, 'slice')} more" if len(worse) > _NAMED else ""
    return [*said, f"{more}. Of all test rows {percent(evaluation.candidate.accuracy.value)} are right."]


def _table(shown: list[SliceScores]) -> Content:
    columns: list[Loose] = ["Slice", "By", "n", "Accuracy", "Difference", "Expected", "Macro-F1", "Classes", "Weaker"]
    rows: list[list[Loose]] = [
        [
            User(one.name) if one.kind == "group" else one.name,
            _KINDS[one.kind],
            f"{one.n:,}",
            with_interval(one.accuracy),
            signed_with_interval(one.difference),
            score(one.expected),
            with_interval(one.macro_f1),
            f"{one.classes:,}",
            _weaker(one),
        ]
        for one in shown
    ]
    caption = (
        "Slices, weakest first. Difference: accuracy minus that of all other rows. Expected: the accuracy if each "
        "class were recognised as it is elsewhere; where that is low, too, the slice holds harder classes"
    )
    return Folded(table(caption, columns, rows, numeric="  nnnnnn"))


def _weaker(one: SliceScores) -> str:
    if one.worse:
        return "yes"
    return "not beyond chance" if (one.difference.value or 0.0) < 0 else "no"


def _too_few(few: list[SliceScores]) -> list[Content]:
    if not few:
        return []
    said: list[Loose] = ["Too few rows, in them or beside them, to judge: "]
    for number, one in enumerate(few[:_NAMED]):
        name = User(one.name) if one.kind == "group" else one.name
        right = round(one.n * (one.accuracy.value or 0.0))
        said += ["; " if number else "", name, f" ({right:,} of {one.n:,} right)"]
    more = f"; and {number_of(len(few) - _NAMED, 'slice')} more" if len(few) > _NAMED else ""
    return [paragraph(*said, f"{more}.")]


# --- sources ----------------------------------------------------------------------------------------------------------


def _sources(found: SourceDependence | None) -> list[Content]:
    if found is None:
        return []
    heading = Heading(rich("How much does a score owe to knowing the source?"))
    if found.note:
        return [heading, paragraph(f"This could not be measured: {found.note}.")]
    judged = sum(one.n for one in found.sources)
    drawn = f" (a sample of {found.rows:,} of {found.of:,} rows of all splits)" if found.rows < found.of else ""
    said = (
        f"Linear models were trained{drawn} and asked about {number_of(judged, 'row')} of "
        f"{number_of(len(found.sources), 'source')}. Those that had learnt from other rows of the same source got "
        f"{percent(found.accuracy_known.value)} right; those that had never seen it, and learnt from as many rows, "
        f"{percent(found.accuracy_unseen.value)}: {signed_with_interval(found.difference)} in accuracy."
    )
    columns: list[Loose] = ["Source", "Rows", "Classes", "Accuracy known", "Unseen", "Difference", "F1 known", "Unseen"]
    rows: list[list[Loose]] = [
        [
            User(one.group),
            f"{one.n:,}",
            f"{one.classes:,}",
            score(one.accuracy_known),
            score(one.accuracy_unseen),
            signed_with_interval(one.difference),
            score(one.macro_f1_known),
            score(one.macro_f1_unseen),
        ]
        for one in found.sources
    ]
    caption = "Linear models that knew the source, and that had never seen it, on the same rows; F1 is macro-F1"
    return [heading, paragraph(said, " ", _meaning(found)), table(caption, columns, rows, numeric=" nnnnnnn")]


def _meaning(found: SourceDependence) -> str:
    high = found.difference.high
    if high is not None and high < 0:
        return (
            "So part of a score on these sources is owed to knowing them. That is said of the linear model; another "
            "model can owe it, too: expect less on texts of a new source."
        )
    return "A loss beyond chance is not to be seen. Sources quite unlike these were not tested."


def _held_out(found: HeldOutScores | None, data: PreparedData | None) -> list[Content]:
    if found is None:
        return []
    rows = f"{number_of(found.scores.n, 'row')} of {number_of(len(found.scores.classes), 'class')}"
    its = (
        f"its macro-F1 is {with_interval(found.scores.macro_f1)} and its accuracy "
        f"{with_interval(found.scores.accuracy)} ({rows})"
    )
    said: list[Loose] = ["On ", User(found.group), f", a source it never saw, {its}"]
    if found.elsewhere:
        said.append(
            f", against a macro-F1 of {with_interval(found.elsewhere.macro_f1)} and an accuracy of "
            f"{with_interval(found.elsewhere.accuracy)} on the {number_of(found.elsewhere.n, 'test row')} of the same "
            f"classes from other sources: {signed_with_interval(found.difference)} in accuracy. These are other texts, "
            "so how hard they are is part of the difference."
        )
    else:
        said.append(". The test rows of other sources lack one of its classes, so there is nothing to compare it with.")
    if data and data.holdout and data.holdout.copies:
        left = number_of(data.holdout.copies, "row")
        said.append(f" {left} of it stayed out of the score: other sources say the same, or nearly.")
    return [Heading(rich("A source held out")), paragraph(*said)]


def _not_looked_at(config: Config | None, data: PreparedData | None) -> list[Content]:
    said: list[Loose] = []
    if config and config.data.group_field is None:
        said += ["Sources were not looked at: ", Code("data.group_field"), " is not set. "]
    if data and not (data.language_check and data.language_check.expected):
        said += ["Languages were not looked at: ", sentence(_why_no_language(data)), " "]
    return [paragraph(*said)] if said else []


def _why_no_language(data: PreparedData) -> str:
    return data.language_check.how if data.language_check else "the checks of language are off"
