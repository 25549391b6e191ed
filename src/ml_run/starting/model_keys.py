"""The section `model` of a new config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.starting.choice import Choice
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.starting.base_models import BaseChoice
    from ml_run.starting.facts import Facts

TOKENS_A_WORD = {"so": 1.83, "om": 2.74, "en": 1.39}
"""XLM-R's tokenizer: Somali and English on FLORES, Oromo on MasakhaNEWS."""
USUAL_TOKENS_A_WORD = 2.0
_TOKENS_A_CHARACTER = 0.7
"""Of scripts that put no blanks between words."""
_CHARACTERS_A_WORD = 30
"""Above it, words are not what blanks divide."""
_LENGTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
_LONGEST, _ENOUGH = 512, 256
_SPECIAL_TOKENS = 2


def model_keys(facts: Facts, base: BaseChoice) -> Iterator[Choice]:
    """The keys of the section."""
    yield Choice("model.name", base.name, base.why, base.more)
    yield Choice(
        "model.num_labels", len(facts.labels), "what the label field holds; each run checks that it still does"
    )
    length, why, more = max_length(facts)
    unused = "for a fine-tuned model, not for the linear one: " if base.linear else ""
    yield Choice("model.max_length", length, unused + why, more)


def max_length(facts: Facts) -> tuple[int, str, str]:
    """Tokens to read of a text, and why: what 95 % of the texts have, as far as an encoder can read so many."""
    tokens, measured, estimate = tokens_of_most(facts)
    if tokens <= _LONGEST:
        return next(length for length in _LENGTHS if length >= tokens), measured, estimate
    more = f"{_ENOUGH} take half the time of {_LONGEST}, and of news the first 64 to 128 words are enough: check-data "
    return _ENOUGH, f"{measured}, and such models read {_LONGEST}", f"{estimate}; {more}measures what the cut costs"


def tokens_of_most(facts: Facts) -> tuple[int, str, str]:
    """Tokens that 95 % of the training texts have at most, what was measured, and how they were estimated from it."""
    median, most = facts.words
    if facts.characters[0] > _CHARACTERS_A_WORD * max(median, 1):
        tokens = round(facts.characters[1] * _TOKENS_A_CHARACTER) + _SPECIAL_TOKENS
        measured = f"95 % of the texts have up to {facts.characters[1]:,} characters, about {tokens:,} tokens"
        return tokens, measured, "7 tokens for 10 characters, in a script without blanks"
    known = TOKENS_A_WORD.get(facts.language or "")
    rate = known or USUAL_TOKENS_A_WORD
    source = f"as XLM-R cuts {facts.language_name}" if known else "as of languages that XLM-R saw little of"
    tokens = round(most * rate) + _SPECIAL_TOKENS
    words = number_of(most, "word")
    measured = f"95 % of the texts have up to {words}, about {tokens:,} tokens"
    return tokens, measured, f"{rate:g} tokens a word, {source}"
