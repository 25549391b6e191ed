"""The rules of docs/architecture.md, read off the source."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "ml_run"
FILES = sorted(SOURCE.rglob("*.py"))
LAYERS = (
    {"__main__"},
    {"cli"},
    {
        "console",
        "runs",
        "rehearsal",
        "checking",
        "outside",
        "predicting",
        "comparison",
        "serving",
        "starting",
        "fitness",
        "watching",
    },
    {"conclusion", "pipeline"},
    {"walk", "stages", "quickstart"},
    {"promotion"},
    {"evaluation"},
    {"quality", "modeling", "statistics", "reporting", "tracking", "monitoring", "drift", "deployments"},
    {"reading", "languages", "cluster"},
    {
        "config",
        "experiment",
        "splits",
        "results",
        "events",
        "files",
        "interruption",
        "offline",
        "redaction",
        "errors",
        "wording",
        "characters",
        "__init__",
    },
)
STAGES = {path.stem for path in (SOURCE / "stages").glob("*.py")} - {"__init__"}
HEAVY = {"torch", "transformers", "datasets", "mlflow", "sklearn", "pandas", "evaluate", "scipy", "numpy", "pyarrow"}
DOORS = {
    "typer": {"cli.py"},
    "rich": {"console.py"},
    "mlflow": {"tracking"},
    "fastapi": {"serving"},
    "uvicorn": {"serving"},
    "ray": {"cluster"},
}
SUBCLASSING = {
    "modeling/trainer.py",
    "modeling/callbacks.py",
    "modeling/metric_modules.py",
    "modeling/gradients.py",
    "modeling/resting.py",
}
"""These subclass types of heavy libraries, so they import them as they load; they are imported inside functions."""


def room(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path, *, top_only=False):
    """Yield (module, names) of the imports in a file; those for type checkers only are left out."""
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {
        id(node) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }  # fmt: skip
    inside = {
        id(node) for block in ast.walk(tree) if isinstance(block, ast.FunctionDef) for node in ast.walk(block)
    } if top_only else set()  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in guarded | inside:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]


def rooms_imported(path):
    for module, names in imports(path):
        if module == "ml_run":
            yield from names
        elif module.startswith("ml_run."):
            yield module.split(".")[1]


def layer(name):
    return next((number for number, rooms in enumerate(LAYERS) if name in rooms), None)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_imports_upward(path):
    """A file imports rooms of its own layer or below, never one above."""
    mine = layer(room(path))
    assert mine is not None, f"{room(path)} has no layer: add it to LAYERS and to docs/architecture.md"
    for other in set(rooms_imported(path)) - {"__version__"}:
        assert layer(other) is not None, other
        assert layer(other) >= mine, f"{room(path)} imports {other}, which stands above it"


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_do_not_know_one_another(stage):
    """No stage imports another stage."""
    for module, names in imports(SOURCE / "stages" / f"{stage}.py"):
        assert not module.startswith("ml_run.stages")
        assert not (module == "ml_run" and "stages" in names)


@pytest.mark.parametrize(("library", "homes"), DOORS.items())
def test_each_outside_world_has_one_door(library, homes):
    """typer, rich, mlflow, fastapi and the like are each imported in one place."""
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in FILES
        for module, _ in imports(path)
        if module.split(".")[0] == library
    }
    assert users == homes


def test_ray_is_imported_in_one_file():
    """No line of any other file knows where it runs."""
    users = {path for path in FILES for module, _ in imports(path) if module.split(".")[0] == "ray"}
    assert users == {SOURCE / "cluster/on_ray.py"}


def test_heavy_libraries_are_imported_inside_functions():
    """No file loads a heavy library as it is imported, but those that subclass its types."""
    found = {
        str(path.relative_to(SOURCE))
        for path in FILES
        for module, _ in imports(path, top_only=True)
        if module.split(".")[0] in HEAVY
    }
    assert found == SUBCLASSING


def test_only_the_console_prints_and_only_the_command_line_exits():
    """Printing stands in one file, sys.exit in one, beside the program that verifies a model in its own process."""
    for path in FILES:
        text = path.read_text("utf-8")
        name = str(path.relative_to(SOURCE))
        if name != "console.py":
            assert not re.search(r"(?<![\w.])print\(", text), name
        if name not in {"__main__.py", "cli.py", "modeling/verify.py"}:
            assert not re.search(r"\bsys\.exit\(|\braise SystemExit|typer\.Exit", text), name


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) == "statistics" or p.name in {"gate.py", "criteria.py"}], ids=lambda p: p.name
)
def test_gate_and_statistics_are_pure(path):
    """No file, clock, network or unseeded chance in the files that decide."""
    allowed = {"__future__", "dataclasses", "typing", "collections.abc", "math", "statistics", "numpy", "numpy.typing"}
    allowed |= {"scipy.special", "scipy.optimize", "scipy.stats", "ml_run.results"}
    allowed |= {"ml_run.evaluation.criteria"}
    for module, _ in imports(path):
        assert module in allowed or module.split(".")[:2] == ["ml_run", "statistics"], module
    text = path.read_text("utf-8")
    assert "default_rng()" not in text
    assert not re.search(r"\bopen\(|np\.random\.(?!default_rng|Generator)", text)


def test_every_room_is_in_the_architecture_page():
    """docs/architecture.md names each room of the package, and no room that is not there."""
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    listed = set(re.findall(r"[├└]── ([a-z_]+)(?:\.py|/)", page))
    assert listed == {room(path) for path in FILES} - {"__init__"}


def test_no_page_or_file_names_this_machine():
    """What is committed holds no absolute path of a developer's machine and no registry's host."""
    suspicious = re.compile(r"/work/|/root/|/home/\w|pypi\.org|files\.pythonhosted|/tmp/w\b")
    for path in [
        *ROOT.glob("*.*"),
        *ROOT.glob("src/**/*.*"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob(".claude/**/*.md"),
    ]:
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".yaml", ".txt"}:
            assert not suspicious.search(path.read_text("utf-8")), path.name
