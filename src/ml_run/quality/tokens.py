"""The rows as the model will see them: tokens a word, unknown tokens, and what `model.max_length` cuts off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.config.names import LINEAR
from ml_run.errors import UsageError
from ml_run.quality.max_length import advise_length, histogram
from ml_run.quality.rows import sighting
from ml_run.quality.rules import finding
from ml_run.quality.token_counts import Counted, Reader, count_tokens, load_reader
from ml_run.quality.truncation import Ablation, ablate, sample_rows
from ml_run.results import Lengths, TokenCheck, TokenStats
from ml_run.wording import number_of, percent, score, signed

if TYPE_CHECKING:
    from ml_run.config import Config
    from ml_run.quality.rows import Row, Splits
    from ml_run.quality.rules import Checks
    from ml_run.results import Finding, Severity

_RULES = ("unknown_tokens", "tokens_per_word", "truncation")
_MOST_ROWS = 20_000
_MOST_CHARACTERS = 10_000_000
"""Of a split; beyond them a sample is looked at."""
# Thai, Lao, Tibetan, Burmese, Khmer, Japanese, Chinese: written without blanks between words.
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_MOSTLY = 0.2
_LOOKED_AT = 200
_MADE_UP = 0.5


@dataclass(frozen=True)
class TokenResult:
    """What `check_tokens` found."""

    findings: list[Finding]
    check: TokenCheck | None
    """None where no tokens were counted."""


def check_tokens(splits: Splits, config: Config, checks: Checks) -> TokenResult:
    """Count tokens with the tokenizer that training will use.

    At most 20,000 rows or 10 million characters of a split are looked at, drawn with `training.seed`; findings say so.
    Never fails for want of a tokenizer: that is the finding `tokens_not_checked`. A linear model has no tokens.

    Args:
        splits: rows by split.
        config: its `model` section names the tokenizer and `max_length`.
        checks: nothing is loaded when all rules on tokens are off.
    """
    if config.model.name == LINEAR or not checks.wants(*_RULES) or not splits.get("train"):
        return TokenResult([], None)
    seed, longest = config.training.seed, config.model.max_length
    some = {name: sample_rows(rows, _MOST_ROWS, _MOST_CHARACTERS, seed) for name, rows in splits.items()}
    try:
        reader = load_reader(config.model, some["train"])
    except UsageError as error:
        message = f"tokens were not counted: {error.found}"
        return TokenResult([finding("tokens_not_checked", "info", message, count=1)], None)
    counted = {name: count_tokens(reader, rows, name) for name, rows in some.items()}
    train = counted["train"]
    ablation = _ablation(splits, train, reader, longest, checks, seed)
    stats = tuple(_stats(name, rows, reader, longest) for name, rows in counted.items())
    counts, edges = histogram(train.lengths, longest)
    check = TokenCheck(
        tokenizer=reader.name,
        max_length=longest,
        splits=stats,
        classes=tuple(_stats(label, rows, reader, longest) for label, rows in train.by_label().items()),
        histogram=counts,
        edges=edges,
        ablation=ablation.points if ablation else (),
        advice=advise_length(train.lengths, longest, reader, ablation, checks.limit("truncation.standard_errors")),
    )
    scope = _scope(splits, some)
    found = [
        _unknown_finding(counted, reader, scope, checks),
        _fertility_finding(stats[list(counted).index("train")], train, reader, scope, checks),
        _cut_finding(train, check, ablation, scope, checks),
    ]
    return TokenResult([one for one in found if one is not None], check)


def _stats(name: str, counted: Counted, reader: Reader, longest: int) -> TokenStats:
    import numpy as np

    lengths = counted.lengths if len(counted.lengths) else np.zeros(1, int)
    pieces = max(int(counted.lengths.sum()) - reader.special * len(counted.rows), 0)
    return TokenStats(
        name=name,
        rows=len(counted.rows),
        tokens=Lengths(
            minimum=float(lengths.min()),
            median=float(np.median(lengths)),
            mean=float(lengths.mean()),
            p95=float(np.percentile(lengths, 95)),
            maximum=float(lengths.max()),
        ),
        tokens_per_word=pieces / max(int(counted.words.sum()), 1),
        unknown=int(counted.unknown.sum()) / max(pieces, 1),
        cut=float((lengths > longest).mean()),
        lost=float(np.maximum(lengths - longest, 0).sum() / max(lengths.sum(), 1)),
    )


def _ablation(
    splits: Splits, train: Counted, reader: Reader, longest: int, checks: Checks, seed: int
) -> Ablation | None:
    """What the cut costs a linear model; None where too little is cut, or words cannot be told apart."""
    cut = float((train.lengths > longest).mean())
    if not checks.wants("truncation") or cut <= checks.limit("truncation.cut") or _no_words(train.rows):
        return None
    long = train.lengths > longest
    pieces = train.lengths[long].sum() - reader.special * long.sum()
    covered = int((longest - reader.special) * train.words[long].sum() / max(pieces, 1))
    return ablate(splits["train"], splits.get("val", []), max(covered, 1), seed=seed)


def _no_words(rows: list[Row]) -> bool:
    texts = "".join(row.text for row in rows[:_LOOKED_AT])
    return len(_WITHOUT_BLANKS.findall(texts)) > _MOSTLY * len(texts)


# --- findings -------------------------------------------------------------------------------------------------------


def _scope(splits: Splits, some: Splits) -> str:
    """Said behind a number that comes from a sample; empty when all rows were looked at."""
    rows = sum(map(len, some.values()))
    return "" if rows == sum(map(len, splits.values())) else f" (in a sample of {number_of(rows, 'row')})"


def _unknown_finding(counted: dict[str, Counted], reader: Reader, scope: str, checks: Checks) -> Finding | None:
    rows = sum(len(part.rows) for part in counted.values())
    unknown = sum(int(part.unknown.sum()) for part in counted.values())
    pieces = sum(int(part.lengths.sum()) for part in counted.values()) - reader.special * rows
    share = unknown / max(pieces, 1)
    if share <= checks.limit("unknown_tokens.warning_above"):
        return None
    met = [(row, lost) for part in counted.values() for row, lost in zip(part.rows, part.unknown, strict=True) if lost]
    worst = (sighting(row) for row, _ in sorted(met, key=lambda pair: -pair[1]))
    said = f"{percent(share)} of the tokens are unknown to the tokenizer of {reader.name}"
    message = f"{said}, in {number_of(len(met), 'row')}{scope}"
    missing = "see that the tokenizer's files are there: training refuses a tokenizer that knows less than half"
    remedy = missing if share > _MADE_UP else None
    return finding("unknown_tokens", "warning", message, worst, count=len(met), total=rows, remedy=remedy)


def _fertility_finding(
    train: TokenStats, counted: Counted, reader: Reader, scope: str, checks: Checks
) -> Finding | None:
    limit = checks.limit("tokens_per_word.tokens")
    if train.tokens_per_word <= limit or not reader.made_for_words or _no_words(counted.rows):
        return None
    message = (
        f"the tokenizer of {reader.name} cuts a word into {train.tokens_per_word:.1f} tokens on average{scope}: "
        "it hardly knows this language"
    )
    return finding("tokens_per_word", "warning", message, count=train.rows)


def _cut_finding(
    train: Counted, check: TokenCheck, ablation: Ablation | None, scope: str, checks: Checks
) -> Finding | None:
    long = [(row, n) for row, n in zip(train.rows, train.lengths, strict=True) if n > check.max_length]
    if not long:
        return None
    stats = next(stats for stats in check.splits if stats.name == "train")
    message = (
        f"{percent(stats.cut)} of the training texts are longer than model.max_length {check.max_length}, which cuts "
        f"off {percent(stats.lost)} of all tokens{scope}"
    )
    costs = ablation is not None and ablation.costs(checks.limit("truncation.standard_errors"))
    if ablation is not None:
        part, whole = (score(ablation.point(words).macro_f1) for words in (ablation.covered, None))
        verdict = "loses by it" if costs else "does not clearly lose by it"
        message += (
            f"; a linear model {verdict}: macro-F1 {part} on the first {ablation.covered} words, {whole} on all "
            f"(difference {signed(ablation.loss)}, standard error {score(ablation.error)})"
        )
    longest = (sighting(row) for row, _ in sorted(long, key=lambda pair: -pair[1]))
    severity: Severity = "warning" if costs else "info"
    return finding(
        "truncation", severity, message, longest, count=len(long), total=len(train.rows), remedy=check.advice
    )
