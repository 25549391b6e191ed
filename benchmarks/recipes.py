"""Which recipe suits your data? One training for each recipe and seed, compared by validation macro-F1 alone.

    python benchmarks/recipes.py CONFIG --try model.pooling=mean --try training.learning_rate=1e-4,training.epochs=8 …
        [--seeds 42 123 456] [--engine ray --workers 4 --address auto]

CONFIG is a file as `ml-run` reads it: the recipe that the others are compared with. Each `--try` is another recipe, by
the keys in which it differs. A training is the real command, `ml-run --until train`, in a folder of its own, so no
model reads the test split. With `--engine ray` trainings are tasks of a cluster, as many at once as it has room and
memory for; what they come to is the same, and in the same order.

Printed is a Markdown table: mean and standard deviation over the seeds, and the mean difference from CONFIG with its
95 % interval (t distribution, paired by seed). An interval that holds 0 tells no difference from noise; one that does
not is a reason to look again, where several recipes were tried. Trainings that have ended are kept in --keep FILE, a
line of JSON each, and not done again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MAIN = "import sys; sys.argv = ['ml-run', *sys.argv[1:]]; from ml_run.__main__ import main; main()"
BASE = "as configured"
FAILED = 4


class Training(NamedTuple):
    """One recipe with one seed."""

    recipe: str
    seed: int
    config: str
    """YAML; its paths are absolute."""


def train(training: Training) -> dict[str, Any]:
    """What training.json says of a training in a folder of its own, or why there is none."""
    with tempfile.TemporaryDirectory(prefix="ml-run-recipe-") as name:
        folder = Path(name)
        (folder / "ml_config.yaml").write_text(training.config, "utf-8")
        changes = [] if training.recipe == BASE else training.recipe.split(",")
        sets = [word for change in (*changes, f"training.seed={training.seed}") for word in ("--set", change)]
        command = [sys.executable, "-c", MAIN, "recipe", "--until", "train", "--quiet", *sets]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        found: dict[str, Any] = {"recipe": training.recipe, "seed": training.seed, "code": done.returncode}
        if done.returncode:
            return found | {"error": done.stderr.strip()[-600:]}
        record = json.loads(next(folder.glob("experiments/exp_*/training.json")).read_text("utf-8"))
        return found | {key: record[key] for key in ("best_val_macro_f1", "best_epoch", "seconds")}


def absolute(text: str, folder: Path) -> str:
    """The config with its files and the model's folder named from the root, and without seeds of its own."""
    config = yaml.safe_load(text)
    config.get("training", {}).pop("seeds", None)  # or each training would be one of each of them
    for key, value in config["data"].items():
        if key.endswith("_path") and value:
            config["data"][key] = str((folder / Path(value).expanduser()).resolve())
    model = folder / Path(config["model"]["name"]).expanduser()
    if model.is_dir():
        config["model"]["name"] = str(model.resolve())
    return yaml.safe_dump(config, allow_unicode=True)


def on_cluster(options: argparse.Namespace, trainings: list[Training], finished: Any) -> None:
    from ml_run.cluster import on_ray
    from ml_run.config import Config
    from ml_run.modeling import memory

    compute = {key: getattr(options, key) for key in ("engine", "workers", "address")}
    config = Config.model_validate(yaml.safe_load(trainings[0].config) | {"compute": compute})
    with on_ray.connect(config.compute):
        on_ray.run_tasks(
            train,
            trainings,
            cpus=config.compute.cpus_per_worker,
            memory=memory.needed(config),
            finished=lambda _, found: finished(found),
        )


def do(options: argparse.Namespace, trainings: list[Training], known: dict[tuple[str, int], Any]) -> None:
    missing = [one for one in trainings if (one.recipe, one.seed) not in known]

    def finished(found: dict[str, Any]) -> None:
        known[found["recipe"], found["seed"]] = found
        print(json.dumps(found), file=sys.stderr, flush=True)
        if options.keep and found["code"] in (0, FAILED):
            with options.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
        if found["code"] not in (0, FAILED):
            sys.exit(f"{found['recipe']}, seed {found['seed']}: {found['error']}")

    if options.engine == "ray" and missing:
        on_cluster(options, missing, finished)
        return
    for one in missing:
        finished(train(one))


def print_table(recipes: list[str], seeds: list[int], known: dict[tuple[str, int], Any]) -> None:
    print(f"| recipe | {' | '.join(f'seed {seed}' for seed in seeds)} | mean ± sd | against {BASE} | seconds |")
    print(f"|---|{'---|' * len(seeds)}---|---|---|")
    for recipe in recipes:
        found = [known[recipe, seed] for seed in seeds]
        scores = [one.get("best_val_macro_f1") for one in found]
        cells = [recipe, *("failed" if score is None else f"{score:.3f}" for score in scores)]
        if None in scores:
            print(f"| {' | '.join(cells)} | – | – | – |")
            continue
        against = "–" if recipe == BASE else difference(scores, [known[BASE, seed] for seed in seeds])
        seconds = statistics.median(one["seconds"] for one in found)
        print(f"| {' | '.join(cells)} | {spread(scores)} | {against} | {seconds:.0f} |")


def spread(scores: list[float]) -> str:
    deviation = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
    return f"{statistics.mean(scores):.3f}{deviation}"


def difference(scores: list[float], base: list[Any]) -> str:
    from scipy.stats import t

    theirs = [one.get("best_val_macro_f1") for one in base]
    if None in theirs:
        return "–"
    differences = [score - other for score, other in zip(scores, theirs, strict=True)]
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"{mean:+.3f}"
    half = float(t.ppf(0.975, len(differences) - 1)) * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--try", dest="recipes", action="append", default=[], metavar="KEY=VALUE[,KEY=VALUE]")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 123, 456])
    parser.add_argument("--keep", type=Path, help="a file of what is done")
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--address", default="local")
    return parser.parse_args()


def main() -> None:
    options = parse()
    config = absolute(options.config.read_text("utf-8"), options.config.resolve().parent)
    recipes = [BASE, *options.recipes]
    trainings = [Training(recipe, seed, config) for recipe in recipes for seed in options.seeds]
    kept = options.keep.read_text("utf-8").splitlines() if options.keep and options.keep.exists() else []
    known = {(one["recipe"], one["seed"]): one for one in map(json.loads, kept)}
    do(options, trainings, known)
    print(f"{os.cpu_count()} cores; {' '.join(['python', *sys.argv])}\n")
    print_table(recipes, options.seeds, known)


if __name__ == "__main__":
    main()
