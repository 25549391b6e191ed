"""What ml-run itself costs in a quickstart: wall time less loading libraries, training and scoring.

    python benchmarks/overhead.py

Runs the quickstart in a temporary folder several times. From the wall time it takes the time to import the libraries
(measured beside it in a fresh interpreter), the training time and the scoring time (both from the run's own journal),
and the fresh process that verifies the deployed model. Limit to keep: 5 s.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
MAIN = "import sys; sys.argv = ['ml-run', *sys.argv[1:]]; from ml_run.__main__ import main; main()"
LIBRARIES = (
    "import torch, transformers, datasets, mlflow, mlflow.pyfunc, sklearn.svm, scipy.stats, evaluate, pyarrow.parquet;"
    "from transformers import Trainer, AutoModelForSequenceClassification;"
    "import mlflow.store.tracking.sqlalchemy_store"
)


def run(arguments: list[str], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - start


def measure(folder: str) -> dict[str, float]:
    libraries = run(["-c", LIBRARIES], folder)
    wall = run(["-c", MAIN, "quickstart", "--json"], folder)
    experiment = max(Path(folder, "experiments").glob("exp_*"))
    training = json.loads((experiment / "training.json").read_text())["seconds"]
    decision = json.loads((experiment / "deployment.json").read_text())
    verification = decision["deployment"]["verification"]["seconds"]
    stages = json.loads((experiment / "run.json").read_text())["stages"]
    scoring = _scoring(experiment)
    spent = {"libraries": libraries, "training": training, "scoring": scoring, "verification": verification}
    return {"wall": wall, **spent, "overhead": wall - sum(spent.values())} | {
        f"stage {name}": stage["seconds"] for name, stage in stages.items()
    }


def _scoring(experiment: Path) -> float:
    """Seconds between the first and the last scoring progress of the evaluate stage."""
    events = [json.loads(line) for line in (experiment / "logs/events.jsonl").read_text().splitlines()]
    times = [e["elapsed"] for e in events if e["event"] == "progress" and e.get("stage") == "evaluate"]
    return max(times) - min(times) if times else 0.0


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measure(folder))
    for name in rounds[0]:
        values = [r[name] for r in rounds]
        print(f"{name:<18}{statistics.median(values):>8.1f} s   ({min(values):.1f}–{max(values):.1f})")


if __name__ == "__main__":
    main()
