"""Which language the rows are held against: what the config says, a profile recognises or the rows have in common."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ml_run.config.language_codes import Language, find_language, languages
from ml_run.quality.identifiers import is_long_enough, read_py3langid, read_pycld2
from ml_run.quality.rows import Row
from ml_run.results import LanguageGuess
from ml_run.wording import percent

_MOST_ROWS = 1000
_MOST_CHARACTERS = 500
"""Looked at of each text."""
_FEWEST_ROWS = 20
_MAJORITY = 0.8


@dataclass(frozen=True, slots=True)
class Expectation:
    """A language, and why it is expected."""

    language: Language | None
    how: str


def expected_language(guess: LanguageGuess | None, rows: Sequence[Row]) -> Expectation:
    """The language that rows should be in; None where nothing says it.

    Args:
        guess: what the config or a profile's function words say.
        rows: of train; where there is no guess, the language that both identifiers see in 80 % of up to 1,000 of
            them, spread evenly, is expected. So a language that neither knows is only ever held against itself.
    """
    if guess is None:
        return _majority(rows)
    return Expectation(find_language(guess.code), guess.evidence)


def _majority(rows: Sequence[Row]) -> Expectation:
    step = max(1, len(rows) // _MOST_ROWS)
    texts = [row.text[:_MOST_CHARACTERS] for row in rows[::step][:_MOST_ROWS] if is_long_enough(row.text)]
    if len(texts) < _FEWEST_ROWS:
        return Expectation(None, "data.language is not set, and too few rows are long enough to tell it from them")
    first = [read_pycld2(text).code for text in texts]
    code, count = Counter(first).most_common(1)[0]
    if code is not None and count / len(texts) >= _MAJORITY:
        pairs = zip(texts, first, strict=True)
        count = sum(one == code and read_py3langid(text).code == code for text, one in pairs)
        if count / len(texts) >= _MAJORITY:
            share = f"{percent(count / len(texts))} of {len(texts):,} training rows"
            name = languages()[code].name
            return Expectation(languages()[code], f"taken from the rows: both identifiers take {share} for {name}")
    return Expectation(
        None,
        f"data.language is not set, and the identifiers do not agree on one language for {percent(_MAJORITY)} of rows",
    )
