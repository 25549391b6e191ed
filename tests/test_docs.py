"""README and docs: what they point at is there, and what they tell people to type exists."""

import contextlib
import re
import shlex
import struct

import pytest
import typer
import typer.main
import yaml

from ml_run.cli import app
from ml_run.languages.profiles import Profile
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from test_claude_files import ROOT, check_invocation

PAGES = [
    ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
]  # fmt: skip
IMAGES = sorted((ROOT / "docs/images").glob("*.*"))
MOST_BYTES = 150_000


def text_of(page):
    return page.read_text("utf-8")


def blocks(page, language=r"\w*"):
    """The fenced blocks of a page, without the indent that a list gives them."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text_of(page), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def commands(page):
    """Every `ml-run …` that a page tells people to type, in a block or between backticks, up to a pipe."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE))
    for line in [*lines, *inline]:
        typed = re.match(r"(?:\$ )?(?:\.venv/bin/)?(ml-run(?: .*)?)$", line.strip())
        if typed:
            yield " ".join(shlex.quote(word) for word in until_the_pipe(typed[1]))


def until_the_pipe(line):
    words = []
    for word in shlex.split(re.sub(r"[\[\]…]", "", line), comments=True):
        if word in {"|", "&", "&&", ">", ";"}:
            break
        words.append(word)
    return words


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page):
    """Relative links and pictures in the docs point at files of the repository, and no placeholder is left."""
    text = text_of(page)
    assert "@@" not in text
    assert "TODO" not in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_part_that_is_linked_exists(page):
    """A link to a part of a page names one of its headings."""
    for target, part in re.findall(r"\]\(([^)#]*)#([^)]+)\)", text_of(page)):
        if "://" not in target:
            linked = text_of(page.parent / target if target else page)
            anchors = [re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")
                       for title in re.findall(r"^#+ (.+)$", linked, re.MULTILINE)]  # fmt: skip
            assert part in anchors, f"{target}#{part}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_and_option_exists(page):
    """Whatever stands there to be typed is a command of the program, with options that it has."""
    known = typer.main.get_command(app).commands
    for line in commands(page):
        with contextlib.suppress(typer.Exit):  # --help and --version end at once
            check_invocation(line)
        first = next((word for word in shlex.split(line)[1:] if not word.startswith("-")), "")
        assert first in known or not re.fullmatch(r"[a-z][a-z-]+", first), f"{first} is no command: {line}"


def test_commands_are_found_where_they_stand():
    """The test above sees blocks in lists, prompts, paths and backticks: a README without any would pass it."""
    seen = list(commands(ROOT / "README.md"))
    assert len(seen) > 15
    assert "ml-run --resume" in seen


def test_the_readme_opens_with_the_two_commands():
    """`make run` and `make test` are the first commands of the README, and targets of the Makefile."""
    readme, makefile = text_of(ROOT / "README.md"), text_of(ROOT / "Makefile")
    first = re.search(r"```\n(.*?)```", readme, re.DOTALL).group(1)
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["run", "test"]
    for target in ("run", "test", "test-slow", "check"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readme_is_short():
    """A page people read to its end: under 200 lines."""
    assert len(text_of(ROOT / "README.md").splitlines()) < 200


def test_the_readme_names_every_page_and_every_command():
    """Nothing is hidden: each page of docs/ is linked from the README, and each command stands in it."""
    readme = text_of(ROOT / "README.md")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"(docs/{page.name})" not in readme] == []
    names = set(typer.main.get_command(app).commands) - {"run"}
    assert [name for name in names if not re.search(rf"`[^`]*\b{name}\b", readme)] == []


def test_the_shipped_config_is_the_one_the_readme_shows():
    """Keys and values of the example in the README are those of ml_config.yaml."""
    (shown,) = [b for b in map(yaml.safe_load, blocks(ROOT / "README.md", "yaml")) if "data" in b]
    assert shown == yaml.safe_load(text_of(ROOT / "ml_config.yaml"))


@pytest.mark.parametrize("image", IMAGES, ids=lambda p: p.name)
def test_pictures_are_small_shown_and_described(image):
    """No picture is over 150 kB, each is on a page with words for those who do not see it."""
    if image.suffix == ".png":
        width, height = struct.unpack(">II", image.read_bytes()[16:24])
        assert min(width, height) > 300
    if image.suffix in {".png", ".svg"}:
        assert image.stat().st_size < MOST_BYTES
        shown = [alt for page in PAGES for alt in re.findall(rf"!\[([^\]]*)\]\([^)]*{image.name}\)", text_of(page))]
        assert shown
        assert all(len(alt) > 40 for alt in shown)


# --- extending ------------------------------------------------------------------------------------------------------


def test_the_example_of_a_check_works(monkeypatch):
    """The rule and the check that docs/extending.md shows find what they are said to find, and nothing else."""
    from ml_run.config import data_checks

    rule, check = blocks(ROOT / "docs/extending.md", "python")
    made = eval(rule, vars(data_checks).copy())
    monkeypatch.setitem(data_checks.RULES, made.name, made)
    monkeypatch.setitem(data_checks.LIMITS, f"{made.name}.{made.limits[0].name}", made.limits[0])
    space = {}
    exec(check, space)
    texts = ("\N{SNOWMAN}" * 5, "Waxaan gaadhay magaalada")
    rows = [Row("train.csv", line, text, "x", None, {}) for line, text in enumerate(texts, 1)]
    (found,) = space["emoji_findings"]({"train": rows}, Checks())
    assert (found.rule, found.count, found.examples[0].line) == ("emoji", 1, 1)
    assert found.remedy == "see whether they can be told apart at all"
    assert space["emoji_findings"]({"train": rows[1:]}, Checks()) == []


def test_the_example_of_a_language_is_a_profile():
    """The YAML that docs/extending.md shows is read as a profile is."""
    (shown,) = blocks(ROOT / "docs/extending.md", "yaml")
    profile = Profile.model_validate(yaml.safe_load(shown))
    assert profile.code == "om"
    assert profile.advice[0].dated == "2026-11"
