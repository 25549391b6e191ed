"""`ml-run init`: looks at the user's files and writes a config that fits them, and the files for Claude Code."""

from ml_run.starting.claude_files import claude_files, differing_claude_files
from ml_run.starting.screen import started_screen
from ml_run.starting.start import Request, Started, start

__all__ = [
    "Request",
    "Started",
    "claude_files",
    "differing_claude_files",
    "start",
    "started_screen",
]
