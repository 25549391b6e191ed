"""The section `deployment` of a new config: what a model must reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.starting.choice import Choice, largest_class
from ml_run.wording import number_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.starting.facts import Facts

ACCURACY, MACRO_F1 = 0.85, 0.82
"""The production gate of the Somali dialect project, which ml-run was first made for; for research: .75 and .70."""


def gate_keys(facts: Facts, share: float | None) -> Iterator[Choice]:
    """The keys of the section; `share` of the training file is taken for the test, None where there is a test file."""
    from ml_run.statistics import wilson

    split = "test" if share is None else "train"
    rows = round(facts.rows[split] * (share or 1))
    label, size = largest_class(facts, split)
    seen = wilson(round(ACCURACY * rows), rows)
    between = "" if seen.low is None or seen.high is None else f" means {seen.low:.2f} to {seen.high:.2f}"
    yield Choice(
        "deployment.auto_deploy",
        False,
        "look at the first verdict yourself, then: ml-run deploy ID; true deploys whatever passes",
    )
    yield Choice(
        "deployment.min_accuracy",
        ACCURACY,
        f"a proposal: set what you need before you see a score. Measured on {number_of(rows, 'test row')} it{between}; "
        f"calling everything {label} gives {percent(size / facts.rows[split])}",
        "it is the production gate of the project that ml-run was first made for (its research gate: 0.75)",
    )
    yield Choice(
        "deployment.min_f1",
        MACRO_F1,
        "macro-F1, in which every class counts the same; of the same project's gate (research: 0.70)",
    )
