"""The one scoring code: texts in, logits out. Training, evaluation, verification and serving all go through it."""

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run import files
from ml_run.errors import StoreError
from ml_run.modeling import windows
from ml_run.modeling.scoring_file import SCORING, read_scoring

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from ml_run.modeling.onnx_scorer import OnnxScorer
    from ml_run.modeling.windows import LongText
    from ml_run.results import Format

CONFIDENCE_DIGITS = 6
"""To which a confidence is told, and compared with what the model abstains below."""

Progress = Callable[[int, int], None]
"""Called with the number of texts scored so far and the number of all texts."""


class Scorer(ABC):
    """A model ready to score texts, of whatever kind it is.

    Its logits are those that its temperature makes, so that whoever takes their softmax has the same probabilities.
    """

    temperature: float = 1.0
    """What its bare scores are divided by; fitted on rows that it has not learnt from."""
    abstain_below: float | None = None
    """Confidence below which it abstains; None: never."""

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
            Array [texts, labels], float32, in the order of `texts`, divided by the temperature.
        """

    def probabilities(
        self, texts: Sequence[str], *, batch_size: int = 32, progress: Progress | None = None
    ) -> "NDArray[np.float64]":
        """Score `texts` as `logits` does; return their softmax, array [texts, labels], float64, rows sum to 1."""
        import numpy as np

        return softmax(self.logits(texts, batch_size=batch_size, progress=progress).astype(np.float64))

    def abstains(self, probabilities: "NDArray[np.float64]") -> "NDArray[np.bool_]":
        """Which rows of its `probabilities` [texts, labels] it is not sure enough of to answer, [texts]."""
        below = 0.0 if self.abstain_below is None else self.abstain_below
        unsure: NDArray[np.bool_] = probabilities.max(axis=1, initial=0.0).round(CONFIDENCE_DIGITS) < below
        return unsure


class TokenScorer(Scorer):
    """A transformer, whatever computes it: what it reads of a text, in which batches, and how windows become one."""

    tokenizer: "PreTrainedTokenizerBase"
    most_at_once: int | None = None
    """Windows in a batch, at most; None: as many as are asked for."""

    @property
    @abstractmethod
    def config(self) -> "PreTrainedConfig":
        """The model's own, which names its labels."""

    @abstractmethod
    def _score(self, encoded: list[list[int]]) -> "NDArray[np.float32]":
        """The bare logits [windows, labels] of windows of tokens."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""
        names = {int(number): str(name) for number, name in (self.config.id2label or {}).items()}
        return tuple(names[number] for number in sorted(names))

    @property
    def max_length(self) -> int:
        """Tokens that are read at once, special tokens included."""
        return int(self.tokenizer.model_max_length)

    @property
    def long_text(self) -> "LongText":
        """What is read of a text that is longer: what the model was trained to read."""
        return windows.noted(self.config)

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
        at_once = min(batch_size, self.most_at_once or batch_size)
        # By length, so that a batch holds little padding; longest first, so that memory runs out at once or never.
        order = sorted(range(len(every)), key=lambda window: -len(every[window]))
        for start in range(0, len(order), at_once):
            batch = order[start : start + at_once]
            scores[batch] = self._score([every[window].tolist() for window in batch])
            if progress is not None:
                progress((start + len(batch)) * len(texts) // len(every), len(texts))
        counts = np.array([len(text) for text in read])
        means: NDArray[np.float32] = np.add.reduceat(scores, np.cumsum(counts) - counts)
        means /= counts[:, None] * np.float32(self.temperature)
        return means


@dataclass(frozen=True)
class TransformerScorer(TokenScorer):
    """A transformer in torch; it stands on its device, in evaluation mode."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    temperature: float = 1.0
    abstain_below: float | None = None

    @property
    def config(self) -> "PreTrainedConfig":
        """The model's own, which names its labels."""
        return self.model.config

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


def load_scorer(folder: Path, device: str = "auto", *, verified: bool = False, threads: int | None = None) -> Scorer:
    """Load the model in `folder`, of whatever kind it is, with no network and no code of its own.

    Args:
        folder: as the train stage writes it, or anything `save_pretrained` wrote as safetensors; `linear.json` in it
            says that it is a linear model, `scoring.json` how it answers. Where it holds a manifest, every file is
            first compared with it.
        device: of a transformer in torch: `auto` takes the accelerator if there is one; else a name torch knows.
        verified: its files were compared with the manifest a moment ago: do not read them twice.
        threads: that a transformer computes with; None: as many as there are cores, or as OMP_NUM_THREADS says.

    Raises:
        StoreError: a file differs from the manifest, the folder holds no model, or its format cannot be read here.
    """
    from ml_run.modeling import linear

    if not verified:
        _refuse_changed(folder)
    try:
        scoring = read_scoring(folder)
    except (OSError, ValueError) as error:
        found = f"no model can be loaded: {SCORING} is damaged, or a later version of ml-run wrote it"
        raise StoreError(found, where=str(folder)) from error
    if linear.is_linear(folder):
        return replace(linear.load(folder), abstain_below=scoring.abstain_below)
    temperature = 1.0 if scoring.temperature is None else scoring.temperature
    return replace(
        _load_format(folder, scoring.format, device, threads),
        temperature=temperature,
        abstain_below=scoring.abstain_below,
    )


def _load_format(folder: Path, format_: "Format", device: str, threads: int | None) -> "TransformerScorer | OnnxScorer":
    if format_ != "safetensors":
        from ml_run.modeling.onnx_scorer import load_onnx

        return load_onnx(folder, format_, threads)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return load_transformer(folder, device, verified=True)


def load_transformer(folder: Path, device: str = "auto", *, verified: bool = False) -> TransformerScorer:
    """Load the transformer in `folder` for its bare weights: in torch, whatever `scoring.json` says."""
    if not verified:
        _refuse_changed(folder)
    with loading(folder):
        scorer = _load(folder)
    scorer.model.to(choose_device() if device == "auto" else device)  # type: ignore[arg-type]
    return scorer


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turn what goes wrong within the block, which loads the model in `folder`, into a StoreError."""
    try:
        with quiet_libraries():
            yield
    except (OSError, ValueError) as error:
        raise StoreError(f"no model can be loaded: {error}", where=str(folder)) from error


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
