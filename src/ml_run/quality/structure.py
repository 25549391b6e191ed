"""Rows out of what was read: each has a text with letters in it and one label, or is left out with its reason."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ml_run.characters import IGNORED
from ml_run.config.data_checks import RULES
from ml_run.quality.fields import Fields
from ml_run.quality.rows import Rejected, Row, Splits, per_file, sighting, total
from ml_run.quality.rules import Checks, Sighting, by_share, finding
from ml_run.reading import Source
from ml_run.results import Finding, Severity
from ml_run.wording import number_of

_LETTER = re.compile(r"[^\W\d_]")
NOT_ROWS = {"bom": "byte order mark", "blank_line": "blank line", "quoting": "file"}
"""Faults of files by which no row is lost, and what is counted."""


class Unusable(Exception):  # noqa: N818 -- not an error: the reason why one row is left out
    """A row cannot be used.

    Args:
        rule: name of the data check it belongs to.
        problem: what is wrong with it.
    """

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(problem)
        self.rule = rule
        self.problem = problem


def take_rows(source: Source, split: str, fields: Fields) -> tuple[list[Row], list[Rejected]]:
    """The usable rows of one source, and every other with its reason; both in the order of the file."""
    rows: list[Row] = []
    rejected = [
        Rejected(split, source.name, fault.line or 0, fault.rule, fault.problem, fault.raw)
        for fault in source.faults
        if fault.rule not in NOT_ROWS
    ]
    for raw in source.rows:
        values = raw.values
        try:
            text = text_of(values, fields.text)
            label = _label(values.get(fields.label), fields.label)
        except Unusable as why:
            rejected.append(Rejected(split, source.name, raw.line, why.rule, why.problem, values))
            continue
        group = scalar(values.get(fields.group)) if fields.group else None
        rows.append(Row(source.name, raw.line, text, label, group or None, values))
    return rows, sorted(rejected, key=lambda row: row.line)


def text_of(values: Mapping[str, Any], fields: tuple[str, ...]) -> str:
    """The text of a row: that of its one field, or those of several joined by a blank.

    Raises:
        Unusable: there is none, it is no string, or no letter is in it.
    """
    parts = [values.get(field) for field in fields]
    for field, part in zip(fields, parts, strict=True):
        if part is not None and not isinstance(part, str):
            raise Unusable("wrong_type", f"the field {field!r} is {_kind(part)}, not a string")
    strings = [part for part in parts if isinstance(part, str)]
    if not strings:
        raise Unusable("missing_field", f"it has no {' and no '.join(map(repr, fields))}")
    text = strings[0] if len(fields) == 1 else " ".join(part.strip() for part in strings if part.strip())
    if not _LETTER.search(text) or (not text.isascii() and not _LETTER.search(IGNORED.sub("", text))):
        raise Unusable("empty_text", _emptiness(text))
    return text


def _emptiness(text: str) -> str:
    if not text.strip():
        return "its text is empty"
    return (
        "its text has no letter" if IGNORED.sub("", text).strip() else "its text has nothing but invisible characters"
    )


def _label(value: Any, field: str) -> str:
    label = scalar(value)
    if label is None:
        raise Unusable("wrong_type", f"the field {field!r} is {_kind(value)}, not one label")
    if not IGNORED.sub("", label).strip():
        raise Unusable("missing_field", f"it has no {field!r}")
    return label


def scalar(value: Any) -> str | None:
    """A value as text: numbers and booleans as JSON writes them, nothing as empty; None for what is no single value."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # noqa: PLR0124 -- NaN, as parquet files made by pandas have it for "nothing"
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"  # 1.0 is 1, which programs make of it where a column holds nothing in some rows
    return None if isinstance(value, (list, dict, bytes)) else str(value)


def _kind(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        bytes: "bytes",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")


# --- findings -------------------------------------------------------------------------------------------------------


def rejection_findings(rejected: list[Rejected], kept: Splits, checks: Checks) -> list[Finding]:
    """One finding for each reason that rows were left out by."""
    everything = total(kept) + len(rejected)
    found = []
    for rule in RULES:
        rows = [row for row in rejected if row.reason == rule]
        if not rows:
            continue
        severity: Severity = "error"
        if rule == "empty_text":
            severity = by_share(len(rows) / everything, warning=-1, error=checks.limit("empty_text.error_above"))
        seen = (Sighting(row.file, row.line, _shown(row.raw)) for row in rows)
        found.append(finding(rule, severity, _rejection_message(rows), seen, count=len(rows), total=everything))
    return found


def _rejection_message(rows: list[Rejected]) -> str:
    first = rows[0]
    return (
        f"{number_of(len(rows), 'row')} left out ({per_file(rows)}); "
        f"the first is line {first.line} of {first.file}: {first.problem}"
    )


def _shown(raw: Any) -> str:
    return raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)


def file_findings(sources: dict[str, Source]) -> list[Finding]:
    """Findings about files as such, by which no row is lost."""
    found = []
    for rule, counted in NOT_ROWS.items():
        places = [
            (Sighting(source.name, fault.line), fault.problem)
            for source in sources.values()
            for fault in source.faults
            if fault.rule == rule
        ]
        if places:
            seen = [place for place, _ in places]
            message = f"{number_of(len(seen), counted)} ({per_file(seen)}): {places[0][1]}"
            found.append(finding(rule, "info", message, seen, count=len(seen)))
    return found


def group_findings(splits: Splits, field: str | None) -> list[Finding]:
    """Rows without the field that groups them."""
    without = [row for rows in splits.values() for row in rows if row.group is None] if field else []
    if not without:
        return []
    message = (
        f"{number_of(len(without), 'row')} without one value in {field!r} ({per_file(without)}): "
        "each counts as a group of its own"
    )
    return [
        finding("missing_group", "warning", message, map(sighting, without), count=len(without), total=total(splits))
    ]
