"""The copy among the project's reports: one writer at a time."""

import pytest

from ml_run import files
from ml_run.reporting import publishing


def test_a_writer_that_never_ends_is_given_up(tmp_path, monkeypatch):
    """A stuck run that holds the lock costs another run its copy, told as any other fault of the disk, not its end."""
    monkeypatch.setattr(publishing, "_PATIENCE_SECONDS", 0.1)
    lock = files.locked(tmp_path / ".ml-run.lock", wait=0, refusal=OSError)
    with lock, pytest.raises(OSError, match="Errno") as caught:
        publishing.publish(tmp_path, "exp_1", "2026-11-23", "PASS", "summary", lambda _folder: "text")
    assert caught.value.strerror == "another run has been writing there for 0 seconds"
    assert not list(tmp_path.rglob("*.md"))
    copy = publishing.publish(tmp_path, "exp_1", "2026-11-23", "PASS", "summary", lambda _folder: "text")
    assert copy.read_text() == "<!-- written by ml-run for exp_1 -->\n\ntext"
