"""`ml-run init`: the user's files looked at, a config that fits them, each key with its reason."""

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
import yaml

from conftest import LABELS, SHARED, make_rows, write_jsonl
from harness import ml_run
from ml_run.config.file import load_config
from ml_run.errors import NotReadyError, UsageError
from ml_run.rehearsal import rehearse
from ml_run.starting import Request, claude_files, start, started_screen

ROOT = Path(__file__).parents[1]
NEWS = SHARED / "data" / "masakhanews" / "som"
needs_shared = pytest.mark.skipif(not NEWS.is_dir(), reason="needs ../shared with the MasakhaNEWS files")


def renamed(rows, **names):
    return [{names.get(key, key): value for key, value in row.items()} for row in rows]


def write_table(path, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return path


def written(folder, *data, **options):
    """The config that init writes for `data`, and what it told."""
    told = start(Request(tuple(map(str, data)), **options), folder)
    return yaml.safe_load((folder / "ml_config.yaml").read_text("utf-8")), told


def refusal(folder, *data, error=NotReadyError, **options):
    """What init refuses `data` with; nothing may be written then."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(error) as refused:
        start(Request(tuple(map(str, data)), **options), folder)
    assert sorted(folder.rglob("*")) == before
    return refused.value


# --- shapes of data, through the front door ---------------------------------------------------------------------------


def three_jsonl(folder):
    """The gold schema: dialect_label, and a split that is called validation."""
    for seed, (name, count) in enumerate({"train": 150, "validation": 60, "test": 60}.items()):
        write_jsonl(folder / f"data/gold_{name}.jsonl", renamed(make_rows(count, seed), label="dialect_label"))
    return ["data"], {"label_field": "dialect_label", "val_path": "data/gold_validation.jsonl"}


def one_csv_of_odd_names(folder):
    """One csv whose columns nobody could know, beside an id and a source."""
    rows = [
        {"nr": number, "qoraal": row["text"], "nooc": row["label"], "source": ["bbc", "wiki"][number % 2]}
        for number, row in enumerate(make_rows(210))
    ]
    write_table(folder / "my rows.csv", rows)
    return ["my rows.csv"], {"text_field": "qoraal", "label_field": "nooc", "train_path": "my rows.csv"}


def packed_tsv_with_speakers(folder):
    """One packed tsv with a speaker for every five rows."""
    rows = [row | {"speaker": f"s{number // 5}"} for number, row in enumerate(make_rows(210))]
    write_table(folder / "deep/er/all.tsv.gz", rows, "\t")
    return ["deep"], {"group_field": "speaker", "train_path": "deep/er/all.tsv.gz", "text_field": "text"}


@pytest.mark.parametrize("shape", [three_jsonl, one_csv_of_odd_names, packed_tsv_with_speakers])
def test_a_run_would_start_with_the_config(tmp_path, shape):
    """What init writes is valid, and a dry run on the same data finds nothing in its way, whatever its shape."""
    data, expected = shape(tmp_path)
    config, _ = written(tmp_path, *data)
    assert {key: config["data"].get(key) for key in expected} == expected
    assert config["model"] == {"name": "linear", "num_labels": 3, "max_length": 32}
    plan = rehearse(load_config(tmp_path / "ml_config.yaml").config, tmp_path)
    assert plan["labels"] == sorted(LABELS)
    assert plan["data"].startswith("ready")


def test_from_files_to_the_next_command_at_the_front_door(tmp_path):
    """One command, exit 0: the guesses with their evidence, what was written, and last what to type next."""
    data, _ = packed_tsv_with_speakers(tmp_path)
    done = ml_run("init", *data, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "✔ label_field   label – 3 values; `speaker` has 42" in done.out
    assert "✔ group_field   speaker – 42 groups, the largest with 2% of the rows: a group is never divided" in done.out
    assert done.out.endswith("  next   ml-run check-data\n")
    checked = ml_run("check-config", "--json", cwd=tmp_path)
    assert json.loads(checked.out) == {"config": "ml_config.yaml", "valid": True, "warnings": []}


@pytest.mark.slow
@needs_shared
def test_real_news_from_files_to_a_verdict(tmp_path):
    """Somali news, as its files come: init, then a run without touching the config, to a verdict."""
    (tmp_path / "data").mkdir()
    for file in NEWS.glob("*.tsv"):
        (tmp_path / "data" / file.name).write_bytes(file.read_bytes())
    assert ml_run("init", cwd=tmp_path).code == 0
    done = ml_run("first", "--json", cwd=tmp_path, timeout=1800)
    assert done.code == 5, done.err  # .796 is below the .85 that init proposes
    assert json.loads(done.out)["verdict"] == "FAIL"


@needs_shared
def test_real_news_is_read_as_it_is(tmp_path):
    """Fields, labels, language, lengths and imbalance of Somali news, by its files' names and columns alone."""
    config, told = written(tmp_path, NEWS)
    assert config["data"]["train_path"].endswith("masakhanews/som/train.tsv")
    assert config["data"]["val_path"].endswith("dev.tsv")
    assert (config["data"]["text_field"], config["data"]["label_field"]) == ("text", "category")
    assert config["data"]["language"] == "so"
    assert config["model"] == {"name": "linear", "num_labels": 7, "max_length": 256}
    assert config["training"]["class_weights"] == "balanced"
    assert "folds" not in config["training"]
    assert told.labels["politics"] == 350
    assert not told.warnings


# --- every key has its reason -----------------------------------------------------------------------------------------


def test_every_key_stands_below_the_reason_for_its_value(tmp_path):
    """No key of the written file is without a comment above it, and what is told holds the same keys and values."""
    write_jsonl(tmp_path / "data/all.jsonl", make_rows(90))
    config, told = written(tmp_path)
    lines = (tmp_path / "ml_config.yaml").read_text("utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"  \w", line)]
    assert keys
    assert all(lines[number - 1].startswith("  # ") for number in keys)
    flat = {f"{section}.{key}": value for section, values in config.items() for key, value in values.items()}
    assert list(flat) == [choice.key for choice in told.choices]


@pytest.mark.parametrize(("rows", "share", "folds"), [(300, None, 5), (120, 0.25, 5), (30, None, 5), (900, None, None)])
def test_few_rows_are_divided_so_that_a_class_can_be_judged(tmp_path, rows, share, folds):
    """The test takes more than a fifth where a class needs that for its ten rows; few rows are cross-validated."""
    write_jsonl(tmp_path / "data/all.jsonl", make_rows(rows))
    config, told = written(tmp_path)
    assert config["data"].get("test_share") == share
    assert config["training"].get("folds") == folds
    hopeless = [warning for warning in told.warnings if "a run would not start" in warning]
    assert len(hopeless) == (rows == 30)


def test_classes_of_very_unequal_size_are_weighed(tmp_path):
    """class_weights is balanced from three times as many rows on, and the reason names both classes."""
    write_jsonl(tmp_path / "data/all.jsonl", make_rows(240, labels=("Central",) * 4 + ("Northern",)))
    config, told = written(tmp_path)
    assert config["training"]["class_weights"] == "balanced"
    assert "Central has 192 rows, Northern 48: 4.0 times as many" in [choice.why for choice in told.choices]


def test_the_interval_that_the_test_rows_leave_is_told(tmp_path):
    """Beside the threshold stands what a score on so many test rows means, and what the largest class gives."""
    for name, count in {"train": 150, "val": 60, "test": 100}.items():
        write_jsonl(tmp_path / f"data/{name}.jsonl", make_rows(count))
    _, told = written(tmp_path)
    (why,) = [choice.why for choice in told.choices if choice.key == "deployment.min_accuracy"]
    assert why == (
        "a proposal: set what you need before you see a score. Measured on 100 test rows it means 0.77 to 0.91; "
        "calling everything Central gives 34.0 %"
    )


@pytest.mark.parametrize(("words", "length"), [(10, 32), (60, 128), (240, 512), (400, 256)])
def test_max_length_is_what_most_texts_need(tmp_path, words, length):
    """It is the tokens of 95 % of the texts, two a word; where no model reads so many, half of what models read."""
    rows = [{"text": f"{row['text'].split()[0]} " * words, "label": row["label"]} for row in make_rows(60)]
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    assert written(tmp_path)[0]["model"]["max_length"] == length


# --- which field is what ----------------------------------------------------------------------------------------------


def test_the_longer_of_two_texts_is_read_and_the_other_is_named(tmp_path):
    """Beside a body a title is told of, with the line that reads both."""
    rows = [
        {"title": " ".join(r["text"].split()[:2]), "content": r["text"] * 5, "topic": r["label"]} for r in make_rows(90)
    ]
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    config, told = written(tmp_path)
    assert config["data"]["text_field"] == "content"
    (why,) = [choice.why for choice in told.choices if choice.key == "data.text_field"]
    assert "`title` is text as well (2 words): to read both, text_field: [title, content]" in why


def test_two_texts_of_like_length_are_not_guessed_between(tmp_path):
    """Which of two is meant only the user knows; the answer is in the message, and giving it works."""
    rows = [{"tweet": r["text"], "comment": r["text"][::-1], "label": r["label"]} for r in make_rows(90)]
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    error = refusal(tmp_path)
    assert "could each be the text" in error.found
    assert "--text-field tweet" in error.remedy or "--text-field comment" in error.remedy
    assert written(tmp_path, text_fields=("tweet", "comment"))[0]["data"]["text_field"] == ["tweet", "comment"]


def test_two_labels_are_not_guessed_between(tmp_path):
    """Two fields of classes are an error that names both with their values; --label-field decides."""
    rows = [{"text": r["text"], "topic": r["label"], "sentiment": "ab"[n % 2]} for n, r in enumerate(make_rows(90))]
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    error = refusal(tmp_path)
    assert error.found == "topic (3 values) and sentiment (2 values) could each be the label"
    assert error.remedy == "say which: ml-run init DATA --label-field topic, for instance"
    assert written(tmp_path, label_field="sentiment")[0]["model"]["num_labels"] == 2


def test_where_rows_come_from_is_never_taken_for_the_label(tmp_path):
    """A source, a split, a language or a year has few values, too, and is no class."""
    rows = [{"text": r["text"], "source": "ab"[n % 2], "split": "train", "year": 2020 + n % 3, "lang": "so"}
            for n, r in enumerate(make_rows(90))]  # fmt: skip
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    error = refusal(tmp_path)
    assert error.found.startswith("no field could be the label: in 90 rows there are source (2 values)")
    assert "add a field 'label', or say which it is: ml-run init DATA --label-field NAME" in error.remedy


def test_a_source_of_few_values_does_not_divide_the_rows(tmp_path):
    """Three sources would make splits of whole sources: that is told, not done; many small groups are kept together."""
    rows = [
        r | {"source": ["bbc", "wiki", "tiktok"][n % 3], "author": f"a{n // 4}"} for n, r in enumerate(make_rows(120))
    ]
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    config, told = written(tmp_path)
    assert config["data"]["group_field"] == "author"
    assert any("`source` says where rows come from (3 values)" in warning for warning in told.warnings)


def test_a_field_of_splits_is_told_of(tmp_path):
    """A gold file with its splits in a field would be divided anew: the user is told before that happens."""
    rows = [r | {"split": "train" if n % 3 else "validation"} for n, r in enumerate(make_rows(120))]
    write_jsonl(tmp_path / "data/all.jsonl", rows)
    _, told = written(tmp_path)
    assert told.warnings[0].startswith("`split` seems to name splits (train, validation), which is not read")


# --- which file is what -----------------------------------------------------------------------------------------------


def test_files_are_known_by_words_in_their_names(tmp_path):
    """train, dev and test are found in any order and spelling, and what names no split is told of."""
    for name in ("My-TRAIN-set.jsonl", "so_dev.jsonl", "x.testing.csv", "testing_v2.jsonl", "notes.jsonl"):
        write_jsonl(tmp_path / "data" / name, make_rows(60))
    config, told = written(tmp_path)
    assert config["data"]["val_path"] == "data/so_dev.jsonl"
    assert config["data"]["test_path"] == "data/testing_v2.jsonl"
    assert any(warning.startswith("data/notes.jsonl is not used") for warning in told.warnings)


@pytest.mark.parametrize(
    ("names", "data", "found"),
    [
        (["a.csv", "b.csv"], [], "2 files, and their names do not say which is train: data/a.csv, data/b.csv"),
        (["train.csv", "train.jsonl"], [], "data/train.csv and data/train.jsonl could all be train"),
        (["one/a.csv", "two/b.csv"], [], "2 folders in it hold data"),
        (["x.txt"], ["data"], "the folder holds no data"),
        (["x.txt"], ["data/x.txt"], "the format of x.txt is not known"),
        (["train.jsonl"], ["data/tran.jsonl"], "there is no such file"),
        (["train.jsonl"], ["hf://a/b/c/d"], "hf://a/b/c/d is no hub data set"),
    ],
)
def test_files_that_cannot_be_told_apart_are_named(tmp_path, names, data, found):
    """Exit 2 with what was found, where, and a command or name that helps; nothing is written."""
    for name in names:
        write_jsonl(tmp_path / "data" / name, make_rows(30))
    error = refusal(tmp_path, *data, error=UsageError)
    assert error.exit_code == 2
    assert error.found.startswith(found)
    assert error.remedy


# --- files that cannot be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found", "where"),
    [
        (b"", "the file is empty", "data/all.jsonl"),
        (b'{"text": "waa hagaag", "label": "a"}\n{"text": broken\n', "1 line cannot be read; the first: not valid JSON",
         "data/all.jsonl:2"),
        (bytes(range(256)) * 40, "none of its", "data/all.jsonl"),
        (b"PK\x03\x04" + bytes(100), "", "data/all.jsonl"),
        (b'[{"text": "a", "label": "b"}]', "the file is one JSON list", "data/all.jsonl"),
        (b'{"text": "waa hagaag", "label": ["a", "b"]}\n' * 30, "the label 'label' is a list or an object in 30 rows",
         "data/all.jsonl"),
        (b'{"text": "waa hagaag", "label": "a"}\n' * 30, "all rows have the label 'a' in 'label'", "data/all.jsonl"),
        (b'{"text": "12", "label": "a"}\n{"text": "13", "label": "b"}\n' * 30, "", "data/all.jsonl"),
    ],
    ids=["empty", "broken line", "binary", "archive", "JSON list", "many labels", "one label", "no letters"],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_file_and_line(tmp_path, monkeypatch, content, found, where):
    """Exit 3 with what was found, where, and what to do; nothing is written."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/all.jsonl").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    error = refusal(tmp_path)
    assert error.exit_code == 3
    assert error.found.startswith(found)
    assert error.where == where
    assert error.remedy
    assert "in the config" not in error.remedy  # there is none yet


def test_files_that_differ_in_their_fields_are_named(tmp_path):
    """A field that one file lacks is an error that names the file and its fields."""
    write_jsonl(tmp_path / "data/train.jsonl", make_rows(60))
    write_jsonl(tmp_path / "data/test.jsonl", renamed(make_rows(60), label="class"))
    error = refusal(tmp_path)
    assert error.where == "data/test.jsonl"
    assert error.found == "there is no field 'label', which data/train.jsonl has; its fields are: text, class"
    assert error.remedy == "give the field one name in all files"


def test_a_table_with_other_separators_is_recognised(tmp_path):
    """A csv with semicolons has one strange field; the message says what it seems to be."""
    write_table(tmp_path / "data/all.csv", make_rows(60), ";")
    assert refusal(tmp_path).remedy.endswith(
        "(the file seems to be separated by semicolons: csv needs commas, tsv tabs)"
    )


def test_ids_in_place_of_classes_are_refused(tmp_path):
    """A label that differs in nearly every row is no class."""
    write_jsonl(tmp_path / "data/all.jsonl", [r | {"label": f"id{n}"} for n, r in enumerate(make_rows(60))])
    assert refusal(tmp_path).found == "the label 'label' has 60 different values in 60 rows: these are no classes"


# --- writing ----------------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten_without_force(tmp_path):
    """Every file that is there and would change is named, exit 2; --force replaces them and says so."""
    write_jsonl(tmp_path / "data/all.jsonl", make_rows(60))
    assert ml_run("init", cwd=tmp_path).code == 0
    (tmp_path / "ml_config.yaml").write_text("mine")
    (tmp_path / ".claude/commands/ml-run.md").write_text("mine, too")
    done = ml_run("init", "--json", cwd=tmp_path)
    told = json.loads(done.out)
    assert (done.code, told["exit_code"]) == (2, 2)
    assert told["errors"][0]["found"] == (
        "ml_config.yaml and .claude/commands/ml-run.md are there already, and nothing was written"
    )
    assert (tmp_path / "ml_config.yaml").read_text() == "mine"
    forced = ml_run("init", "--force", "--json", cwd=tmp_path)
    assert len(forced.out) < 10_000
    assert json.loads(forced.out)["replaced"] == [".claude/commands/ml-run.md", "ml_config.yaml"]
    assert yaml.safe_load((tmp_path / "ml_config.yaml").read_text())["model"]["name"] == "linear"


def test_claude_only_leaves_the_config_alone(tmp_path):
    """The files for Claude Code can be brought up to date without a word about data or config."""
    (tmp_path / "ml_config.yaml").write_text("mine")
    told = start(Request(claude_only=True), tmp_path)
    assert set(told.written) == set(claude_files())
    assert (tmp_path / "ml_config.yaml").read_text() == "mine"
    (tmp_path / told.written[0]).write_text("old")
    assert refusal(tmp_path, error=UsageError, claude_only=True).found.startswith(told.written[0])
    assert start(Request(claude_only=True, force=True), tmp_path).replaced == (told.written[0],)


def test_without_data_an_example_says_what_to_put_where(tmp_path):
    """The example is replaced by the config for real data without --force, as long as nobody has touched it."""
    _, told = written(tmp_path)
    assert told.example
    assert told.next_step == "put your rows into data/train.jsonl (or csv, tsv, parquet), then: ml-run init"
    assert '{"text": ' in (tmp_path / "ml_config.yaml").read_text("utf-8")
    write_jsonl(tmp_path / "data/train.jsonl", make_rows(60))
    assert written(tmp_path)[0]["model"]["num_labels"] == 3


def test_the_quickstart_sample_is_not_taken_for_the_users_data(tmp_path):
    """SYNTHETIC files lie in data/ after a quickstart; init in that folder looks past them."""
    write_jsonl(tmp_path / "data/sample/SYNTHETIC_train.jsonl", make_rows(60))
    assert written(tmp_path)[1].example
    write_jsonl(tmp_path / "data/mine.jsonl", make_rows(60))
    assert written(tmp_path)[0]["data"]["train_path"] == "data/mine.jsonl"


def test_a_config_elsewhere_names_its_data_from_there(tmp_path):
    """Paths are relative to the config, and the next command names it."""
    write_jsonl(tmp_path / "data/all.jsonl", make_rows(60))
    (tmp_path / "configs").mkdir()
    told = start(Request(config="configs/a b.yaml"), tmp_path)
    config = yaml.safe_load((tmp_path / "configs/a b.yaml").read_text("utf-8"))
    assert config["data"]["train_path"] == "../data/all.jsonl"
    assert told.next_step == "ml-run check-data --config 'configs/a b.yaml'"


@pytest.mark.parametrize(
    "name", ["true.jsonl", "${HOME}.jsonl", "a: b #c.jsonl", "~x.jsonl", "ü 'ö\".jsonl", "2e-5.jsonl"]
)
def test_any_name_of_a_file_survives_the_config(tmp_path, name):
    """A path that YAML, or ml-run, would read as something else is written so that it is read back as itself."""
    write_jsonl(tmp_path / "data" / name, make_rows(60))
    start(Request(("data",)), tmp_path)
    assert load_config(tmp_path / "ml_config.yaml").config.data.train_path == str(tmp_path / "data" / name)


# --- what ships -------------------------------------------------------------------------------------------------------


def test_the_shipped_claude_files_are_those_of_this_repository():
    """One source of truth: .claude/ here and what init writes are the same; copy it after a change.

    cp -r .claude/agents .claude/commands .claude/skills src/ml_run/starting/claude/
    """
    here = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in ("agents", "commands", "skills")
        for path in (ROOT / ".claude" / folder).rglob("*")
        if path.is_file()
    }
    assert claude_files() == here


@pytest.mark.parametrize("width", [120, 80, 40])
def test_the_screen_fits_the_terminal(tmp_path, width):
    """No line is wider than the terminal, but a path or command that must stay whole; nothing is cut off."""
    for name, count in {"train": 150, "val": 60, "test": 100}.items():
        write_jsonl(tmp_path / f"data/{name}.jsonl", make_rows(count))
    told = start(Request(), tmp_path)
    lines = started_screen(told, width)
    assert all(len(line.text) + 2 <= width for line in lines)
    assert "…" not in "".join(
        line.text for line in lines if "function words" not in line.text and "oo, ay" not in line.text
    )
