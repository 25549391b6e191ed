"""How numbers and sentences are written for people: one way on the terminal, in findings, errors and reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_run.results import Estimate

UNDEFINED = "undefined"
_NAME = re.compile(r"\w+[._]\w")


def score(value: float | None) -> str:
    """A score with three decimals; `undefined` for None."""
    return UNDEFINED if value is None else f"{value:.3f}"


def interval(estimate: Estimate) -> str:
    """The 95 % interval, e.g. `[0.801, 0.879]`; a dash when there is none."""
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"[{estimate.low:.3f}, {estimate.high:.3f}]"


def with_interval(estimate: Estimate) -> str:
    """Value and interval, e.g. `0.842 [0.801, 0.879]`."""
    has_interval = estimate.low is not None and estimate.high is not None
    return f"{score(estimate.value)} {interval(estimate)}" if has_interval else score(estimate.value)


def short_estimate(estimate: Estimate) -> str:
    """Value and interval with two decimals, for charts: `0.84 [0.80–0.88]`."""
    if estimate.value is None:
        return UNDEFINED
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}–{estimate.high:.2f}]"


def signed(value: float | None) -> str:
    """A difference with its sign, e.g. `+0.012` or `−0.020`; `undefined` for None."""
    # + 0.0 makes a zero of the negative zero.
    return UNDEFINED if value is None else f"{value + 0.0:+.3f}".replace("-", "−")


def signed_with_interval(estimate: Estimate) -> str:
    """A difference and its interval, e.g. `+0.012 [−0.020, +0.044]`."""
    if estimate.low is None or estimate.high is None:
        return signed(estimate.value)
    return f"{signed(estimate.value)} [{signed(estimate.low)}, {signed(estimate.high)}]"


def percent(share: float | None) -> str:
    """A share as per cent, e.g. `84.2 %`; `undefined` for None."""
    return UNDEFINED if share is None else f"{100 * share:.1f} %"


def number_of(number: int, noun: str) -> str:
    """A number with its noun, e.g. `1 row`, `1,021 rows`, `2 classes`."""
    plural = noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as a list in a sentence: `a, b and c`."""
    *head, tail = words
    return f"{', '.join(head)} {last} {tail}" if head else tail


def duration(seconds: float) -> str:
    """A time in the two largest units: `3.4 s`, `1 min 20 s`, `2 h 5 min`."""
    if seconds < 60:  # noqa: PLR2004 -- seconds in a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def sentence(text: str) -> str:
    """`text` with a capital at its start and a full stop at its end."""
    stripped = text.strip()
    if not stripped:
        return ""
    # A name such as macro_f1 or data.language keeps its small letter.
    first = stripped if _NAME.match(stripped) else stripped[0].upper() + stripped[1:]
    return first if first[-1] in ".!?…" else first + "."
