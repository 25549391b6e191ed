"""The candidate on a source that it never saw, beside its score on the test rows of the sources that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.evaluation.predictions import predict
from ml_run.evaluation.slices import among_occurring
from ml_run.modeling.scores import score_predictions
from ml_run.results import Estimate, HeldOutScores
from ml_run.splits import HOLDOUT, read_split
from ml_run.statistics.unpaired import proportion_difference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.config import Config
    from ml_run.evaluation.predictions import Predictions
    from ml_run.experiment import Experiment
    from ml_run.modeling.scoring import Scorer
    from ml_run.results import ModelScores
    from ml_run.splits import SplitRows


def score_holdout(
    config: Config,
    experiment: Experiment,
    labels: tuple[str, ...],
    test: SplitRows,
    candidate: Predictions,
    scorer: Scorer,
    *,
    seed: int,
) -> HeldOutScores | None:
    """Score the candidate on all rows of `evaluation.holdout_group`, none of which it was trained on.

    Args:
        config: names the source.
        experiment: holds its rows that were taken out of train and val.
        labels: the k labels.
        test: the test rows; those of the source are among the rows scored, unless train has a copy of them.
        candidate: what the model says of the test rows.
        scorer: the model.
        seed: of the intervals' resampling.

    Returns:
        None where no source is held out, or train has a copy of each of its rows.
    """
    import numpy as np

    group = config.evaluation.holdout_group
    if group is None:
        return None
    held_out = read_split(experiment.split(HOLDOUT))
    of_test = np.asarray(test.label_ids, int)
    inside = np.array([one == group for one in test.groups], bool)
    seen = np.array(test.leaked, bool) & (config.data.leaks == "keep")  # or else their copies were dropped
    said = predict(scorer, "candidate", held_out.texts, labels)
    true = np.concatenate([np.asarray(held_out.label_ids, int), of_test[inside & ~seen]])
    if not len(true):
        return None
    scores = _scores(np.concatenate([said.ids, candidate.ids[inside & ~seen]]), true, labels, seed)
    same = ~inside & np.isin(of_test, true)
    comparable = set(of_test[same].tolist()) == set(true.tolist())
    elsewhere = _scores(candidate.ids[same], of_test[same], labels, seed) if comparable else None
    return HeldOutScores(group=group, scores=scores, elsewhere=elsewhere, difference=_difference(scores, elsewhere))


def _scores(ids: NDArray[np.int64], true: NDArray[np.int64], labels: tuple[str, ...], seed: int) -> ModelScores:
    """Over the classes that occur; a prediction of another label is wrong, and of no class."""
    classes, y, said = among_occurring(true, ids, len(labels))
    return score_predictions("candidate", said, None, y.tolist(), tuple(labels[c] for c in classes), seed=seed)


def _difference(here: ModelScores, there: ModelScores | None) -> Estimate:
    if there is None:
        return Estimate(value=None)
    return proportion_difference(_hits(here), here.n, _hits(there), there.n)


def _hits(scores: ModelScores) -> int:
    return sum(line[number] for number, line in enumerate(scores.confusion))
