"""Texts as words that can be left out, and how their start is shown."""

import pytest

from ml_run.evaluation.passages import joined, opening, words_of


def shown(text):
    return [word.shown for word in words_of(text)]


def test_every_word_knows_its_place_in_the_text():
    """Leaving a word out by its place leaves the rest as it was."""
    text = "  waa  maxay\nkani? "
    words = words_of(text)
    assert [text[word.start : word.end] for word in words] == ["waa", "maxay", "kani?"]
    assert joined(words) == "waa maxay kani?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wac +252 61 5551234 hadda", ["wac", "‹telephone number›", "hadda"]),
        ("(qof@tusaale.so), maanta", ["(‹e-mail address›),", "maanta"]),
        ("https://tusaale.so/" + "x" * 100 + " dhammaad", ["‹web address›", "dhammaad"]),
    ],
)
def test_personal_data_is_one_word_that_is_never_shown(text, words):
    """Not even in part: a telephone number of three words is left out, marked and cut as one."""
    assert shown(text) == words


def test_scripts_without_blanks_are_divided_too():
    """Ethiopic has its own mark between words; a stretch of 70 characters without any is cut into three."""
    assert shown("ሰላም፡ለዓለም።") == ["ሰላም፡", "ለዓለም።"]
    assert [len(part) for part in shown("字" * 70)] == [30, 30, 10]
    assert joined(words_of("字" * 70)) == "字" * 70


def test_a_text_is_cut_after_a_word_and_its_words_can_be_found_again():
    """300 characters at most, then an ellipsis; each start points at its word."""
    words = words_of("\n".join(f"erey{number:03}" for number in range(100)))
    text, starts = opening(words)
    assert len(text) <= 302
    assert text.endswith(" erey036 …")
    assert len(starts) == 37
    assert [text[start : start + 7] for start in starts] == [word.shown for word in words[:37]]


def test_a_text_without_words_shows_nothing():
    """Blanks alone are no error."""
    assert opening(words_of(" \n")) == ("", [])


def test_a_first_word_that_is_longer_than_allowed_is_shown():
    """Something of each text is seen."""
    assert opening(words_of("abcdef ghi"), most=3) == ("abcdef …", [0])
