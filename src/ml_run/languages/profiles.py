"""The language profile as a frozen record, and reading it from its YAML file.

A faulty profile fails when it is loaded: conditions are a closed set of measurements and bounds, and the only
placeholders an advice text may hold are the measurements its own conditions look at.
"""

from functools import cache
from importlib.resources import files as package_files
from string import Formatter
from typing import Literal

import yaml
from pydantic import Field, model_validator

from ml_run.config.language_codes import find_language
from ml_run.config.names import known_profiles
from ml_run.errors import UsageError
from ml_run.results import Record

Measurement = Literal[
    "train_rows",
    "test_rows",
    "smallest_test_class",
    "imbalance",
    "median_words",
    "p95_words",
    "dialect_labels",
    "findings",
]
"""What a condition may look at; `advising.measure` says how each is taken."""


class Condition(Record):
    """One bound on one measurement, inclusive: at least, at most or both."""

    measure: Measurement
    at_least: float | None = None
    at_most: float | None = None
    rules: tuple[str, ...] = ()
    """For `findings` alone: the data checks whose findings are counted."""

    @model_validator(mode="after")
    def _complete(self) -> "Condition":
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the condition on {self.measure} has no bound: give at_least or at_most")
        if (self.measure == "findings") != bool(self.rules):
            raise ValueError("`rules` belongs to the measure `findings`, which cannot do without")
        return self


class AdviceRule(Record):
    """One piece of guidance, when it applies and who says so."""

    topic: str
    """Stable name; the skill `lrl-nlp-techniques` has a section of that name."""
    when: tuple[Condition, ...] = ()
    """All must hold; none: the advice always applies."""
    text: str
    """May hold the rule's own measurements in braces, e.g. `{test_rows}`."""
    source: str
    dated: str = Field(pattern=r"^\d{4}-\d{2}$")

    @model_validator(mode="after")
    def _known_placeholders(self) -> "AdviceRule":
        measured = {condition.measure for condition in self.when} - {"findings"}
        for _, name, form, conversion in Formatter().parse(self.text):
            if name is not None and (name not in measured or form or conversion):
                raise ValueError(f"{{{name}}} in the text is not a measurement that its conditions look at")
        return self


class Recognition(Record):
    """What tells a corpus of this language from one of any other; thresholds are measured, see the YAML file."""

    markers: frozenset[str]
    """Frequent function words that other languages lack, casefolded."""
    minimum_words: int
    """Words below which nothing is said."""
    minimum_share: float
    """Share of all words that must be markers."""
    minimum_distinct: int
    """Different markers that must occur."""
    minimum_texts: float
    """Share of texts that must hold a marker, so that a mixed corpus is not taken for one of this language."""


class Profile(Record):
    """What is known of one language."""

    code: str
    """ISO 639-1 code where there is one; the name of the YAML file."""
    iso639_3: str
    name: str
    scripts: tuple[str, ...]
    """ISO 15924 codes of the scripts it is written in."""
    apostrophes: tuple[str, ...]
    """Characters that stand for an apostrophe and are folded to ' for comparison."""
    dialect_names: frozenset[str] = frozenset()
    """Casefolded labels that name a dialect of the language."""
    recognition: Recognition
    advice: tuple[AdviceRule, ...]


@cache
def load_profile(code: str) -> Profile:
    """Read one profile.

    Raises:
        UsageError: there is no profile of this code; lists those there are.
    """
    known = known_profiles()
    if code not in known:
        raise UsageError(
            f"there is no language profile {code!r}",
            where="data.language",
            remedy=f"use one of: {', '.join(known)}; or leave the key out: the profile only adds advice "
            "and folds spelling variants, every language can be run without one",
        )
    text = (package_files(__package__) / f"{code}.yaml").read_text("utf-8")
    return Profile.model_validate(yaml.safe_load(text))


def find_profile(code: str) -> Profile | None:
    """The profile of the language that `code` names in any form (`so`, `som`, `so-SO`), None when it has none."""
    language = find_language(code)
    return load_profile(language.code) if language and language.code in known_profiles() else None
