"""The one scoring code: texts in, logits out. Training, evaluation, verification and serving all go through it."""

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.errors import StoreError
from ml_run.modeling import windows

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ml_run.modeling.windows import LongText

Progress = Callable[[int, int], None]
"""Called with the number of texts scored so far and the number of all texts."""


class Scorer(ABC):
    """A model ready to score texts, of whatever kind it is."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""

    @abstractmethod
    def logits(
        self, texts: Sequence[str], *, batch_size: int = 32, progress: Progress | None = None
    ) -> "NDArray[np.float32]":
        """Score `texts`.

        Args:
            texts: any number of texts; an empty text is scored like any other.
            batch_size: texts, or windows of them, scored at once. A text's logits depend on it in the last digits only.
            progress: told after each batch.

        Returns:
            Array [texts, labels], float32, in the order of `texts`.
        """

    def probabilities(
        self, texts: Sequence[str], *, batch_size: int = 32, progress: Progress | None = None
    ) -> "NDArray[np.float64]":
        """Score `texts` as `logits` does; return their softmax, array [texts, labels], float64, rows sum to 1."""
        import numpy as np

        return softmax(self.logits(texts, batch_size=batch_size, progress=progress).astype(np.float64))


@dataclass(frozen=True)
class TransformerScorer(Scorer):
    """A transformer; it stands on its device, in evaluation mode."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""
        names = {int(number): str(name) for number, name in (self.model.config.id2label or {}).items()}
        return tuple(names[number] for number in sorted(names))

    @property
    def max_length(self) -> int:
        """Tokens that are read at once, special tokens included."""
        return int(self.tokenizer.model_max_length)

    @property
    def long_text(self) -> "LongText":
        """What is read of a text that is longer: what the model was trained to read."""
        return windows.noted(self.model.config)

    def logits(
        self, texts: Sequence[str], *, batch_size: int = 32, progress: Progress | None = None
    ) -> "NDArray[np.float32]":
        """Score `texts`; of one that is longer than `max_length`, what `long_text` says."""
        import numpy as np

        if not texts:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        read = list(windows.read(texts, self.tokenizer, self.long_text))
        every = [tokens for text in read for tokens in text]
        scores = np.zeros((len(every), len(self.labels)), dtype=np.float32)
        # By length, so that a batch holds little padding; longest first, so that memory runs out at once or never.
        order = sorted(range(len(every)), key=lambda window: -len(every[window]))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            scores[batch] = self._score([every[window].tolist() for window in batch])
            if progress is not None:
                progress((start + len(batch)) * len(texts) // len(every), len(texts))
        counts = np.array([len(text) for text in read])
        means: NDArray[np.float32] = np.add.reduceat(scores, np.cumsum(counts) - counts)
        means /= counts[:, None]
        return means

    def _score(self, encoded: list[list[int]]) -> Any:
        import torch

        batch = self.tokenizer.pad({"input_ids": encoded}, return_tensors="pt")
        with torch.inference_mode():
            inputs = {name: values.to(self.model.device) for name, values in batch.items()}
            return self.model(**inputs).logits.float().cpu().numpy()


def softmax(scores: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Softmax over the last axis, array [rows, labels]."""
    import numpy as np

    shifted: NDArray[np.float64] = np.exp(scores - scores.max(axis=-1, keepdims=True, initial=-np.inf))
    shares: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


def load_scorer(folder: Path, device: str = "auto", *, verified: bool = False) -> Scorer:
    """Load the model in `folder`, of whatever kind it is, with no network and no code of its own.

    Args:
        folder: as the train stage writes it, or anything `save_pretrained` wrote as safetensors; `linear.json` in it
            says that it is a linear model. Where it holds a manifest, every file is first compared with it.
        device: of a transformer: `auto` takes the accelerator if there is one; else a name torch knows, e.g. `cpu`.
        verified: its files were compared with the manifest a moment ago: do not read them twice.

    Raises:
        StoreError: a file differs from the manifest, or the folder holds no model.
    """
    from ml_run.modeling import linear

    if not linear.is_linear(folder):
        return load_transformer(folder, device, verified=verified)
    if not verified:
        _refuse_changed(folder)
    return linear.load(folder)


def load_transformer(folder: Path, device: str = "auto", *, verified: bool = False) -> TransformerScorer:
    """Load the transformer in `folder`: `load_scorer`, where no other kind of model can be meant."""
    if not verified:
        _refuse_changed(folder)
    try:
        with quiet_libraries():
            scorer = _load(folder)
    except (OSError, ValueError) as error:
        raise StoreError(f"no model can be loaded: {error}", where=str(folder)) from error
    scorer.model.to(choose_device() if device == "auto" else device)  # type: ignore[arg-type]
    return scorer


def _refuse_changed(folder: Path) -> None:
    fault = files.manifest_fault(folder) if (folder / files.MANIFEST).exists() else None
    if fault is not None:
        raise StoreError(fault, where=str(folder), remedy="this is not the model that was trained; do not use it")


def _load(folder: Path) -> TransformerScorer:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    origin: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **origin)
    model = AutoModelForSequenceClassification.from_pretrained(folder, **origin, use_safetensors=True)
    windows.noted(model.config)  # refuses what it cannot read, while it is loaded
    return TransformerScorer(model.eval(), tokenizer)


def choose_device() -> "torch.device":
    """The accelerator of this machine, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep transformers' log lines, progress bars and Python warnings off stderr: what matters, we say ourselves."""
    from transformers.utils import logging as library

    verbosity = library.get_verbosity()
    library.set_verbosity(logging.ERROR)
    library.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library.set_verbosity(verbosity)
