"""What the config says, key by key, each with why it has this value for this data. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ml_run.starting.choice import FEWEST, Choice, kept_share, smallest_class
from ml_run.starting.data_keys import data_keys, share_for_test
from ml_run.starting.gate_keys import gate_keys
from ml_run.starting.model_keys import model_keys
from ml_run.starting.training_keys import training_keys
from ml_run.wording import listed, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.starting.base_models import BaseChoice
    from ml_run.starting.facts import Facts
    from ml_run.starting.fields import Roles


class Choices(NamedTuple):
    """All keys of the config, in its order, and what a person should know besides."""

    keys: tuple[Choice, ...]
    warnings: tuple[str, ...]


def choose(paths: dict[str, tuple[str, str]], roles: Roles, facts: Facts, base: BaseChoice) -> Choices:
    """Decide on every key.

    Args:
        paths: by split, train first: the path as the config names it, and why it is that split.
        roles: which field is what.
        facts: what was measured.
        base: the model to begin with.
    """
    share = share_for_test(facts)
    keys = (
        *data_keys(paths, roles, facts, share),
        *model_keys(facts, base),
        *training_keys(facts, share),
        *gate_keys(facts, share),
    )
    return Choices(keys, tuple(_warnings(facts, share)))


def _warnings(facts: Facts, share: float | None) -> Iterator[str]:
    yield from facts.notes
    for split in facts.rows:
        if unseen := [name for name in facts.labels if facts.counts[split][name] and not facts.counts["train"][name]]:
            yield f"{split} has rows of {listed(unseen)}, train has none: a run would not start"
    if share is None:
        yield from _few_rows(facts)
        return
    label, rows = smallest_class(facts)
    if min(round(share * rows), rows * kept_share(facts, share)) < FEWEST:
        yield (
            f"{label} has {number_of(rows, 'row')}, too few to give train and test {FEWEST} each: a run would not "
            "start; label more, or join it with another class in data.label_map"
        )


def _few_rows(facts: Facts) -> Iterator[str]:
    few = [
        f"{label} {facts.counts[split][label]} in {split}"
        for split in ("train", "test")
        for label in facts.class_sizes("train")
        if facts.counts[split][label] < FEWEST
    ]
    if few:
        yield f"fewer than {FEWEST} rows of a class ({', '.join(few)}): a run would not start; label more"
