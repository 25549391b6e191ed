"""The script of a row, and rows in another script than the rest."""

import pytest

from ml_run.languages import load_profile
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.scripts import check_scripts, script_of


def check(texts, profile=None, **limits):
    rows = [Row("train.csv", line, text, "a", None, {}) for line, text in enumerate(texts, start=2)]
    return check_scripts({"train": rows}, profile=profile, checks=Checks(limits=limits))


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("waa maxay 12", "Latin"),
        ("Ọ̀rẹ́ mi, ɗalibai “São” …", "Latin"),
        ("ＦＵＬＬ ＷＩＤＴＨ", "Latin"),
        ("مرحبا بكم في السوق", "Arabic"),
        ("ሰላም ለዓለም", "Ethiopic"),
        ("ሰላም ለዓለም ok", "Ethiopic"),
        ("ሰላም and many more words in English", "Latin"),
        ("Привет мир", "Cyrillic"),
        ("नमस्ते दुनिया", "Devanagari"),
        ("東京タワーへ行きます", "Han or Kana"),
        ("안녕하세요", "Hangul"),
        ("ߒߞߏ", "Nko"),
        ("𐒈𐒝𐒑𐒛𐒐𐒘", "Osmanya"),
        ("12:30 … 😀", None),
        ("", None),
        ("ª º µ", "Latin"),
    ],
)
def test_the_script_of_most_letters(text, script):
    """A text has the script of most of its letters; digits, marks and emoji have none."""
    assert script_of(text) == script


def test_odd_rows_are_found_by_line():
    """Rows in other scripts than most are named with their lines, scripts and share."""
    found, counts = check([*["waa guri"] * 7, "مرحبا بكم", "ሰላም ለዓለም", "በሰላም"])
    (mix,) = found
    assert (mix.rule, mix.severity, mix.count, mix.share) == ("script_mix", "warning", 3, 0.3)
    assert [example.line for example in mix.examples] == [9, 10, 11]
    assert mix.message == (
        "3 rows are mostly in another script than Latin: 2 in Ethiopic and 1 in Arabic (3 in train.csv)"
    )
    assert counts == {"Latin": 7, "Ethiopic": 2, "Arabic": 1}


def test_a_small_share_is_a_note():
    """Up to 0.5 % of rows is only noted; the limit can be changed."""
    texts = [*["waa guri"] * 300, "ሰላም"]
    assert [one.severity for one in check(texts)[0]] == ["info"]
    assert [one.severity for one in check(texts, **{"script_mix.warning_above": 0.001})[0]] == ["warning"]


def test_one_script_is_no_finding():
    """A corpus in one script, whichever, is clean, and foreign words in a row do not change that."""
    assert check(["waa guri", "waa São", "iyo ሰላም ayaa la yiri", "12"]) == ([], {"Latin": 3})
    assert check(["ሰላም", "ሰላም ok"]) == ([], {"Ethiopic": 2})
    assert check(["12", "…"]) == ([], {})


def test_the_profile_knows_the_scripts():
    """With a profile its scripts are the measure, even when most rows are in another."""
    (mix,), _ = check(["مرحبا", "مرحبا بكم", "waa guri"], load_profile("so"))
    assert mix.count == 2
    assert "in another script than Latin: 2 in Arabic" in mix.message
