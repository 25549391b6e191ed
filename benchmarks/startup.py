"""How long a user waits for words: `ml-run --help`, a version, a config with faults.

    python benchmarks/startup.py

Each command runs in a fresh interpreter, in turn with a bare interpreter and with `import transformers`, several times;
medians and ratios are printed. Limit to keep: 0.5 s for each, none of the heavy libraries imported.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
MAIN = "import sys; sys.argv = ['ml-run', *sys.argv[1:]]; from ml_run.__main__ import main; main()"
COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "import transformers": ["-c", "import transformers"],
    "ml-run --version": ["-c", MAIN, "--version"],
    "ml-run --help": ["-c", MAIN, "--help"],
    "ml-run, broken config": ["-c", MAIN, "check-config"],
}


def seconds(arguments: list[str], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ml_config.yaml").write_text(
            "data: {train_path: no.jsonl}\nmodel: {nam: x}\ntraining: {epochs: -1}\n"
        )
        for _ in range(ROUNDS):
            for name, arguments in COMMANDS.items():
                times[name].append(seconds(arguments, folder))
    bare = statistics.median(times["bare interpreter"])
    print(f"{'command':<24}{'median':>9}{'slowest':>9}{'× bare':>8}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:<24}{median:>8.3f}s{max(values):>8.3f}s{median / bare:>8.1f}")


if __name__ == "__main__":
    main()
