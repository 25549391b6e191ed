"""What a prediction costs with ml-run, and with transformers.pipeline: rows a second, single requests, memory, labels.

    python benchmarks/inference.py --model FOLDER|scratch:small [--rows FILE] [--count 2000] [--rounds 5] …

FOLDER is a model as transformers saves it; one without a classifier, as e5-small is, gets a random one, the same for
all (its labels are as good as ties, so that equal ones say little: train it first). scratch:small and scratch:tiny are
untrained models of that size. Rows are SYNTHETIC short texts, or those of a file of JSON lines with a field `text`.

ml-run is the real command, `ml-run predict`, on a run that holds this model in one of the formats that it may serve in.
The others are the script that people write: `pipeline("text-classification", model, top_k=None)` with truncation, over
all texts at once, with its default of one text at a time and with a batch size of 32. Rows a second count from when the
model is loaded; wall time is that of the whole process, CPU the time that its threads took together, memory its peak
resident set. Single requests are texts one after the other, through the scoring code that `ml-run serve` uses, and
through the pipeline; "CPU of one" is what its threads took together, the number to look at on a machine that is busy.
Every measurement is a fresh process, in turn, for several rounds; printed as Markdown are medians, and medians of the
ratios within a round.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import synthetic_rows

MAIN = "import sys; sys.argv = ['ml-run', *sys.argv[1:]]; from ml_run.__main__ import main; main()"
FORMATS = ("safetensors", "onnx", "onnx-int8-blocks", "onnx-int8")
NAMES = {name: f"ml-run, {name}" for name in FORMATS} | {"pipeline": "pipeline", "batched": "pipeline, batch_size=32"}
BATCHES = {"pipeline": 1, "batched": 32}
COLUMNS = {
    "rate": "rows/s",
    "p50": "p50",
    "p95": "p95",
    "request": "CPU of one",
    "wall": "wall",
    "cpu": "CPU",
    "memory": "peak memory",
}
LABELS = 4
REQUESTS = 100
WARM_UP = 5
Measured = dict[str, Any]


# --- in processes of their own --------------------------------------------------------------------------------------


def pipeline_of(model: str, batch: int) -> Any:
    from transformers import pipeline

    return pipeline("text-classification", model=model, top_k=None, truncation=True, batch_size=batch)


def all_rows(model: str, rows: str, batch: str, answers: str) -> Measured:
    """Every row through the pipeline, and the labels into a file."""
    texts = texts_of(rows)
    classify = pipeline_of(model, int(batch))
    start = time.perf_counter()
    found = [max(one, key=lambda share: share["score"])["label"] for one in classify(texts)]
    seconds = time.perf_counter() - start
    Path(answers).write_text(json.dumps(found))
    return {"rate": len(texts) / seconds}


def single(way: str, model: str, rows: str) -> Measured:
    """Milliseconds of single requests, evenly chosen from the rows."""
    texts = texts_of(rows)
    texts = texts[:: max(1, len(texts) // REQUESTS)][:REQUESTS]
    if way in FORMATS:
        from ml_run.modeling.scoring import load_scorer

        scorer = load_scorer(Path(model))
        ask: Any = lambda text: scorer.probabilities([text])  # noqa: E731 -- one of two
    else:
        ask = pipeline_of(model, BATCHES[way])
    times, spent = [], []
    for text in texts[:WARM_UP] + texts:
        start, used = time.perf_counter(), time.process_time()
        ask(text)
        times.append(1000 * (time.perf_counter() - start))
        spent.append(1000 * (time.process_time() - used))
    twentieths = statistics.quantiles(times[WARM_UP:], n=20, method="inclusive")
    return {"p50": twentieths[9], "p95": twentieths[18], "request": statistics.median(spent[WARM_UP:])}


def texts_of(rows: str) -> list[str]:
    return [json.loads(line)["text"] for line in Path(rows).read_text("utf-8").splitlines()]


# --- one measurement ------------------------------------------------------------------------------------------------


def run(command: list[str], folder: Path) -> Measured:
    """Run a process to its end; what it prints, its wall time and its peak memory."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    start = time.perf_counter()
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{command} failed:\n{(folder / 'err.txt').read_text('utf-8', 'replace')[-3000:]}")
    printed = (folder / "out.txt").read_text("utf-8")
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = used.ru_utime + used.ru_stime
    return {"printed": printed, "wall": wall, "cpu": cpu, "memory": used.ru_maxrss * unit / 1e9}


def measure(way: str, folder: Path, rows: Path) -> Measured:
    run_id = f"exp_20260101_00000{FORMATS.index(way) if way in FORMATS else 0}"
    model, answers = folder / "experiments" / run_id / "model", folder / f"{way}.json"
    if way in FORMATS:
        words = ["predict", str(rows), "out.jsonl", "--model", run_id, "--restart", "--json", "--quiet"]
        found = run([sys.executable, "-c", MAIN, *words], folder)
        found["rate"] = json.loads(found.pop("printed"))["rows_per_second"]
        lines = (folder / "out.jsonl").read_text("utf-8").splitlines()
        answers.write_text(json.dumps([json.loads(line)["predicted"] for line in lines]))
    else:
        found = run(again("all_rows", model, rows, BATCHES[way], answers), folder)
        found |= last_line(found.pop("printed"))
    return found | last_line(run(again("single", way, model, rows), folder)["printed"])


def again(function: str, *arguments: object) -> list[str]:
    return [sys.executable, str(Path(__file__).resolve()), "--measure", function, *map(str, arguments)]


def last_line(printed: str) -> Measured:
    return json.loads(printed.splitlines()[-1])


# --- the model, the rows and the tables -------------------------------------------------------------------------------


def make_runs(name: str, max_length: int, texts: list[str], formats: list[str], project: Path) -> None:
    """A run for each format, which holds the model in it, as far as `ml-run predict` asks for one."""
    bare = project / "bare"
    save_model(name, max_length, texts, bare)
    if formats != ["safetensors"]:
        command = [sys.executable, "-m", "ml_run.modeling.onnx_export", str(bare), str(bare)]
        subprocess.run(command, check=True, capture_output=True)
    for number, one in enumerate(FORMATS):
        if one in formats or one == "safetensors":  # whose folder the pipeline reads, too
            make_run(project / f"experiments/exp_20260101_00000{number}", one, bare)


def make_run(folder: Path, name: str, bare: Path) -> None:
    from ml_run import files
    from ml_run.experiment import Experiment
    from ml_run.modeling.onnx_scorer import ONNX_FILES
    from ml_run.modeling.scoring_file import Scoring, write_scoring
    from ml_run.results import RunRecord

    experiment = Experiment(folder)
    kept = {ONNX_FILES[name]} if name in ONNX_FILES else set()
    left_out = [f"{other}*" for other in ONNX_FILES.values() if other not in kept]
    shutil.copytree(bare, experiment.model, ignore=shutil.ignore_patterns(*left_out))
    write_scoring(experiment.model, Scoring(format=name))
    files.seal_folder(experiment.model)
    record = {"id": experiment.id, "name": name, "status": "finished", "created": "", "command": "", "config_path": ""}
    experiment.write_run(RunRecord(**record))


def save_model(name: str, max_length: int, texts: list[str], folder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from ml_run.modeling import scratch

    torch.manual_seed(0)
    names = dict(enumerate(synthetic_rows.LABELS))
    if name.startswith("scratch:"):
        tokenizer = scratch.train_tokenizer(texts[:5000], pieces=8000, max_length=max_length)
        model: Any = scratch.build_model(name, tokenizer, max_length, num_labels=LABELS, id2label=names)
    else:
        tokenizer = AutoTokenizer.from_pretrained(name, model_max_length=max_length)
        config = {} if has_classifier(Path(name)) else {"num_labels": LABELS, "id2label": names}
        model = AutoModelForSequenceClassification.from_pretrained(name, **config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def has_classifier(folder: Path) -> bool:
    kinds = json.loads((folder / "config.json").read_text("utf-8")).get("architectures") or [""]
    return kinds[0].endswith("ForSequenceClassification")


def write_rows(options: argparse.Namespace, path: Path) -> list[str]:
    if options.rows is None:
        texts = synthetic_rows.make_rows(options.count).texts
    else:
        texts = texts_of(options.rows)[: options.count]
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), "utf-8")
    return texts


def print_tables(found: dict[str, list[Measured]], equal: dict[str, float]) -> None:
    heading = " | ".join(["way", *COLUMNS.values(), "labels equal to the pipeline's"])
    print(f"\n| {heading} |\n|{'---|' * (len(COLUMNS) + 2)}")
    for way, rounds in found.items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in COLUMNS}
        speed = f"{middle['rate']:,.1f} | {middle['p50']:.1f} ms | {middle['p95']:.1f} ms | {middle['request']:.1f} ms"
        cost = f"{middle['wall']:.1f} s | {middle['cpu']:.1f} s | {middle['memory']:.2f} GB"
        print(f"| {NAMES[way]} | {speed} | {cost} | {equal[way]:.2%} |")
    for theirs in (way for way in found if way not in FORMATS):
        print(f"\n| against {NAMES[theirs]} | {' | '.join(COLUMNS.values())} |\n|{'---|' * (len(COLUMNS) + 1)}")
        for ours in (way for way in found if way in FORMATS):
            ratios = [ratio(found, ours, theirs, key) for key in COLUMNS]
            print(f"| {NAMES[ours]} | {' | '.join(f'{one:.2f}× better' for one in ratios)} |")


def ratio(found: dict[str, list[Measured]], way: str, against: str, key: str) -> float:
    """By how much one way is better, above 1, or worse: the median over the rounds."""
    pairs = [(one[key], other[key]) for one, other in zip(found[way], found[against], strict=True)]
    return statistics.median(ours / theirs if key == "rate" else theirs / ours for ours, theirs in pairs)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, load {load}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", help="a file of JSON lines with a field text")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=NAMES, default=list(NAMES))
    return parser.parse_args()


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        name, *arguments = sys.argv[2:]
        print(json.dumps({"all_rows": all_rows, "single": single}[name](*arguments)))
        return
    options = parse()
    ways = [way for way in NAMES if way in options.ways]
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}; {' '.join(['python', *sys.argv])}")
    project = Path(tempfile.mkdtemp(prefix="ml-run-benchmark-"))
    try:
        texts = write_rows(options, project / "in.jsonl")
        make_runs(options.model, options.max_length, texts, [way for way in ways if way in FORMATS], project)
        found: dict[str, list[Measured]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way in ways:
                found[way].append(measure(way, project, project / "in.jsonl"))
                print(f"round {number + 1}: {way} {found[way][-1]}", file=sys.stderr, flush=True)
        answers = {way: json.loads((project / f"{way}.json").read_text()) for way in ways}
    finally:
        shutil.rmtree(project, ignore_errors=True)
    truth = answers.get("pipeline", next(iter(answers.values())))
    equal = {
        way: statistics.mean(one == other for one, other in zip(given, truth, strict=True))
        for way, given in answers.items()
    }
    lengths = statistics.quantiles(map(len, texts), n=20)
    print(
        f"\n{Path(options.model).name}: {len(texts):,} rows, median {lengths[9]:.0f} characters, p95 {lengths[18]:.0f}"
    )
    print_tables(found, equal)
    print(f"\nload at the end: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")


if __name__ == "__main__":
    main()
