"""One key of a new config with its reason, and what several of them are computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ml_run.config.data_checks import LIMITS
from ml_run.config.sections import DataConfig

if TYPE_CHECKING:
    from ml_run.starting.facts import Facts

FEWEST = int(LIMITS["class_too_small.rows"].default)
"""Rows of a class that train and test need."""
VAL_SHARE: float = DataConfig.model_fields["val_share"].default
TEST_SHARE: float = DataConfig.model_fields["test_share"].default


class Choice(NamedTuple):
    """One key of the config."""

    key: str
    """Dotted."""
    value: Any
    why: str
    """The evidence, in a line or two: for the screen and the file."""
    more: str = ""
    """What the file says besides."""


def smallest_class(facts: Facts) -> tuple[str, int]:
    """The rarest label of the training file, and its rows."""
    sizes = facts.class_sizes("train")
    label = min(sizes, key=lambda name: (sizes[name], name))
    return label, sizes[label]


def largest_class(facts: Facts, split: str) -> tuple[str, int]:
    """The most frequent label of a file, and its rows."""
    sizes = facts.class_sizes(split)
    label = max(sizes, key=lambda name: (sizes[name], name))
    return label, sizes[label]


def kept_share(facts: Facts, share: float | None) -> float:
    """Share of the rows of the training file that is left to train on.

    Args:
        facts: says whether there is a validation file.
        share: what is taken for the test; None where there is a test file.
    """
    return 1 - (share or 0) - (0 if "val" in facts.rows else VAL_SHARE)
