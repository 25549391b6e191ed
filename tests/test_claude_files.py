"""The Claude Code files say nothing that the code does not do."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from ml_run.cli import app
from ml_run.config import Config
from ml_run.config.names import known_profiles
from ml_run.errors import ExitCode
from ml_run.experiment import Experiment
from ml_run.languages import load_profile
from ml_run.results import STAGES, CriterionResult, Registration, RunError, RunRecord

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
    """Assert that `line` uses a command and options that exist, options with a value having one."""
    group = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    name = words.pop(0) if words and words[0] in group.commands else "run"
    options = {flag: param for param in group.commands[name].params for flag in param.opts if flag.startswith("-")}
    while words and words[0] != "--":
        word = words.pop(0)
        if word.startswith("-"):
            assert word in options, f"ml-run {name} has no {word}: {line}"
            if not options[word].is_flag:
                assert words, f"{word} needs a value: {line}"
                value = words.pop(0)
                assert word != "--until" or value in STAGES, line


# --- frontmatter ----------------------------------------------------------------------------------------------------


def test_all_files_are_there():
    """One command, three agents, one skill, under the names that users call them by."""
    assert [path.stem for path in AGENTS] == ["data-engineer", "ml-evaluator", "ml-orchestrator"]
    assert COMMAND.is_file()
    assert SKILL.is_file()


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


@pytest.mark.parametrize("line", ["ml-run show latest --yaml", "ml-run --resum ID", "ml-run run --until deployment"])
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


@pytest.mark.parametrize(
    "name", ["../x", "$(touch owned)", "`touch owned`", "-rf", "a" * 300, "a\x1b[31mb", "a\u202eb"]
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
    assert list(tmp_path.iterdir()) == []
