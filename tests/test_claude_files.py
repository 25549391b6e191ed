"""The Claude Code files say nothing that the code does not do."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer
import typer.main
import yaml

from finished_run import finished_run
from harness import ml_run
from ml_run import results
from ml_run.cli import app
from ml_run.comparison.record import RunComparison
from ml_run.conclusion import conclude
from ml_run.config import Config
from ml_run.config.names import known_profiles
from ml_run.errors import ExitCode, TrainingError, UsageError
from ml_run.experiment import Experiment, check_name
from ml_run.languages import load_profile
from ml_run.results import STAGES, CriterionResult, Record, Registration, RunError, RunRecord
from ml_run.starting import claude_files
from ml_run.watching.record import MonitorResult
from test_experiment import HOSTILE

ROOT = Path(__file__).parents[1]
CLAUDE = ROOT / ".claude"
COMMAND = CLAUDE / "commands/ml-run.md"
AGENTS = sorted((CLAUDE / "agents").glob("*.md"))
SKILL = CLAUDE / "skills/lrl-nlp-techniques/SKILL.md"
FILES = [COMMAND, *AGENTS, SKILL]
COMMAND_FIELDS = {"description", "argument-hint", "allowed-tools", "disable-model-invocation", "model"}
AGENT_FIELDS = {"name", "description", "tools", "model", "skills"}
TOOLS = {"Read", "Grep", "Glob", "Bash", "Write", "Edit"}
MONITOR_DRIFT = 8
OTHER_FILES = {"ml_config.yaml", "report.html", "src/ml_run/languages/so.yaml", "SKILL.md"}
EXPERIMENT = Experiment(Path("project/experiments/ID"))
RECORDS = [
    *(kind for kind in vars(results).values() if inspect.isclass(kind) and issubclass(kind, Record)),
    RunComparison,
    MonitorResult,
]
FIELDS = {field for kind in RECORDS for field in kind.model_fields}
VALUES = {value for kind in RECORDS for field in kind.model_fields.values() for value in get_args(field.annotation)}
KEYS = {key for section in Config.model_fields.values() for key in getattr(section.annotation, "model_fields", {})}
KNOWN_WORDS = {
    *FIELDS, *KEYS, *(value for value in VALUES if isinstance(value, str)),
    *re.findall(r"`(\w+)`", TrainingError.__doc__),
    "killed",  # what `show` calls a run whose process is gone
    "correct_label",  # a column of the review queue
    "show", "nohup",  # commands
}  # fmt: skip


def frontmatter(path):
    start, head, body = path.read_text("utf-8").split("---\n", 2)
    assert start == ""
    return yaml.safe_load(head), body


def code(path):
    """Every piece of code in a file: fenced lines and what stands between backticks."""
    text = path.read_text("utf-8")
    fenced = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return fenced + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def invocations(path):
    return [piece for piece in code(path) if piece.startswith("ml-run ")]


def experiment_files():
    """All files that the experiment folder is known to hold, relative to it."""
    names = [name for name, value in vars(Experiment).items() if isinstance(value, property)]
    paths = [getattr(EXPERIMENT, name) for name in names]
    inside = {p.relative_to(EXPERIMENT.folder).as_posix() for p in paths
              if isinstance(p, Path) and p.is_relative_to(EXPERIMENT.folder)}  # fmt: skip
    return inside | {"logs/run.log", "logs/events.jsonl"}


def check_invocation(line):
    """Assert that the command line takes these words; a value may be a placeholder, and a command be named alone."""
    group, words = typer.main.get_command(app), shlex.split(line)[1:]
    try:
        context = group.make_context("ml-run", list(words))
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        given = command.make_context(name, list(rest), parent=context).params
    except typer.TyperException as error:
        kind = type(error).__name__
        if kind != "BadParameter" and not (kind == "MissingParameter" and len(words) == 1):
            raise AssertionError(f"{line}: {error}") from error
        return
    assert given.get("until") in {None, "STAGE", *STAGES}, line


# --- frontmatter ----------------------------------------------------------------------------------------------------


def test_all_files_are_there():
    """One command, three agents, one skill, under the names that users call them by."""
    assert [path.stem for path in AGENTS] == ["data-engineer", "ml-evaluator", "ml-orchestrator"]
    assert COMMAND.is_file()
    assert SKILL.is_file()


def test_what_is_shipped_is_what_stands_here():
    """`ml-run init` writes the files of this repository: the copies in the package are equal to them."""
    assert claude_files() == {f".claude/{path.relative_to(CLAUDE).as_posix()}": path.read_bytes() for path in FILES}


def test_the_command_is_started_by_people_only():
    """The command has side effects: the model may not start it by itself, and only ml-run is pre-approved to run."""
    head, _ = frontmatter(COMMAND)
    assert set(head) <= COMMAND_FIELDS
    assert head["disable-model-invocation"] is True
    assert head["argument-hint"] == "[experiment-name]"
    assert [tool for tool in head["allowed-tools"].split(", ") if tool.startswith("Bash")] == ["Bash(ml-run *)"]


@pytest.mark.parametrize("path", AGENTS, ids=lambda path: path.stem)
def test_agents_have_the_documented_fields(path):
    """An agent's name is its file's name, it says when to use it, and its tools and skills exist."""
    head, body = frontmatter(path)
    assert set(head) <= AGENT_FIELDS
    assert head["name"] == path.stem
    assert "Use " in head["description"]
    assert set(head["tools"].split(", ")) <= TOOLS
    assert head["model"] in {"inherit", "sonnet", "opus", "haiku"}
    assert all((CLAUDE / "skills" / skill / "SKILL.md").is_file() for skill in head.get("skills", []))
    assert body.strip()


def test_the_skill_has_the_documented_fields():
    """A skill has its folder's name, and a description within the 1,024 characters that are read."""
    head, _ = frontmatter(SKILL)
    assert set(head) == {"name", "description"}
    assert head["name"] == SKILL.parent.name
    assert re.fullmatch(r"[a-z0-9-]{1,64}", head["name"])
    assert 50 < len(head["description"]) <= 1024


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_runs_before_the_model_reads(path):
    """No line of the kind !`cmd`: those run unasked and with the user's words unescaped."""
    assert "!`" not in path.read_text("utf-8")


def test_the_users_words_reach_the_model_once_and_no_code():
    """`$ARGUMENTS` stands in one place, outside of any code, so that no shell ever sees it."""
    text = COMMAND.read_text("utf-8")
    assert text.count("$") == text.count("$ARGUMENTS") == 1
    assert not any("$" in piece for piece in code(COMMAND))


# --- commands, codes, paths, keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_invocation_exists(path):
    """Every `ml-run …` in the files uses commands, options and stages that the program has."""
    lines = invocations(path)
    assert lines
    for line in lines:
        check_invocation(line)


@pytest.mark.parametrize(
    "line",
    ["ml-run show latest --yaml", "ml-run --resum ID", "ml-run run --until deployment", "ml-run compare A --json"],
)
def test_a_wrong_invocation_is_noticed(line):
    """The check above does see an option or stage that is not there."""
    with pytest.raises(AssertionError):
        check_invocation(line)


@pytest.mark.parametrize("path", [COMMAND, CLAUDE / "agents/ml-orchestrator.md"], ids=lambda path: path.stem)
def test_every_exit_code_is_explained(path):
    """Each exit code has its row, and no row has a code that does not exist."""
    cells = re.findall(r"^\| ([\d, ]+) \|", path.read_text("utf-8"), re.MULTILINE)
    explained = [int(number) for cell in cells for number in cell.split(",")]
    assert sorted(explained) == sorted({*map(int, ExitCode), MONITOR_DRIFT})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_path_exists(path):
    """Every file named is one that the experiment folder has a property for."""
    known = experiment_files() | OTHER_FILES
    for piece in code(path):
        if re.fullmatch(r"[\w/<>.-]+\.(json|jsonl|csv|md|html|yaml|parquet|log)", piece):
            inside = re.sub(r"^experiments/(ID|<id>)/", "", piece)
            assert inside in known, f"{path.name}: {piece}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_config_key_exists(path):
    """Every `section.key` named is a key of the config."""
    for piece in code(path):
        for section, key in re.findall(r"^(\w+)\.(\w+)(?:$|[:=])", piece):
            if section in Config.model_fields and key != "json" and (section, key) != ("deployment", "action"):
                assert key in Config.model_fields[section].annotation.model_fields, f"{path.name}: {piece}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_of_the_result_exists(path):
    """Every `part.field` of the JSON that is named is a field of the record that is printed."""
    parts = {
        "run": RunRecord, "error": RunError, "registration": Registration, "criteria": CriterionResult,
    }  # fmt: skip
    for piece in code(path):
        for part, field in re.findall(r"^(\w+)(?:\[\])?\.(\w+)$", piece):
            if part in parts and field not in {"json", "log"}:
                assert field in parts[part].model_fields, f"{path.name}: {piece}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_word_of_the_json_exists(path):
    """Every word in small letters that stands as code is a field, a key, a value, or known for another reason."""
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    words = {word for word in re.findall(r"`([^`\n]+)`", text) if re.fullmatch(r"[a-z][a-z_]+", word)}
    assert not words - KNOWN_WORDS - {rule.topic for rule in load_profile("so").advice}


def test_the_commands_that_only_look_run(tmp_path):
    """What the files have an agent look with runs on a real finished run, and prints the fields they speak of."""
    run = finished_run(tmp_path)
    conclude(run.config, run.experiment)
    lines = {line for path in FILES for line in invocations(path)}
    for line in ("ml-run list --json", "ml-run show ID --json", "ml-run show latest --json", "ml-run sync --json"):
        assert line in lines
        done = ml_run(*shlex.split(line.replace("ID", run.experiment.id))[1:], cwd=tmp_path)
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert set(told) <= {"run", "result", "runs", "omitted", "sent"}
    assert run.experiment.result.is_file()


# --- the skill and the profiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", known_profiles())
def test_the_skill_has_a_section_for_every_topic(profile):
    """What the profile advises in a report, the skill explains: each topic is the heading of one section."""
    headings = re.findall(r"^### .*\(`([a-z-]+)`\)$", SKILL.read_text("utf-8"), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == {rule.topic for rule in load_profile(profile).advice}


@pytest.mark.parametrize("profile", known_profiles())
def test_profile_and_skill_give_the_same_scores(profile):
    """A score that the profile quotes stands in the skill's section, too, so that the two cannot drift apart."""
    sections = re.split(r"^### .*\(`([a-z-]+)`\)$", SKILL.read_text("utf-8"), flags=re.MULTILINE)
    by_topic = dict(zip(sections[1::2], sections[2::2], strict=True))
    for rule in load_profile(profile).advice:
        if rule.topic != "baseline":  # quotes weighted F1 of the papers, which the skill gives in percent
            for score in re.findall(r"(?<![\d])\.\d{2,3}\b", rule.text):
                assert score in by_topic[rule.topic], f"{rule.topic}: {score}"


def test_config_keys_in_advice_exist():
    """Every `section.key` that a profile's advice names is a key of the config."""
    for rule in load_profile("so").advice:
        for section, key in re.findall(r"\b(data|model|training|gate|deployment)\.([a-z_]+)", rule.text):
            assert key in Config.model_fields[section].annotation.model_fields, f"{rule.topic}: {section}.{key}"


# --- through a real shell -------------------------------------------------------------------------------------------


CREATES = [
    "$(touch owned)",
    "`touch owned`",
    "a;touch owned",
    "a|touch owned",
    "../x",
    "-rf",
    "~",
    "\x1b[31mred",
    "\u202eabc",
]
"""What a shell or a path could make something of; the other names are those that ml-run refuses anyway."""


@pytest.mark.parametrize(
    "name",
    [
        *CREATES,
        *[pytest.param(name, marks=pytest.mark.slow) for name in HOSTILE if not set(name) & {"\0", "\n", "'"}],
        pytest.param("a" * 300, marks=pytest.mark.slow),
    ],
    ids=ascii,
)
def test_r33_hostile_names_through_the_commands_own_line(tmp_path, name):
    """The command's own line, filled in as it says and run by a shell: exit 2, nothing made, nothing interpreted."""
    (line,) = [line for line in invocations(COMMAND) if "'NAME'" in line]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        line.replace("NAME", name), shell=True, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "the run's name" in done.stderr
    assert json.loads(done.stdout)["exit_code"] == ExitCode.USAGE
    assert not set(done.stderr + done.stdout) & {"\x1b", "\u202e"}
    assert list(tmp_path.iterdir()) == []


def test_r33_the_names_that_quotes_cannot_hold_are_never_run():
    """The command's file has the model refuse a name with a single quote or a line break before any shell sees it."""
    told = " ".join(COMMAND.read_text("utf-8").split())
    assert "A name that holds a single quote or a line break is never valid: do not run it, tell the user." in told
    for name in ("a'b", "a\nb"):
        with pytest.raises(UsageError):
            check_name(name)
