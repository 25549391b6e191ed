"""The linear model: its scores are sums of weights of character n-grams. It needs numpy and scipy, nothing heavier.

Its folder holds `linear.json` (labels, words read, temperature: for people and tools) and `linear.skops`, which holds
arrays and nothing else: no object of any library is ever made from a file, so none can do anything as it is loaded.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ml_run import files
from ml_run.errors import StoreError
from ml_run.modeling.light_imports import without
from ml_run.modeling.ngrams import Vocabulary
from ml_run.modeling.scoring import Progress, Scorer
from ml_run.results import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

DESCRIPTION = "linear.json"
ARRAYS = "linear.skops"
_TRUSTED = {("builtins", "dict", "DictNode"), ("builtins", "str", "TypeNode"), ("builtins", "list", "ListNode")} | {
    ("numpy", "ndarray", "NdArrayNode")
}
"""All that `linear.skops` may hold. skops itself would go on to trust every estimator of scikit-learn."""
_DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, MemoryError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a file that was not written by `save` can raise."""
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)


class Description(Record):
    """`linear.json`."""

    format: Literal[1] = 1
    kind: Literal["linear"] = "linear"
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    """In the order of the scores."""
    words: Annotated[int, Field(ge=1)] | None
    """Words read of a text, None: all."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """What scores are divided by before the softmax."""


@dataclass(frozen=True)
class LinearScorer(Scorer):
    """A linear model, ready to score texts; the same texts get the same logits whatever else is in the batch."""

    names: tuple[str, ...]
    vocabulary: Vocabulary
    weights: NDArray[np.float32]
    """[labels, terms]"""
    offsets: NDArray[np.float32]
    """[labels]"""
    temperature: float = 1.0
    abstain_below: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""
        return self.names

    @property
    def parameters(self) -> int:
        """Numbers that were learnt."""
        return int(self.weights.size + self.offsets.size)

    @cached_property
    def _by_term(self) -> NDArray[np.float64]:
        import numpy as np

        return np.ascontiguousarray(self.weights.T, np.float64)

    def logits(
        self, texts: Sequence[str], *, batch_size: int = 32, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Score `texts`: what stands behind the first `vocabulary.words` words is not read."""
        import numpy as np

        scores = np.zeros((len(texts), len(self.names)), np.float32)
        for start in range(0, len(texts), batch_size):
            rows = slice(start, start + batch_size)
            found = self.vocabulary.features(texts[rows]) @ self._by_term + self.offsets
            scores[rows] = found / self.temperature
            if progress is not None:
                progress(min(start + batch_size, len(texts)), len(texts))
        return scores


def is_linear(folder: Path) -> bool:
    """True for the folder of a linear model."""
    return (folder / DESCRIPTION).is_file()


def save(scorer: LinearScorer, folder: Path) -> None:
    """Write the model into `folder`; the same model gives the same bytes."""
    import numpy as np

    described = Description(labels=scorer.names, words=scorer.vocabulary.words, temperature=scorer.temperature)
    files.write_json(folder / DESCRIPTION, described.model_dump(mode="json"))
    # Joined by a character that no n-gram holds; an array of strings would lose a NUL at the end of one.
    terms = "\n".join(scorer.vocabulary.terms).encode("utf-8", "surrogatepass")
    arrays = {
        "terms": np.frombuffer(terms, np.uint8),
        "idf": scorer.vocabulary.idf,
        "weights": scorer.weights,
        "offsets": scorer.offsets,
    }
    files.write_bytes(folder / ARRAYS, _reproducible(_skops().dumps(arrays)))


def load(folder: Path) -> LinearScorer:
    """Load the model in `folder`.

    Raises:
        StoreError: a file is missing or damaged, or holds anything but what `save` writes.
    """
    try:
        described = Description.model_validate_json((folder / DESCRIPTION).read_bytes())
        arrays = _read_arrays((folder / ARRAYS).read_bytes())
        terms = tuple(arrays["terms"].tobytes().decode("utf-8", "surrogatepass").split("\n"))
        vocabulary = Vocabulary(described.words, terms, arrays["idf"])
        scorer = LinearScorer(described.labels, vocabulary, arrays["weights"], arrays["offsets"], described.temperature)
        _refuse_misfit(scorer)
    except _DAMAGE as error:
        raise StoreError(f"no linear model can be loaded: {error}", where=str(folder)) from error
    return scorer


def _refuse_misfit(scorer: LinearScorer) -> None:
    import numpy as np

    labels, terms = len(scorer.names), len(scorer.vocabulary.terms)
    for what, array, shape in (
        ("idf", scorer.vocabulary.idf, (terms,)),
        ("weights", scorer.weights, (labels, terms)),
        ("offsets", scorer.offsets, (labels,)),
    ):
        if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"{what} of {ARRAYS} are not the {math.prod(shape):,} numbers that {DESCRIPTION} asks for")


# --- linear.skops -----------------------------------------------------------------------------------------------------


def _skops() -> Any:
    """skops.io; torch is kept out: skops looks through all of scikit-learn, where an adapter would load it."""
    with without("torch"):
        import skops.io
    return skops.io


def _read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = {_type(node) for node in _nodes(json.loads(archive.read("schema.json")))}
    if found - _TRUSTED:
        module, name, loader = max(found - _TRUSTED)
        raise ValueError(f"{ARRAYS} holds a {module}.{name} ({loader}), which no linear model needs")
    arrays: dict[str, NDArray[Any]] = _skops().loads(content)
    return arrays


def _type(node: dict[str, Any]) -> tuple[str, str, str]:
    """What skops would make of a node of a schema: module, class, and the loader of it."""
    return str(node.get("__module__")), str(node.get("__class__")), str(node["__loader__"])


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """The nodes of a schema, from the outermost on."""
    if isinstance(schema, dict):
        yield from [schema] if "__loader__" in schema else []
        yield from (node for value in schema.values() for node in _nodes(value))
    elif isinstance(schema, list):
        yield from (node for value in schema for node in _nodes(value))


def _reproducible(content: bytes) -> bytes:
    """The same archive without what differs from one writing to the next: addresses in memory, and the time."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema: Any = json.loads(archive.read("schema.json"))
        arrays = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    addresses: dict[int, int] = {}
    for node in _nodes(schema):
        if "__id__" in node:
            node["__id__"] = addresses.setdefault(node["__id__"], len(addresses))
    for name, node in schema["content"].items():
        arrays[f"{name}.npy"] = arrays.pop(node["file"])
        node["file"] = f"{name}.npy"
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        members: dict[str, bytes] = {**arrays, "schema.json": json.dumps(schema, indent=2).encode()}
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _FIRST_DAY), data)
    return written.getvalue()
