"""How much a score owes to knowing the source of a text: linear models that saw a source beside ones that did not.

A text's source often gives its class away: its topic, its spelling, its encoding. A model that has learnt the source
scores well on rows of the same sources and fails on a new one. The candidate is too dear to be trained once a source,
so the linear model stands in for it: what it owes to sources, another model can owe them too.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from ml_run import statistics
from ml_run.evaluation.slices import FEWEST_ROWS, among_occurring
from ml_run.events import emit
from ml_run.modeling.folds import assign
from ml_run.modeling.linear_tuning import Setting, fewest_rows, fit_svm
from ml_run.modeling.ngrams import learn_vocabulary
from ml_run.quality.fold_units import fold_units
from ml_run.results import SPLITS, Estimate, SourceDependence, SourceScores
from ml_run.splits import HOLDOUT, read_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.results import PreparedData
    from ml_run.splits import SplitRows

FOLDS = 3
MOST_SOURCES = 8
_FEWEST_ELSEWHERE = 5
"""Rows of a class that other sources must have: what nothing was learnt of is no question of sources."""
_BUDGET = 300_000
"""Rows times classes of all fits together: eight seconds at the 27 microseconds measured on MasakhaNEWS Somali."""
_FEWEST_SAMPLED = 1_000
_SETTING = Setting()


@dataclass(frozen=True)
class _Task:
    """The rows that can be learnt from and asked about."""

    features: csr_matrix
    """[n, terms]"""
    ids: NDArray[np.int64]
    groups: NDArray[np.object_]
    units: NDArray[np.int64]
    k: int
    seed: int

    def predict(self, learnt: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
        """Label ids of the rows `asked`, by a linear model of the rows `learnt`."""
        import numpy as np

        classes = np.unique(self.ids[learnt])
        if len(classes) == 1:
            return np.full(len(asked), classes[0])
        weights, offsets = fit_svm(self.features[learnt], self.ids[learnt].tolist(), self.k, _SETTING, self.seed)
        found: NDArray[np.int64] = np.asarray(self.features[asked] @ weights.T + offsets).argmax(1)
        return found


@dataclass(frozen=True)
class _Source:
    """A source that can be asked about."""

    name: str
    inside: NDArray[np.int64]
    """Its rows."""
    outside: NDArray[np.int64]
    """Rows of other sources that say nothing its rows say."""
    judged: NDArray[np.int64]
    """Of `inside`, those of classes that other sources have too."""


def measure_sources(
    config: Config, experiment: Experiment, data: PreparedData, *, seed: int
) -> SourceDependence | None:
    """`source_dependence` of all rows of a run; None without `data.group_field`."""
    if config.data.group_field is None:
        return None
    emit("progress", "what knowing the source of a text is worth", stage="evaluate", done=0, total=1)
    names = (*SPLITS, HOLDOUT) if config.evaluation.holdout_group else SPLITS
    rows = reduce(add, (read_split(experiment.split(name)) for name in names))
    units = fold_units(replace(rows, groups=[None] * len(rows)), config, data, FOLDS)
    return source_dependence(rows, units, len(data.labels), seed=seed)


def source_dependence(rows: SplitRows, units: Sequence[int], k: int, *, seed: int) -> SourceDependence:
    """Score linear models on the rows of each large source: some learnt from the source, one did not.

    Both learn from equally many rows, none of which is a copy of a row asked about. Those that know the source are
    cross-validated over its rows, in three folds; the other learns from the other sources alone.

    Args:
        rows: of all splits.
        units: number of each row's unit [n]: rows that say the same, or nearly, have one.
        k: number of labels.
        seed: of the sample, the folds and the fits.

    Returns:
        The scores of the eight largest sources that have 20 rows and two classes, fewer where classes are many; without
        them, and with the reason as `note`, where no source can be asked about.
    """
    sizes = Counter(group for group in rows.groups if group)
    places = _drawn([number for number, group in enumerate(rows.groups) if group], k, seed)
    if len(sizes) < 2:  # noqa: PLR2004 -- nothing to hold apart
        return _unmeasured(sizes, "all rows are of one source" if sizes else "no row has a source")
    task = _task(rows, units, places, k, seed)
    most = max(1, min(MOST_SOURCES, _BUDGET // ((FOLDS + 1) * len(places) * k)))
    found = [source for name in _by_size(task.groups) if (source := _source(task, name))][:most]
    if not found:
        why = f"no source has {FEWEST_ROWS} rows and two classes that other sources have, too"
        return _unmeasured(sizes, why)
    return _scored(task, found, len(places), sizes)


def _unmeasured(sizes: Counter[str], why: str) -> SourceDependence:
    nothing = Estimate(value=None)
    return SourceDependence(
        rows=0,
        of=sizes.total(),
        groups=len(sizes),
        accuracy_known=nothing,
        accuracy_unseen=nothing,
        difference=nothing,
        note=why,
    )


# --- what is asked ----------------------------------------------------------------------------------------------------


def _drawn(places: list[int], k: int, seed: int) -> list[int]:
    most = max(_FEWEST_SAMPLED, _BUDGET // (MOST_SOURCES * (FOLDS + 1) * k))
    if len(places) <= most:
        return places
    return sorted(random.Random(seed).sample(places, most))  # noqa: S311 -- reproducible, not secret


def _task(rows: SplitRows, units: Sequence[int], places: list[int], k: int, seed: int) -> _Task:
    import numpy as np

    # The terms and their weights know no label, so one vocabulary serves all models.
    texts = [rows.texts[place] for place in places]
    _, features = learn_vocabulary(texts, _SETTING.words, fewest_rows(len(texts)))
    ids, of_rows = np.array(rows.label_ids, int)[places], np.array(rows.groups, object)[places]
    return _Task(features, ids, of_rows, np.array(units, int)[places], k, seed)


def _by_size(groups: NDArray[np.object_]) -> list[str]:
    sizes = Counter(groups.tolist())
    return sorted(sizes, key=lambda group: (-sizes[group], group))


def _source(task: _Task, name: str) -> _Source | None:
    """The source of this name; None when it cannot be asked about."""
    import numpy as np

    of_it = task.groups == name
    inside = np.flatnonzero(of_it)
    outside = np.flatnonzero(~of_it & ~np.isin(task.units, task.units[inside]))
    elsewhere = np.bincount(task.ids[outside], minlength=task.k)
    judged = inside[elsewhere[task.ids[inside]] >= _FEWEST_ELSEWHERE]
    several = len(np.unique(task.ids[judged])) > 1 and len(np.unique(task.units[inside])) >= FOLDS
    return _Source(name, inside, outside, judged) if several and len(judged) >= FEWEST_ROWS else None


# --- what is said -----------------------------------------------------------------------------------------------------


def _known(task: _Task, source: _Source) -> NDArray[np.int64]:
    """What models that learnt from other rows of the source, too, say of its judged rows."""
    import numpy as np

    folds = np.array(assign(task.units[source.inside].tolist(), task.ids[source.inside].tolist(), FOLDS, task.seed))
    chance = np.random.default_rng(task.seed)
    said = np.zeros(len(task.ids), np.int64)
    for fold in range(FOLDS):
        asked = source.inside[folds == fold]
        pool = np.concatenate([source.outside, source.inside[folds != fold]])
        learnt = np.sort(chance.choice(pool, len(source.outside), replace=False))
        said[asked] = task.predict(learnt, asked)
    return said[source.judged]


def _scored(task: _Task, sources: list[_Source], rows: int, sizes: Counter[str]) -> SourceDependence:
    import numpy as np

    said = [(_known(task, source), task.predict(source.outside, source.judged)) for source in sources]
    true = np.concatenate([task.ids[source.judged] for source in sources])
    known, unseen = (np.concatenate(one) == true for one in zip(*said, strict=True))
    scores = [_scores(task, source, *both) for source, both in zip(sources, said, strict=True)]
    return SourceDependence(
        rows=rows,
        of=sizes.total(),
        groups=len(sizes),
        accuracy_known=statistics.wilson(int(known.sum()), len(true)),
        accuracy_unseen=statistics.wilson(int(unseen.sum()), len(true)),
        difference=statistics.accuracy_difference(unseen, known),
        sources=tuple(sorted(scores, key=lambda one: (one.difference.value or 0.0, one.group))),
    )


def _scores(task: _Task, source: _Source, known: NDArray[np.int64], unseen: NDArray[np.int64]) -> SourceScores:
    true = task.ids[source.judged]
    return SourceScores(
        group=source.name,
        n=len(true),
        classes=len(set(true.tolist())),
        accuracy_known=float((known == true).mean()),
        accuracy_unseen=float((unseen == true).mean()),
        macro_f1_known=_macro_f1(true, known, task.k),
        macro_f1_unseen=_macro_f1(true, unseen, task.k),
        difference=statistics.accuracy_difference(unseen == true, known == true),
    )


def _macro_f1(true: NDArray[np.int64], said: NDArray[np.int64], k: int) -> float:
    classes, y, predicted = among_occurring(true, said, k)
    return float(statistics.f1_by_class(statistics.confusion_matrix(y, predicted, len(classes))).mean())
