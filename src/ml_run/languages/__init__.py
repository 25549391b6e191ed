"""Language profiles: what is known of a language, as data with sources, and the little code that applies it.

One YAML file a language. A profile folds spelling variants for comparison, lets the language of a corpus be recognised
and turns what the data stage measured into dated, sourced advice.
"""

from ml_run.languages.advising import advise
from ml_run.languages.folding import normalise
from ml_run.languages.profiles import AdviceRule, Condition, Profile, find_profile, load_profile
from ml_run.languages.recognition import choose_language, recognise

__all__ = [
    "AdviceRule",
    "Condition",
    "Profile",
    "advise",
    "choose_language",
    "find_profile",
    "load_profile",
    "normalise",
    "recognise",
]
