"""JSON lines: one object a line."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from ml_run.errors import NotReadyError
from ml_run.reading.lines import Lines
from ml_run.reading.sharing import Sharing
from ml_run.reading.types import Fault, RawRow, Source

_BOM = "\ufeff"
_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def parse(lines: Lines) -> Source:
    """Read every line; one that is no JSON object becomes a fault and costs no other line.

    Raises:
        NotReadyError: the file is one JSON list rather than one object a line.
    """
    rows: list[RawRow] = []
    faults = list(lines.faults)
    fields: dict[str, None] = {}
    sharing = Sharing()
    for found in records(lines):
        if isinstance(found, Fault):
            faults.append(found)
        else:
            rows.append(RawRow(found.line, sharing.row(found.values)))
            fields.update(dict.fromkeys(found.values))
    return Source(lines.name, tuple(fields), rows, faults)


def records(lines: Lines) -> Iterator[RawRow | Fault]:
    """The rows of the file one after the other, and what is wrong with lines of it.

    Raises:
        NotReadyError: as `parse`.
    """
    decoder = json.JSONDecoder(parse_constant=_no_number)
    for number, text in enumerate(_refuse_list(lines), start=1):
        if text.startswith(_BOM):
            yield Fault("bom", number, "a byte order mark begins the line, as where files were joined")
            text = text.removeprefix(_BOM)  # noqa: PLW2901 -- the line without its mark
        values = _parse_line(decoder, number, text, lines)
        yield values if isinstance(values, Fault) else RawRow(number, values)


def _parse_line(decoder: json.JSONDecoder, number: int, text: str, lines: Lines) -> dict[str, Any] | Fault:
    if number in lines.undecodable:
        return Fault("encoding", number, lines.undecodable.pop(number), text)
    stripped = text.strip()
    if not stripped:
        return Fault("blank_line", number, "the line is blank")
    try:
        values = decoder.decode(stripped)
    except (ValueError, RecursionError) as error:
        return Fault("unreadable_line", number, _problem(error), text)
    if not isinstance(values, dict):
        return Fault("unreadable_line", number, f"it is {_kind(values)}, not an object", text)
    if "\\u" in text and _SURROGATE.search(text) and not _encodable(values):
        return Fault("encoding", number, "it holds half of a surrogate pair, which is no character", text)
    return values


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
        return f"not valid JSON: more stands behind the value, from column {error.colno}"
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
    return f"not valid JSON: {error}"


def _no_number(_word: str) -> None:
    """NaN and Infinity are no JSON: a value that is not there."""


def _encodable(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _refuse_list(lines: Lines) -> Iterable[str]:
    """All of `lines`, unless they make up one JSON list."""
    texts = iter(lines)
    start: list[str] = []
    for text in texts:
        start.append(text)
        if text.strip():
            break
    if not start or not start[-1].lstrip().startswith("["):
        return chain(start, texts)
    start += texts
    try:
        whole = json.loads("\n".join(start))
    except (ValueError, RecursionError):
        return start
    if isinstance(whole, list):
        raise NotReadyError(
            "the file is one JSON list, not one object a line",
            where=lines.name,
            remedy="turn it into JSON lines, e.g. with jq -c '.[]'",
        )
    return start
