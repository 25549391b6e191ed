"""What may stand in `ml_config.yaml`, told to editors (JSON Schema), to readers (docs/config.md) and in error messages.

All three are made from the types of `config.sections`, so they cannot drift from what is accepted.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from typing import Any

from ml_run.config.sections import ADDRESS_PATTERN, LANGUAGE_PATTERN, REGISTERED_NAME_PATTERN, TEXT_PATTERN, Config

Schema = dict[str, Any]
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EXPONENT = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"
_PATTERN_WORDS = {
    TEXT_PATTERN: "one line of text",
    ADDRESS_PATTERN: "auto, local or ray://host:port",
    LANGUAGE_PATTERN: "a language code such as so or som",
    REGISTERED_NAME_PATTERN: "a name without / \\ or :, starting with neither a blank nor a dot",
}


@cache
def sections() -> dict[str, Schema]:
    """Section name → {key → its schema} with bounds, default and description, in the order of `config.sections`."""
    whole = Config.model_json_schema()
    names = {name: info["$ref"].rsplit("/", 1)[1] for name, info in whole["properties"].items()}
    return {name: whole["$defs"][definition]["properties"] for name, definition in names.items()}


def branches(schema: Schema) -> list[Schema]:
    """The alternatives of a value's schema; itself where there is but one."""
    alternatives: list[Schema] = schema.get("anyOf", [schema])
    return alternatives


def types(schema: Schema) -> set[str]:
    """The JSON types a value may have."""
    return {branch.get("type", "string") for branch in branches(schema)}


def describe(schema: Schema) -> str:
    """In words what a value may be, with its bounds: `a whole number from 1 to 1000`."""
    free = [branch for branch in branches(schema) if branch.get("type") != "null" and not _choices(branch)]
    words = " or ".join(dict.fromkeys(_describe_branch(branch) for branch in free))
    if named := ", ".join(choices(schema)):
        return f"{words}, or {named}" if words else f"one of {named}"
    return words


def choices(schema: Schema) -> list[str]:
    """The words that a value may be, where they are named."""
    return [choice for branch in branches(schema) for choice in _choices(branch)]


def _choices(schema: Schema) -> list[str]:
    return [str(choice) for choice in schema.get("enum", [schema["const"]] if "const" in schema else [])]


def _describe_branch(schema: Schema) -> str:
    match schema.get("type"):
        case "integer":
            return "a whole number" + _bounds(schema)
        case "number":
            return "a number" + _bounds(schema)
        case "boolean":
            return "true or false"
        case "array":
            return f"a list, each {describe(schema['items'])}"
        case "object":
            return f"a mapping, each value {describe(schema['additionalProperties'])}"
        case _:
            return _PATTERN_WORDS.get(schema.get("pattern", ""), "text")


def _bounds(schema: Schema) -> str:
    above, least = schema.get("exclusiveMinimum"), schema.get("minimum")
    below, most = schema.get("exclusiveMaximum"), schema.get("maximum")
    low = f" from {least:g}" if least is not None else f" above {above:g}"
    high = f"{most:.10g}" if most is not None else f"below {below:.10g}"
    joint = " to " if least is not None and most is not None else " and at most " if most is not None else " and "
    return low + joint + high


def nearest_key(key: str, section: str) -> str:
    """What to do about an unknown `key` of `section` (empty for the top level): the known key that was meant."""
    known = sections()
    here = list(known.get(section, known))
    elsewhere = {name: f"{other}.{name}" for other, keys in known.items() if other != section for name in keys}
    if key in elsewhere:
        return f"it belongs under {elsewhere[key].partition('.')[0]}: write {elsewhere[key]}"
    if near := get_close_matches(key, here, n=1, cutoff=0.55):
        return f"did you mean {near[0]}?"
    if near := get_close_matches(key, elsewhere, n=1, cutoff=0.7):
        return f"did you mean {elsewhere[near[0]]}?"
    return f"known {'keys' if section else 'sections'} here: {', '.join(here)}"


def json_schema() -> Schema:
    """JSON Schema (draft 2020-12) of `ml_config.yaml`, for editors.

    Editors check what a YAML reader makes of the file, and readers differ: YAML 1.1 takes `2e-5` for text and `no` for
    false, YAML 1.2 takes `yes` for text. We take each as the key wants it, so the schema accepts both readings; it
    cannot see quotes. The last word is `ml-run check-config`.
    """
    schema: Schema = {"$schema": _DIALECT, "title": "ml_config.yaml", **deepcopy(Config.model_json_schema())}
    for section in schema["$defs"].values():
        del section["title"]
        for key, value in section["properties"].items():
            section["properties"][key] = _as_editors_read(value)
    for value in schema["properties"].values():
        value.pop("default", None)
    return schema


def _as_editors_read(schema: Schema) -> Schema:
    kept = {name: schema[name] for name in ("description", "default") if name in schema}
    readings = [reading for branch in branches(schema) for reading in _readings(branch)]
    return kept | (readings[0] if len(readings) == 1 else {"anyOf": readings})


def _readings(schema: Schema) -> Iterable[Schema]:
    bare = {name: value for name, value in schema.items() if name not in {"title", "description", "default"}}
    if "items" in bare:
        bare["items"] = _as_editors_read(bare["items"])
    if "additionalProperties" in bare:
        bare["additionalProperties"] = _as_editors_read(bare["additionalProperties"])
    yield bare
    if bare.get("type") == "number":
        yield {"type": "string", "pattern": _EXPONENT}
    elif bare.get("type") == "boolean":
        yield {"enum": [form(word) for word in BOOLEANS for form in (str.lower, str.title, str.upper)]}
    elif bare.get("const") == "off":
        yield {"const": False}
    elif bare.get("type") == "string" and not {"enum", "const"} & bare.keys():
        yield {"type": ["number", "boolean"]}


# --- docs/config.md -------------------------------------------------------------------------------------------------

_INTRODUCTION = """\
# `ml_config.yaml`

Made from `src/ml_run/config/sections.py` by `ml_run.config.schema.reference`; a test compares the two.
`ml-run check-config` checks a file without running anything, `ml-run check-config --schema` prints the JSON Schema for
editors.

## How the file is read

- Every fault is reported at once, each with its line. Unknown keys are faults; the nearest known key is named.
- Relative paths, that of a `sqlite:///` store included, are relative to the folder of the config file; `reports.path`
  is relative to the project folder, the one `ml-run` was started in.
- A value is read as its key wants it, not as YAML guesses: `learning_rate: 2e-5` is a number, and a label written `no`,
  `012` or `2026-11-23` stays the text you wrote. Quotes make text: `epochs: "5"` is a fault.
- `${NAME}` in a value is replaced by the environment variable NAME, which must be set; `$${` is a plain `${`. It is
  meant for secrets: what it brings in is shown and written as `***` or as `${NAME}`, never as it is.
- A password written into a URI is replaced by `***` in what a run keeps. To resume such a run, set
  MLFLOW_TRACKING_URI; better, write `${NAME}` in its place from the start.
- `--set section.key=value` on the command line goes over the file and is read by the same rules; several values:
  `--set 'data.text_field=[title, text]'`; one entry of a mapping: `--set data.checks.leak_exact=off`.
- Not read: anchors and aliases, tags, equal keys, several documents, more than 1 MB.

Editors see the file through a YAML reader of their own, some of which take `2e-5` for text or `no` for false. The
schema accepts those readings; only `check-config` sees the file as `ml-run` does.
"""


def reference() -> str:
    """The text of docs/config.md: every key with its type, bounds, default and meaning."""
    definitions = {name: field.annotation for name, field in Config.model_fields.items()}
    parts = [_INTRODUCTION]
    for name, keys in sections().items():
        parts += [f"## {name}\n", f"{definitions[name].__doc__}\n", "| key | value | default | meaning |"]
        parts += ["|---|---|---|---|", *(_row(key, schema) for key, schema in keys.items()), ""]
    return "\n".join(parts)


def _row(key: str, schema: Schema) -> str:
    meaning = " ".join(schema["description"].split()).replace("|", "\\|")
    return f"| `{key}` | {describe(schema)} | {_default(schema)} | {meaning} |"


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return "**required**"
    default = schema["default"]
    if default is None or default == {}:
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"
