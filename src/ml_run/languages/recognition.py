"""Recognising the language of a corpus by its function words; silent when in doubt."""

import re
from collections import Counter
from collections.abc import Sequence

from ml_run.config.names import known_profiles
from ml_run.languages.folding import normalise
from ml_run.languages.profiles import Profile, load_profile
from ml_run.results import LanguageGuess
from ml_run.wording import percent

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_MOST_TEXTS = 500
_MOST_CHARACTERS = 2000
_FEWEST_WORDS = 5
"""Texts shorter than this may well lack a function word in any language; they are left out of `minimum_texts`."""


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
