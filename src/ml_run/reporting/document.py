"""The report as a value: what it says, before it is Markdown or HTML.

Both renderers walk the same document, so both files state the same facts. A plain `str` is text of ours or a message
of a stage; both renderers escape it. Words of the user (labels, names, texts) stand in `User`, so that a page can give
them a direction of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class User:
    """Words of the user, in any script."""

    text: str
    kind: ClassVar[str] = "user"


@dataclass(frozen=True)
class Passage:
    """Words of the user of which some are marked: one text, so that it keeps its direction from end to end."""

    parts: tuple[tuple[str, bool], ...]
    """In their order; true: marked."""
    kind: ClassVar[str] = "passage"


@dataclass(frozen=True)
class Code:
    """A command, key, path or identifier, shown as it is typed."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Strong:
    """Words to be seen first."""

    text: str
    kind: ClassVar[str] = "strong"


@dataclass(frozen=True)
class Mark:
    """One of a few words that carry a judgement: PASS, FAIL, error, warning, …; shown as a coloured tag."""

    text: str
    kind: ClassVar[str] = "mark"

    @property
    def tone(self) -> str:
        """Which colour it has: good, bad, doubt or neutral."""
        return _TONES.get(self.text, "neutral")


_TONES = {
    "PASS": "good",
    "READY": "good",
    "ready": "good",
    "yes": "good",
    "FAIL": "bad",
    "NOT READY": "bad",
    "not ready": "bad",
    "ERROR": "bad",
    "error": "bad",
    "DRIFT": "bad",
    "ALARM": "bad",
    "NO DRIFT": "good",
    "TOO FEW ROWS": "doubt",
    "INCONCLUSIVE": "doubt",
    "warning": "doubt",
    "READY WITH WARNINGS": "doubt",
    "ready with warnings": "doubt",
    "no": "doubt",
    "INTERRUPTED": "doubt",
}

Piece = str | User | Passage | Code | Strong | Mark
Rich = tuple[Piece, ...]
Loose = Piece | Rich
"""What the constructors below take: one piece or several."""


def rich(*pieces: Loose) -> Rich:
    """Join pieces and sequences of pieces to one line of text."""
    joined: list[Piece] = []
    for piece in pieces:
        joined.extend(piece if isinstance(piece, tuple) else (piece,))
    return tuple(joined)


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    text: Rich
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list of short statements."""

    items: tuple[Rich, ...]
    numbered: bool = False
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Column:
    """The head of a table's column."""

    title: Rich
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Rich, ...], ...]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Quote:
    """A text of the user, and what there is to know of it."""

    text: Passage | str
    """The user's words, or ours in their place."""
    about: Rich


@dataclass(frozen=True)
class Quotes:
    """Texts of the user under one another, each with its line below: readable at any width."""

    caption: str
    items: tuple[Quote, ...]
    kind: ClassVar[str] = "quotes"


@dataclass(frozen=True)
class Folded:
    """What most readers can do without: closed on a page until it is asked for, whole on paper and in Markdown."""

    content: Table | Quotes
    kind: ClassVar[str] = "folded"


@dataclass(frozen=True)
class Figure:
    """A chart as SVG markup, with the words that state the same facts to those who do not see it."""

    name: str
    """Also its file name in `evaluation/figures`."""
    title: str
    description: str
    svg: str
    """Markup for a page; already escaped."""
    file: str
    """The same chart as a file of its own."""
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Block:
    """Lines shown as they are typed: commands, configuration."""

    text: str
    language: str = ""
    kind: ClassVar[str] = "block"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: Rich
    kind: ClassVar[str] = "heading"


Content = Paragraph | Bullets | Table | Quotes | Folded | Figure | Block | Heading


@dataclass(frozen=True)
class Section:
    """One part of the report."""

    name: str
    """Short name for links, unique in the document."""
    title: str
    content: tuple[Content, ...]


@dataclass(frozen=True)
class Opening:
    """The first lines of the report."""

    mark: Mark
    headline: str
    """One sentence, without the mark."""
    points: tuple[Rich, ...]
    """Why, and what was done, each in a sentence."""
    command: str = ""
    """What to type next; empty when no command goes on from here."""


@dataclass(frozen=True)
class Document:
    """The whole report."""

    what: str
    """What kind of report it is."""
    name: str
    """What it is about, in words of the user: the run's name."""
    about: Rich
    """Which run, when, in one line."""
    banner: str
    """What must not be overlooked, above everything else; empty for most runs."""
    opening: Opening
    sections: tuple[Section, ...]
    language: str = ""
    """Code of the language of the quoted texts, so that they are spoken as what they are; empty where it is unknown."""


def paragraph(*pieces: Loose) -> Paragraph:
    """A paragraph of these pieces."""
    return Paragraph(rich(*pieces))


def bullets(items: list[Loose], *, numbered: bool = False) -> Bullets:
    """A list of these items, numbered where their order says something."""
    return Bullets(tuple(rich(item) for item in items), numbered)


def table(caption: str, columns: list[Loose], rows: list[list[Loose]], *, numeric: str = "") -> Table:
    """A table.

    Args:
        caption: what it shows, in one line.
        columns: the head of each column.
        rows: one list of cells a row, as long as `columns`.
        numeric: one letter a column, `n` where it holds numbers; missing letters mean text.
    """
    flags = numeric.ljust(len(columns))
    heads = tuple(Column(rich(head), flag == "n") for head, flag in zip(columns, flags, strict=True))
    return Table(caption, heads, tuple(tuple(rich(cell) for cell in row) for row in rows))
