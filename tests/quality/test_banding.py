"""Near copies by signatures that workers make: the very pairs that this process finds by itself."""

import random

import numpy as np
import pytest

from ml_run import cluster
from ml_run.config.sections import ComputeConfig
from ml_run.quality import banding
from ml_run.quality.banding import Banding
from ml_run.quality.duplicates import near_duplicate_findings
from ml_run.quality.minhash import Likeness, similar_pairs
from ml_run.quality.near import find_near_copies
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

WORDS = [
    f"{first}{second}{third}" for first in "gbdlmnsxc" for second in ("aa", "o", "ii") for third in ("r", "d", "n")
]


def texts_with_copies(count, seed=0):
    """Texts of which a third nearly repeat an earlier one, some of them long, and one family of 200."""
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.choice((8, 30, 300)))) for _ in range(count * 2 // 3)]
    texts += [f"{chance.choice(texts)} {chance.choice(WORDS)}" for _ in range(count // 3 - 200)]
    texts += [f"{' '.join(WORDS[:40])} {number}" for number in range(200)]
    chance.shuffle(texts)
    return list(dict.fromkeys(texts))


def pairs_of(texts, signer):
    kinds = np.where(np.arange(len(texts)) % 5 == 0, 2, 1).astype(np.uint8)
    found = similar_pairs(texts, Likeness(), kinds=kinds, seed=3, signer=signer)
    return set(zip(*(column.tolist() for column in found), strict=True))


def test_signatures_made_in_portions_give_the_same_pairs():
    """Dealt to parts, met there, and brought back: pair for pair, similarity for similarity, also in large buckets."""
    texts = texts_with_copies(900)
    with cluster.engine(ComputeConfig()) as engine:
        spread = pairs_of(texts, Banding(engine, portion=20_000))
    assert spread == pairs_of(texts, None)
    assert len(spread) > 500


def test_texts_that_share_no_bucket_have_no_copies():
    """Nothing comes back of the shuffle, and nothing is found."""
    with cluster.engine(ComputeConfig()) as engine:
        assert pairs_of([f"{number} {number * 7919}" * 4 for number in range(20)], Banding(engine)) == set()


@pytest.mark.slow
def test_on_ray_the_findings_are_those_of_this_process(monkeypatch):
    """The same rows with and without a cluster of two workers: the same near copies, and the same finding."""
    pytest.importorskip("ray")
    monkeypatch.setattr(banding, "FROM", 1000)
    rows = [Row("a.jsonl", n + 1, text, "x", None, {}, hash=str(n)) for n, text in enumerate(texts_with_copies(3000))]
    splits, checks = {"train": rows[:2400], "test": rows[2400:]}, Checks()
    here = find_near_copies(splits, checks, None)
    with cluster.using(ComputeConfig(engine="ray", workers=2)):
        there = find_near_copies(splits, checks, None)
    assert there == here
    assert near_duplicate_findings(splits, there, checks) == near_duplicate_findings(splits, here, checks)
    assert len(here.partners) > 500
