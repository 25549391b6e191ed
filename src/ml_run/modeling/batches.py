"""The training rows as the Trainer draws them: encoded once, grouped by length, in an order that a resume repeats."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from ml_run.modeling import windows
from ml_run.modeling.windows import LongText

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

COUNTS = "windows"
"""Name, in a batch, of the number of windows of each row."""
_OF_ROWS = ("labels", COUNTS)
_EPOCH_BITS = 16  # no two pairs of seed and epoch share an order
_STEP_ON_CPU = 2
_STEP_ON_ACCELERATOR = 8


class EncodedRows:
    """Rows encoded once: all tokens in one flat int32 array, a window by its offsets, a row by its windows.

    Args:
        texts: of the rows.
        label_ids: of the rows.
        tokenizer: see `windows.read`.
        long_text: what is read of a text that is too long, see there, too.
    """

    def __init__(
        self,
        texts: Sequence[str],
        label_ids: Sequence[int],
        tokenizer: "PreTrainedTokenizerBase",
        long_text: LongText = "truncate",
    ) -> None:
        import numpy as np

        rows = list(windows.read(texts, tokenizer, long_text))
        every = [tokens for row in rows for tokens in row]
        self.lengths = [sum(map(len, row)) for row in rows]
        """Tokens of each row, those of all its windows."""
        self._tokens: NDArray[np.int32] = np.concatenate(every)
        self._bounds: NDArray[np.int64] = np.cumsum([0, *map(len, every)], dtype=np.int64)
        self._firsts: NDArray[np.int64] = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        self._label_ids = list(label_ids)

    @property
    def pieces(self) -> "NDArray[np.int32]":
        """Ids of all pieces that occur in the rows, rising."""
        import numpy as np

        return np.unique(self._tokens)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """`input_ids`, the row's windows, each [tokens], and `labels`, the number of its label."""
        bounds = self._bounds[self._firsts[row] : self._firsts[row + 1] + 1]
        return {
            "input_ids": [self._tokens[start:end] for start, end in pairwise(bounds)],
            "labels": self._label_ids[row],
        }


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
        """Make a batch of what `EncodedRows` gives, each int64.

        Returns:
            `labels` [rows], `input_ids` and `attention_mask` [windows, width], the windows of a row together; where a
            row has several, also `windows` [rows], how many each has.
        """
        import numpy as np
        import torch

        ordered = sorted(rows, key=lambda row: -sum(map(len, row["input_ids"])))
        every = [tokens for row in ordered for tokens in row["input_ids"]]
        lengths = np.array([len(tokens) for tokens in every])
        width = self.width(int(lengths.max()))
        mask = np.arange(width) < lengths[:, None]
        tokens = np.full(mask.shape, self.pad_id, dtype=np.int64)
        tokens[mask] = np.concatenate(every)
        batch = {
            "labels": torch.tensor([row["labels"] for row in ordered]),  # first: the Trainer counts rows by the first
            "input_ids": torch.from_numpy(tokens),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
        }
        if len(every) > len(ordered):
            batch[COUNTS] = torch.tensor([len(row["input_ids"]) for row in ordered])
        return batch

    def width(self, longest: int) -> int:
        """Tokens that a row of `longest` ones is padded to."""
        step = _STEP_ON_ACCELERATOR if self.accelerated else _STEP_ON_CPU
        return max(longest, min(-(-longest // step) * step, self.longest))


def portions(batch: dict[str, "torch.Tensor"], most_tokens: int) -> Iterator[dict[str, "torch.Tensor"]]:
    """Cut a batch of `Padding` into portions of at most `most_tokens`, padding counted, but of a row at least.

    Args:
        batch: what `Padding` made.
        most_tokens: in a portion.
    """
    at_once = most_tokens // batch["input_ids"].shape[1]
    bounds = _bounds(batch)
    start = 0
    while start < len(batch["labels"]):
        end = max(start + 1, bisect_right(bounds, bounds[start] + at_once) - 1)
        yield _rows(batch, bounds, start, end)
        start = end


def halves(batch: dict[str, "torch.Tensor"]) -> list[dict[str, "torch.Tensor"]]:
    """Cut a batch of `Padding` in two that hold as like a number of tokens as can be, neither wider than it needs.

    Returns:
        Both, that of the longer rows first; `batch` itself where it is of one row.
    """
    import numpy as np

    rows, bounds = len(batch["labels"]), _bounds(batch)
    if rows == 1:
        return [batch]
    widths = np.maximum.reduceat(batch["attention_mask"].sum(dim=1).numpy(), bounds[:-1])
    first = np.maximum.accumulate(widths)[:-1] * bounds[1:-1]
    second = np.maximum.accumulate(widths[::-1])[-2::-1] * (bounds[-1] - np.array(bounds[1:-1]))
    cut = 1 + int(np.argmin(np.maximum(first, second)))
    return [_narrowed(_rows(batch, bounds, *ends)) for ends in ((0, cut), (cut, rows))]


def _bounds(batch: dict[str, "torch.Tensor"]) -> list[int]:
    # of each row's windows, and the last one's end
    return [0, *accumulate(batch[COUNTS].tolist() if COUNTS in batch else [1] * len(batch["labels"]))]


def _rows(batch: dict[str, "torch.Tensor"], bounds: list[int], start: int, end: int) -> dict[str, "torch.Tensor"]:
    return {
        name: values[start:end] if name in _OF_ROWS else values[bounds[start] : bounds[end]]
        for name, values in batch.items()
    }


def _narrowed(batch: dict[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    longest = int(batch["attention_mask"].sum(dim=1).max())
    width = -(-longest // _STEP_ON_CPU) * _STEP_ON_CPU
    return {name: values if name in _OF_ROWS else values[:, :width] for name, values in batch.items()}


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
