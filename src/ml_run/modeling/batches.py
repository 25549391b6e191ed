"""The training rows as the Trainer draws them: encoded once, grouped by length, in an order that a resume repeats."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

_EPOCH_BITS = 16  # no two pairs of seed and epoch share an order


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
        return {"input_ids": self._tokens[end - self.lengths[row] : end].tolist(), "labels": self._label_ids[row]}


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
