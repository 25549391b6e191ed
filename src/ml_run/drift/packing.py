"""Arrays inside a JSON file, packed."""

from __future__ import annotations

import base64
import math
import zlib
from typing import TYPE_CHECKING, Any, Literal

from ml_run.results import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BYTES = 1 << 24
"""A file that asks for larger arrays was not written here."""


class Packed(Record):
    """An array: its bytes in the order of C, by zlib, in base64."""

    dtype: Literal["uint8", "int8", "float16", "float32"]
    shape: tuple[int, ...]
    data: str


def pack(array: NDArray[Any]) -> Packed:
    """An array as a record; its type must be one that `Packed` names."""
    content = zlib.compress(array.tobytes(), 9)
    return Packed(dtype=str(array.dtype), shape=array.shape, data=base64.b64encode(content).decode("ascii"))  # type: ignore[arg-type]


def unpack(packed: Packed) -> NDArray[Any]:
    """The array of a record.

    Raises:
        ValueError: it is damaged.
    """
    import numpy as np

    dtype = np.dtype(packed.dtype)
    size = math.prod(max(side, 0) for side in packed.shape) * dtype.itemsize
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"an array of {size:,} bytes is none of ours")
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(packed.data, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(f"a packed array is damaged ({error})") from None
    if len(content) != size:
        raise ValueError(f"a packed array has {len(content):,} bytes, not {size:,}")
    return np.frombuffer(content, dtype).reshape(packed.shape)
