"""Texts and labels that a program may have written for nothing, or for a word such as no."""

from collections import Counter
from collections.abc import Iterable

from ml_run.quality.rows import Row, Splits, every_row, sighting, total
from ml_run.quality.rules import Checks, finding
from ml_run.results import Finding
from ml_run.wording import listed, number_of

_NOTHING = frozenset(
    {"NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "None", "null", "NULL", "Null", "NaT", "nil", "\\N"}
)
"""As R, pandas, Python, JSON, SQL and spreadsheets write it; `none` in small letters is a word."""
_BOOLEANS = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"})
_MOST_SHOWN = 4


def null_findings(splits: Splits, label_field: str, checks: Checks) -> list[Finding]:
    """One finding for texts and labels that stand for nothing, and for true and false beside other labels."""
    if not checks.wants("null_like"):
        return []
    texts = [row for row in every_row(splits) if row.text.strip() in _NOTHING]
    labels = {row.label for row in every_row(splits)}
    nothing = labels & _NOTHING
    booleans = _booleans(splits, labels, label_field)
    labelled = [row for row in every_row(splits) if row.label in nothing] if nothing else []
    parts = []
    if texts:
        parts.append(f"{number_of(len(texts), 'text')} of nothing but {_counted(row.text.strip() for row in texts)}")
    if labelled:
        parts.append(f"{number_of(len(labelled), 'row')} with the label {_counted(row.label for row in labelled)}")
    if booleans:
        others = listed([repr(label) for label in sorted(labels - _BOOLEANS)[:_MOST_SHOWN]])
        given = _counted(row.label for row in booleans)
        parts.append(f"{number_of(len(booleans), 'row')} with the label {given} beside {others}")
    if not parts:
        return []
    rows = list({id(row): row for row in (*texts, *labelled, *booleans)}.values())
    message = f"{listed(parts)}: words, or what a program made of them"
    return [finding("null_like", "warning", message, map(sighting, rows), count=len(rows), total=total(splits))]


def _booleans(splits: Splits, labels: set[str], label_field: str) -> list[Row]:
    """Rows labelled true or false by a program rather than a person, where other labels are words.

    A person writes true and false as the other labels are written; JSON has them as values of their own, Python and
    spreadsheets with their own capitals.
    """
    others = labels - _BOOLEANS - _NOTHING
    foreign = {label for label in labels & _BOOLEANS if not _is_styled_as(label, others)}
    if not others or labels.isdisjoint(_BOOLEANS):
        return []
    return [
        row
        for row in every_row(splits)
        if row.label in foreign or (row.label in _BOOLEANS and isinstance(row.raw.get(label_field), bool))
    ]


def _is_styled_as(label: str, others: set[str]) -> bool:
    if label.islower():
        return True
    return any(other.isupper() if label.isupper() else other[:1].isupper() for other in others)


def _counted(values: Iterable[str]) -> str:
    counts = Counter(values)
    shown = [f"{value!r} ({count:,})" for value, count in counts.most_common(_MOST_SHOWN)]
    more = len(counts) - _MOST_SHOWN
    return listed([*shown, f"{more} more"] if more > 0 else shown)
