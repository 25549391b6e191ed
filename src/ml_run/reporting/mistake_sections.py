"""The part of the report about mistakes: which label is taken for which, in real texts, and doubtful labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import (
    Code,
    Content,
    Folded,
    Heading,
    Loose,
    Passage,
    Quote,
    Quotes,
    Rich,
    Section,
    Strong,
    User,
    bullets,
    paragraph,
    rich,
)
from ml_run.wording import number_of, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml_run.reporting.records import Place
    from ml_run.results import ConfusedPair, Evaluation, Mistake, Mistakes, ModelScores, Pushed

_PAIRS_SHOWN = 5
_MAJORITY = "majority"
_NO_TEXT = "(the text was not given)"
_UNKNOWN = "a label that this run does not know"


def mistakes(evaluation: Evaluation, place: Place | None = None) -> Section:
    """What the candidate gets wrong, in plain words and real texts.

    Args:
        evaluation: with or without `mistakes`, which older versions did not write.
        place: the run's folder; None for predictions from elsewhere.
    """
    scores = evaluation.candidate
    wrong = scores.n - sum(row[i] for i, row in enumerate(scores.confusion))
    if not wrong:
        said = "It labelled every test text right. On so few mistakes nothing can be said of its weaknesses."
        return Section("mistakes", "What it gets wrong", (paragraph(said),))
    pairs: list[Loose] = [rich(pair, ".") for pair in confused_pairs(scores, evaluation.labels)]
    said = f"{number_of(wrong, 'test text')} of {evaluation.n:,} got the wrong label."
    content: list[Content] = [paragraph(f"{said} Most often:"), bullets(pairs)] if pairs else [paragraph(said)]
    if evaluation.mistakes:
        content += _Told(evaluation.mistakes, place).content()
    return Section("mistakes", "What it gets wrong", tuple(content))


def more_mistakes(evaluation: Evaluation, place: Place | None = None) -> list[Section]:
    """The mistakes it was surest of, and those that others did not make; nothing where there are none to show."""
    content = _Told(evaluation.mistakes, place).more() if evaluation.mistakes else []
    return [Section("more-mistakes", "More of its mistakes", tuple(content))] if content else []


def confused_pairs(scores: ModelScores, labels: tuple[str, ...]) -> list[Rich]:
    """The most frequent confusions, each in words that end without a full stop."""
    pairs = [
        (rows, -true, -said)
        for true, line in enumerate(scores.confusion)
        for said, rows in enumerate(line)
        if true != said and rows
    ]
    found: list[Rich] = []
    for rows, true, said in sorted(pairs, reverse=True)[:_PAIRS_SHOWN]:
        total = sum(scores.confusion[-true])
        share = f": {rows:,} of {total:,} ({percent(rows / total)})"
        found.append(rich(User(labels[-true]), " read as ", User(labels[-said]), share))
    return found


class _Told:
    """Mistakes as parts of the report."""

    def __init__(self, found: Mistakes, place: Place | None) -> None:
        self._found = found
        self._place = place
        self._by_row = {mistake.row: mistake for mistake in found.shown}

    def content(self) -> list[Content]:
        return [*self._how(), *self._pairs(), *self._doubtful()]

    def more(self) -> list[Content]:
        return [*self._surest(), *self._elsewhere()]

    def _how(self) -> list[Content]:
        """How to read the marks, or why there are none."""
        marked = any(mistake.pushed for mistake in self._found.shown)
        legend = rich("Words that spoke for the wrong label are ", Passage((("marked", True),)), ". ") if marked else ()
        explained = sentence(self._found.explained)
        return [paragraph(legend, explained)] if legend or explained else []

    def _pairs(self) -> list[Content]:
        found: list[Content] = []
        for pair in self._found.pairs:
            found += [Heading(rich(User(pair.label), " read as ", User(pair.predicted))), self._pair(pair)]
        return found

    def _pair(self, pair: ConfusedPair) -> Content:
        which = ", the surest first" if len(pair.examples) > 1 else ""
        caption = f"{number_of(len(pair.examples), 'example')} of {pair.rows:,}{which}"
        return self._quotes(caption, pair.examples)

    def _surest(self) -> list[Content]:
        rows = self._found.surest
        if not rows:
            return []
        caption = f"The {number_of(len(rows), 'mistake')} that it was surest of"
        return [Heading(("Sure, and wrong",)), Folded(self._quotes(caption, rows))]

    def _elsewhere(self) -> list[Content]:
        """What other models got right."""
        right = {name: rows for name, rows in self._found.right_elsewhere.items() if rows}
        if not right:
            return []
        counts = [rich(User(name), f" got {rows:,} right") for name, rows in right.items()]
        between = [rich(", " if number else "", count) for number, count in enumerate(counts)]
        content: list[Content] = [
            Heading(("Wrong here, right elsewhere",)),
            paragraph(f"Of the {number_of(self._found.count, 'mistake')}, ", *between, "."),
        ]
        rows = self._found.right_by_baseline
        caption = "More mistakes that a baseline got right, the surest first"
        return [*content, Folded(self._quotes(caption, rows))] if rows else content

    def _doubtful(self) -> list[Content]:
        """The labels that are doubted, and what that is worth."""
        found = self._found
        if not found.suspicions:
            said = "None of them looks mislabelled: nowhere were the model and a second witness sure of the same label."
            return [paragraph(said)] if found.surest else []
        looks = "looks" if found.suspicions == 1 else "look"
        shown = [one for one in found.suspected if one.row in self._by_row]
        quotes = tuple(self._doubt(self._by_row[one.row], one.why) for one in shown)
        caption = f"{number_of(len(quotes), 'example')} of {found.suspicions:,}, most doubtful first"
        return [
            Heading(("Labels to look at",)),
            paragraph(
                Strong(f"{found.suspicions:,} of {number_of(found.count, 'mistake')} {looks} mislabelled"),
                " rather than misread: the model is sure, and so is a model of another kind, or copies of the text in "
                "the training data have the label that it gave. These are suspicions, no errors: whoever learnt from "
                "the same data may share its prejudices. No label was changed. ",
                *self._queue(),
                "Correcting only what a model disagrees with makes it look better than it is: have somebody who knows "
                "the language decide without seeing its answer, and look at as many rows that it got right.",
            ),
            Folded(Quotes(caption, quotes)),
        ]

    def _doubt(self, mistake: Mistake, why: str) -> Quote:
        labelled = (" · labelled ", User(mistake.label), " · ", sentence(why))
        return Quote(_text(mistake), rich(self._where(mistake), *labelled))

    def _queue(self) -> Iterable[Loose]:
        found, place = self._found, self._place
        if not found.queue or place is None:
            return ()
        path = place.experiment.relative(place.experiment.folder / found.queue)
        first = f"The first {len(found.suspected)} stand" if found.suspicions > len(found.suspected) else "They stand"
        said = f"{first} in " if found.suspicions > 1 else "It stands in "
        return said, Code(path), "; ", Code(f"ml-run check-data --apply {path}"), " takes in what is corrected there. "

    def _quotes(self, caption: str, rows: Sequence[int]) -> Quotes:
        return Quotes(caption, tuple(self._quote(self._by_row[row]) for row in rows if row in self._by_row))

    def _quote(self, mistake: Mistake) -> Quote:
        predicted: Loose = _UNKNOWN if mistake.predicted is None else User(mistake.predicted)
        said = (" · labelled ", User(mistake.label), ", read as ", predicted)
        return Quote(
            _text(mistake), rich(self._where(mistake), *said, *_sureness(mistake), *_right(mistake), *_beyond(mistake))
        )

    def _where(self, mistake: Mistake) -> Loose:
        file = self._place.shown(mistake.file) if self._place else mistake.file
        return User(f"{file}:{mistake.line}")


def _sureness(mistake: Mistake) -> Iterable[Loose]:
    if mistake.probability is None:
        return ()
    own = mistake.label_probability
    beside = () if own is None else (", ", percent(own), " for ", User(mistake.label))
    return (", ", percent(mistake.probability), " sure", *beside)


def _right(mistake: Mistake) -> Iterable[Loose]:
    # That the most frequent label was right says nothing of the text.
    names = [name for name in mistake.right if name != _MAJORITY]
    named: list[Loose] = [rich(", " if number else "", User(name)) for number, name in enumerate(names)]
    return (" · read right by ", *named) if named else ()


def _beyond(mistake: Mistake) -> Iterable[Loose]:
    """Words that pushed and stand behind the part of the text that is shown."""
    words = [pushed.text for pushed in mistake.pushed if pushed.start is None]
    named: list[Loose] = [rich(", " if number else "", Passage(((word, True),))) for number, word in enumerate(words)]
    return (" · further on: ", *named) if named else ()


def _text(mistake: Mistake) -> Passage | str:
    """The text with the words that pushed marked; predictions from elsewhere may come without their texts."""
    return marked(mistake.text, mistake.pushed) if mistake.text else _NO_TEXT


def marked(text: str, pushed: Sequence[Pushed]) -> Passage:
    """A text as it is shown, with those of the words that pushed that stand in it marked."""
    parts: list[tuple[str, bool]] = []
    done = 0
    here = {one.start: len(one.text) for one in pushed if one.start is not None}
    for start, length in sorted(here.items()):
        parts += [(text[done:start], False), (text[start : start + length], True)]
        done = start + length
    return Passage(tuple(part for part in (*parts, (text[done:], False)) if part[0]))
