"""Which row of one file is which row of another: by identifier, text or line, each row exactly once."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.errors import NotReadyError
from ml_run.languages import choose_language
from ml_run.outside.fields import IDS
from ml_run.quality.duplicates import hash_text
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.outside.reading import Identity

ORDER = "their order"
_REMEDY = "write each row once, with the id or the text of the row that it is about"


@dataclass(frozen=True)
class Match:
    """Rows of one file found in another."""

    how: str
    """By what they were matched, in words."""
    positions: list[int]
    """For each row of the first file its row in the other."""
    unused: int
    """Rows of the other file that the first has not."""


def match(rows: Identity, other: Identity, language: str | None, *, all_of_other: bool) -> Match:
    """Find each of `rows` in `other`.

    They are matched by the first of these that both files hold in every row: an identifier (`id`, `row_id`, `gold_id`;
    another in each of `rows`), the text (normalised as for copies; rows that say the same are paired in their order),
    the content hash, the line (with its file) in the file that was predicted. Files that share none of these are
    matched by their order, if they have equally many rows.

    Args:
        rows: what is looked for.
        other: what it is looked for in.
        language: `data.language`, for normalising texts.
        all_of_other: rows of `other` that are not in `rows` are an error, too.

    Raises:
        NotReadyError: a row is missing or double; names file and line of the first.
    """
    how, ours, theirs = _keys(rows, other, language)
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for number, key in enumerate(theirs):
        waiting[key].append(number)
    positions = [waiting[key].popleft() if waiting.get(key) else -1 for key in ours]
    known = set(ours)
    left = sorted(number for numbers in waiting.values() for number in numbers)
    double = [number for number in left if theirs[number] in known]
    strange = [number for number in left if theirs[number] not in known]
    _refuse(
        rows, other, how, [i for i, found in enumerate(positions) if found < 0], double, strange if all_of_other else []
    )
    return Match(how, positions, len(strange))


def _refuse(
    rows: Identity, other: Identity, how: str, missing: list[int], double: list[int], strange: list[int]
) -> None:
    faults = []
    if missing:
        first = f"the first is {rows.name}:{rows.lines[missing[0]]}"
        faults.append(f"{number_of(len(missing), 'row')} of {rows.name} {_is(missing)} missing; {first}")
    if double:
        first = f"the first is line {other.lines[double[0]]}"
        faults.append(f"{number_of(len(double), 'row')} {_is(double)} double; {first}")
    if strange:
        first = f"the first is line {other.lines[strange[0]]}"
        faults.append(f"{number_of(len(strange), 'row')} {_is(strange)} not in {rows.name}; {first}")
    if faults:
        found = f"matched by {how}, {'; '.join(faults)}"
        raise NotReadyError(found, where=other.name, remedy=_REMEDY)


def _is(rows: Sequence[int]) -> str:
    return "is" if len(rows) == 1 else "are"


# --- by what --------------------------------------------------------------------------------------------------------


def _keys(rows: Identity, other: Identity, language: str | None) -> tuple[str, list[str], list[str]]:
    for name in IDS:
        if name in rows.ids and name in other.ids and len(set(rows.ids[name])) == len(rows):
            return f"the field {name}", rows.ids[name], other.ids[name]
    if rows.texts and other.texts:
        hashes = text_hashes(rows.texts + other.texts, language)
        return "text", hashes[: len(rows)], hashes[len(rows) :]
    if rows.hashes and other.hashes:
        return "content hash", rows.hashes, other.hashes
    lines = _lines(rows, other)
    if lines:
        return "line", *lines
    if len(rows) != len(other):
        raise NotReadyError(
            f"it has {number_of(len(other), 'row')}, {rows.name} has {len(rows):,}, and nothing says which is which: "
            "no id, text or line is in both",
            where=other.name,
            remedy=_REMEDY,
        )
    numbers = [str(number) for number in range(len(rows))]
    return ORDER, numbers, numbers


def text_hashes(texts: list[str], language: str | None) -> list[str]:
    """The content hash of each text, as the data stage takes it."""
    profile, _ = choose_language(language, texts)
    return [hash_text(text, profile) for text in texts]


def _lines(rows: Identity, other: Identity) -> tuple[list[str], list[str]] | None:
    """Lines of the file that was predicted; with its name where one side tells of several files."""
    if rows.places is None or other.places is None or len(set(rows.places)) < len(rows):
        return None
    several = any(len({file for file, _ in side}) > 1 for side in (rows.places, other.places))
    ours, theirs = (
        [f"{file}:{line}" if several else str(line) for file, line in side] for side in (rows.places, other.places)
    )
    return ours, theirs
