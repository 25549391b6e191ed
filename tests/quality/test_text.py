import pytest

from ml_run.quality.rows import Row
from ml_run.quality.text import text_findings


def _found(texts):
    rows = [Row("f.csv", number, text, "x", None, {}) for number, text in enumerate(texts, start=1)]
    return {found.rule: [example.line for example in found.examples] for found in text_findings({"train": rows})}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("hay’adda", "cp1252"),
        ("café là-bas", "cp1252"),
        ("ñandú ß", "cp1252"),
        ("waa – maya", "cp1252"),
        ("20\u00a0000 francs", "cp1252"),
        ("hay’adda", "latin-1"),
        ("“waa maxay” – haa", "latin-1"),
        ("Ọ̀rẹ́ mi", "latin-1"),
        ("ሰላም", "latin-1"),
    ],
)
def test_utf8_read_as_something_else_is_found(text, encoding):
    """Text that was decoded as cp1252 or Latin-1 is recognised by pairs that nobody types."""
    assert _found(["guri", text.encode().decode(encoding)])["mojibake"] == [2]


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
        "20\u00a0000 francs",
        "guri",
    ],
)
def test_genuine_text_is_not_suspected(text):
    """Accents, typographic quotes, other scripts, no-break spaces and line breaks are what people write."""
    assert _found([text]) == {}


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u00ad", "\u202e", "\x00", "\x07", "\x96", "\u200f"])
def test_invisible_characters_are_found_by_line(mark):
    """Zero-width, direction and control characters are named with their rows."""
    assert _found(["guri", f"F{mark}aa'iidada"]) == {"invisible_characters": [2]}


def test_a_lost_character_is_mojibake():
    """U+FFFD stands where a decoder lost something."""
    assert _found(["caf\ufffd"]) == {"mojibake": [1]}
