import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ml_run.quality.buckets import Met, candidates
from ml_run.quality.shingles import Pairs


def _walk(keys, alike):
    """All candidates, and those of them that `alike` takes for near copies, as the search goes."""
    met = Met.nobody(np.ones(keys.shape[1], np.uint8))
    looked_at, found = 0, []
    for left, right in candidates([(None, band) for band in keys], met, seed=0):
        looked_at += len(left)
        near = alike(left, right)
        pairs = Pairs(left[near], right[near], np.ones(near.sum()))
        met.add(pairs)
        found.append(pairs)
    return looked_at, found


def test_small_buckets_are_compared_in_full():
    """All pairs of up to 32 texts that share a bucket are candidates, and no others."""
    keys = np.repeat(np.arange(10, dtype=np.uint32), 32)[None, :]
    looked_at, _ = _walk(keys, lambda left, right: left // 32 == right // 32)
    assert looked_at == 10 * 32 * 31 // 2


def test_a_large_bucket_hangs_together_at_a_linear_cost():
    """Where a third of the pairs of one bucket are alike, they come out as one cluster, without comparing all."""
    size = 2000
    looked_at, found = _walk(np.zeros((18, size), np.uint32), lambda left, right: (left * right >> 4) % 3 == 0)
    left, right = (np.concatenate([getattr(pairs, side) for pairs in found]) for side in ("left", "right"))
    links = csr_array((np.ones(len(left)), (left, right)), shape=(size, size))
    assert connected_components(links, directed=False)[0] == 1
    assert looked_at < 40 * size
