"""One model judged on one set of rows, beside others: the same for a run of ours and for predictions from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.evaluation.comparing import compare
from ml_run.evaluation.mistakes import find_mistakes
from ml_run.evaluation.slices import score_slices
from ml_run.evaluation.slicing import Traits
from ml_run.evaluation.trust import calibration_of, risk_coverage_of
from ml_run.modeling.scores import score_predictions
from ml_run.results import Evaluation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.evaluation.predictions import Predictions
    from ml_run.evaluation.train_copies import Copy
    from ml_run.results import Look, ModelScores
    from ml_run.splits import SplitRows


@dataclass(frozen=True)
class Other:
    """A model that the candidate is compared with."""

    predictions: Predictions
    known: NDArray[np.bool_] | None = None
    """[n], true where it was trained on the row; None: nowhere."""
    is_candidate: bool = False
    """It is the candidate itself, so that no other rows could tell them apart."""


_NOTHING = Traits()


def judge(
    rows: SplitRows,
    labels: tuple[str, ...],
    candidate: Predictions,
    others: list[Other],
    *,
    seed: int,
    copies: Mapping[int, Sequence[Copy]] | None = None,
    traits: Traits = _NOTHING,
    temperature: float | None = None,
    look: Look | None = None,
) -> Evaluation:
    """Score the candidate and the others on the same rows, and compare them.

    Args:
        rows: the n test rows.
        labels: the k labels.
        candidate: what the model to be judged says of the rows.
        others: what others say of them. The one named `production` is the model in production; the rest, baselines.
        seed: of all resampling.
        copies: of test rows that have any in the training data, by row.
        traits: what else is known of the rows, for the slices.
        temperature: that is in the candidate's probabilities; None: none is, or it is not known.
        look: which look at these rows it is; None: looks are not counted.

    Returns:
        An evaluation that knows predictions only: no latency, no version, no digest.
    """

    def scores(predictions: Predictions) -> ModelScores:
        return _scores(predictions, rows, labels, seed)

    baselines = [other.predictions for other in others if other.predictions.name != "production"]
    production = [other.predictions for other in others if other.predictions.name == "production"]
    return Evaluation(
        labels=labels,
        n=len(rows),
        candidate=scores(candidate),
        baselines=tuple(scores(baseline) for baseline in baselines),
        production=scores(production[0]) if production else None,
        production_version=None,
        comparisons=tuple(
            compare(
                candidate,
                o.predictions,
                rows.label_ids,
                labels,
                known_to_other=o.known,
                is_same=o.is_candidate,
                look=look,
                seed=seed,
            )
            for o in others
        ),
        latency_ms_p50=None,
        latency_ms_p95=None,
        candidate_without_leaks=_without_leaks(candidate, rows, labels, seed),
        look=look,
        calibration=calibration_of(candidate, rows.label_ids, temperature),
        risk_coverage=risk_coverage_of(candidate, rows.label_ids),
        slices=score_slices(rows, candidate, len(labels), seed=seed, traits=traits),
        mistakes=find_mistakes(rows, labels, candidate, [other.predictions for other in others], copies),
    )


def _scores(predictions: Predictions, rows: SplitRows, labels: tuple[str, ...], seed: int) -> ModelScores:
    return score_predictions(
        predictions.name, predictions.ids, predictions.probabilities, rows.label_ids, labels, seed=seed
    )


def _without_leaks(candidate: Predictions, rows: SplitRows, labels: tuple[str, ...], seed: int) -> ModelScores | None:
    """The scores on the rows that have no copy, exact or near, in train; None where no row has one."""
    import numpy as np

    clean = ~np.array(rows.leaked, bool)
    if clean.all():
        return None
    true = list(np.asarray(rows.label_ids)[clean])
    subset = candidate.subset(clean)
    return score_predictions(subset.name, subset.ids, subset.probabilities, true, labels, seed=seed)
