import pytest

from ml_run.languages import load_profile
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.text import text_findings


def _findings(texts, checks=None, profile=None):
    rows = [Row("f.csv", number, text, "x", None, {}) for number, text in enumerate(texts, start=1)]
    return {found.rule: found for found in text_findings({"train": rows}, profile, checks or Checks())}


def _lines(texts, profile=None):
    found = _findings(texts, profile=profile)
    return {rule: [example.line for example in one.examples] for rule, one in found.items()}


@pytest.mark.parametrize(
    "text",
    [
        "hay’adda “waa” – haa…",
        "São Paulo NÃO É ÂNGULO às três",
        "français : « CAFÉ » 20 € où",
        "Ọ̀rẹ́ mi, ẹ káàbọ̀",
        "ÅÄÖ Ärger Ångström",
        "Đà Nẵng Â nhạc",
        "ሰላም مرحبا नमस्ते",
        "line one\nline two\ttab\r\n",
        "guri",
        "\u3000\u4f60\u597d\u3000",
        "می\u200cخواهم \u200fسلام\u200e",
        "क\u094d\u200dष",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525",
        "",
    ],
)
def test_genuine_text_is_not_suspected(text):
    """Accents, typographic quotes, other scripts, line breaks, and the joiners and marks that scripts need are fine."""
    assert _findings([text]) == {}


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u00ad", "\u202e", "\x00", "\x07", "\x96", "\u200f", "\u200d"])
def test_invisible_characters_are_found_by_line(mark):
    """Zero-width, direction and control characters are named with their rows."""
    assert _lines(["guri", f"F{mark}aa'iidada"]) == {"invisible_characters": [2]}


def test_an_override_is_found_beside_right_to_left_text():
    """Scripts that run from right to left need marks, but none needs its direction overridden."""
    assert _lines(["سلام", "سلا\u202eم"]) == {"invisible_characters": [2]}


def test_invisible_characters_are_named_and_counted():
    """The message says which characters, the most frequent first, and the example shows the place."""
    found = _findings(["guri", "a\u200bb\u200bc", "d\x07 \ufeffe", "waa " * 60 + "nabad\u00ad"])["invisible_characters"]
    assert found.message == (
        "3 texts hold invisible characters (3 in f.csv): U+200B zero width space 2 times, U+0007 control character "
        "once, U+00AD soft hyphen once and U+FEFF zero width no-break space once"
    )
    assert (found.severity, found.count, found.share) == ("info", 3, 0.75)
    assert found.examples[2].text.endswith("waa nabad\u00ad")
    assert found.examples[2].text.startswith("…")


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u2009", "\u2003"])
def test_blanks_that_are_no_plain_space_are_noted(blank):
    """A no-break space looks like a space and makes another token."""
    assert _lines(["20 000 francs", f"20{blank}000 francs"]) == {"no_break_space": [2]}


def test_decomposed_letters_are_not_nfc():
    """One letter in two forms is two sequences of tokens: noted, above 1 % of the rows a warning."""
    found = _findings(["José", "Jose\u0301", *["guri"] * 98])["not_nfc"]
    assert (found.severity, found.examples[0].line) == ("info", 2)
    assert found.message == "1 text is not in Unicode form NFC (1 in f.csv), such as é written as U+0065 + U+0301"
    assert _findings(["Jose\u0301", *["guri"] * 98])["not_nfc"].severity == "warning"
    assert (
        _findings(["Jose\u0301", "guri"], Checks(limits={"not_nfc.warning_above": 0.5}))["not_nfc"].severity == "info"
    )


def test_a_wrongly_decoded_text_is_one_finding():
    """Controls and blanks that come from a wrong decoding are not counted again."""
    texts = ["“waa maxay” – haa".encode().decode("latin-1"), "20\u00a0000".encode().decode("cp1252"), "hay’ad hay'ad"]
    assert _lines(texts) == {"mojibake": [1, 2], "apostrophe_variants": [3]}


def test_rules_that_are_off_cost_nothing():
    """With all rules of characters off no row is looked at."""
    names = ("mojibake", "not_nfc", "no_break_space", "apostrophe_variants", "invisible_characters")
    assert text_findings({"train": [None] * 3}, None, Checks(dict.fromkeys(names, "off"))) == []


def test_the_profile_says_what_an_apostrophe_is():
    """The backtick is an apostrophe in Somali, and not where nothing is known of the language."""
    texts = ["hay'adda", "hay`adda"]
    assert _lines(texts, load_profile("so")) == {"apostrophe_variants": [2]}
    assert _lines(texts) == {}
