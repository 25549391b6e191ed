"""Two language identifiers whose models ship in their wheels, and what they say together of one text.

One alone is not to be trusted: identifiers call languages they hardly know by the names of others. Measured (2026-11)
on random places in the Somali and Oromo texts of MasakhaNEWS, 3,000 for each length: of stretches of four words
py3langid takes 0.7 to 2.0 % for another language and pycld2 0.7 to 1.2 %; both do so, and py3langid with a probability
above 0.5, for 3 of 6,000 stretches, 2 of them English in truth; and for none of eight words that is not English.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from ml_run.config.language_codes import Language, languages

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

FEWEST_WORDS = 4
_ENOUGH_LETTERS = 40
"""So many characters are enough without counting words: some scripts write none."""
_FEWEST_WORDS_ALONE = 8
_SURE = 0.5
_SURE_ALONE = 0.9
"""Where only one of the two knows the language: at these, py3langid misjudged none of 3,000 stretches of Somali."""
_SHARE_OF_MIXED = 30
"""Per cent of a text in the expected language from which the text is mixed, not foreign."""
_LONGEST = 4000
"""Characters of a text that are looked at."""
_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What pycld2 raises on (aboSamoor/pycld2#53)."""

Judgement = Literal["right", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one identifier takes a text for."""

    code: str | None
    """Code of a known language; None: it cannot say."""
    sure: float = 0.0
    """From 0 to 1."""
    shares: dict[str, int] = field(default_factory=dict)
    """Per cent of the text in each language, where the identifier tells them apart."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What the identifiers that know a language say of one text."""

    judgement: Judgement
    taken_for: str | None = None
    """Code of the language that it is taken for, when wrong."""
    sure: float = 0.0
    """From 0 to 1, when wrong."""


_RIGHT, _UNKNOWN = Vote("right"), Vote("unknown")


def read_pycld2(text: str) -> Reading:
    """What pycld2 takes `text` for, when it calls its own answer reliable."""
    import pycld2

    try:
        reliable, _, found = pycld2.detect(_REFUSED.sub(" ", text))[:3]
    except pycld2.error:
        return Reading(None)
    codes = _codes("pycld2")
    shares = {codes[code]: share for _, code, share, _ in found if code in codes}
    best = codes.get(found[0][1])
    return Reading(best if reliable else None, found[0][2] / 100, shares)


def read_py3langid(text: str) -> Reading:
    """What py3langid takes `text` for, with its probability. Loads its model once: half a second."""
    code, sure = _py3langid().classify(text)
    known = _codes("py3langid").get(code)
    return Reading(known, sure if known else 0.0)


def is_long_enough(text: str) -> bool:
    """False for texts of which an identifier's answer says nothing."""
    return len(text) >= _ENOUGH_LETTERS or len(text.split()) >= FEWEST_WORDS


def voter(expected: Language) -> Callable[[str], Vote] | None:
    """How to judge texts that should be in `expected`; None when neither identifier knows the language.

    A text is wrong only when both take it for another language, no close relative; where one of them alone knows the
    language, it decides on long texts and when it is sure. py3langid is the slower one: it is asked about texts that
    pycld2 does not take for right.
    """
    if expected.pycld2 and expected.py3langid:
        return lambda text: _vote_of_both(text[:_LONGEST], expected)
    if expected.pycld2:
        return lambda text: _vote_alone(text[:_LONGEST], expected, read_pycld2)
    if expected.py3langid:
        return lambda text: _vote_alone(text[:_LONGEST], expected, read_py3langid)
    return None


def _vote_of_both(text: str, expected: Language) -> Vote:
    if not is_long_enough(text):
        return _UNKNOWN
    first = read_pycld2(text)
    if _takes_for(first, expected):
        return _RIGHT
    if first.code is None or first.code in expected.near:
        return _UNKNOWN
    second = read_py3langid(text)
    if second.code == expected.code:
        return _RIGHT
    if second.code is None or second.code in expected.near or second.sure < _SURE:
        return _UNKNOWN
    return Vote("wrong", first.code, second.sure)


def _vote_alone(text: str, expected: Language, read: Callable[[str], Reading]) -> Vote:
    if not is_long_enough(text):
        return _UNKNOWN
    reading = read(text)
    if _takes_for(reading, expected):
        return _RIGHT
    if reading.code is None or reading.code in expected.near or reading.sure < _SURE_ALONE:
        return _UNKNOWN
    enough = len(text) >= 2 * _ENOUGH_LETTERS or len(text.split()) >= _FEWEST_WORDS_ALONE
    return Vote("wrong", reading.code, reading.sure) if enough else _UNKNOWN


def _takes_for(reading: Reading, expected: Language) -> bool:
    return reading.code == expected.code or reading.shares.get(expected.code, 0) >= _SHARE_OF_MIXED


@cache
def _codes(identifier: Literal["pycld2", "py3langid"]) -> dict[str, str]:
    return {own: one.code for one in languages().values() for own in getattr(one, identifier)}


@cache
def _py3langid() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
