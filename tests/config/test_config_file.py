"""Reading ml_config.yaml through its door: all faults at once, places, paths, what is kept."""

import re
import time
from pathlib import Path

import pytest

from config_harness import GATE, config_text, faults, load, make_model, write
from ml_run.config.file import load_config
from ml_run.config.schema import sections
from ml_run.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


class TestShipped:
    def test_loads_as_it_stands(self, here):
        """The shipped file works unchanged where its three data files are."""
        loaded = load((ROOT / "ml_config.yaml").read_text("utf-8"))
        assert loaded.config.training.learning_rate == 2e-5
        assert loaded.config.model.name == "xlm-roberta-base"
        assert loaded.config.data.val_path == str(here / "data/final/val.jsonl")
        assert loaded.warnings == ()

    def test_holds_the_keys_of_the_contract(self):
        """The shipped file is the contract's example, key for key and value for value."""
        lines = [re.sub(r"\s*#.*", "", line) for line in (ROOT / "ml_config.yaml").read_text("utf-8").splitlines()]
        assert [line for line in lines if line] == [
            "data:",
            "  train_path: data/final/train.jsonl",
            "  val_path: data/final/val.jsonl",
            "  test_path: data/final/test.jsonl",
            "model:",
            "  name: xlm-roberta-base",
            "  num_labels: 3",
            "  max_length: 512",
            "training:",
            "  batch_size: 16",
            "  learning_rate: 2e-5",
            "  epochs: 5",
            "  seed: 42",
            "deployment:",
            "  auto_deploy: false",
            "  min_accuracy: 0.85",
            "  min_f1: 0.82",
        ]

    def test_without_data_only_the_files_are_missing(self, tmp_path, monkeypatch):
        """In a fresh clone the shipped file has three faults: its data files."""
        monkeypatch.chdir(tmp_path)
        found = faults((ROOT / "ml_config.yaml").read_text("utf-8"))
        assert [line.split(" | ")[1] for line in found] == [
            f"data.{name}_path is data/final/{name}.jsonl: there is no such file" for name in ("train", "val", "test")
        ]

    def test_fast(self, here):
        """Loading the shipped file takes less than 50 ms."""
        path = write((ROOT / "ml_config.yaml").read_text("utf-8"))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            load_config(path)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.05


class TestAllAtOnce:
    def test_every_fault_in_the_order_of_the_file(self, here):
        """Faults of every kind are told together, each with line, value and remedy."""
        at, name = "ml_config.yaml", sections()["model"]["name"]["description"]
        found = faults("""\
data:
  train_path: data/final/trian.jsonl
  leaks: ignore
model:
  nam: scratch:tiny
training:
  epochs: 0
  learning_rate: fast
  min_f1: 0.8
deployment:
  min_accuracy: 85
""")
        assert found == [
            f"{at}:2 | data.train_path is data/final/trian.jsonl: there is no such file | did you mean train.jsonl?",
            f"{at}:3 | data.leaks is ignore | it must be one of drop, keep, error",
            f"{at}:4 | model.name is missing | add it under model: {name}",
            f"{at}:5 | model.nam is not a known key | did you mean name?",
            f"{at}:7 | training.epochs is 0 | it must be a whole number from 1 to 1000, or auto",
            f"{at}:8 | training.learning_rate is fast | it must be a number above 0 and at most 1",
            f"{at}:9 | training.min_f1 is not a known key | it belongs under deployment: write deployment.min_f1",
            f"{at}:11 | deployment.min_accuracy is 85 | it must be a number from 0 to 1; 85 per cent is 0.85",
        ]

    def test_many_faults_are_counted(self, here):
        """Beyond fifty faults the rest are counted, beyond twenty unknown keys of a section the rest of these."""
        found = faults(config_text(rest="training:\n" + "".join(f"  k{n}: 1\n" for n in range(30))))
        assert len(found) == 21
        assert found[-1].split(" | ")[1] == "and 10 more unknown keys"
        label_map = "label_map:\n" + "".join(f"  k{n}: ' '\n" for n in range(80))
        found = faults(config_text(label_map))
        assert (len(found), found[-1]) == (51, " | and 30 more faults | ")

    def test_missing_sections(self, here):
        """A file without its two required sections is told both keys it needs."""
        assert [line.split(" | ")[:2] for line in faults("training: {epochs: 3}")] == [
            ["ml_config.yaml", "data.train_path is missing"],
            ["ml_config.yaml", "model.name is missing"],
        ]

    def test_an_empty_section_is_no_section(self, here):
        """A section whose keys are all commented out has its defaults."""
        assert load(config_text(rest=GATE + "training:\n  # epochs: 3\ngate: ~\n")).config.training.epochs == 5

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("trainin: {epochs: 3}", "trainin is not a known key | did you mean training?"),
            ("epochs: 3", "epochs is not a known key | it belongs under training: write training.epochs"),
            ("registry: {zzz: 1}", "registry.zzz is not a known key | known keys here: name"),
            ("training: {num_epochs: 3}", "training.num_epochs is not a known key | did you mean epochs?"),
            ("gate: {train_paht: x}", "gate.train_paht is not a known key | did you mean data.train_path?"),
        ],
    )
    def test_unknown_keys(self, here, text, fault):
        """An unknown key is refused and the key that was meant is named, across sections, too."""
        assert faults(config_text(rest=text)) == [f"ml_config.yaml:5 | {fault}"]


NEEDED = "it needs at least data.train_path and model.name; docs/config.md lists every key"
COLON = "a text that holds a colon and a blank must stand in quotes; check the indentation, too"
LOOK = "check indentation, colons and quotes in this line and the one above"
TOKEN = (
    "ml_config.yaml:2 | is not YAML: while scanning for the next token found character that cannot start any token | "
)
TAB = "the line is indented with a tab; indent with blanks"


class TestUnreadable:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "ml_config.yaml | is empty | " + NEEDED),
            ("# nothing\n", "ml_config.yaml | is empty | " + NEEDED),
            ("- a\n", "ml_config.yaml | holds [a], not sections with keys | " + NEEDED),
            (
                "data:\n\ttrain_path: x\n",
                TOKEN + TAB,
            ),
            (
                "data:\n  train_path: a: b\n",
                "ml_config.yaml:2 | is not YAML: mapping values are not allowed in this context | " + COLON,
            ),
            (
                "data:\n  train_path: 'a\nmodel:\n  name: x\n",
                "ml_config.yaml:2 | is not YAML: while scanning a quoted scalar found unexpected end of stream | "
                + LOOK,
            ),
        ],
    )
    def test_not_a_config(self, here, text, fault):
        """What is no YAML, or not a mapping, is told with its line and what to look for."""
        assert faults(text) == [fault]

    def test_second_document(self, here):
        """A file holds one document."""
        assert faults(config_text() + "---\na: 1\n") == [
            "ml_config.yaml:6 | holds a second document after --- | keep one document in the file"
        ]

    def test_not_utf8(self, here):
        """A file in another encoding is told the line of its first foreign byte."""
        Path("latin.yaml").write_bytes(b"data:\n  train_path: caf\xe9.jsonl\n")
        with pytest.raises(ConfigError, match=r"^latin\.yaml:2: is not UTF-8 here\n  → save the file as UTF-8$"):
            load_config(Path("latin.yaml"))

    def test_byte_order_mark(self, here):
        """The mark that Windows editors put first is no part of the first key."""
        assert load("\ufeff" + config_text()).config.training.epochs == 5

    def test_no_such_file(self, here):
        """A missing config names the file that was meant, or how to get one."""
        write("", "ml-config.yaml")
        with pytest.raises(
            ConfigError, match=r"^ml_config\.yaml: there is no such file\n  → did you mean --config ml-config"
        ):
            load_config(Path("ml_config.yaml"))
        with pytest.raises(
            ConfigError, match="name your config with --config FILE, or see a first run with: ml-run quick"
        ):
            load_config(Path("nowhere/x.yaml"))

    @pytest.mark.parametrize("path", ["data", "/dev/zero"])
    def test_no_file(self, here, path):
        """A folder and a device are not read."""
        with pytest.raises(ConfigError, match="is not a file"):
            load_config(Path(path))


class TestPaths:
    def test_relative_to_the_config_file(self, here):
        """Data, model folder and sqlite store are relative to the config file; the reports' folder is left."""
        make_model(here / "sub/base")
        (here / "sub/train.csv").write_text("")
        write(
            "data: {train_path: train.csv}\nmodel: {name: ./base}\ntracking: {uri: 'sqlite:///runs/x.db'}\n" + GATE,
            "sub/c.yaml",
        )
        loaded = load_config(Path("sub/c.yaml"))
        config = loaded.config
        assert (config.data.train_path, config.model.name) == (f"{here}/sub/train.csv", f"{here}/sub/base")
        assert config.tracking.uri == f"sqlite:///{here}/sub/runs/x.db"
        assert config.reports.path == ".claude/reports"
        assert loaded.path == here / "sub/c.yaml"

    def test_relative_to_a_given_base(self, here):
        """A resolved config inside an experiment is read relative to the project."""
        write(config_text(), "experiments/exp_1/config.yaml")
        loaded = load_config(Path("experiments/exp_1/config.yaml"), base=here)
        assert loaded.config.data.train_path == f"{here}/data/final/train.jsonl"
        assert loaded.where("model.name") == "experiments/exp_1/config.yaml:4"

    @pytest.mark.parametrize("uri", ["sqlite:////abs/x.db", "http://127.0.0.1:5000", "postgresql://u@h/db"])
    def test_other_stores_are_left(self, here, uri):
        """Addresses that name no relative file are used as they are."""
        assert load(config_text(rest=f"{GATE}tracking: {{uri: '{uri}'}}")).config.tracking.uri == uri


class TestResolved:
    def test_reads_back_to_the_same_config(self, here):
        """What the experiment keeps is complete and gives the same config again, also from below the project."""
        make_model(here / "sub/base")
        (here / "sub/train.csv").write_text("")
        text = """\
data:
  train_path: train.csv
  test_path: ${DIR}/final/test.jsonl
  text_field: [a, no]
  label_map: {no: '012', 'a: b': 'x # y'}
model: {name: base}
training: {learning_rate: 2e-5, epochs: 3}
tracking: {uri: 'sqlite:///${DIR}/x.db', experiment: 'a $${b}'}
deployment: {min_f1: 1e-3}
"""
        environ = {"DIR": "../data"}
        first = load_config(write(text, "sub/c.yaml"), environ=environ)
        kept = write(first.resolved_yaml, "experiments/exp_1/config.yaml")
        second = load_config(kept, environ=environ, base=here)
        assert second.config == first.config
        assert first.config.tracking.experiment == "a ${b}"
        assert "  train_path: sub/train.csv\n" in first.resolved_yaml
        assert "  test_path: sub/${DIR}/final/test.jsonl\n" in first.resolved_yaml
        assert "  name: sub/base\n" in first.resolved_yaml
        assert "  uri: sqlite:///sub/${DIR}/x.db\n" in first.resolved_yaml
        assert "  batch_size: 16\n" in first.resolved_yaml
        assert second.resolved_yaml.replace("sub/${DIR}/../", "") == first.resolved_yaml

    def test_overrides_are_kept(self, here):
        """The kept config is the one that ran, --set included, and placeholders of numbers stay."""
        loaded = load(config_text(), "training.epochs=${N}", "training.seed=3", environ={"N": "2"})
        assert loaded.config.training.epochs == 2
        assert "  epochs: ${N}\n" in loaded.resolved_yaml
        assert "  seed: 3\n" in loaded.resolved_yaml

    def test_files_elsewhere_stay_absolute(self, here, tmp_path_factory):
        """A file outside the project is kept by its whole path."""
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "val.csv"
        elsewhere.write_text("")
        assert f"  val_path: {elsewhere}\n" in load(config_text(f"val_path: {elsewhere}")).resolved_yaml
