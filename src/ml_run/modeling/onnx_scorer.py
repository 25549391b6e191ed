"""A transformer computed by ONNX Runtime: the same tokenizer, windows and temperature around another arithmetic."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_run.config.names import INSTALL_ONNX
from ml_run.errors import StoreError
from ml_run.modeling import windows
from ml_run.modeling.scoring import TokenScorer, loading

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from ml_run.results import Format

ONNX_FILES: dict[Format, str] = {
    "onnx": "model.onnx",
    "onnx-int8-blocks": "model_int8_blocks.onnx",
    "onnx-int8": "model_int8.onnx",
}
"""In a model folder; weights too large for one file stand beside it, in a file of the same name and `.data`."""
INPUTS = ("input_ids", "attention_mask")
OUTPUT = "logits"


@dataclass(frozen=True)
class OnnxScorer(TokenScorer):
    """A transformer in ONNX Runtime, on the CPU."""

    session: InferenceSession
    tokenizer: PreTrainedTokenizerBase
    own: PreTrainedConfig
    most_at_once: int | None = None
    temperature: float = 1.0
    abstain_below: float | None = None

    @property
    def config(self) -> PreTrainedConfig:
        """The model's own, which names its labels."""
        return self.own

    def _score(self, encoded: list[list[int]]) -> NDArray[np.float32]:
        batch = self.tokenizer.pad({"input_ids": encoded}, return_tensors="np")
        logits: NDArray[np.float32] = self.session.run(
            [OUTPUT], {name: batch[name].astype("int64") for name in INPUTS}
        )[0]
        return logits


def load_onnx(folder: Path, format_: Format, threads: int | None = None) -> OnnxScorer:
    """Load the model in `folder` in one of the formats of ONNX Runtime.

    In whole numbers with one scale a layer, windows are scored one by one: the scale is taken over all that is in a
    batch, so that a text would be scored otherwise beside other texts.

    Raises:
        StoreError: the files are missing or damaged, or ONNX Runtime is not installed here.
    """
    from transformers import AutoConfig, AutoTokenizer

    with loading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        windows.noted(config)  # refuses what it cannot read, while it is loaded
    session = _session(folder / ONNX_FILES[format_], threads)
    return OnnxScorer(session, tokenizer, config, most_at_once=1 if format_ == "onnx-int8" else None)


def _session(path: Path, threads: int | None) -> InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        found = f"this model was measured in ONNX Runtime, which cannot be loaded here: {error}"
        raise StoreError(found, where=str(path), remedy=INSTALL_ONNX) from error
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _threads()
    # Waiting threads sleep, as those of torch do here: beside another busy process they would take its time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common type of their own
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise StoreError(f"no model can be loaded: {first[0]}", where=str(path)) from error


def _threads() -> int:
    """As many as torch would take: what OMP_NUM_THREADS says, else a thread for each core that is to be had."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if said.isdigit() and int(said) > 0:
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
