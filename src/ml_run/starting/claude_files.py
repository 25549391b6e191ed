"""The command, the agents and the skill for Claude Code, as this version of ml-run ships them."""

from functools import cache
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path

FOLDER = ".claude"


@cache
def claude_files() -> dict[str, bytes]:
    """Content of each file by its path in the project, `.claude/commands/ml-run.md` and so on."""
    return dict(sorted(_below(package_files(__package__) / "claude", FOLDER)))


def _below(folder: Traversable, name: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        path = f"{name}/{entry.name}"
        found += _below(entry, path) if entry.is_dir() else [(path, entry.read_bytes())]
    return found


def differing_claude_files(project: Path) -> tuple[list[str], list[str]]:
    """Which of the files are missing in the project folder, and which say something else there."""
    missing, other = [], []
    for name, content in claude_files().items():
        path = project / name
        if not path.exists():
            missing.append(name)
        elif not path.is_file() or path.read_bytes() != content:
            other.append(name)
    return missing, other
