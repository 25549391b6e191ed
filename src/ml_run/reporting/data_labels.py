"""What single checks say of the rows' labels and language, and examples of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.config.language_codes import find_language
from ml_run.reporting.data_figures import MOST_CLASSES
from ml_run.reporting.document import (
    Code,
    Content,
    Folded,
    Loose,
    Passage,
    Quote,
    Quotes,
    Strong,
    User,
    paragraph,
    rich,
    table,
)
from ml_run.results import SPLITS
from ml_run.wording import listed, number_of, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.reporting.records import Place
    from ml_run.results import Example, Finding, LabelErrors, LanguageCheck, LanguageShare, PreparedData

LABEL_ERROR = "label_error"
_EXAMPLES_SHOWN = 5
_NONE = "–"
_NO_TEXT = "(no text)"


# --- label errors ---------------------------------------------------------------------------------------------------


def label_errors(place: Place, prepared: PreparedData) -> list[Content]:
    """The most suspicious labels, beside how far the list can be trusted."""
    found = prepared.label_errors
    if found is None:
        return []
    told = [one for one in prepared.findings if one.rule == LABEL_ERROR]
    content: list[Content] = [
        _list_of_errors(place, found, told=bool(told)),
        paragraph(Strong("How far to trust the list: "), _self_test(found)),
        paragraph(
            f"The model names the label of a row that it has not seen in {percent(found.accuracy)} of cases. By its "
            f"own count {number_of(found.flagged, 'row')} would be errors; that number grows with the weakness of the "
            "model and is no estimate of the wrong labels."
        ),
    ]
    return [*content, *(examples(place, finding) for finding in told if finding.examples)]


def _list_of_errors(place: Place, found: LabelErrors, *, told: bool) -> Content:
    said = f"A model trained on the other rows was asked about each of {number_of(found.rows, 'row')}. "
    if not found.shown and not told:
        return paragraph(said, "It agrees with every label.")
    if not found.shown:
        return paragraph(said, "No list was made of them: the self-test says that it would not be worth reading.")
    queue = Code(place.experiment.relative(place.experiment.review_queue))
    stand = f"The {found.shown:,} most suspicious stand in "
    return paragraph(said, stand, queue, ", most suspicious first. Nothing was changed in your files.")


def _self_test(found: LabelErrors) -> str:
    if not found.planted or found.recall is None:
        return "unknown; no self-test could be made on these rows."
    said = (
        f"{number_of(found.planted, 'label')} were changed on purpose and the same search was made. It put "
        f"{percent(found.recall)} of them among its {found.planted:,} most suspicious rows."
    )
    if found.precision is None or not found.shown:
        return said
    return (
        f"{said} Of its {found.shown:,} most suspicious rows {percent(found.precision)} were such changed labels; "
        "errors that the data had before count as misses there."
    )


# --- language -------------------------------------------------------------------------------------------------------


def language(prepared: PreparedData) -> list[Content]:
    """Which language the data is in, and the rows that seem to be in another."""
    guess, check = prepared.language, prepared.language_check
    content: list[Content] = []
    if guess:
        how = "as configured" if guess.how == "configured" else "recognised from the text"
        told = check is not None and guess.evidence in check.how
        evidence = "" if told else sentence(guess.evidence)
        content.append(paragraph(f"Language: {guess.name} ({guess.code}), {how}. ", evidence))
    return [*content, *(_checked(check) if check else [])]


def _checked(check: LanguageCheck) -> list[Content]:
    if check.expected is None:
        said = paragraph(Strong("The language of the rows was not checked. "), sentence(check.how))
        return [said, *_seen("Script of most letters", check.scripts)]
    rows, wrong, unknown = _sums(check.shares)
    content: list[Content] = [paragraph("How it was checked: ", sentence(check.how))]
    if rows:
        content.append(
            paragraph(
                f"{wrong:,} of {number_of(rows, 'row')} ({percent(wrong / rows)}) seem to be in another language than ",
                Code(check.expected),
                f"; of {unknown:,} ({percent(unknown / rows)}) nothing can be said, which is not wrong.",
            )
        )
    content += [_language_table(check.shares)] if wrong or unknown else []
    return [*content, *_seen("Seen instead", _named(check.others)), *_seen("Script of most letters", check.scripts)]


def _language_table(shares: Sequence[LanguageShare]) -> Content:
    splits = [name for name in SPLITS if any(share.split == name for share in shares)]
    classes: dict[str, list[LanguageShare]] = {}
    for share in shares:
        classes.setdefault(share.label, []).append(share)
    most_first = sorted(classes.items(), key=lambda item: -_wrong_share(item[1]))
    rows = [_language_row(User(label), splits, every) for label, every in most_first[:MOST_CLASSES]]
    rest = most_first[MOST_CLASSES:]
    if rest:
        together = [share for _, every in rest for share in every]
        rows.append(_language_row(f"{number_of(len(rest), 'class')} more", splits, together))
    heads: list[Loose] = [f"{name}: {what}" for name in splits for what in ("other", "unknown")]
    caption = "Rows in another language, and rows of which nothing can be said, by class and split"
    return table(caption, ["Class", *heads], rows, numeric=" " + "n" * len(heads))


def _wrong_share(shares: Sequence[LanguageShare]) -> float:
    rows, wrong, _ = _sums(shares)
    return wrong / max(1, rows)


def _language_row(title: Loose, splits: Sequence[str], shares: Sequence[LanguageShare]) -> list[Loose]:
    cells: list[Loose] = [title]
    for split in splits:
        rows, *counts = _sums([share for share in shares if share.split == split])
        cells += [f"{count:,} ({percent(count / rows)})" if rows else _NONE for count in counts]
    return cells


def _sums(shares: Sequence[LanguageShare]) -> tuple[int, int, int]:
    return sum(s.rows for s in shares), sum(s.wrong for s in shares), sum(s.unknown for s in shares)


def _named(others: dict[str, int]) -> dict[str, int]:
    known = ((code, find_language(code)) for code in others)
    return {language.name if language else code: others[code] for code, language in known}


def _seen(title: str, counts: dict[str, int]) -> list[Content]:
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not most_first:
        return []
    named = [f"{name} ({number_of(rows, 'row')})" for name, rows in most_first[:MOST_CLASSES]]
    more = most_first[MOST_CLASSES:]
    named += [f"{len(more):,} more ({number_of(sum(rows for _, rows in more), 'row')})"] if more else []
    return [paragraph(f"{title}: {listed(named)}.")]


# --- examples -------------------------------------------------------------------------------------------------------


def examples(place: Place, finding: Finding) -> Content:
    """A few rows of a finding, each with file and line."""
    shown = finding.examples[:_EXAMPLES_SHOWN]
    more = ", more in data/report.json" if len(shown) < len(finding.examples) else ""
    caption = f"{finding.rule}: {number_of(len(shown), 'example')} of {finding.count:,}{more}"
    return Folded(Quotes(caption, tuple(_example(place, example) for example in shown)))


def _example(place: Place, example: Example) -> Quote:
    file = place.shown(example.file)
    where = file if example.line is None else f"{file}:{example.line}"
    labelled = () if example.label is None else (" · labelled ", User(example.label))
    return Quote(Passage(((example.text, False),)) if example.text else _NO_TEXT, rich(User(where), *labelled))
