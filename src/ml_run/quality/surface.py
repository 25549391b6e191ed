"""The form of a text as numbers that say nothing of its words or its length."""

import re
import unicodedata

from ml_run.characters import IGNORED

_CHARACTERS_READ = 1_000
_NUMBER = re.compile(r"\d+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf]")
_MARKS = (".", ",", "?", "!", ":", ";", "-", "(", "/", "@", "#", "\n", "http")
_QUOTES = '"\u201c\u201d\u00ab\u00bb'
_TYPOGRAPHIC = "\u2018\u2019\u02bc`\u201c\u201d\u00ab\u2026\u2013\u2014\u00a0\u202f\ufffd"


def form(text: str) -> tuple[float, ...]:
    """Punctuation and capitals for each word, and how the text begins and ends: nothing of its length."""
    text = text[:_CHARACTERS_READ].strip()
    words = text.split()
    counts = [text.count(mark) for mark in _MARKS]
    counts += [sum(map(text.count, _QUOTES)), len(_NUMBER.findall(text)), len(_EMOJI.findall(text))]
    counts += [sum(word.isupper() for word in words), sum(word[:1].isupper() for word in words)]
    ends = (float(text[:1].isupper()), float(text[-1:] in ".!?"))
    return *(count / max(len(words), 1) for count in counts), *ends


def encoding(text: str) -> tuple[float, ...]:
    """What a keyboard or a program did to the characters, for each character."""
    text = text[:_CHARACTERS_READ]
    counts = [len(_NOT_ASCII.findall(text)), len(IGNORED.findall(text)), text.count("  ")]
    counts += [text.count(character) for character in _TYPOGRAPHIC]
    return float(unicodedata.is_normalized("NFC", text)), *(count / max(len(text), 1) for count in counts)
