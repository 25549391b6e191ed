"""JSON lines: one object a line."""

import json
import re
from typing import Any

from ml_run.errors import NotReadyError
from ml_run.reading.lines import Lines
from ml_run.reading.types import Fault, RawRow, Source

_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def parse(lines: Lines) -> Source:
    """Read every line; one that is no JSON object becomes a fault and costs no other line.

    Raises:
        NotReadyError: the file is one JSON list rather than one object a line.
    """
    _refuse_list(lines)
    rows: list[RawRow] = []
    faults = list(lines.faults)
    fields: dict[str, None] = {}
    decoder = json.JSONDecoder(parse_constant=_no_number)
    for number, text in enumerate(lines.texts, start=1):
        values = _parse_line(decoder, number, text, lines)
        if isinstance(values, Fault):
            faults.append(values)
        else:
            rows.append(RawRow(number, values))
            fields.update(dict.fromkeys(values))
    return Source(lines.name, tuple(fields), rows, faults)


def _parse_line(decoder: json.JSONDecoder, number: int, text: str, lines: Lines) -> dict[str, Any] | Fault:
    if number in lines.undecodable:
        return Fault("encoding", number, lines.undecodable[number], text)
    stripped = text.strip()
    if not stripped:
        return Fault("blank_line", number, "the line is blank")
    try:
        values = decoder.decode(stripped)
    except (ValueError, RecursionError) as error:
        return Fault("unreadable_line", number, _problem(error), text)
    if not isinstance(values, dict):
        return Fault("unreadable_line", number, f"it is {_kind(values)}, not an object", text)
    if _SURROGATE.search(text) and not _encodable(values):
        return Fault("encoding", number, "it holds half of a surrogate pair, which is no character", text)
    return values


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}"
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


def _refuse_list(lines: Lines) -> None:
    first = next((text.strip() for text in lines.texts if text.strip()), "")
    if not first.startswith("["):
        return
    try:
        whole = json.loads("\n".join(lines.texts))
    except (ValueError, RecursionError):
        return
    if isinstance(whole, list):
        raise NotReadyError(
            "the file is one JSON list, not one object a line",
            where=lines.name,
            remedy="turn it into JSON lines, e.g. with jq -c '.[]'",
        )
