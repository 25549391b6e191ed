"""What workers add: rows a second of `ml-run predict` in one process, and by 1, 2, 3 … workers of a Ray cluster.

    python benchmarks/scale.py --model FOLDER|scratch:small|scratch:tiny [--count 20000] [--workers 0 1 2 3] …

0 workers: `--engine local`, one process, kept to one thread as each worker is. The others start a cluster on this
machine, with as many workers as are asked for, whatever cores there are. Each way is the real command, twice: on all
rows, and on 64 of them, which tells what it costs to begin (processes, connections, the model). The answers of all ways
must be the same bytes.

Rows a second are (rows - 64) by the difference of the two wall times. Processor time is that of every process that has
a part in it, sampled from /proc (Linux): also that of Ray's own.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import inference

RUN = "exp_20260101_000000"
FEW = 64
SAMPLED = 0.5
TICKS = os.sysconf("SC_CLK_TCK")
MARK = "ML_RUN_BENCHMARK"


class Processes:
    """Adds up the processor time of all processes that carry a mark in their environment."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self._seconds: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLED):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if self.mark.encode() in (folder / "environ").read_bytes():
                        fields = (folder / "stat").read_text().rpartition(")")[2].split()
                        self._seconds[folder.name] = (int(fields[11]) + int(fields[12])) / TICKS
                except OSError:
                    continue

    def end(self) -> float:
        self._over.set()
        self._thread.join()
        return sum(self._seconds.values())


def run(project: Path, rows: str, workers: int) -> dict[str, float]:
    """One job; its wall time, the processor time of all its processes, and what it wrote as a digest."""
    words = ["predict", rows, "out.jsonl", "--model", RUN, "--restart", "--quiet"]
    words += ["--engine", "ray", "--workers", str(workers)] if workers else []
    processes = Processes()
    environment = os.environ | {MARK: processes.mark, "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    environment |= {} if workers else {"OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    command = [sys.executable, "-c", inference.MAIN, *words]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    wall, cpu = time.perf_counter() - start, processes.end()
    if done.returncode:
        sys.exit(done.stderr)
    return {"wall": wall, "cpu": cpu, "digest": hashlib.sha256((project / "out.jsonl").read_bytes()).hexdigest()}


def measure(project: Path, count: int, workers: int) -> dict[str, float]:
    few, whole = run(project, "few.jsonl", workers), run(project, "in.jsonl", workers)
    seconds = whole["wall"] - few["wall"]
    if seconds <= 0:
        sys.exit(f"{workers} workers: {FEW} rows took longer than all: measure when the machine is less busy")
    return whole | {"begin": few["wall"], "rate": (count - FEW) / seconds, "scoring": whole["cpu"] - few["cpu"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scratch:small")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2, 3])
    options = parser.parse_args()
    options.rows = None
    print(f"{inference.machine()}, {time.strftime('%Y-%m-%d')}; {' '.join(['python', *sys.argv])}\n")
    project = Path(tempfile.mkdtemp(prefix="ml-run-scale-"))
    try:
        texts = inference.write_rows(options, project / "in.jsonl")
        lines = (project / "in.jsonl").read_text("utf-8").splitlines(keepends=True)
        (project / "few.jsonl").write_text("".join(lines[:FEW]), "utf-8")
        inference.make_runs(options.model, 128, texts, ["safetensors"], project)
        print("| workers | rows/s | of one process | to begin | wall | processor time | of it for the rows |")
        print("|---|---|---|---|---|---|---|")
        found = {}
        for workers in options.workers:
            one = found[workers] = measure(project, options.count, workers)
            share = one["rate"] / found[options.workers[0]]["rate"]
            print(
                f"| {workers or 'none: one process'} | {one['rate']:,.0f} | {share:.2f}× | {one['begin']:.1f} s | "
                f"{one['wall']:.1f} s | {one['cpu']:.1f} s | {one['scoring']:.1f} s |",
                flush=True,
            )
        assert len({one["digest"] for one in found.values()}) == 1, "the answers differ"
    finally:
        shutil.rmtree(project, ignore_errors=True)
    print(f"\nload at the end: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")


if __name__ == "__main__":
    main()
