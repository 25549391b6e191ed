"""What a training costs with ml-run, and with the scripts people copy: time, memory, size on disk, macro-F1.

    python benchmarks/training.py --data FOLDER --model FOLDER [--texts headlines] [--rows 256] [--epochs 1] …

FOLDER of the data holds train.tsv, dev.tsv and test.tsv with the columns category, headline and text, as MasakhaNEWS
has them. ml-run is the real command, `ml-run --until train`, with its defaults: reading and checking the data, training
with an evaluation and a checkpoint after each epoch, the model sealed. The others (`usual_training.py`) are a plain
Trainer script that pads to max_length, the same with dynamic padding, and simpletransformers where it is installed (it
is in no extra: it brings wandb and streamlit). Same rows, base model, max_length, batch size, learning rate and epochs;
all get `OMP_WAIT_POLICY=PASSIVE`, which spares the others the worst on a machine that is not idle.

Every measurement is a fresh process, in turn, for several rounds; medians are printed as Markdown. Wall time is that of
the whole process, processor time counts all its threads and is disturbed less by neighbours, memory is its peak
resident set. macro-F1 is on test.tsv, by one scoring code. The rate of matrix products is measured beside each
training: what the training reaches of it counts the real tokens alone, none of padding.
"""

import argparse
import csv
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

USUAL = Path(__file__).with_name("usual_training.py")
MAIN = "import sys; sys.argv = ['ml-run', *sys.argv[1:]]; from ml_run.__main__ import main; main()"
NAMES = {
    "ml-run": "ml-run",
    "plain": "Trainer, padded to max_length",
    "dynamic": "Trainer, dynamic padding",
    "simpletransformers": "simpletransformers",
}
FIELDS = {"headlines": "headline", "articles": "text"}
COLLAPSED = 4
PRODUCT = 2048
KEYS = ("wall", "processor", "training", "memory", "disk", "macro_f1", "float32", "bfloat16")
COLUMNS = (
    "wall",
    "processor",
    "training alone",
    "peak memory",
    "on disk",
    "macro-F1",
    "tokens/s",
    "of the matrix rate",
)
Measured = dict[str, Any]


# --- in processes of their own --------------------------------------------------------------------------------------


def score(folder: str, rows: str) -> float:
    """Macro-F1 of the model in `folder` on the rows of a file."""
    from sklearn.metrics import f1_score

    from ml_run.modeling.scoring import load_transformer

    found = [json.loads(line) for line in Path(rows).read_text("utf-8").splitlines()]
    scorer = load_transformer(Path(folder))
    predicted = scorer.logits([row["text"] for row in found]).argmax(axis=1)
    return float(f1_score([row["label"] for row in found], [scorer.labels[n] for n in predicted], average="macro"))


def products(kind: str) -> float:
    """Best of several matrix products, in GFLOP/s."""
    import torch

    matrix = torch.randn(PRODUCT, PRODUCT, dtype=getattr(torch, kind))
    times = []
    for _ in range(9):
        start = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - start)
    return 2 * PRODUCT**3 / min(times) / 1e9


def work(model: str, rows: str, max_length: int) -> dict[str, float]:
    """Real tokens of the rows, and the floating-point operations to train on them once."""
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(model)
    texts = [json.loads(line)["text"] for line in Path(rows).read_text("utf-8").splitlines()]
    encoded = AutoTokenizer.from_pretrained(model)(texts, truncation=True, max_length=max_length)["input_ids"]
    lengths = [len(tokens) for tokens in encoded]
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    weights = layers * (4 * hidden * hidden + 2 * hidden * inner)
    # 2 operations a weight and token forward, twice that backward; scores and weighted values cost as much each.
    operations = sum(6 * weights * n + 12 * layers * hidden * n * n for n in lengths)
    return {"tokens": sum(lengths), "operations": operations}


def fresh(function: str, *arguments: object) -> Any:
    command = [sys.executable, __file__, "--measure", function, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | quiet())
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# --- one training ---------------------------------------------------------------------------------------------------


def quiet() -> dict[str, str]:
    return {
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true",
        "WANDB_MODE": "disabled",
    }


def run(command: list[str], folder: Path, allowed: tuple[int, ...] = (0,)) -> Measured:
    """Run a process to its end; its wall time, processor time and peak memory."""
    start = time.perf_counter()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=os.environ | quiet())
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in allowed:
        sys.exit(f"{command} failed:\n{(folder / 'output.txt').read_text('utf-8', 'replace')[-3000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"wall": seconds, "processor": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss * unit / 1e9}


def train(way: str, task: Measured) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if way == "ml-run":
            (folder / "ml_config.yaml").write_text(json.dumps(our_config(task)))
            command = [sys.executable, "-c", MAIN, "benchmark", "--until", "train", "--quiet"]
            found = run(command, folder, (0, COLLAPSED))
            model, note = trained(next(folder.glob("experiments/exp_*")))
            found |= {"training": note["seconds"], "how": note["compute"]}
        else:
            model = folder / "out"
            (folder / "task.json").write_text(json.dumps(task | {"out": str(model)}))
            found = run([sys.executable, str(USUAL), way, "task.json"], folder)
            found["training"] = json.loads((model / "seconds.json").read_text())
        return found | {"disk": size(model), "macro_f1": fresh("score", model, task["test"])}


def trained(experiment: Path) -> tuple[Path, Measured]:
    """The model, and what is noted of its training; of one that is useless and was refused, the last checkpoint."""
    if (experiment / "training.json").exists():
        return experiment / "model", json.loads((experiment / "training.json").read_text())
    last = max(experiment.glob("checkpoints/checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    return last, json.loads((last / "ml_run.json").read_text())


def size(model: Path) -> float:
    """Megabytes of the weights, the tokenizer and their configs."""
    kinds = ("*.safetensors", "tokenizer*", "config.json", "*.model", "vocab*", "special_tokens_map.json")
    return sum(file.stat().st_size for kind in kinds for file in model.glob(kind)) / 1e6


def our_config(task: Measured) -> Measured:
    keys = ("batch_size", "learning_rate", "epochs", "seed")
    return {
        "data": {f"{split}_path": task[split] for split in ("train", "val", "test")},
        "model": {"name": task["model"], "max_length": task["max_length"]},
        "training": {key: task[key] for key in keys} | {"on_collapse": "stop"},
    }


# --- the data, and the tables ---------------------------------------------------------------------------------------


def write_rows(options: argparse.Namespace, texts: str, folder: Path) -> Measured:
    csv.field_size_limit(1 << 30)
    task: Measured = {}
    for split, name in {"train": "train", "val": "dev", "test": "test"}.items():
        with (options.data / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file, delimiter="\t"))
        if split == "train":
            found = sample(found, options.rows)
        task[split] = str(folder / f"{split}.jsonl")
        rows = [json.dumps({"text": row[FIELDS[texts]], "label": row["category"]}) for row in found]
        Path(task[split]).write_text("\n".join(rows) + "\n")
        task["labels"] = sorted({row["category"] for row in found} | set(task.get("labels", ())))
    return task


def sample(rows: list[dict[str, str]], count: int | None) -> list[dict[str, str]]:
    """About `count` of the rows, the same share of each class, seeded."""
    if count is None or count >= len(rows):
        return rows
    classes = defaultdict(list)
    for row in rows:
        classes[row["category"]].append(row)
    chance = random.Random(0)
    kept = [chance.sample(own, max(12, round(len(own) * count / len(rows)))) for own in classes.values()]
    chosen = [row for own in kept for row in own]
    chance.shuffle(chosen)
    return chosen


def compare(options: argparse.Namespace, texts: str, ways: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        task = write_rows(options, texts, Path(folder)) | {
            "model": str(Path(options.model).expanduser().resolve()),
            **{key: getattr(options, key) for key in ("max_length", "batch_size", "learning_rate", "epochs")},
        }
        rows = len(Path(task["train"]).read_text().splitlines())
        amount = fresh("work", task["model"], task["train"], task["max_length"])
        found: dict[str, list[Measured]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way in ways:
                rates = {kind: fresh("products", kind) for kind in ("float32", "bfloat16")}
                found[way].append(train(way, task | {"seed": options.seed + number}) | rates)
                print(f"round {number + 1}: {way} {found[way][-1]}", file=sys.stderr, flush=True)
    told = f"{rows:,} rows, {amount['tokens']:,.0f} tokens, {options.epochs} epochs, max_length {options.max_length}"
    print(f"\n**{texts}**, {Path(options.model).name}: {told}\n")
    print_table(found, amount, options.epochs)


def print_table(found: dict[str, list[Measured]], amount: dict[str, float], epochs: int) -> None:
    print(
        "| way | wall | processor | training alone | peak memory | on disk | macro-F1 | tokens/s | of the matrix rate |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    middle = {way: {key: statistics.median(one[key] for one in all_) for key in KEYS} for way, all_ in found.items()}
    for way, one in middle.items():
        rate = amount["operations"] * epochs / one["training"] / 1e9
        print(
            f"| {NAMES[way]} | {one['wall']:.0f} s | {one['processor']:.0f} s | {one['training']:.0f} s | "
            f"{one['memory']:.2f} GB | {one['disk']:.0f} MB | {one['macro_f1']:.3f} | "
            f"{amount['tokens'] * epochs / one['training']:,.0f} | "
            f"{rate / one['bfloat16']:.0%} of bf16, {rate / one['float32']:.0%} of float32 |"
        )
    print("\n| against | wall | processor | training alone | peak memory | on disk |\n|---|---|---|---|---|---|")
    for way, theirs in found.items():
        if way != "ml-run" and "ml-run" in found:
            ratios = [median_ratio(theirs, found["ml-run"], key) for key in KEYS[:5]]
            print(f"| {NAMES[way]} | {' | '.join(f'{ratio:.1f}×' for ratio in ratios)} |")


def median_ratio(theirs: list[Measured], ours: list[Measured], key: str) -> float:
    return statistics.median(one[key] / other[key] for one, other in zip(theirs, ours, strict=True))


def machine() -> str:
    names = [line.partition(":")[2].strip() for line in cpu_lines() if line.startswith("model name")]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, load {load}"


def cpu_lines() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text().splitlines() if info.exists() else []


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument("--ways", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        name, *arguments = sys.argv[2:]
        found = {"score": score, "products": products, "work": lambda m, r, n: work(m, r, int(n))}[name](*arguments)
        print(json.dumps(found))
        return
    options = parse()
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}; {' '.join(['python', *sys.argv])}")
    ways = [way for way in options.ways if way != "simpletransformers" or find_spec(way)]
    for way in set(options.ways) - set(ways):
        print(f"{way} is not installed and is left out", file=sys.stderr)
    for texts in options.texts:
        compare(options, texts, ways)
    print(f"\nload at the end: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")


if __name__ == "__main__":
    main()
