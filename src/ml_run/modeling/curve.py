"""The training curve: read from the Trainer's log history, and the two decisions that depend on it. Pure."""

from collections.abc import Sequence
from typing import Any

from ml_run.results import EpochScores

EVALUATED = "eval_macro_f1"
"""Key that marks an entry of the log history as an evaluation."""
_DEAD_SPREAD = 1e-4  # measured, see docs/training.md: collapsed 3e-5 and less, alive 7e-3 and more
_FEWEST_ROWS = 10
_DECIDED_AT = 0.4  # share of all steps; before, the warm-up may still be shaking the network
_FEWEST_EVALUATIONS = 2


def read_curve(log_history: Sequence[dict[str, Any]]) -> tuple[EpochScores, ...]:
    """Return one row an epoch from what the Trainer logged, which a resumed run carries on from its checkpoint."""
    rows: list[EpochScores] = []
    losses: list[tuple[int, float]] = []
    for entry in log_history:
        if "loss" in entry:
            losses.append((entry["step"], entry["loss"]))
        elif EVALUATED in entry:
            rows.append(
                EpochScores(
                    epoch=round(entry["epoch"], 4),
                    step=entry["step"],
                    train_loss=_mean_loss(losses, rows[-1].step if rows else 0),
                    val_loss=entry["eval_log_loss"],
                    val_macro_f1=entry[EVALUATED],
                    val_accuracy=entry["eval_accuracy"],
                )
            )
            losses.clear()
    return tuple(rows)


def best_epoch(curve: Sequence[EpochScores]) -> EpochScores | None:
    """The row with the highest validation macro-F1, the first of several; None for an empty curve."""
    return max(curve, key=lambda row: row.val_macro_f1 or 0.0, default=None)


def patience_is_spent(curve: Sequence[EpochScores], patience: int) -> bool:
    """True when the last `patience` epochs brought no better macro-F1; never when `patience` is 0."""
    best = best_epoch(curve)
    if best is None or patience == 0:
        return False
    return sum(row.step > best.step for row in curve) >= patience


def is_dead(evaluation: dict[str, Any]) -> bool:
    """True when the network gave every row of an evaluation the same answer, to the fourth digit of its logits.

    A network that has not learnt yet may predict one class as well, but its logits still differ from row to row; in
    one whose weights were overrun by too large steps, nothing of the text arrives at the output any more.
    """
    return _says_one_class(evaluation) and bool(evaluation["eval_spread"] < _DEAD_SPREAD)


def has_collapsed(log_history: Sequence[dict[str, Any]], max_steps: int) -> bool:
    """True when the network is dead and never was of use, and enough of the training is over to say so."""
    evaluations = [entry for entry in log_history if EVALUATED in entry]
    if len(evaluations) < _FEWEST_EVALUATIONS or evaluations[-1]["step"] < _DECIDED_AT * max_steps:
        return False
    return is_dead(evaluations[-1]) and all(_says_one_class(entry) for entry in evaluations)


def _says_one_class(evaluation: dict[str, Any]) -> bool:
    predicted = evaluation.get("eval_predicted", [])
    return bool(sum(predicted) >= _FEWEST_ROWS and max(predicted) == sum(predicted))


def _mean_loss(losses: Sequence[tuple[int, float]], start: int) -> float | None:
    """Mean over steps of the (step, mean loss since the entry before) pairs, the first of which begins at `start`.

    Rounded to 4 digits: a resumed run adds the same float32 losses in other groups.
    """
    total, before = 0.0, start
    for step, loss in losses:
        total += loss * (step - before)
        before = step
    return round(total / (before - start), 4) if before > start else None
