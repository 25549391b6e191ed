"""Which fields hold the text, the label and the group."""

import difflib
from dataclasses import dataclass

from ml_run.characters import visible
from ml_run.config import DataConfig
from ml_run.errors import ConfigError, MlRunError, NotReadyError, UsageError
from ml_run.quality.rules import finding
from ml_run.reading import Source
from ml_run.results import Finding

TEXT, LABEL = "text", "label"
TEXT_ALTERNATIVES = (
    "sentence", "content", "tweet", "headline", "title", "body", "document", "article", "comment", "review",
    "utterance", "message",
)  # fmt: skip
LABEL_ALTERNATIVES = (
    "dialect_label", "category", "class", "target", "topic", "sentiment", "intent", "emotion", "labels",
)  # fmt: skip
"""Known names, used when the default is absent and exactly one of them is there."""
_MOST_NAMES, _LONGEST_NAME, _ROWS_LOOKED_AT = 20, 40, 1000
_TABLES = {"\t": ".tsv", ",": ".csv", ";": ".csv"}


@dataclass(frozen=True)
class Fields:
    """The fields in use."""

    text: tuple[str, ...]
    label: str
    group: str | None


def choose_fields(config: DataConfig, sources: dict[str, Source]) -> tuple[Fields, list[Finding]]:
    """Take the configured fields, else the defaults, else the only known alternative, which is said.

    Raises:
        ConfigError: a source has not the field that the config names; every such fault is listed.
        NotReadyError: nothing is configured, and no field, or more than one, could be meant.
    """
    configured = _configured(config)
    faults = [
        _absent(key, name, source)
        for key, name in configured
        for source in sources.values()
        if name not in source.fields
    ]
    if faults:
        raise ConfigError(faults)
    text, label = _named(config.text_field), config.label_field
    notes: list[Finding] = []
    if not text:
        text = (_default(TEXT, TEXT_ALTERNATIVES, "text_field", sources, notes),)
    if not label:
        label = _default(LABEL, LABEL_ALTERNATIVES, "label_field", sources, notes)
    return Fields(text, label, config.group_field), notes


def _named(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _configured(config: DataConfig) -> list[tuple[str, str]]:
    named = [("data.text_field", name) for name in _named(config.text_field)]
    named += [("data.label_field", config.label_field)] if config.label_field else []
    named += [("data.group_field", config.group_field)] if config.group_field else []
    return named


def _default(
    default: str, alternatives: tuple[str, ...], key: str, sources: dict[str, Source], notes: list[Finding]
) -> str:
    """The default where a source has it, else the one alternative that every source has; adds a note in that case."""
    if any(default in source.fields for source in sources.values()):
        present = [default]
    else:
        present = [name for name in alternatives if all(name in source.fields for source in sources.values())]
    if len(present) != 1 or not all(present[0] in source.fields for source in sources.values()):
        raise _undecided(default, present, key, sources)
    if present[0] != default:
        message = f"there is no field {default!r}; {present[0]!r} is used as the {default}"
        notes.append(finding("field_chosen", "info", message, count=len(sources)))
    return present[0]


def _undecided(default: str, present: list[str], key: str, sources: dict[str, Source]) -> NotReadyError:
    lacking = next(source for source in sources.values() if default not in source.fields)
    if not lacking.fields:
        return _unreadable(lacking)
    if len(present) > 1:
        return NotReadyError(
            f"there is no field {default!r}, and {' and '.join(present)} could be meant",
            where=lacking.name,
            remedy=f"name one in data.{key}",
        )
    return NotReadyError(
        f"there is no field {default!r}; its fields are: {field_names(lacking)}",
        where=lacking.name,
        remedy=f"name the field that holds the {default} in data.{key}{shape_hint(lacking)}",
    )


def _unreadable(source: Source) -> NotReadyError:
    lost = [fault for fault in source.faults if fault.raw is not None]
    if not lost:
        blank = any(fault.rule == "blank_line" for fault in source.faults)
        found = "the file has blank lines only" if blank else "the file is empty"
        return NotReadyError(found, where=source.name, remedy="check the path in the config")
    lines = f"none of its {len(lost):,} lines can be read" if len(lost) > 1 else "its only line cannot be read"
    return NotReadyError(
        f"{lines}; line {lost[0].line}: {lost[0].problem}",
        where=source.name,
        remedy=_format_hint([str(fault.raw).strip() for fault in lost]),
    )


def _format_hint(lines: list[str]) -> str:
    """What lines that are no JSON lines seem to be instead."""
    first = lines[0]
    if first.startswith("{") and all(line.endswith("},") for line in lines[:-1]):
        return "take off the comma behind each object: in JSON lines nothing stands between the lines"
    if first.startswith(("[", "{")):
        return "it seems to be JSON over several lines: turn it into JSON lines, e.g. with jq -c '.[]' or jq -c ."
    ending = next((ending for mark, ending in _TABLES.items() if mark in first), "")
    if ending:
        return f"it seems to be a table: give its name the ending {ending}"
    return "check the path in the config, and that the file is what its name says"


def _absent(key: str, name: str, source: Source) -> MlRunError:
    near = difflib.get_close_matches(name, source.fields, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "name one of them"
    return UsageError(
        f"{source.name} has no field {name!r}; its fields are: {field_names(source)}",
        where=key,
        remedy=hint + shape_hint(source),
    )


def field_names(source: Source) -> str:
    """The first fields of a source, for a message."""
    names = [visible(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…") for name in source.fields]
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown}, …" if len(names) > _MOST_NAMES else shown or "none"


def shape_hint(source: Source) -> str:
    """What the file seems to be instead, in brackets; empty where nothing speaks for it."""
    if source.fields and source.fields[0].startswith("{"):
        return " (the file seems to be JSON lines: give its name the ending .jsonl)"
    only = source.fields[0] if len(source.fields) == 1 else ""
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if mark in only:
            return f" (the file seems to be separated by {name}: csv needs commas, tsv tabs)"
    if any(row.values.get(name) == name for row in source.rows[:_ROWS_LOOKED_AT] for name in source.fields):
        return " (its first line seems to be a row: write the names of the fields above it)"
    return ""
