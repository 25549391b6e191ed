import pytest

from conftest import SHARED
from ml_run.quality.personal import personal_findings
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.reading.sources import read_file


def _splits(texts):
    return {"train": [Row("f.csv", number, text, "x", None, {}) for number, text in enumerate(texts, start=1)]}


def test_each_kind_is_counted_and_none_is_shown():
    """The finding says how many of each kind in how many rows, and where, without the match."""
    texts = [
        "guri",
        "SYNTHETIC@example.org iyo a@b.org",
        "waa " * 50 + "+252 00 0000000",
        "www.example.org @magac",
        "2019",
    ]
    [found] = personal_findings(_splits(texts), Checks())
    assert found.message == (
        "3 texts may hold personal data (3 in f.csv): 2 e-mail addresses, 1 web address, 1 telephone number "
        "and 1 user name"
    )
    assert (found.severity, found.count, found.share) == ("warning", 3, 0.6)
    assert [(example.line, example.text) for example in found.examples] == [
        (2, "‹e-mail address› iyo ‹e-mail address›"),
        (3, "…" + "waa " * 10 + "‹telephone number›"),
        (4, "‹web address› ‹user name›"),
    ]


def test_few_are_a_note():
    """Up to 1 % of the rows it is a note; clean rows give none, nor does a rule that is off."""
    splits = _splits(["www.example.org", *["guri"] * 99])
    assert [found.severity for found in personal_findings(splits, Checks())] == ["info"]
    assert personal_findings(splits, Checks({"personal_data": "off"})) == []
    assert personal_findings(_splits(["guri"] * 3), Checks()) == []


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not on this machine")
def test_years_in_genuine_news_are_no_telephone_numbers():
    """MasakhaNEWS Somali has one web address and a few user names; its digits are years, amounts and scores."""
    rows = []
    for name in ("train", "dev", "test"):
        source = read_file(SHARED / f"data/masakhanews/som/{name}.tsv", name)
        rows += [
            Row(name, raw.line, f"{raw.values['headline']} {raw.values['text']}", "x", None, {}) for raw in source.rows
        ]
    [found] = personal_findings({"train": rows}, Checks())
    assert found.message == ("8 texts may hold personal data (7 in train, 1 in test): 1 web address and 8 user names")
    assert found.severity == "info"
