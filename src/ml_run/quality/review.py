"""The review queue: the rows most worth a native speaker's minutes."""

import csv
import io
from collections.abc import Iterator

from ml_run.quality.leaks import Leak
from ml_run.quality.rows import Row

COLUMNS = ("file", "line", "split", "text", "label", "why", "correct_label")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def review_queue(conflicts: list[list[tuple[str, Row]]], leaks: list[Leak]) -> str:
    """The queue as CSV, conflicts first: they are wrong for certain, leaks may be right.

    Begins with a byte order mark, without which spreadsheets misread every character beyond ASCII.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for cells in (*_conflict_cells(conflicts), *_leak_cells(leaks)):
        writer.writerow(map(safe_cell, cells))
    return "\ufeff" + text.getvalue()


def safe_cell(value: object) -> str:
    """`value` so that no spreadsheet takes it for a formula: an apostrophe before what would begin one."""
    cell = str(value)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _conflict_cells(conflicts: list[list[tuple[str, Row]]]) -> Iterator[tuple[object, ...]]:
    for group in conflicts:
        for split, row in group:
            others = [other for _, other in group if other.label != row.label]
            places = ", ".join(f"{other.label} ({other.file}, line {other.line})" for other in others[:3])
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""  # noqa: PLR2004 -- fits a cell
            why = f"conflict: the same text has the label {places}{more}"
            yield row.file, row.line, split, row.text, row.label, why, ""


def _leak_cells(leaks: list[Leak]) -> Iterator[tuple[object, ...]]:
    for leak in leaks:
        for row, other in leak.rows:
            why = f"leak_exact: the same text is in {leak.into} ({other.file}, line {other.line})"
            yield row.file, row.line, leak.split, row.text, row.label, why, ""
