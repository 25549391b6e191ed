"""Turns what the data stage measured into the profile's dated, sourced advice."""

from ml_run.languages.profiles import AdviceRule, Condition, Measurement, Profile
from ml_run.results import Advice, PreparedData

Measured = dict[Measurement, float]


def advise(profile: Profile, data: PreparedData) -> tuple[Advice, ...]:
    """The advice of `profile` whose conditions `data` meets, in the profile's order."""
    measured = measure(profile, data)
    return tuple(
        Advice(topic=rule.topic, text=_filled(rule, measured), source=rule.source, dated=rule.dated)
        for rule in profile.advice
        if all(_holds(condition, measured, data) for condition in rule.when)
    )


def measure(profile: Profile, data: PreparedData) -> Measured:
    """Take every measurement that `data` allows; one that is undefined is absent, and no condition on it holds.

    train_rows, test_rows: rows kept. smallest_test_class: fewest test rows of any label. imbalance: largest class of
    train over its smallest. median_words, p95_words: of the training texts. dialect_labels: labels that name a dialect.
    """
    train, test = data.splits.get("train"), data.splits.get("test")
    measured: Measured = {
        "dialect_labels": sum(label.strip().casefold() in profile.dialect_names for label in data.labels)
    }
    if train:
        measured["train_rows"] = train.rows
        measured["median_words"] = train.words.median
        measured["p95_words"] = train.words.p95
        if min(train.classes.values(), default=0):
            measured["imbalance"] = max(train.classes.values()) / min(train.classes.values())
    if test:
        measured["test_rows"] = test.rows
        measured["smallest_test_class"] = min(test.classes.values(), default=0)
    return measured


def _holds(condition: Condition, measured: Measured, data: PreparedData) -> bool:
    if condition.measure == "findings":
        value: float | None = sum(f.count for f in data.findings if f.rule in condition.rules)
    else:
        value = measured.get(condition.measure)
    if value is None:
        return False
    above = condition.at_least is None or value >= condition.at_least
    return above and (condition.at_most is None or value <= condition.at_most)


def _filled(rule: AdviceRule, measured: Measured) -> str:
    return rule.text.format_map({name: _shown(value) for name, value in measured.items()})


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
