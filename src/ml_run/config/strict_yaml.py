"""YAML as the user wrote it: every value as text with its place, and nothing YAML makes of it by surprise.

PyYAML's own loader turns `no` into False, `012` into 10 and `2e-5` into a string, keeps the last of two equal keys,
and calls itself once a level. So only its parser is used: it yields events, and what a value means is decided later by
the key it stands under.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ml_run.errors import UsageError

MAX_BYTES = 1_000_000
_MAX_DEPTH = 50
_MAX_NODES = 20_000
_MAX_FAULTS = 50
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, order=True)
class Place:
    """Where something was written; sorts as the user reads: down the file, then along the command line."""

    line: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Scalar:
    """A single value: the text between its quotes, or as it stands."""

    text: str
    quoted: bool
    place: Place


@dataclass(frozen=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    place: Place


@dataclass(frozen=True)
class Mapping:
    """Keys and values; an unreadable value is left out, its fault has been noted."""

    place: Place
    entries: dict[str, "Node"] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


class Faults:
    """Collects faults so that all of them can be told at once."""

    def __init__(self) -> None:
        self._found: list[tuple[Place, UsageError]] = []

    def add(self, place: Place, found: str, remedy: str = "") -> None:
        """Note one fault."""
        self._found.append((place, UsageError(found, where=str(place), remedy=remedy)))

    def __bool__(self) -> bool:
        return bool(self._found)

    def errors(self) -> list[UsageError]:
        """All faults in the order of their places; beyond fifty, the rest are counted."""
        ordered = [error for _, error in sorted(self._found, key=lambda found: found[0])]
        rest = len(ordered) - _MAX_FAULTS
        return [*ordered[:_MAX_FAULTS], UsageError(f"and {rest} more faults")] if rest > 0 else ordered


class Unreadable(Exception):  # noqa: N818 -- not a fault itself: the fault has been noted, reading ends here
    """The document cannot be read any further."""


def read(text: str, place_of: Callable[[int], Place], faults: Faults) -> Node | None:
    """Read one YAML document.

    Args:
        text: the document.
        place_of: the place of a 1-based line.
        faults: takes what is found wrong.

    Returns:
        The document's value, or None when it has none that can be read.

    Raises:
        Unreadable: nothing after the fault noted last can be understood.
    """
    refuse_unprintable(text, place_of, faults)
    reader = _Reader(text, place_of, faults)
    try:
        return reader.document()
    except yaml.MarkedYAMLError as error:
        reader.explain(error)
        raise Unreadable from None


def refuse_unprintable(text: str, place_of: Callable[[int], Place], faults: Faults) -> None:
    """Note a fault and raise Unreadable when `text` holds what YAML forbids, half a surrogate pair for instance."""
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        faults.add(place_of(line), f"holds the unprintable character {bad.group()!a}", "remove it")
        raise Unreadable


class _Reader:
    def __init__(self, text: str, place_of: Callable[[int], Place], faults: Faults) -> None:
        # libyaml where PyYAML has it: a hundred times faster on a file at the limit.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        self._text = text
        self._place_of = place_of
        self._faults = faults
        self._nodes = 0
        self._told: set[str] = set()

    def document(self) -> Node | None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        node = self._node(next(self._events), depth=0)
        next(self._events)
        if not isinstance(more := next(self._events), yaml.StreamEndEvent):
            self._faults.add(self._place(more), "holds a second document after ---", "keep one document in the file")
        return node

    def explain(self, error: yaml.MarkedYAMLError) -> None:
        lines = self._text.splitlines()
        mark = error.problem_mark
        if error.context_mark and (mark is None or mark.line >= len(lines)):
            mark = error.context_mark  # what is never closed is found missing at the end, and wrong at its start
        line = mark.line if mark else 0
        written = lines[line] if line < len(lines) else ""
        remedy = "check indentation, colons and quotes in this line and the one above"
        if "\t" in written[: len(written) - len(written.lstrip())]:
            remedy = "the line is indented with a tab; indent with blanks"
        elif error.problem and "mapping values" in error.problem:
            remedy = "a text that holds a colon and a blank must stand in quotes; check the indentation, too"
        words = " ".join(filter(None, (error.context, error.problem)))
        self._faults.add(self._place_of(line + 1), f"is not YAML: {words}", remedy)

    def _place(self, event: Any) -> Place:
        return self._place_of(event.start_mark.line + 1)

    def _node(self, event: Any, depth: int) -> Node | None:
        self._check_size(event, depth)
        if isinstance(event, yaml.AliasEvent):
            self._refuse_once(event, "aliases (*name) are not read", "write the value out")
            return None
        if event.anchor:
            self._refuse_once(event, "anchors (&name) are not read", "remove the anchor")
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:60]
            self._refuse_once(event, f"tags are not read, here {tag}", "remove the tag")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, quoted=bool(event.style), place=self._place(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _check_size(self, event: Any, depth: int) -> None:
        self._nodes += 1
        if depth > _MAX_DEPTH:
            self._faults.add(self._place(event), f"is nested more than {_MAX_DEPTH} levels deep", "flatten it")
            raise Unreadable
        if self._nodes > _MAX_NODES:
            self._faults.add(self._place(event), f"holds more than {_MAX_NODES:,} values", "shorten it")
            raise Unreadable

    def _refuse_once(self, event: Any, found: str, remedy: str) -> None:
        if remedy not in self._told:
            self._told.add(remedy)
            self._faults.add(self._place(event), found, remedy)

    def _sequence(self, start: Any, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            if (item := self._node(event, depth + 1)) is not None:
                items.append(item)
        return Sequence(tuple(items), self._place(start))

    def _mapping(self, start: Any, depth: int) -> Mapping:
        mapping = Mapping(self._place(start))
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            self._enter(mapping, key, value, self._place(event))
        return mapping

    def _enter(self, mapping: Mapping, key: Node | None, value: Node | None, place: Place) -> None:
        if not isinstance(key, Scalar) or not (key.text or key.quoted):
            self._faults.add(place, "a key is not a plain word", "write key: value")
        elif key.text in mapping.places:
            first = mapping.places[key.text]
            self._faults.add(place, f"{key.text[:60]!r} is given twice, first in {first}", "keep one of them")
        else:
            mapping.places[key.text] = place
            if value is not None:
                mapping.entries[key.text] = value
