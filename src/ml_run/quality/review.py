"""The review queue: the rows most worth a native speaker's minutes, most valuable first, and reading it back.

People open it in a spreadsheet, and give it back as that program writes it. So it is written such that no cell acts as
a formula or outgrows a cell, and read by what its columns are called, with whatever delimiter and encoding came back.
"""

import codecs
import csv
import io
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ml_run.characters import IGNORED
from ml_run.errors import ConfigError, MlRunError, UsageError
from ml_run.quality.rows import Row
from ml_run.wording import listed

COLUMNS = ("file", "line", "split", "text", "label", "why", "correct_label")
_NEEDED = ("file", "line", "text", "label", "correct_label")
_FORMULA = re.compile(r"""[\t\r\n]|[\s\0"']*[=+\-@＝＋－＠]""")
"""Some programs skip blanks and quotes before a formula, and take the wide forms of the signs as well."""
_CELL = 32_767
"""UTF-16 units that a cell of Excel holds; more is cut without a word, or makes two cells of one."""
_CUT = "…"
_WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DELIMITERS = ",;\t"
_LINE = re.compile(r"([1-9]\d*)(?:[.,]0+)?")
_SAVE_AS = "save it as CSV UTF-8 (comma separated)"

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
    """The queue as CSV, one line a row with all its reasons; rows of the same value stay in the order given.

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
    """`value` so that a cell holds it, and no spreadsheet takes it for a formula: an apostrophe before such a start."""
    cell = str(value)
    cell = f"'{cell}" if _FORMULA.match(cell) else cell
    if len(cell) <= _CELL // 2:  # no character takes more than two units
        return cell
    units = cell.encode("utf-16-le")
    if len(units) <= _CELL * 2:
        return cell
    return units[: (_CELL - 1) * 2].decode("utf-16-le", "ignore") + _CUT


def _cells(reasons: list[Review]) -> tuple[object, ...]:
    reasons = sorted(reasons, key=lambda review: -review.value)
    row, why = reasons[0].row, "; ".join(dict.fromkeys(review.why for review in reasons))
    return row.file, row.line, reasons[0].split, row.text, row.label, why, ""


# --- what people give back ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the queue whose `correct_label` somebody filled in; cells as they came back."""

    place: str
    """File and line of the queue, for faults."""
    file: str
    line: int
    text: str
    label: str
    correct: str


def read_queue(content: bytes, name: str) -> tuple[list[Answer], int]:
    """Read a queue as spreadsheets give it back: any delimiter, columns and rows in any order, more or fewer of them.

    Returns:
        The rows with a `correct_label`, and the number of rows without one.

    Raises:
        UsageError: it is no table of text, or lacks a column.
        ConfigError: lines that cannot be told; all of them.
    """
    answers: list[Answer] = []
    faults: list[MlRunError] = []
    open_rows = 0
    for place, cells in _records(_decode(content, name), name):
        if not cells["correct_label"].strip():
            open_rows += 1
            continue
        line = _LINE.fullmatch(cells["line"].strip())
        if line is None:
            found = f"the line is {cells['line']!r}, which is no line number"
            faults.append(UsageError(found, where=place, remedy="only the column correct_label is for you to change"))
            continue
        file = cells["file"].strip().removeprefix("'")
        correct = cells["correct_label"].strip()
        answers.append(Answer(place, file, int(line[1]), cells["text"], cells["label"], correct))
    if faults:
        raise ConfigError(faults)
    return answers, open_rows


def _decode(content: bytes, name: str) -> str:
    if content.startswith(_WORKBOOK):
        raise UsageError("it is a workbook of a spreadsheet, not csv", where=name, remedy=_SAVE_AS)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # What an old spreadsheet writes in its own code page is found out by comparing each text with the data.
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UsageError("it is neither UTF-8 nor Windows-1252, so its letters cannot be told", where=name, remedy=_SAVE_AS)


def _records(text: str, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    csv.field_size_limit(sys.maxsize)
    if text[:4].lower() == "sep=":  # a note of Excel to itself
        text = "\n" + text.partition("\n")[2]
    found = [_header(text, delimiter) for delimiter in _DELIMITERS]
    header, delimiter = max(zip(found, _DELIMITERS, strict=True), key=lambda pair: len({*pair[0]} & {*_NEEDED}))
    if absent := [column for column in _NEEDED if header.count(column) != 1]:
        wrong = f"it has not one column each that is called {listed(absent)}"
        raise UsageError(wrong, where=name, remedy="give back the queue with the header it had")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins, seen_header = 1, False
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if seen_header:
                    filled = [*cells, *[""] * (len(header) - len(cells))]
                    yield f"{name}:{begins}", dict(zip(header, filled, strict=False))
                seen_header = True
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"its quotes do not match: {error}", where=f"{name}:{begins}", remedy=_SAVE_AS) from None


def _header(text: str, delimiter: str) -> list[str]:
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in cells):
                return [cell.strip().casefold() for cell in cells]
    except csv.Error:
        pass
    return []


def same_text(cell: str, text: str) -> bool:
    """Whether `cell`, as a spreadsheet may have given it back, says what the row says."""
    here, there = _form(cell), _form(text)
    return here == there or (_was_cut(cell) and there.startswith(here.removesuffix(_CUT).rstrip()))


def _was_cut(cell: str) -> bool:
    # Without the guard, or with line breaks of one character, it is a little shorter than it was written.
    return cell.endswith(_CUT) and len(cell) > _CELL // 4


def same_label(cell: str, label: str) -> bool:
    """Whether `cell` is `label`; spreadsheets turn `true` into `TRUE` and `1.0` into `1`."""
    return _form(cell) == _form(label) or _typed(cell) == _typed(label)


def _form(text: str) -> str:
    """Without what spreadsheets add, drop or change: guarding apostrophe, blanks, what nobody sees, Unicode form."""
    return " ".join(IGNORED.sub("", unicodedata.normalize("NFC", text)).split()).lstrip("'")


def _typed(label: str) -> str | float:
    form = _form(label)
    if form.casefold() in {"true", "false"}:
        return form.casefold()
    number = re.fullmatch(r"[+-]?\d+(?:[.,]\d+)?", form)
    return float(form.replace(",", ".")) if number else form
