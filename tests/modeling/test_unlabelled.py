"""Texts without labels: plain lines, read as a stream."""

import gzip

import pytest

from ml_run.errors import NotReadyError
from ml_run.modeling import unlabelled
from ml_run.modeling.unlabelled import digest_of, texts_in


def test_each_line_is_a_text_and_blank_ones_are_none(tmp_path):
    """Whatever ends the lines; a byte order mark is no part of the first text."""
    content = "\ufeffguri biyo\r\n\n   \n qorrax \nhilib"
    (tmp_path / "a.txt").write_bytes(content.encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content.encode()))
    for name in ("a.txt", "a.txt.gz"):
        assert list(texts_in(tmp_path / name)) == ["guri biyo", "qorrax", "hilib"]


def test_bytes_that_are_no_utf8_cost_no_text(tmp_path):
    """A bad byte becomes U+FFFD; the rest of the line and the file are read."""
    (tmp_path / "a.txt").write_bytes(b"guri \xff biyo\nqorrax\n")
    assert list(texts_in(tmp_path / "a.txt")) == ["guri \ufffd biyo", "qorrax"]


def test_a_line_without_end_is_read_in_parts(tmp_path, monkeypatch):
    """A book in one line needs no more memory than a million characters of it."""
    monkeypatch.setattr(unlabelled, "_LONGEST", 10)
    (tmp_path / "a.txt").write_text("guri biyo qorrax hilib\nilmo", "utf-8")
    assert list(texts_in(tmp_path / "a.txt")) == ["guri biyo", "qorrax hil", "ib", "ilmo"]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.txt", None, "there is no such file"),
        ("a.txt", b"PK\x03\x04rest", "the file is an Excel workbook or a zip archive, whatever its name says"),
        ("a.txt", "guri".encode("utf-16"), "the file is UTF-16 or UTF-32, not UTF-8"),
        ("a.txt.gz", gzip.compress(b"guri\n" * 999, mtime=0)[:-9], "the gzip file is damaged or cut short"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, name, content, found):
    """With its name and what it is, before or while it is read."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NotReadyError) as caught:
        list(texts_in(tmp_path / name))
    assert caught.value.found.startswith(found)
    assert caught.value.where == name


def test_the_digest_changes_with_the_content_and_a_missing_file_has_none(tmp_path):
    """What a checkpoint was trained with is compared by it."""
    path = tmp_path / "a.txt"
    path.write_text("guri")
    first = digest_of(path)
    path.write_text("biyo")
    assert digest_of(path) != first
    path.unlink()
    with pytest.raises(NotReadyError, match=r"a\.txt: the file cannot be read: No such file"):
        digest_of(path)
