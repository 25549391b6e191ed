import unicodedata

import pytest

from ml_run.quality.mojibake import find_mojibake, mojibake_findings
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks


def _rows(texts):
    return [Row("f.csv", number, text, "x", None, {}) for number, text in enumerate(texts, start=1)]


def _finding(texts, everything=1000):
    [found] = mojibake_findings(find_mojibake(_rows(texts)), everything, Checks())
    return found


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1251", "cp1250", "mac-roman"])
@pytest.mark.parametrize("text", ["hay’adda", "waa – maya", "go’ maya…"])
def test_utf8_read_as_something_else_is_repaired(text, encoding):
    """Typographic marks that were decoded wrongly, alone in a plain text, are found, and what they were is known."""
    [found] = find_mojibake(_rows(["guri", text.encode().decode(encoding)]))
    assert found.row.line == 2
    assert found.repaired == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café là-bas", "cp1252"),
        ("ñandú ß", "cp1252"),
        ("20\u00a0000 francs", "cp1252"),
        ("Ọ̀rẹ́ mi", "latin-1"),
        ("ሰላም", "latin-1"),
        ("ƙasa ɓangare ɗaya", "cp1252"),
    ],
)
def test_letters_read_as_something_else_are_repaired(text, encoding):
    """Letters of any script are repaired exactly."""
    [found] = find_mojibake(_rows([text.encode().decode(encoding)]))
    assert found.repaired == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "text", ["Ọ̀rẹ́ mi, ẹ káàbọ̀ Àwọn ọmọ", "São Paulo NÃO É ÂNGULO", "Đà Nẵng Â nhạc", "№ 5 ™ ±3 µm ²"]
)
def test_genuine_letters_are_none_in_any_unicode_form(text, form):
    """Decomposed diacritics are not mistaken for an accident."""
    assert find_mojibake(_rows([unicodedata.normalize(form, text)])) == []


def test_a_lost_character_is_mojibake():
    """U+FFFD stands where a decoder lost something, which nothing brings back."""
    found = _finding(["caf\ufffd", "guri"])
    assert found.message == "1 text looks wrongly decoded (1 in f.csv); 1 lost characters, where U+FFFD stands"
    assert found.remedy == "read the original again with its true encoding"
    assert found.examples[0].text == "caf\ufffd"


def test_the_finding_shows_what_it_should_say():
    """Message and examples show the accident and its repair around the place, the remedy names the encoding."""
    long = "guri wayn oo cusub ayaa magaalada laga dhisay, " * 3
    wrong = "hay’adda".encode().decode("cp1252")
    found = _finding([f"{long}{wrong} caafimaadka {long}"], everything=50)
    assert found.severity == "warning"
    assert found.message == f"1 text looks wrongly decoded (1 in f.csv), such as {wrong!r} for 'hay’adda'"
    assert found.remedy == "read the original again as UTF-8: it was once taken for windows-1252"
    [example] = found.examples
    assert (
        example.text
        == "…aga dhisay, hayâ€™adda caafimaadka guri wayn oo cu… → …aga dhisay, hay’adda caafimaadka guri wayn oo cusu…"
    )


def test_what_it_shows_is_masked():
    """An e-mail address beside an accident is not shown with it."""
    found = _finding(["SYNTHETIC@example.org " + "hay’adda".encode().decode("cp1252")])
    assert "example.org" not in found.message + found.examples[0].text
    assert "address›" in found.examples[0].text


def test_texts_are_looked_at_in_nfc():
    """A decomposed name beside an accident is no part of it: what is shown differs in the accident alone."""
    [found] = find_mojibake(_rows(["Jose\u0301 " + "hay’adda".encode().decode("cp1252")]))
    assert (found.text, found.repaired) == ("José hayâ€™adda", "José hay’adda")


def test_a_lone_control_character_is_no_mojibake():
    """It is an invisible character, also beside capitals and quotation marks that could be an accident."""
    assert find_mojibake(_rows(["“CAFÉ” waa \x96 maya"])) == []
