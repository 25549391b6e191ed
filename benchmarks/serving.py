"""The way of a model after its training, under load: train, deploy, serve, promote another, roll back, monitor.

    python benchmarks/serving.py [--model linear|scratch:tiny|scratch:small|FOLDER] [--seconds 15] [--rows 6000]

Rows are SYNTHETIC short texts of about 100 characters in four classes. Everything is the real command in processes of
its own: `ml-run one` trains and deploys, `ml-run serve` serves with a traffic log, and callers on the same machine ask
`/predict` over connections that stay open, one request after the other. First for so many seconds each: one caller,
eight callers, four callers with 16 texts a request. Then eight callers go on while `ml-run two` trains and deploys
another model, and while `ml-run rollback` takes it back: no request may fail. At last 200 texts of another language are
asked for, and `ml-run monitor` looks at the start of the traffic log and at its end. Printed as Markdown; the exit code
is 1 when a request failed or monitor was wrong.
"""

import argparse
import http.client
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import inference
import synthetic_rows

LABELS = len(synthetic_rows.LABELS)
CLEAN, DRIFTED = 150, 150
"""Lines of the traffic log; of more, texts would be there twice."""
PHASES = {"one caller": (1, 1), "eight callers": (8, 1), "four callers, 16 texts each": (4, 16)}


# --- callers --------------------------------------------------------------------------------------------------------


class Callers:
    """Threads that ask one request after the other until told to stop, and remember how each went."""

    def __init__(self, port: int, texts: list[str], callers: int, together: int) -> None:
        self._port, self._texts, self._together = port, texts, together
        self._over = threading.Event()
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.versions: list[tuple[float, str]] = []
        """When which version answered."""
        self._start = time.perf_counter()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(callers)]
        for thread in self._threads:
            thread.start()

    def _call(self, number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        places = list(range(0, len(self._texts) - self._together, self._together))
        begin = number * len(places) // 8
        turn = itertools.cycle(places[begin:] + places[:begin])
        while not self._over.is_set():
            first = next(turn)
            body = json.dumps({"texts": self._texts[first : first + self._together]})
            start = time.perf_counter()
            try:
                client.request("POST", "/predict", body)
                answer = client.getresponse()
                told = json.loads(answer.read())
                self.statuses[str(answer.status)] += 1
                self.versions.append((time.perf_counter(), told.get("version", "")))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.statuses[type(error).__name__] += 1
                client.close()
            self.seconds.append(time.perf_counter() - start)
        client.close()

    def end(self) -> dict[str, Any]:
        """Stop them; what was measured, times in milliseconds."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        wall = time.perf_counter() - self._start
        cuts = statistics.quantiles(self.seconds, n=100, method="inclusive")
        return {
            "requests": len(self.seconds),
            "rate": len(self.seconds) / wall,
            "texts": len(self.seconds) * self._together / wall,
            "p50": cuts[49] * 1000,
            "p95": cuts[94] * 1000,
            "p99": cuts[98] * 1000,
            "failed": sum(count for status, count in self.statuses.items() if status != "200"),
        }


# --- the road -------------------------------------------------------------------------------------------------------


def ml_run(project: Path, *words: object) -> tuple[int, dict[str, Any], float]:
    """Run a command to its end: exit code, what it printed as JSON, seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "ml_run", *map(str, words), "--json", "--quiet"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 6, 8}:
        sys.exit(f"ml-run {words[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode, json.loads(done.stdout), time.perf_counter() - start


@contextmanager
def serving(project: Path) -> Any:
    """A server that is ready; yields its port."""
    command = [sys.executable, "-m", "ml_run", "serve", "--port", "0", "--json", "--traffic-log", "traffic.jsonl"]
    with subprocess.Popen([*command, "--log-texts"], cwd=project, stdout=subprocess.PIPE, text=True) as server:
        told = ""
        while not told.endswith("}\n"):
            told += server.stdout.readline()  # type: ignore[union-attr]
        try:
            yield int(json.loads(told)["url"].rpartition(":")[2])
        finally:
            server.terminate()
            print(f"\nSIGTERM: the server ended with exit code {server.wait(60)}.")


def write_project(project: Path, model: str, count: int) -> list[str]:
    """Data and config; returns texts that the model has not seen."""
    rows = synthetic_rows.make_rows(2 * count)
    copies = {planted.copy for planted in rows.planted}
    pairs = enumerate(zip(rows.texts, rows.labels, strict=True))
    records = [{"text": text, "label": label} for number, (text, label) in pairs if number not in copies]
    (project / "data").mkdir()
    parts = {
        "train": records[:count],
        "val": records[count : count * 5 // 4],
        "test": records[count * 5 // 4 : count * 3 // 2],
    }
    for name, part in parts.items():
        (project / f"data/{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in part))
    name = model if model.startswith("scratch:") or model == "linear" else str(Path(model).absolute())
    (project / "ml_config.yaml").write_text(
        "data: {train_path: data/train.jsonl, val_path: data/val.jsonl, test_path: data/test.jsonl}\n"
        f"model: {{name: {json.dumps(name)}, max_length: 64}}\n"
        "training: {epochs: 2, learning_rate: 0.001, batch_size: 32, seed: 1}\n"
        "deployment: {auto_deploy: true, min_accuracy: 0.1, min_f1: 0.05}\n"
    )
    return [one["text"] for one in records[count * 3 // 2 :]]


def others(texts: list[str]) -> list[str]:
    """Texts of another language: other letters in the same places."""
    return [text.translate(str.maketrans("aeioubdgkl", "öäüßñpvzcé")) for text in texts]


def ask(port: int, texts: list[str]) -> int:
    """One request a text; returns how many failed."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    failed = 0
    for text in texts:
        client.request("POST", "/predict", json.dumps({"text": text}))
        answer = client.getresponse()
        answer.read()
        failed += answer.status != 200
    client.close()
    return failed


def check_monitor(project: Path, name: str, lines: list[str], wanted: int) -> bool:
    """Print what `ml-run monitor` says of some lines of the traffic log; whether it is what it should say."""
    (project / name).write_text("".join(lines))
    code, told, seconds = ml_run(project, "monitor", name)
    alarms = ", ".join(one["name"] for one in told["checks"] if one["alarm"])
    print(f"| {name} | {told['rows']:,} | {told['status']} | {code} | {alarms or '–'} | {seconds:.1f} |", flush=True)
    return code == wanted


def line(name: str, found: dict[str, Any]) -> None:
    print(
        f"| {name} | {found['requests']:,} | {found['rate']:,.0f} | {found['texts']:,.0f} | {found['p50']:.1f} |"
        f" {found['p95']:.1f} | {found['p99']:.1f} | {found['failed']} |", flush=True,
    )  # fmt: skip


def load_phases(port: int, texts: list[str], seconds: float) -> int:
    """Measure each way of asking; returns how many requests failed."""
    failed = 0
    for name, (callers, together) in PHASES.items():
        load = Callers(port, texts, callers, together)
        time.sleep(seconds)
        found = load.end()
        line(name, found)
        failed += found["failed"]
    return failed


def change_under_load(project: Path, port: int, texts: list[str]) -> int:
    """Promote a second model and take it back while eight callers ask; returns how many requests failed."""
    load = Callers(port, texts, 8, 1)
    time.sleep(1)
    _, told, trained = ml_run(project, "two", "--set", "training.seed=2")
    second = told["deployment"]["version"]
    time.sleep(2)
    start = time.perf_counter()
    _, told, rolled = ml_run(project, "rollback")
    first = told["version"]
    time.sleep(3)
    found = load.end()
    line("promotion and rollback under eight callers", found)
    back = next((when for when, version in load.versions if when > start and version == first), None)
    print(
        f"\nVersion {second} was trained and deployed in {trained:.0f} s while version {first} answered;"
        f" `ml-run rollback` took {rolled:.1f} s, and version {first} answered"
        + (f" {back - start:.1f} s after it was asked for." if back else " no more.")
        + f" Answers by version: {dict(Counter(version for _, version in load.versions))};"
        f" statuses: {dict(load.statuses)}."
    )
    seen = {version for _, version in load.versions}
    return int(found["failed"]) + (back is None) + (not {first, second} <= seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="linear")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rows", type=int, default=6000)
    chosen = parser.parse_args()
    print(f"{chosen.model}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {inference.machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        texts = write_project(project, chosen.model, chosen.rows)
        ml_run(project, "one")
        with serving(project) as port:
            print("| load | requests | requests/s | texts/s | p50 ms | p95 ms | p99 ms | failed |\n|---|" + "---:|" * 7)
            failed = load_phases(port, texts, chosen.seconds) + change_under_load(project, port, texts)
            failed += ask(port, others(texts[:DRIFTED]))
        lines = (project / "traffic.jsonl").read_text().splitlines(keepends=True)
        print("\n| traffic | rows | status | exit code | alarms | seconds |\n|---|---:|---|---:|---|---:|")
        right = check_monitor(project, "clean.jsonl", lines[:CLEAN], 0)
        right &= check_monitor(project, "drifted.jsonl", lines[-DRIFTED:], 8)
    sys.exit(bool(failed) or not right)


if __name__ == "__main__":
    main()
