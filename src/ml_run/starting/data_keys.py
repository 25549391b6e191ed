"""The section `data` of a new config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.starting.choice import FEWEST, TEST_SHARE, Choice, kept_share, largest_class, smallest_class
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_run.starting.facts import Facts
    from ml_run.starting.fields import Roles

_TEST_SHARES = (TEST_SHARE, 0.25, 0.3, 0.35, 0.4)


def data_keys(paths: dict[str, tuple[str, str]], roles: Roles, facts: Facts, share: float | None) -> Iterator[Choice]:
    """The keys of the section; `share` is what `share_for_test` said, the rest as for `choices.choose`."""
    for split, (path, why) in paths.items():
        yield Choice(f"data.{split}_path", path, f"{number_of(facts.rows[split], 'row')}; {why}")
    text = roles.text.names
    yield Choice("data.text_field", text[0] if len(text) == 1 else text, roles.text.why)
    yield Choice("data.label_field", roles.label.names[0], roles.label.why, _sizes(facts))
    if roles.group:
        yield Choice("data.group_field", roles.group.names[0], f"{roles.group.why}: a group is never divided")
    if facts.language:
        yield Choice("data.language", facts.language, f"{facts.language_name}: {facts.language_why}")
    if share not in {None, TEST_SHARE}:
        label, rows = smallest_class(facts)
        why = f"{label} has {number_of(rows, 'row')}, and a class needs {FEWEST} in test to be judged"
        yield Choice("data.test_share", share, why)


def _sizes(facts: Facts) -> str:
    fewest, most = smallest_class(facts)[1], largest_class(facts, "train")[1]
    return f"{fewest:,} to {number_of(most, 'training row')} each" if fewest < most else f"{most:,} training rows each"


def share_for_test(facts: Facts) -> float | None:
    """The share of rows to test on; None where there is a test file.

    The usual one, or the smallest that gives every class its test rows, where one does and leaves enough to train on.
    """
    if "test" in facts.rows:
        return None
    _, rows = smallest_class(facts)
    share = next((share for share in _TEST_SHARES if round(share * rows) >= FEWEST), TEST_SHARE)
    return share if rows * kept_share(facts, share) >= FEWEST else TEST_SHARE
