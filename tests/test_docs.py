"""README and docs: what they point at is there, and what they tell people to type exists."""

import re
from pathlib import Path

import pytest

from test_claude_files import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page):
    """Relative links in the docs point at files of the repository, and no placeholder is left."""
    text = page.read_text("utf-8")
    assert "@@" not in text
    assert "TODO" not in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_opens_with_the_two_commands():
    """`make run` and `make test` are the first commands of the README, and targets of the Makefile."""
    readme, makefile = (ROOT / "README.md").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    first = re.search(r"```\n(.*?)```", readme, re.DOTALL).group(1)
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["run", "test"]
    for target in ("run", "test", "test-slow", "check"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readme_is_short():
    """A page people read to its end: under 200 lines."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 200


def test_the_shipped_config_is_the_one_the_readme_shows():
    """Keys and values of the example in the README are those of ml_config.yaml."""
    import yaml

    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (shown,) = [
        b for b in (yaml.safe_load(re.sub(r"^   ", "", block, flags=re.MULTILINE)) for block in blocks) if "data" in b
    ]
    assert shown == yaml.safe_load(Path(ROOT / "ml_config.yaml").read_text("utf-8"))
