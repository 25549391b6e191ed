"""Shares of labels and characters, before and now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_run.drift.priors import estimated_prior
from ml_run.watching.record import CharacterShare, LabelShare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml_run.drift.traits import Traits
    from ml_run.watching.deployed import Watched
    from ml_run.watching.traffic import Traffic

_CHARACTERS_SHOWN = 8


def label_shares(traffic: Traffic, counts: NDArray[np.int64], watched: Watched, seed: int) -> tuple[LabelShare, ...]:
    """How frequent each label is, most changed first.

    Args:
        traffic: n rows.
        counts: of predicted labels [k].
        watched: the model.
        seed: of the estimate's interval.
    """
    import numpy as np

    handoff = watched.handoff
    estimated = estimated_prior(np.array(handoff.confusion), counts, seed=seed)
    known = [label for label in traffic.labels if label is not None]
    shares = [
        LabelShare(
            label=label,
            before=handoff.label_prior[label],
            predicted_before=handoff.predicted_counts[label] / handoff.n,
            predicted=int(counts[place]) / len(traffic),
            estimated=estimated[place] if estimated else None,
            labelled=known.count(label) / len(known) if known else None,
        )
        for place, label in enumerate(handoff.labels)
    ]
    return tuple(sorted(shares, key=lambda one: -abs(one.predicted - one.predicted_before)))


def character_shares(traits: Traits, before: dict[str, float]) -> tuple[CharacterShare, ...]:
    """The characters whose share changed most; of rare ones that the reference does not list, the share was 0."""
    shares = [
        CharacterShare(character=one, before=before.get(one, 0.0), now=traits.frequencies.get(one, 0.0))
        for one in before.keys() | {one for one, share in traits.frequencies.items() if share > min(before.values())}
    ]
    return tuple(sorted(shares, key=lambda one: (-abs(one.now - one.before), one.character))[:_CHARACTERS_SHOWN])
