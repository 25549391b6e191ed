import numpy as np
import pytest

from ml_run.drift.packing import Packed, pack, unpack


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32"])
def test_what_is_packed_is_unpacked(dtype):
    """Type, shape and every value survive JSON."""
    array = np.arange(-6, 6).astype(dtype).reshape(3, 4)
    found = unpack(Packed.model_validate_json(pack(array).model_dump_json()))
    assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


@pytest.mark.parametrize(
    "change",
    [{"shape": (3, 5)}, {"shape": (2, 4)}, {"shape": (1 << 30,)}, {"shape": (-3, 4)}, {"data": "AAAA"}, {"data": "é"}],
)
def test_a_damaged_array_is_refused(change):
    """Nothing is made of bytes that are not what their record says, nor is memory taken for them."""
    with pytest.raises(ValueError, match=r"array|base64|ASCII"):
        unpack(pack(np.zeros((3, 4), np.int8)).model_copy(update=change))
