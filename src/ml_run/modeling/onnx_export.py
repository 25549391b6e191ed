"""Export: `python -m ml_run.modeling.onnx_export FOLDER TARGET [FORMAT …]`, a process whose memory ends with it.

Writes the classifier in FOLDER, as `save_pretrained` wrote it, into TARGET as ONNX, in float32 and in those formats of
whole numbers that are named (none: in all): tokens and their mask in, bare logits out, for any number of rows and
tokens. What stands around the encoder, windows and temperature, is not in the graph: that is the scoring code's.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_run.modeling.onnx_scorer import INPUTS, ONNX_FILES, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Collection

    import torch
    from torch.onnx import ONNXProgram
    from transformers import PreTrainedModel

_ONE_FILE = 1_500_000_000
"""Bytes of weights above which they stand in a file beside the graph: one of protocol buffers ends at 2 GiB."""
_ROWS, _TOKENS = 2, 8
_FLOAT_BYTES = 4
_BLOCK = 128
_WHOLE_NUMBERS = 4
"""ONNX Runtime's `accuracy_level` for activations of 8 bits: its operator MatMulNBits knows five."""


def export(folder: Path, target: Path, formats: Collection[str]) -> None:
    """Write the classifier in `folder` into `target`, in float32 and in those of `formats` with whole numbers."""
    from transformers import AutoModelForSequenceClassification

    # Plain attention, which ONNX has operators for.
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, attn_implementation="eager"
    )
    exact = target / ONNX_FILES["onnx"]
    apart = model.num_parameters() * _FLOAT_BYTES > _ONE_FILE
    program = _program(model.eval())
    _forget_origin(program)
    program.save(exact, external_data=apart)
    if "onnx-int8" in formats:
        _quantize(exact, target / ONNX_FILES["onnx-int8"])
    if "onnx-int8-blocks" in formats:
        _quantize_blocks(exact, target / ONNX_FILES["onnx-int8-blocks"])


def _program(model: PreTrainedModel) -> ONNXProgram:
    import torch

    class Bare(torch.nn.Module):
        """Logits alone: no loss, no hidden states."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    tokens = torch.full((_ROWS, _TOKENS), model.config.vocab_size // 2)
    mask = torch.ones_like(tokens)
    mask[-1, _TOKENS // 2 :] = 0
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        Bare().eval(),
        (tokens, mask),
        input_names=list(INPUTS),
        output_names=[OUTPUT],
        dynamic_shapes=dict.fromkeys(INPUTS, free),
        verbose=False,
    )
    assert program is not None, "it is one wherever no file is named"
    return program


def _forget_origin(program: ONNXProgram) -> None:
    """Remove what the exporter notes of every node: the lines of code it came from, with this machine's paths."""
    graphs: list[Any] = [program.model.graph, *program.model.functions.values()]
    parts: list[Any] = [program.model, *graphs]
    for part in parts:
        part.metadata_props.clear()
        part.doc_string = None
    for node in (node for graph in graphs for node in graph.all_nodes()):
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
            value.doc_string = None
    for value in (*program.model.graph.inputs, *program.model.graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None


def _quantize(exact: Path, target: Path) -> None:
    """Write the model in `exact` with weights of 8 bits; its activations become whole numbers as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        exact, target, weight_type=QuantType.QInt8, per_channel=True, use_external_data_format=_is_apart(exact)
    )


def _quantize_blocks(exact: Path, target: Path) -> None:
    """Write the model in `exact` with weights of 8 bits and a scale for each block of them, and of its activations.

    On e5-small, 150 Somali articles: one scale a layer gave 2 of them another label, and moved a probability by .16;
    blocks gave none, and moved none by more than .04, at 1.8 times the processor time.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    blocks = MatMulNBitsQuantizer(
        onnx.load(exact), bits=8, block_size=_BLOCK, is_symmetric=True, accuracy_level=_WHOLE_NUMBERS
    )
    blocks.process()
    blocks.model.save_model_to_file(str(target), use_external_data_format=_is_apart(exact))


def _is_apart(graph: Path) -> bool:
    return graph.with_name(f"{graph.name}.data").exists()


def main() -> None:
    """Entry point of the process, which takes seven times the memory of the weights."""
    # Where memory runs out, the system is to end this process, and not the training that waits for it.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    folder, target, *formats = sys.argv[1:]
    export(Path(folder), Path(target), formats or ONNX_FILES)


if __name__ == "__main__":
    main()
