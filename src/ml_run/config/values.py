"""From the text of `ml_config.yaml` to typed values: each read as its key wants it, each fault with its place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ml_run.characters import visible
from ml_run.config import strict_yaml
from ml_run.config.schema import BOOLEANS, Schema, branches, choices, describe, nearest_key, sections, types
from ml_run.config.strict_yaml import Faults, Node, Place, Scalar, Sequence, Unreadable

_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OVERRIDE_ORDER = 1_000_000_000
_MOST_UNKNOWN = 20
_SHOWN = 80


@dataclass
class Values:
    """What the file and `--set` say, as far as it could be read; keys are dotted: `training.epochs`."""

    typed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Section → key → value, for every key written and well-formed."""
    nodes: dict[str, Node] = field(default_factory=dict)
    """Key → what was written there."""
    places: dict[str, Place] = field(default_factory=dict)
    """Section, key, or entry of a mapping → where it was written."""
    failed: set[str] = field(default_factory=set)
    """Sections and keys that hold a fault: nothing further is concluded from them."""
    secrets: list[str] = field(default_factory=list)
    """What `${NAME}` brought into texts."""

    def place(self, key: str, otherwise: Place) -> Place:
        """Where `key` was written; where it is not, its section; where that is not either, `otherwise`."""
        while key and key not in self.places:
            key = key.rpartition(".")[0]
        return self.places.get(key, otherwise)


def set_value(root: strict_yaml.Mapping, override: str, order: int, faults: Faults) -> None:
    """Put one `--set section.key=value` over the file.

    Args:
        root: the file's mapping, changed in place.
        override: as typed, without `--set`.
        order: its number on the command line.
        faults: takes what is found wrong.
    """
    place = Place(_OVERRIDE_ORDER + order, visible(f"--set {override}"))
    key, equals, text = override.partition("=")
    # The first two words are section and key; what follows names an entry of a mapping and may hold dots itself.
    path = key.strip().split(".", 2)
    if not equals or not all(path) or len(path) < len(("section", "key")):
        faults.add(place, "is not section.key=value", "for instance: --set training.epochs=3")
        return
    try:
        strict_yaml.refuse_unprintable(key, lambda _: place, faults)
        node = strict_yaml.read(text, lambda _: place, faults)
    except Unreadable:
        return
    if isinstance(node, strict_yaml.Mapping):
        faults.add(place, "is a mapping", f"set one key at a time: --set {key}.NAME=VALUE")
        return
    *parents, name = path
    mapping = root
    for parent in parents:
        inner = mapping.entries.get(parent)
        if inner is None or _is_null(inner):
            inner = mapping.entries[parent] = strict_yaml.Mapping(place)
            mapping.places.setdefault(parent, place)
        if not isinstance(inner, strict_yaml.Mapping):
            faults.add(place, f"{parent} holds no keys", f"set {parent} itself, or mend it in the file")
            return
        mapping = inner
    mapping.entries[name] = node or Scalar("", quoted=False, place=place)
    mapping.places[name] = place


def read_values(root: strict_yaml.Mapping, environ: Mapping[str, str], faults: Faults) -> Values:
    """Read every key of the file as its type wants it; unknown keys and ill-typed values go to `faults`."""
    reader = _ValueReader(environ, faults)
    known = sections()
    for name in _known_keys(root, known, "", faults):
        reader.section(name, root, known[name])
    return reader.values


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.quoted and node.text in _NULLS


def as_written(node: Node) -> Any:
    """The texts of a node in the shape of its value, `${NAME}` left as it is."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [as_written(item) for item in node.items]
    return {key: as_written(value) for key, value in node.entries.items()}


def has_placeholder(node: Node) -> bool:
    """True when a text of `node` holds `${`, escaped or not."""
    return "${" in str(as_written(node))


def show(node: Node) -> str:
    """A node as it is quoted in messages: as written, on one line, not too long."""
    if isinstance(node, Scalar):
        text = f'"{node.text}"' if node.quoted else node.text or "empty"
    else:
        text = f"[{', '.join(show(item) for item in node.items)}]" if isinstance(node, Sequence) else "a mapping"
    text = visible(text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


# --- unknown keys ---------------------------------------------------------------------------------------------------


def _known_keys(mapping: strict_yaml.Mapping, known: Mapping[str, Any], section: str, faults: Faults) -> Iterator[str]:
    unknown = [key for key in mapping.places if key not in known]
    for key in islice(unknown, _MOST_UNKNOWN):
        dotted = f"{section}.{key}" if section else key
        faults.add(mapping.places[key], f"{visible(dotted)[:_SHOWN]} is not a known key", nearest_key(key, section))
    if len(unknown) > _MOST_UNKNOWN:
        place = mapping.places[unknown[_MOST_UNKNOWN]]
        faults.add(
            place, f"and {len(unknown) - _MOST_UNKNOWN} more unknown keys", "docs/config.md lists the known ones"
        )
    return (key for key in mapping.entries if key in known)


# --- values ---------------------------------------------------------------------------------------------------------


class _BadValue(Exception):  # noqa: N818 -- never leaves this file; becomes a fault
    def __init__(self, found: str, remedy: str, node: Node) -> None:
        super().__init__(found)
        self.found, self.remedy, self.node = found, remedy, node


class _ValueReader:
    def __init__(self, environ: Mapping[str, str], faults: Faults) -> None:
        self.values = Values()
        self._environ = environ
        self._faults = faults

    def section(self, name: str, root: strict_yaml.Mapping, keys: dict[str, Schema]) -> None:
        node = root.entries[name]
        self.values.places[name] = root.places[name]
        if _is_null(node):
            return  # every key commented out
        if not isinstance(node, strict_yaml.Mapping):
            self.values.failed.add(name)
            remedy = f"indent its keys below it: {', '.join(keys)}"
            self._faults.add(root.places[name], f"{name} is {show(node)}, not a section with keys", remedy)
            return
        typed = self.values.typed[name] = {}
        for key, place in node.places.items():
            self.values.places[f"{name}.{key}"] = place
            if key in keys and key not in node.entries:
                self.values.failed.add(f"{name}.{key}")
        for key in _known_keys(node, keys, name, self._faults):
            self._key(f"{name}.{key}", node.entries[key], keys[key], typed)

    def _key(self, dotted: str, node: Node, schema: Schema, typed: dict[str, Any]) -> None:
        self.values.nodes[dotted] = node
        try:
            typed[dotted.partition(".")[2]] = self._value(dotted, node, schema)
        except _BadValue as bad:
            self.values.failed.add(dotted)
            place = self.values.places[dotted] if bad.node is node else bad.node.place
            self._faults.add(place, bad.found, bad.remedy)

    def _value(self, dotted: str, node: Node, schema: Schema) -> Any:
        allowed = types(schema)
        if "object" in allowed and _is_null(node):
            return {}  # every entry commented out
        if isinstance(node, Scalar) and "object" not in allowed:
            return self._scalar(dotted, node, schema, allowed)
        if isinstance(node, Sequence) and "array" in allowed:
            items = next(branch for branch in branches(schema) if "items" in branch)["items"]
            return tuple(self._value(dotted, item, items) for item in node.items)
        if isinstance(node, strict_yaml.Mapping) and "object" in allowed:
            return self._entries(dotted, node, schema["additionalProperties"])
        raise _BadValue(f"{dotted} is {show(node)}", _must(schema), node)

    def _entries(self, dotted: str, node: strict_yaml.Mapping, schema: Schema) -> dict[str, Any]:
        self.values.places |= {f"{dotted}.{key}": place for key, place in node.places.items()}
        return {key: self._value(f"{dotted}.{visible(key)}", entry, schema) for key, entry in node.entries.items()}

    def _scalar(self, dotted: str, node: Scalar, schema: Schema, allowed: set[str]) -> Any:
        if {"string", "integer"} <= allowed:  # a number, or one of a few words
            if node.text in choices(schema):
                return node.text
            allowed = allowed - {"string"}
        if _is_null(node):
            if "null" in allowed:
                return None
            if "string" not in allowed or node.text in {"", "~"}:
                raise _BadValue(f"{dotted} has no value", f"give {describe(schema)}, or remove the key", node)
        # What names data and models (a folder, say) has to be shown and written to be of use, so it is no secret.
        secret = "string" in allowed and not dotted.startswith(("data.", "model."))
        text = self._filled(dotted, node, secret=secret)
        if "string" in allowed:
            return text
        if node.quoted:
            remedy = f"write it without quotes: {node.text}"
            fits = self._plain(text, allowed) is not None
            raise _BadValue(f"{dotted} is {show(node)}, a text", remedy if fits else _must(schema), node)
        if (value := self._plain(text, allowed)) is None:
            raise _BadValue(f"{dotted} is {show(node)}", _plain_remedy(node.text, schema), node)
        return value

    @staticmethod
    def _plain(text: str, allowed: set[str]) -> bool | int | float | None:
        if "boolean" in allowed:
            return BOOLEANS.get(text.lower()) if text in {text.lower(), text.title(), text.upper()} else None
        if _INTEGER.fullmatch(text):
            return int(text) if "integer" in allowed else float(text)
        if "number" in allowed and _NUMBER.fullmatch(text):
            return float(text)
        return None

    def _filled(self, dotted: str, node: Scalar, *, secret: bool) -> str:
        """The node's text with `${NAME}` replaced from the environment and `$${` by `${`."""

        def fill(match: re.Match[str]) -> str:
            if match.group() == "$${":
                return "${"
            name, closed = match.groups()
            if not closed or not _VARIABLE.fullmatch(name):
                remedy = "write ${NAME}, or $${ for a plain ${"
                raise _BadValue(f"{dotted} holds ${{, but not the name of an environment variable", remedy, node)
            if not (value := self._environ.get(name, "")):
                state = "empty" if name in self._environ else "not set"
                found = f"{dotted} needs the environment variable {name}, which is {state}"
                raise _BadValue(found, f"set it: export {name}=…", node)
            if secret:
                self.values.secrets.append(value)
            return value

        return _PLACEHOLDER.sub(fill, node.text)


def _must(schema: Schema) -> str:
    return f"it must be {describe(schema)}"


def _plain_remedy(text: str, schema: Schema) -> str:
    """What to write instead, with the number itself where the text shows which one was meant."""
    plain = text.replace("_", "")
    whole = float(plain) if _NUMBER.fullmatch(plain) else 0.5
    if "integer" in types(schema) and whole.is_integer() and abs(whole) < 2**53:
        return f"{_must(schema)}; write {whole:.0f}"
    if "number" in types(schema) and _NUMBER.fullmatch(swapped := plain.replace(",", ".")):
        return f"{_must(schema)}; write {swapped}"
    return _must(schema)
