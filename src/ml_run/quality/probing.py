"""Asking a small model about rows it has not seen: sampling, folds and out-of-fold answers.

Shared by the checks that train something. Samples and folds depend on the seed and the rows alone.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run.modeling.baselines import WORDS_READ

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.quality.rows import Row, Splits

FOLDS = 5
FEWEST_OF_A_CLASS = 5
"""Rows of a class below which a fold may have none of it."""
_KEPT_OF_A_CLASS = 20
_MOST_FITS = 2_000_000
"""Rows times classes: a linear model of k classes is k models."""
_MOST_CLASSES = math.isqrt(_MOST_FITS // FEWEST_OF_A_CLASS)
"""Classes of which five rows each are all that can be asked about."""
_CHARACTERS_READ = 1_000
_FEATURES = 50_000


@dataclass(frozen=True)
class Sample:
    """Rows of all splits, or a part of them, whose classes are large enough to be told apart."""

    rows: list[Row]
    splits: list[str]
    """Split of each row."""
    labels: tuple[str, ...]
    ids: NDArray[np.int64]
    """Class [n] of each row, an index into `labels`."""
    of: int
    """Rows there are in all."""


def take_sample(splits: Splits, most: int, seed: int) -> Sample | None:
    """At most about `most` rows, each class by its share of all rows, and 20 of a class where there are as many.

    Classes of fewer than five rows are left out, and all but the 632 largest. None where fewer than two classes are
    left. With many classes the sample shrinks, at last to five rows of each, so that the time needed does not grow
    with their number.
    """
    import numpy as np

    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for split, rows in splits.items():
        for number, row in enumerate(rows):
            places[row.label].append((split, number))
    large = [label for label, found in places.items() if len(found) >= FEWEST_OF_A_CLASS]
    labels = tuple(sorted(sorted(large, key=lambda label: (-len(places[label]), label))[:_MOST_CLASSES]))
    if len(labels) < 2:  # noqa: PLR2004 -- nothing to tell apart
        return None
    whole = sum(map(len, places.values()))
    share = min(1.0, min(most, _MOST_FITS // len(labels)) / whole)
    fewest = max(FEWEST_OF_A_CLASS, min(_KEPT_OF_A_CLASS, _MOST_FITS // len(labels) ** 2))
    chance = random.Random(seed)  # noqa: S311 -- reproducible, not secret
    taken = [
        (split, number, c)
        for c, name in enumerate(labels)
        for split, number in _part(places[name], share, fewest, chance)
    ]
    return Sample(
        rows=[splits[split][number] for split, number, _ in taken],
        splits=[split for split, _, _ in taken],
        labels=labels,
        ids=np.array([c for _, _, c in taken], np.int64),
        of=whole,
    )


def _part(found: list[tuple[str, int]], share: float, fewest: int, chance: random.Random) -> list[tuple[str, int]]:
    wanted = max(math.ceil(share * len(found)), fewest)
    return found if wanted >= len(found) else chance.sample(found, wanted)


def ngram_features(texts: Sequence[str]) -> Any:
    """TF-IDF [n, at most 50,000] of the character 2- to 4-grams within words of the texts' first 64 words.

    The features best at ranking planted label errors (data-quality.md, 2.6). They know no label, so one matrix serves
    all folds.

    Raises:
        ValueError: no text has a single character.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), max_features=_FEATURES, sublinear_tf=True, dtype=np.float32
    )
    return vectorizer.fit_transform(map(_opening, texts))


def _opening(text: str) -> str:
    return " ".join(text.lstrip()[: 10 * _CHARACTERS_READ].split(maxsplit=WORDS_READ)[:WORDS_READ])[:_CHARACTERS_READ]


def linked(keys: Sequence[Hashable], others: Sequence[Hashable | None]) -> NDArray[np.int64]:
    """Cluster [n] of each row: rows of one key are of one cluster, and rows of one other key that is not None, too."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number: dict[tuple[int, Hashable], int] = {}
    ends = [(i, number.setdefault((0, key), len(number))) for i, key in enumerate(keys)]
    ends += [(i, number.setdefault((1, key), len(number))) for i, key in enumerate(others) if key is not None]
    rows, nodes = np.array(ends).T
    size = len(keys) + len(number)
    graph = coo_matrix((np.ones(len(ends), np.int8), (rows, nodes + len(keys))), shape=(size, size))
    clusters: NDArray[np.int64] = connected_components(graph, directed=False)[1][: len(keys)].astype(np.int64)
    return clusters


def assign_folds(ids: NDArray[np.int64], clusters: Sequence[Hashable], seed: int) -> NDArray[np.int64]:
    """Fold [n] of each row, 0 to 4: a cluster is never divided, and each class is spread as evenly as that allows.

    Clusters are dealt out largest first, each to the fold that has fewest rows of the class of its first row.
    """
    import numpy as np

    members: dict[Hashable, list[int]] = defaultdict(list)
    for row, cluster in enumerate(clusters):
        members[cluster].append(row)
    dealt = list(members.values())
    random.Random(seed).shuffle(dealt)  # noqa: S311 -- reproducible, not secret
    dealt.sort(key=len, reverse=True)
    folds = np.zeros(len(ids), np.int64)
    sizes = np.zeros((int(ids.max()) + 1, FOLDS), np.int64).tolist()
    for rows in dealt:
        held = sizes[ids[rows[0]]]
        fold = held.index(min(held))
        for row in rows:
            folds[row] = fold
            sizes[ids[row]][fold] += 1
    return folds


def spread(ids: NDArray[np.int64], clusters: NDArray[np.int64]) -> bool:
    """Whether clusters can be held apart: none of them holds more than half the rows of a class."""
    import numpy as np

    held = Counter(zip(ids.tolist(), clusters.tolist(), strict=True))
    sizes = np.bincount(ids)
    return all(2 * count <= sizes[c] for (c, _), count in held.items())


def out_of_fold(
    features: Any, ids: NDArray[np.int64], folds: NDArray[np.int64], *, seed: int, balanced: bool = False
) -> NDArray[np.float64]:
    """Probability [n, k] of each class for each row, by a linear model trained on the other folds.

    Logistic regression by stochastic gradient descent, alpha 1e-4: of five models measured the best at ranking planted
    label errors, and the fastest that gives probabilities (data-quality.md, 2.6). 0 for a class the other folds lack.
    """
    import numpy as np
    from sklearn.linear_model import SGDClassifier

    found = np.zeros((len(ids), int(ids.max()) + 1))
    for fold in range(FOLDS):
        held = np.flatnonzero(folds == fold)
        rest = np.flatnonzero(folds != fold)
        if not len(held) or len(np.unique(ids[rest])) < 2:  # noqa: PLR2004 -- nothing to ask, or to learn
            continue
        weight = "balanced" if balanced else None
        model = SGDClassifier(loss="log_loss", alpha=1e-4, class_weight=weight, random_state=seed)
        model.fit(features[rest], ids[rest])
        found[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return found
