"""A document as Markdown that GitHub and any CommonMark reader show as it was meant.

Everything that is not our own markup is escaped: a label such as `[x](javascript:…)` or `<script>` stays the words it
is, in a line, a list or a table cell.
"""

from __future__ import annotations

import re

from ml_run.characters import visible, visible_lines
from ml_run.reporting.document import (
    Block,
    Bullets,
    Code,
    Content,
    Document,
    Figure,
    Folded,
    Heading,
    Mark,
    Opening,
    Paragraph,
    Passage,
    Piece,
    Quotes,
    Rich,
    Strong,
    Table,
)

# An underscore between letters is no markup in CommonMark, and an interval such as [0.80, 0.88] no link: they stay
# readable. A bracket is escaped where it opens; one that closes nothing is harmless.
_MARKUP = re.compile(r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|\[(?!\s*[+−-]?\d[\d.,\s+−-]*\](?![(\[:]))")
_LINK = re.compile(r"(?<=:)//|@|(?<=www)\.", re.IGNORECASE)
_HTML = re.compile(r"<|&(?=#?\w+;)")
_LINE_START = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[#=>]|[-+](?:\s|$)))")


def escape(text: str) -> str:
    """`text` as Markdown that shows exactly these characters, anywhere but at the start of a line."""
    shown = _MARKUP.sub(_backslashed, visible(text))
    shown = _HTML.sub(lambda match: "&lt;" if match[0] == "<" else "&amp;", shown)
    return _LINK.sub(_backslashed, shown)


def _backslashed(match: re.Match[str]) -> str:
    return "".join("\\" + character for character in match[0])


def code(text: str) -> str:
    """`text` as a code span, with a fence longer than any run of backticks in it; safe in a table cell."""
    text = visible(text)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{padding}{text or ' '}{padding}{fence}".replace("|", "\\|")


def inline(text: Rich) -> str:
    """One line of text, for a table cell or behind other words."""
    return "".join(map(_piece, text)).strip()


def line(text: Rich) -> str:
    """One line of text that may stand at the start of a line: it begins no list, heading or quotation."""
    return _LINE_START.sub(r"\1\\", inline(text))


def _piece(piece: Piece) -> str:
    if isinstance(piece, Code):
        return code(piece.text)
    if isinstance(piece, Strong):
        return _bold(piece.text)
    if isinstance(piece, Mark):
        return f"**{escape(piece.text)}**"
    if isinstance(piece, Passage):
        return "".join(f"**{escape(text)}**" if marked else escape(text) for text, marked in piece.parts)
    return escape(piece if isinstance(piece, str) else piece.text)


def _bold(text: str) -> str:
    # Emphasis must touch its words: "**Why:** ", not "**Why: **".
    inner = text.strip()
    return text.replace(inner, f"**{escape(inner)}**") if inner else text


def block(text: str, language: str = "") -> str:
    """A fenced block, its fence longer than any in the text."""
    text = visible_lines(text)
    fence = "`" * max(3, max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(content: Table) -> str:
    """A table in GitHub's form, its caption above."""
    heads = [inline(column.title) for column in content.columns]
    rules = ["---:" if column.numeric else "---" for column in content.columns]
    rows = [heads, rules, *([inline(cell) for cell in row] for row in content.rows)]
    return f"*{escape(content.caption)}*\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def render(document: Document, *, figures: str) -> str:
    """The whole document.

    Args:
        document: what to say.
        figures: folder of the figures' files, relative to where the text will stand; no picture is shown without it.
    """
    parts = [f"# {escape(document.what)}: {escape(document.name)}", line(document.about)]
    parts += [f"> **{escape(document.banner)}**"] if document.banner else []
    parts += _opening(document.opening)
    for section in document.sections:
        parts += [f"## {escape(section.title)}", *(content(piece, figures) for piece in section.content)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _opening(opening: Opening) -> list[str]:
    parts = [f"## {opening.mark.text}", f"**{escape(opening.headline)}**"]
    parts += [_bullets(Bullets(opening.points))] if opening.points else []
    parts += ["Next:", block(opening.command, "sh")] if opening.command else []
    return parts


def _bullets(content: Bullets) -> str:
    marks = (f"{number}." if content.numbered else "-" for number in range(1, len(content.items) + 1))
    return "\n".join(f"{mark} {line(item)}" for mark, item in zip(marks, content.items, strict=True))


def content(piece: Content, figures: str = "") -> str:
    """One piece of a section."""
    if isinstance(piece, Figure):
        return _figure(piece, figures)
    if isinstance(piece, Block):
        return block(piece.text, piece.language)
    if isinstance(piece, Folded):
        piece = piece.content
    return _written(piece)


def _written(piece: Paragraph | Heading | Bullets | Table | Quotes) -> str:
    if isinstance(piece, Paragraph):
        return line(piece.text)
    if isinstance(piece, Heading):
        return f"### {line(piece.text)}"
    if isinstance(piece, Bullets):
        return _bullets(piece)
    return table(piece) if isinstance(piece, Table) else _quotes(piece)


def _quotes(quotes: Quotes) -> str:
    each = [f"> {line((quote.text,))}\n>\n> {line(quote.about)}" for quote in quotes.items]
    return "\n\n".join([f"*{escape(quotes.caption)}*", *each])


def _figure(figure: Figure, figures: str) -> str:
    # The title alone is the picture's text: the description's facts stand in the table beside it.
    return f"![{escape(figure.title)}]({figures}/{figure.name}.svg)" if figures else ""
