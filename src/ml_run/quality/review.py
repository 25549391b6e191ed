"""The review queue: the rows most worth a native speaker's minutes, most valuable first."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from ml_run.quality.rows import Row

COLUMNS = ("file", "line", "split", "text", "label", "why", "correct_label")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

CONFLICT = 5.0
LABEL_ERROR = 4.0
CONFLICT_NEAR = 3.0
DISAGREEMENT = 2.0
WRONG_LANGUAGE = 1.0
LEAK = 0.0
"""Worth of a look by kind: conflicts are wrong for certain, leaks may be right. Within a kind, values lie between its
number and the next."""


@dataclass(frozen=True, slots=True)
class Review:
    """One reason to look at one row."""

    split: str
    row: Row
    value: float
    """Worth of a look: a kind's number, plus up to 1 by how sure its check is."""
    why: str
    """Begins with the rule: `conflict: the same text has the label …`."""


def review_queue(reviews: Iterable[Review]) -> str:
    """The queue as CSV, one line a row with all its reasons.

    Begins with a byte order mark, without which spreadsheets misread every character beyond ASCII.
    """
    rows: dict[tuple[str, int], list[Review]] = {}
    for review in reviews:
        rows.setdefault((review.row.file, review.row.line), []).append(review)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for reasons in sorted(rows.values(), key=lambda reasons: -max(review.value for review in reasons)):
        writer.writerow(map(safe_cell, _cells(reasons)))
    return "\ufeff" + text.getvalue()


def safe_cell(value: object) -> str:
    """`value` so that no spreadsheet takes it for a formula: an apostrophe before what would begin one."""
    cell = str(value)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _cells(reasons: list[Review]) -> tuple[object, ...]:
    reasons = sorted(reasons, key=lambda review: -review.value)
    row, why = reasons[0].row, "; ".join(dict.fromkeys(review.why for review in reasons))
    return row.file, row.line, reasons[0].split, row.text, row.label, why, ""
