"""Which test rows belong together: the slices that a model may be weaker on than on the rest.

Classes are no slices: the recall of a class is the accuracy on its rows, and stands with the scores of the classes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_run.config.language_codes import find_language
from ml_run.quality.code_switching import foreign_stretch
from ml_run.quality.identifiers import voter
from ml_run.quality.scripts import script_of
from ml_run.wording import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ml_run.results import SliceKind
    from ml_run.splits import SplitRows

MOST_GROUPS = 30
"""Groups that are slices of their own; the smaller ones are one slice together."""
_FEWEST_OF_A_GROUP = 5
"""Rows below which a group is summed up with others in any case."""
_MOST_CHARACTERS = 30_000_000
"""Of texts whose language is looked at: some three seconds. Of more, none is."""
_MOST_SEARCHED = 2_000_000
"""Of texts that are searched for passages in another language: some two seconds. Of more, none is."""
_MOSTLY = 0.5


@dataclass(frozen=True)
class Traits:
    """What is known of n rows beside what `SplitRows` says of them."""

    cut: NDArray[np.bool_] | None = None
    """[n], true where the text is longer than what the model reads; None: not known."""
    language: str | None = None
    """Code of the language that the texts should be in; None: not known."""
    copies_kept: bool = False
    """Whether the copies in train of the rows that have some were trained on (`data.leaks: keep`)."""


@dataclass(frozen=True)
class Part:
    """Some of n rows."""

    kind: SliceKind
    name: str
    """A group's own name; for other kinds, words for people."""
    rows: NDArray[np.bool_]
    """[n]"""


def cut_up(rows: SplitRows, traits: Traits) -> list[Part]:
    """The slices of n rows, the same for the same rows; none is empty, none is all rows, and they may overlap.

    Args:
        rows: where a text is empty, as in predictions from elsewhere, slices by text are left out.
        traits: what else is known.
    """
    parts = [*_groups(rows), *_known(rows, traits)]
    if rows.texts and all(rows.texts):
        parts += [*_lengths(rows.texts), *_scripts(rows.texts), *_languages(rows.texts, traits.language)]
    return [part for part in parts if 0 < part.rows.sum() < len(rows)]


def _known(rows: SplitRows, traits: Traits) -> Iterator[Part]:
    import numpy as np

    if traits.cut is not None:
        yield Part("cut", "longer than is read", np.asarray(traits.cut, bool))
    if traits.copies_kept:
        yield Part("copied", "with a copy in train", np.asarray(rows.leaked, bool))


def _groups(rows: SplitRows) -> Iterator[Part]:
    import numpy as np

    of_rows = np.array([group or "" for group in rows.groups], object)
    sizes = Counter(group for group in rows.groups if group)
    if not sizes:
        return
    large = sorted((group for group in sizes if sizes[group] >= _FEWEST_OF_A_GROUP), key=lambda g: (-sizes[g], g))
    shown = large[:MOST_GROUPS]
    for group in shown:
        yield Part("group", group, of_rows == group)
    if others := set(sizes).difference(shown):
        name = number_of(len(others), "smaller source") if shown else "sources of few rows"
        yield Part("other_groups", name, np.array([group in others for group in of_rows]))
    yield Part("no_group", "without a source", of_rows == "")


def _lengths(texts: list[str]) -> Iterator[Part]:
    """Quartiles; fewer where many texts are of one length."""
    import numpy as np

    lengths = np.array([len(text) for text in texts])
    edges = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75], method="inverted_cdf"))
    quarter = np.searchsorted(edges, lengths)
    for number in np.unique(quarter):
        inside = quarter == number
        shortest, longest = int(lengths[inside].min()), int(lengths[inside].max())
        bounds = f"{shortest:,} to " if shortest < longest else ""
        yield Part("length", f"{bounds}{number_of(longest, 'character')}", inside)


def _scripts(texts: list[str]) -> Iterator[Part]:
    """Every script but the usual one."""
    import numpy as np

    scripts = np.array([script_of(text) or "" for text in texts])
    sizes = Counter(scripts.tolist())
    usual = min(sizes, key=lambda script: (-sizes[script], script), default="")
    for script in sorted(set(sizes) - {usual, ""}):
        yield Part("script", f"in {script} script", scripts == script)


def _languages(texts: list[str], code: str | None) -> Iterator[Part]:
    """Rows that are surely of another language, that hold a stretch of one, or of which nobody can tell."""
    import numpy as np

    expected = find_language(code) if code else None
    judge = voter(expected) if expected else None
    if expected is None or judge is None or sum(map(len, texts)) > _MOST_CHARACTERS:
        return
    said = np.array([judge(text).judgement for text in texts])
    if (said == "wrong").sum() > _MOSTLY * (said != "unknown").sum():
        return  # it is the expectation that is doubted
    yield Part("language", f"not in {expected.name}, it seems", said == "wrong")
    yield Part("language", "of unknown language", said == "unknown")
    right = np.flatnonzero(said == "right")
    both = expected.pycld2 and expected.py3langid
    if both and sum(len(texts[row]) for row in right) <= _MOST_SEARCHED:
        mixed = np.zeros(len(texts), bool)
        mixed[[row for row in right if foreign_stretch(texts[row], expected)]] = True
        yield Part("language", "with a foreign passage", mixed)
