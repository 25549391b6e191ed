"""Recognising the language of a corpus by its function words; silent when in doubt."""

import re
from collections import Counter
from collections.abc import Sequence

from ml_run.config.language_codes import find_language
from ml_run.config.names import known_profiles
from ml_run.languages.folding import normalise
from ml_run.languages.profiles import Profile, find_profile, load_profile
from ml_run.results import LanguageGuess
from ml_run.wording import percent

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_MOST_TEXTS = 500
_MOST_CHARACTERS = 2000
_FEWEST_WORDS = 5
"""Texts shorter than this may well lack a function word in any language; they are left out of `minimum_texts`."""


def choose_language(configured: str | None, texts: Sequence[str]) -> tuple[Profile | None, LanguageGuess | None]:
    """The language of a corpus as far as it is known before any row is judged, and its profile where there is one.

    Args:
        configured: `data.language`, any code that the config check accepts; the texts are then not looked at.
        texts: all texts of the corpus.
    """
    guess = recognise(texts) if configured is None else _configured(configured)
    return (find_profile(guess.code) if guess else None), guess


def _configured(code: str) -> LanguageGuess | None:
    language = find_language(code)
    if language is None:
        return None
    evidence = f"data.language is {code}"
    return LanguageGuess(code=language.code, name=language.name, how="configured", evidence=evidence)


def recognise(texts: Sequence[str]) -> LanguageGuess | None:
    """Say which profile's language a corpus is written in, or None: an unknown language is unknown, never guessed.

    Looks at up to 500 texts spread evenly over `texts`, the first 2,000 characters of each.
    """
    step = max(1, len(texts) // _MOST_TEXTS)
    sample = [_WORD.findall(normalise(text[:_MOST_CHARACTERS], None)) for text in texts[::step][:_MOST_TEXTS]]
    for code in known_profiles():
        profile = load_profile(code)
        if evidence := _evidence(sample, profile):
            return LanguageGuess(code=profile.code, name=profile.name, how="recognised", evidence=evidence)
    return None


def _evidence(sample: list[list[str]], profile: Profile) -> str | None:
    asked = profile.recognition
    words = sum(map(len, sample))
    found = Counter(word for row in sample for word in row if word in asked.markers)
    long_enough = [row for row in sample if len(row) >= _FEWEST_WORDS]
    if words < asked.minimum_words or not long_enough:
        return None
    share = found.total() / words
    texts = sum(not asked.markers.isdisjoint(row) for row in long_enough) / len(long_enough)
    if share < asked.minimum_share or texts < asked.minimum_texts or len(found) < asked.minimum_distinct:
        return None
    shown = ", ".join(word for word, _ in found.most_common(5))
    return (
        f"{percent(share)} of {words:,} words are function words of {profile.name} ({shown}, …), "
        f"at least one in {percent(texts)} of the texts looked at"
    )
