"""The training rows as the Trainer draws them: encoded once, grouped by length, in an order that a resume repeats."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

_EPOCH_BITS = 16  # no two pairs of seed and epoch share an order
_STEP_ON_CPU = 2
_STEP_ON_ACCELERATOR = 8


class EncodedRows:
    """Rows encoded once: all tokens in one flat int32 array, a row by its offsets."""

    def __init__(self, texts: Sequence[str], label_ids: Sequence[int], tokenizer: "PreTrainedTokenizerBase") -> None:
        import numpy as np

        encoded = tokenizer(list(texts), truncation=True, max_length=tokenizer.model_max_length)["input_ids"]
        self.lengths = [len(tokens) for tokens in encoded]
        self._ends: NDArray[np.int64] = np.cumsum(self.lengths, dtype=np.int64)
        self._tokens: NDArray[np.int32] = np.fromiter(
            (token for tokens in encoded for token in tokens), dtype=np.int32, count=sum(self.lengths)
        )
        self._label_ids = list(label_ids)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> dict[str, Any]:
        end = self._ends[row]
        return {"input_ids": self._tokens[end - self.lengths[row] : end], "labels": self._label_ids[row]}


@dataclass(frozen=True)
class Padding:
    """Makes a batch of rows: longest first, as wide as the longest, rounded up.

    Tensor cores want widths that 8 divides. A CPU takes the same time for each token at any even width (measured from
    16 to 512), and rounding up to 8 would be 12 % more tokens for headlines.
    """

    pad_id: int
    longest: int
    """Tokens that the model can read."""
    accelerated: bool
    """The model is on an accelerator."""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, "torch.Tensor"]:
        """Return `input_ids`, `attention_mask` and `labels`, each int64, [rows, width] and [rows]."""
        import numpy as np
        import torch

        ordered = sorted(rows, key=lambda row: -len(row["input_ids"]))
        lengths = np.array([len(row["input_ids"]) for row in ordered])
        width = self.width(int(lengths[0]))
        mask = np.arange(width) < lengths[:, None]
        tokens = np.full(mask.shape, self.pad_id, dtype=np.int64)
        tokens[mask] = np.concatenate([row["input_ids"] for row in ordered])
        return {
            "input_ids": torch.from_numpy(tokens),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "labels": torch.tensor([row["labels"] for row in ordered]),
        }

    def width(self, longest: int) -> int:
        """Tokens that a row of `longest` ones is padded to."""
        step = _STEP_ON_ACCELERATOR if self.accelerated else _STEP_ON_CPU
        return max(longest, min(-(-longest // step) * step, self.longest))


def portions(batch: dict[str, "torch.Tensor"], most_tokens: int | None) -> Iterator[dict[str, "torch.Tensor"]]:
    """Cut a batch of `Padding` into portions of at most `most_tokens`, padding counted, but of a row at least.

    Args:
        batch: tensors whose first dimension is the rows.
        most_tokens: None: do not cut.
    """
    rows, width = batch["input_ids"].shape
    at_once = rows if most_tokens is None else max(1, most_tokens // width)
    for start in range(0, rows, at_once):
        yield {name: values[start : start + at_once] for name, values in batch.items()}


class LengthGroupedOrder:
    """Order of the training rows: random, but rows of like length come together so that batches hold little padding.

    The order is a function of seed and epoch alone. Transformers' own sampler draws from the global generator, so a
    run resumed within its second epoch would see other batches than the run it resumes.

    Args:
        lengths: tokens of each row.
        rows_per_step: rows that one optimizer step sees.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], rows_per_step: int, seed: int) -> None:
        self.epoch = 0
        self._lengths = lengths
        self._rows_per_step = rows_per_step
        self._seed = seed

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        import torch
        from transformers.trainer_pt_utils import get_length_grouped_indices

        generator = torch.Generator().manual_seed((self._seed << _EPOCH_BITS) + self.epoch)
        order = get_length_grouped_indices(self._lengths, self._rows_per_step, generator=generator)  # type: ignore[no-untyped-call]
        return iter(order)
