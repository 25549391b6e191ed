"""What the data stage costs, and how its search for near copies compares with datasketch.

    python benchmarks/data_checks.py [ROWS ...]

On SYNTHETIC rows of 100 characters with planted copies (`synthetic_rows.py`), 10,000, 100,000 and 1,000,000 of them
unless said otherwise. The whole stage runs with every check in its default, on one file that it has to divide. The
search for near copies gets the texts that are compared there, and so does datasketch, with as many bands of as many
hashes; its candidates are verified by the same code. Every measurement is a fresh process: its peak resident
memory, and its time by the clock and on the processor, of the stage with what it imports, of the search without.
Small sizes are measured several times, in turn; medians are printed, as Markdown. Limits to keep at 1,000,000 rows:
ten minutes, 4 GB.

datasketch is in the extra `bench`.
"""

import json
import logging
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

import numpy as np
from synthetic_rows import KINDS, Rows, make_rows, write_rows

from ml_run.events import logger
from ml_run.quality.minhash import Likeness, similar_pairs
from ml_run.quality.near import comparable
from ml_run.quality.shingles import verified
from ml_run.quality.signatures import bands_for

SIZES = (10_000, 100_000, 1_000_000)
ALL_FORMATS_UP_TO = 10_000
SIMILAR = Likeness().short
BAND = 4
BULK = 10_000
COSTS = ("seconds", "processor", "gigabytes")
Pair = tuple[int, int]
Measured = dict[str, Any]


def rounds(rows: int) -> int:
    return 3 if rows <= 100_000 else 1


# --- in a process of their own --------------------------------------------------------------------------------------


def stage(path: str) -> Measured:
    from ml_run.config import Config
    from ml_run.experiment import Experiment
    from ml_run.stages.data import prepare_data

    data = {"train_path": path, "language": "so"}  # a language, so that rows are held against it
    config = Config.model_validate({"data": data, "model": {"name": "scratch:tiny"}})
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(Path(folder, "experiments/exp_1"))
        experiment.folder.mkdir(parents=True)
        steps = Steps()
        logger.addHandler(steps)
        logger.setLevel(logging.INFO)
        start = time.perf_counter()
        prepare_data(config, experiment)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "processor": time.process_time(), "gigabytes": peak(), "steps": steps.spent()}


class Steps(logging.Handler):
    """Takes from the stage's own progress what each of its steps costs in processor seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._marks = [("reading", time.process_time())]

    def emit(self, record: logging.LogRecord) -> None:
        message, data = record.getMessage(), getattr(record, "data", {})
        if message.startswith("checking "):
            name = message.removeprefix("checking ").replace("the gate", "the gate, and writing")
            self._marks.append((name, time.process_time()))
        elif data.get("total") == 1:  # the one source there is has been read
            self._marks.append(("rows, copies and splits", time.process_time()))

    def spent(self) -> dict[str, float]:
        ends = [*(moment for _, moment in self._marks[1:]), time.process_time()]
        return {name: end - start for (name, start), end in zip(self._marks, ends, strict=True)}


def ours(rows: str) -> Measured:
    return search(int(rows), lambda texts: _pairs(similar_pairs(texts, Likeness())))


def _pairs(found: Any) -> tuple[list[Pair], int]:
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    return pairs, len(pairs)


def datasketch(rows: str) -> Measured:
    return search(int(rows), _by_datasketch)


def _by_datasketch(texts: list[str]) -> tuple[list[Pair], int]:
    """The verified pairs, and how many candidates there were; sketches are made in bulk, its fastest way."""
    from datasketch import MinHash, MinHashLSH

    bands = bands_for(SIMILAR)
    index = MinHashLSH(num_perm=bands * BAND, params=(bands, BAND))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    pairs: list[Pair] = []
    count = 0
    for start in range(0, len(texts), BULK):
        encoded = [[gram.encode("utf-8") for gram in grams(text)] for text in texts[start : start + BULK]]
        candidates: list[Pair] = []
        for number, sketch in enumerate(MinHash.bulk(encoded, num_perm=bands * BAND), start):
            candidates += [(other, number) for other in index.query(sketch)]
            index.insert(number, sketch, check_duplication=False)
        count += len(candidates)
        for part in verified(texts, lengths, *np.array(candidates, np.int64).reshape(-1, 2).T):
            near = part.jaccard >= SIMILAR
            pairs += zip(part.left[near].tolist(), part.right[near].tolist(), strict=True)
    return pairs, count


def search(count: int, find: Callable[[list[str]], tuple[list[Pair], int]]) -> Measured:
    """Time one search, and judge it by what was planted."""
    rows = make_rows(count)
    forms = [comparable(text, None) for text in rows.texts]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(forms))}
    texts = list(numbers)
    find(texts[:100])  # what is loaded once is not measured
    start, used = time.perf_counter(), time.process_time()
    found, candidates = find(texts)
    measured = {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - used,
        "gigabytes": peak(),
        "none": candidates - len(found),
    }
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
        sys.exit(f"measuring {what} ended with {done.returncode}: {done.stderr.decode()}")
    found: Measured = json.loads(done.stdout)
    return found


def medians(found: list[Measured]) -> Measured:
    return found[0] | {name: statistics.median(one[name] for one in found) for name in COSTS}


def cost(values: Measured) -> str:
    return f"{values['seconds']:,.1f} s | {values['processor']:,.1f} s | {values['gigabytes']:.2f} GB"


def stage_table(sizes: list[int], folder: Path) -> None:
    print("| rows | format | time | processor time | peak memory |\n|---|---|---|---|---|")
    whole: dict[int, Measured] = {}
    for size in sizes:
        rows = make_rows(size)
        for form in ("jsonl", "csv", "parquet") if size <= ALL_FORMATS_UP_TO else ("jsonl",):
            path = folder / f"rows.{form}"
            write_rows(rows, path)
            found = medians([measure("stage", path) for _ in range(rounds(size))])
            whole.setdefault(size, found)
            print(f"| {size:,} | {form} | {cost(found)} |", flush=True)
    for small, large in pairwise(sizes):
        ratio = whole[large]["processor"] / whole[small]["processor"]
        print(f"\n{large / small:.0f} times the rows took {ratio:.1f} times as long (processor time).")
    print(f"\n| step | {' | '.join(f'{size:,} rows' for size in sizes)} |\n|---|{'---|' * len(sizes)}")
    for step in whole[sizes[0]]["steps"]:
        spent = (whole[size]["steps"][step] for size in sizes)
        print(f"| {step} | {' | '.join(f'{one:.1f} s' for one in spent)} |")


def search_table(sizes: list[int]) -> None:
    print("\n| rows | near copies by | time | processor time | peak memory | recall | precision | pairs | refuted |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in sizes:
        found: dict[str, list[Measured]] = {"ml-run": [], "datasketch": []}
        for _ in range(rounds(size)):
            found["ml-run"].append(measure("ours", size))
            found["datasketch"].append(measure("datasketch", size))
        both = {name: medians(measured) for name, measured in found.items()}
        for name, values in both.items():
            worth = f"{values['recall']:.4f} | {values['precision']:.4f} | {values['pairs']:,} | {values['none']:,}"
            print(f"| {size:,} | {name} | {cost(values)} | {worth} |", flush=True)
        ratios = (both["datasketch"][name] / both["ml-run"][name] for name in COSTS)
        print(f"| | ratio | {' | '.join(f'{ratio:.1f}' for ratio in ratios)} | | | | |", flush=True)
    print("\n| planted copies | similar enough | ml-run found | datasketch found |\n|---|---|---|---|")
    for kind, enough in both["ml-run"]["similar enough"].items():
        shown = (values["recall by kind"][kind] for values in both.values())
        print(f"| {kind} | {enough} | {' | '.join('-' if one is None else f'{one:.4f}' for one in shown)} |")


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
