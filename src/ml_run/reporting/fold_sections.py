"""The part of the report about a cross-validation: what each fold scored, and what followed for the final model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.reporting.document import Content, Loose, paragraph, table
from ml_run.wording import duration, score, with_interval

if TYPE_CHECKING:
    from ml_run.results import Folds


def fold_content(folds: Folds) -> list[Content]:
    """The scores of the folds, their mean and spread, and the interval of all rows together."""
    columns: list[Loose] = ["Fold", "Rows held out", "Best epoch", "Macro-F1", "Accuracy", "Time"]
    rows: list[list[Loose]] = [
        [
            str(run.fold),
            f"{run.rows:,}",
            "–" if run.best_epoch is None else f"{run.best_epoch:g}",
            score(run.macro_f1),
            score(run.accuracy),
            duration(run.seconds),
        ]
        for run in folds.runs
    ]
    rows.append(
        [
            "mean ± sd",
            "",
            "",
            f"{folds.macro_f1_mean:.3f} ± {folds.macro_f1_sd:.3f}",
            f"{folds.accuracy_mean:.3f} ± {folds.accuracy_sd:.3f}",
            "",
        ]
    )
    pooled = folds.pooled
    rows.append(
        ["all rows", f"{pooled.n:,}", "", with_interval(pooled.macro_f1), with_interval(pooled.accuracy), ""],
    )
    caption = f"Cross-validation over train and val: {len(folds.runs)} folds"
    return [paragraph(_said(folds)), table(caption, columns, rows, numeric="nnnnnn")]


def _said(folds: Folds) -> str:
    chosen = (
        "The folds chose their epochs by the rows they held out, which flatters them a little. The final model learnt "
        f"from all rows of train and val, for {epochs(folds)}, the median of the folds' best: its own scores on them "
        "would say nothing, and are not told."
        if folds.epochs is not None
        else "The setting was chosen on the validation split, whose rows are among those held out, which flatters the "
        "folds a little. The final model learnt from all rows of train and val."
    )
    return (
        "Each row of train and val was scored once, by a model that had learnt from the other folds; groups and copies "
        f"stay in one fold. {chosen} Two folds share most of what they learnt from, so their standard deviation is no "
        "interval; the 95 % interval is that of all rows together. The test split took no part."
    )


def epochs(folds: Folds) -> str:
    """For how many epochs the final model was trained."""
    return f"{folds.epochs} epoch{'' if folds.epochs == 1 else 's'}"
