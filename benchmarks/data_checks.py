"""What the data stage costs, and how its search for near copies compares with datasketch.

    python benchmarks/data_checks.py [ROWS ...]

On SYNTHETIC rows of 100 characters with planted copies (`synthetic_rows.py`), 10,000, 100,000 and 1,000,000 of them
unless said otherwise. The whole stage runs with every check in its default, on one file that it has to divide. The
search for near copies gets the texts that are compared there, and so does datasketch, with as many bands of as many
hashes; its candidates are verified by the same similarity. Every measurement is a fresh process: its peak resident
memory, and the wall time of the stage with what it imports, or of the search without. Small sizes are measured
several times, in turn; medians are printed, as Markdown. Limits to keep at 1,000,000 rows: ten minutes, 4 GB.

datasketch is in the extra `bench`.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from synthetic_rows import KINDS, Rows, make_rows, write_rows

from ml_run.quality.minhash import Likeness, bands_for, similar_pairs
from ml_run.quality.near import comparable

SIZES = (10_000, 100_000, 1_000_000)
ALL_FORMATS_UP_TO = 100_000
SIMILAR = Likeness().short
BAND = 4
Pair = tuple[int, int]
Measured = dict[str, Any]


def rounds(rows: int) -> int:
    return 5 if rows <= 10_000 else 3 if rows <= 100_000 else 1


# --- in a process of their own --------------------------------------------------------------------------------------


def stage(path: str) -> Measured:
    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.stages.data import prepare_data

    config = Config.model_validate({"data": {"train_path": path}, "model": {"name": "scratch:tiny"}})
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(Path(folder, "experiments/exp_1"))
        experiment.folder.mkdir(parents=True)
        start = time.perf_counter()
        prepared = prepare_data(config, experiment)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "gigabytes": peak(), "findings": {one.rule: one.count for one in prepared.findings}}


def ours(rows: str) -> Measured:
    return search(int(rows), lambda texts: _pairs(similar_pairs(texts, Likeness())))


def _pairs(found: Any) -> tuple[list[Pair], int]:
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    return pairs, len(pairs)


def datasketch(rows: str) -> Measured:
    return search(int(rows), _by_datasketch)


def _by_datasketch(texts: list[str]) -> tuple[list[Pair], int]:
    """The verified pairs, and how many candidates there were."""
    from datasketch import MinHash, MinHashLSH

    bands = bands_for(SIMILAR)
    index = MinHashLSH(num_perm=bands * BAND, params=(bands, BAND))
    candidates: list[Pair] = []
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=bands * BAND)
        sketch.update_batch([gram.encode("utf-8") for gram in grams(text)])
        candidates += [(other, number) for other in index.query(sketch)]
        index.insert(number, sketch, check_duplication=False)
    return [pair for pair in candidates if jaccard(texts, pair) >= SIMILAR], len(candidates)


def search(count: int, find: Callable[[list[str]], tuple[list[Pair], int]]) -> Measured:
    """Time one search, and judge it by what was planted."""
    rows = make_rows(count)
    forms = [comparable(text, None) for text in rows.texts]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(forms))}
    texts = list(numbers)
    find(texts[:100])  # what is loaded once is not measured
    start = time.perf_counter()
    found, candidates = find(texts)
    measured = {"seconds": time.perf_counter() - start, "gigabytes": peak(), "none": candidates - len(found)}
    return measured | judge(rows, forms, numbers, {(min(pair), max(pair)) for pair in found})


def judge(rows: Rows, forms: list[str], numbers: dict[str, int], found: set[Pair]) -> Measured:
    texts = list(numbers)
    planted: dict[str, list[Pair]] = {kind: [] for kind in KINDS}
    for one in rows.planted:
        ends = numbers[forms[one.original]], numbers[forms[one.copy]]
        if ends[0] != ends[1]:
            planted[one.kind].append((min(ends), max(ends)))
    similar = {kind: [pair for pair in pairs if jaccard(texts, pair) >= SIMILAR] for kind, pairs in planted.items()}
    everything = {pair for pairs in planted.values() for pair in pairs}
    return {
        "recall": share(pair in found for pairs in similar.values() for pair in pairs),
        "similar enough": {kind: f"{len(similar[kind]):,} of {len(planted[kind]):,}" for kind in KINDS},
        "recall by kind": {kind: share(pair in found for pair in pairs) for kind, pairs in similar.items()},
        "pairs": len(found),
        "precision": share(jaccard(texts, pair) >= SIMILAR for pair in found),
        "not planted": len(found - everything),
    }


def grams(text: str) -> set[str]:
    return {text[place : place + 5] for place in range(len(text) - 4)}


def jaccard(texts: list[str], pair: Pair) -> float:
    one, other = (grams(texts[number]) for number in pair)
    return len(one & other) / len(one | other) if one | other else 0.0


def share(values: Iterable[bool]) -> float | None:
    counted = list(values)
    return sum(counted) / len(counted) if counted else None


def peak() -> float:
    """Most memory that was resident so far, in GB; the system counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


MEASURES = {"stage": stage, "ours": ours, "datasketch": datasketch}


# --- the tables -----------------------------------------------------------------------------------------------------


def measure(what: str, argument: object) -> Measured:
    command = [sys.executable, __file__, "--measure", what, str(argument)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    found: Measured = json.loads(done.stdout)
    return found


def medians(found: list[Measured]) -> Measured:
    return found[0] | {name: statistics.median(one[name] for one in found) for name in ("seconds", "gigabytes")}


def stage_table(sizes: list[int], folder: Path) -> None:
    print("| rows | format | seconds | rows a second | peak memory |\n|---|---|---|---|---|")
    seconds = {}
    for size in sizes:
        rows = make_rows(size)
        forms = ("jsonl", "csv", "parquet") if size <= ALL_FORMATS_UP_TO else ("jsonl",)
        for form in forms:
            path = folder / f"rows.{form}"
            write_rows(rows, path)
            found = medians([measure("stage", path) for _ in range(rounds(size))])
            seconds.setdefault(size, found["seconds"])
            speed = f"{size / found['seconds']:,.0f}"
            print(f"| {size:,} | {form} | {found['seconds']:.1f} | {speed} | {found['gigabytes']:.2f} GB |", flush=True)
    for small, large in pairwise(sizes):
        print(f"\n{large / small:.0f} times the rows took {seconds[large] / seconds[small]:.1f} times as long.")


def search_table(sizes: list[int]) -> None:
    print(
        "\n| rows | near copies by | seconds | peak memory | recall | precision | pairs | candidates that were none |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size in sizes:
        found: dict[str, list[Measured]] = {"ours": [], "datasketch": []}
        for _ in range(rounds(size)):
            for what, measured in found.items():
                measured.append(measure(what, size))
        one, other = (medians(found[what]) for what in found)
        for name, values in (("ml-run", one), ("datasketch", other)):
            cost = f"{values['seconds']:.1f} | {values['gigabytes']:.2f} GB"
            worth = f"{values['recall']:.4f} | {values['precision']:.4f} | {values['pairs']:,} | {values['none']:,}"
            print(f"| {size:,} | {name} | {cost} | {worth} |", flush=True)
        times = other["seconds"] / one["seconds"], other["gigabytes"] / one["gigabytes"]
        print(f"| | ratio | {times[0]:.1f} | {times[1]:.1f} | | | | |", flush=True)
    print("\n| planted copies | similar enough | ml-run found | datasketch found |\n|---|---|---|---|")
    for kind, enough in one["similar enough"].items():
        shown = ("-" if part is None else f"{part:.4f}" for part in (v["recall by kind"][kind] for v in (one, other)))
        print(f"| {kind} | {enough} | {' | '.join(shown)} |")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--measure"]:
        print(json.dumps(MEASURES[arguments[1]](arguments[2])))
        return
    sizes = [int(argument) for argument in arguments] or list(SIZES)
    with tempfile.TemporaryDirectory() as folder:
        stage_table(sizes, Path(folder))
    search_table(sizes)


if __name__ == "__main__":
    main(sys.argv[1:])
