"""One line of ours in `_registry.md`, a file that people and agents keep by hand.

Two row styles are in use: `| [file](category/file) | date | Status | Summary |` in tables, and
`- name | Status | summary` in lists. The file's own style is followed, its other lines are left as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_run.reporting.markdown import escape

CATEGORY = "implementation"
_TABLE_HEAD = ("| Report | Date | Status | Summary |", "|--------|------|--------|---------|")
_NEW_FILE = "# Report Registry\n"
_TABLE_ROW = re.compile(r"\s{0,3}\|.*\|\s*$")
_TABLE_RULE = re.compile(r"\s{0,3}\|?\s*:?-{3,}:?\s*(\|\s*:?-{3,}:?\s*)+\|?\s*$")
_LIST_ROW = re.compile(r"\s{0,3}[-*+] .*\S \| .*\S \| .*\S")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_COLUMNS = 4


@dataclass(frozen=True)
class Entry:
    """What one row says."""

    file: str
    """File name in the category's folder."""
    date: str
    """YYYY-MM-DD."""
    status: str
    summary: str

    def table_row(self) -> str:
        """The row in a table."""
        link = f"[{self.file}]({CATEGORY}/{self.file})"
        return f"| {link} | {self.date} | {escape(self.status)} | {escape(self.summary)} |"

    def list_row(self) -> str:
        """The row in a list."""
        return f"- {self.file.removesuffix('.md')} | {escape(self.status)} | {escape(self.summary)}"


def with_entry(text: str, entry: Entry) -> str:
    """`text` of a registry with the row of `entry` in it: replaced where it stands already, else at its place.

    Args:
        text: the file's content; empty for a new file.
        entry: what to say.
    """
    if not text.strip():
        return "\n".join([_NEW_FILE, *_TABLE_HEAD, entry.table_row(), ""])
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split("\n")
    live = _live(lines)
    own = _own_row(lines, live, entry)
    if own is not None:
        fresh = entry.table_row() if _TABLE_ROW.match(lines[own]) else entry.list_row()
        return "\n".join([*lines[:own], _keep_end(fresh, lines[own]), *lines[own + 1 :]])
    place, rows = _place(lines, live, entry)
    cr = end.removesuffix("\n")
    if place == len(lines) and lines[-1] == "":
        place -= 1  # before the empty piece behind the last line break
    rows = [row + cr for row in rows]
    tail = [""] if place == len(lines) else lines[place:]
    head = lines[:place]
    if head and not head[-1].endswith(cr):
        head[-1] += cr
    return "\n".join([*head, *rows, *tail])


def _keep_end(fresh: str, old: str) -> str:
    return fresh + "\r" if old.endswith("\r") else fresh


def _live(lines: list[str]) -> list[bool]:
    """Which lines are shown as they are: not in a fenced block, not in a comment."""
    live, fence, comment = [], "", False
    for line in lines:
        opening = _FENCE.match(line)
        inside = bool(fence) or comment
        if not comment and opening and (not fence or fence == opening[1]):
            fence = "" if fence else opening[1]
            inside = True
        if not fence:
            comment = _in_comment(line, already=comment)
        live.append(not inside and not line.lstrip().startswith("<!--"))
    return live


def _in_comment(line: str, *, already: bool) -> bool:
    opened, closed = line.rfind("<!--"), line.rfind("-->")
    return already and closed < 0 if opened < 0 else closed < opened


def _own_row(lines: list[str], live: list[bool], entry: Entry) -> int | None:
    link, name = f"({CATEGORY}/{entry.file})", entry.file.removesuffix(".md")
    for number, line in enumerate(lines):
        if not live[number]:
            continue
        if _TABLE_ROW.match(line) and link in line.split("|")[1]:
            return number
        if _LIST_ROW.match(line) and line.strip()[1:].split("|")[0].strip() in (name, entry.file):
            return number
    return None


def _place(lines: list[str], live: list[bool], entry: Entry) -> tuple[int, list[str]]:
    """The line to put the row before, and what to put there."""
    tables = [n for n, line in enumerate(lines) if live[n] and _in_registry_table(lines, n)]
    lists = [n for n, line in enumerate(lines) if live[n] and _LIST_ROW.match(line)]
    section = _section(lines, live)
    for anchors, row in ((tables, entry.table_row()), (lists, entry.list_row())):
        inside = [n for n in anchors if n in section]
        if inside:
            return inside[-1] + 1, [row]
    as_list = not tables and (bool(lists) or _list_promised(lines))
    if section:
        return _end_of(section, lines), _fresh(entry, as_list=as_list)
    if tables and (not lists or tables[-1] > lists[-1]):
        return tables[-1] + 1, [entry.table_row()]
    if lists:
        return lists[-1] + 1, [entry.list_row()]
    return _end_of(range(len(lines)), lines), _fresh(entry, as_list=as_list)


def _in_registry_table(lines: list[str], number: int) -> bool:
    """A row, or the rule under the head, of a table with the registry's four columns."""
    line = lines[number].strip()
    if not _TABLE_ROW.match(line) or len(re.split(r"(?<!\\)\|", line)) - 2 != _COLUMNS:
        return False
    before = [other for other in lines[max(0, number - 1) : number] if other.strip()]
    return bool(_TABLE_RULE.match(line)) or bool(before and _TABLE_ROW.match(before[0].strip()))


def _section(lines: list[str], live: list[bool]) -> range:
    """The lines under the heading of our category; empty when there is none."""
    start, depth = 0, 0
    for number, line in enumerate(lines):
        heading = _HEADING.match(line) if live[number] else None
        if depth and heading and len(heading[1]) <= depth:
            return range(start, number)
        if not depth and heading and heading[2].strip().lower() == CATEGORY:
            start, depth = number + 1, len(heading[1])
    return range(start, len(lines)) if depth else range(0)


def _end_of(section: range, lines: list[str]) -> int:
    """Behind the last line of the section that says something; a rule across the page belongs to what follows."""
    empty = ("", "---", "***")
    filled = [n for n in section if lines[n].strip() not in empty]
    return filled[-1] + 1 if filled else section.start


def _list_promised(lines: list[str]) -> bool:
    return any(re.search(r"- \S+ \| \w+ \| ", line) for line in lines)


def _fresh(entry: Entry, *, as_list: bool) -> list[str]:
    return ["", entry.list_row()] if as_list else ["", *_TABLE_HEAD, entry.table_row()]
