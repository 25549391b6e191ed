"""Escaping is judged by a CommonMark parser (markdown-it, with GitHub's tables, strike-through and links)."""

import html
import re

import pytest
from markdown_it import MarkdownIt

from ml_run.reporting import markdown
from ml_run.reporting.document import Block, Code, Mark, Strong, User, bullets, rich, table
from report_sample import HOSTILE

WORDS = [
    *(text for text in HOSTILE if text.isprintable() and "\u202e" not in text),
    "1. one",
    "- dash",
    "+ plus",
    "# heading",
    "> quote",
    "===",
    "12) twelve",
    "[ ] task",
    "[0.8](javascript:alert)",
    "[1]: http://x.example",
    "![x](y.png)",
    "[^1]",
    "a|b\\|c",
    "~~no~~ _no_ __no__ *no* snake_case",
    "&lt; &#60; & <!-- -->",
    "www.x.example a@b.example http://x.example",
    "`` ` ```",
    "<https://x.example>",
    "trailing\\",
]


def shown(source: str) -> str:
    """The characters a reader sees, as a CommonMark reader with GitHub's extensions shows them."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source)
    return html.unescape(re.sub(r"<[^>]+>", "", page)).strip()


@pytest.mark.parametrize("words", WORDS)
def test_a_line_shows_exactly_the_words_of_the_user(words):
    """No word of the user becomes markup, at the start of a line or within it."""
    assert shown(markdown.line((User(words),))) == words
    assert shown(markdown.line(("Label ", User(words), "."))) == f"Label {words}."


@pytest.mark.parametrize("words", WORDS)
def test_a_list_item_shows_exactly_the_words_of_the_user(words):
    """Items begin no list, task or heading of their own."""
    assert shown(markdown.content(bullets([User(words)]))) == words


@pytest.mark.parametrize("words", WORDS)
def test_a_table_keeps_its_cells_whatever_they_hold(words):
    """A pipe or a backtick in a cell moves no column."""
    source = markdown.content(table("What", ["A", "B"], [[User(words), Code(words)]]))
    page = MarkdownIt("commonmark").enable("table").render(source)
    cells = [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", page)]
    assert [cell.strip() for cell in cells] == [words, words]


@pytest.mark.parametrize("words", WORDS)
def test_emphasis_holds_the_words_whole(words):
    """Bold text with markup in it stays bold text."""
    assert shown(markdown.line((Strong(f"{words}: "), "x"))) == f"{words}: x"


def test_code_blocks_cannot_be_left_by_their_content():
    """A fence in the config does not end the block."""
    source = markdown.content(Block("a: ```\nb: ````\n<script>", "yaml"))
    assert source.startswith("`````yaml\n")
    assert shown(source) == "a: ```\nb: ````\n<script>"


def test_addresses_in_texts_of_users_are_no_links():
    """A text from the data cannot become a link on GitHub."""
    assert (
        markdown.escape("http://x.example www.x.example a@b.example")
        == r"http:\/\/x.example www\.x.example a\@b.example"
    )


def test_intervals_and_keys_stay_readable_in_the_source():
    """What needs no escape gets none: the file is read raw as often as rendered."""
    assert markdown.line(rich("0.842 [0.801, −0.2] min_accuracy > 0.8 & more ", Mark("PASS"))) == (
        "0.842 [0.801, −0.2] min_accuracy > 0.8 & more **PASS**"
    )
