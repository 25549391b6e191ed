"""Rows of a file into texts to score, some at a time; a row that has none is left out with its reason."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_run.characters import visible
from ml_run.errors import NotReadyError, UsageError
from ml_run.outside.fields import IDS
from ml_run.quality.fields import TEXT, TEXT_ALTERNATIVES
from ml_run.quality.rows import without_nan
from ml_run.quality.structure import NOT_ROWS, Unusable, scalar, text_of
from ml_run.reading import Fault, RawRow
from ml_run.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ml_run.reading.streaming import Stream

MOST_RECORDS = 4096
MOST_CHARACTERS = 500_000
"""What is scored between two notes of how far it came: seconds of work, and enough to put like lengths together."""
_MOST_NAMES = 20


@dataclass(frozen=True)
class Fields:
    """The fields that are read of a row."""

    text: tuple[str, ...]
    ids: tuple[str, ...]
    """Those that name the row, of those that are called as identifiers usually are."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text to score."""

    line: int
    ids: tuple[Any, ...]
    """Values of `Fields.ids`, each a string, a whole number, true or false, or None."""
    text: str


@dataclass
class Chunk:
    """Some records of a file, one after the other."""

    records: int = 0
    """All of them, with those that hold no row."""
    texts: list[Text] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    """A line of JSON for each row that is left out."""
    reasons: list[str] = field(default_factory=list)
    """Name of the rule for each of these."""


def choose_fields(stream: Stream, asked: tuple[str, ...], known: tuple[str, ...]) -> tuple[Fields, str]:
    """Find the fields that hold the text: those asked for, else those that the model's run read.

    Where the run read `text` or is not known, and there is no such field, the only one of the known alternatives is
    used, as the data stage does.

    Returns:
        The fields, and what is to be said of them.

    Raises:
        UsageError: a field asked for is not there.
        NotReadyError: no field, or more than one, could be meant.
    """
    text, note = _text(stream, asked, known)
    return Fields(text, tuple(name for name in IDS if name in stream.fields and name not in text)), note


def _text(stream: Stream, asked: tuple[str, ...], known: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    wanted = asked or known or (TEXT,)
    missing = [name for name in wanted if name not in stream.fields]
    if not missing or not stream.fields:
        return wanted, ""
    if asked:
        near = difflib.get_close_matches(missing[0], stream.fields, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "name one of them"
        raise UsageError(_absent(stream, missing[0]), where="--text-field", remedy=remedy)
    present = [name for name in TEXT_ALTERNATIVES if name in stream.fields] if wanted == (TEXT,) else []
    if len(present) == 1:
        return (present[0],), f"there is no field {TEXT!r}; {present[0]!r} is used as the text"
    remedy = "name the field that holds the text: --text-field NAME"
    if present:
        raise NotReadyError(
            f"there is no field {TEXT!r}, and {listed(present)} could be meant", where=stream.name, remedy=remedy
        )
    raise NotReadyError(_absent(stream, missing[0]), where=stream.name, remedy=remedy)


def _absent(stream: Stream, name: str) -> str:
    names = [visible(one) for one in stream.fields[:_MOST_NAMES]] + ["…"] * (len(stream.fields) > _MOST_NAMES)
    return f"{stream.name} has no field {name!r}; its fields are: {', '.join(names)}"


def chunks(found: Iterable[RawRow | Fault], fields: Fields) -> Iterator[Chunk]:
    """All records in chunks, which depend on the records alone: the same file always makes the same."""
    chunk, characters = Chunk(), 0
    for one in found:
        characters += _add(chunk, one, fields)
        if chunk.records >= MOST_RECORDS or characters >= MOST_CHARACTERS:
            yield chunk
            chunk, characters = Chunk(), 0
    if chunk.records:
        yield chunk


def _add(chunk: Chunk, one: RawRow | Fault, fields: Fields) -> int:
    """Add a record; return the number of characters that it takes."""
    chunk.records += 1
    if isinstance(one, Fault):
        return 0 if one.rule in NOT_ROWS else _reject(chunk, one.line, one.rule, one.problem, one.raw)
    try:
        text = text_of(one.values, fields.text)
    except Unusable as why:
        return _reject(chunk, one.line, why.rule, why.problem, one.values)
    chunk.texts.append(Text(one.line, tuple(_identity(one.values.get(name)) for name in fields.ids), text))
    return len(text)


def _reject(chunk: Chunk, line: int | None, reason: str, problem: str, raw: Any) -> int:
    told = {"line": line, "reason": reason, "problem": problem, "row": without_nan(raw)}
    chunk.rejected.append(json.dumps(told, ensure_ascii=False, default=str, allow_nan=False))
    chunk.reasons.append(reason)
    return len(chunk.rejected[-1])


def _identity(value: Any) -> Any:
    if isinstance(value, str | int) or value is None:
        return value
    shown = scalar(value)
    return json.dumps(value, ensure_ascii=False, default=str) if shown is None else shown or None
