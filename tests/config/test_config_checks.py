"""What types cannot know: files, models and values that contradict one another."""

import re

import pytest

from config_harness import GATE, config_text, faults, load, make_model
from ml_run.config.data_checks import RULES
from ray_harness import needs_ray

FORMATS = "write jsonl, csv, tsv or parquet, each also .gz, or hf://dataset[/config]"
TWO_FILES = "name two files, or leave val_path out to have it taken from train_path"
RELATIVE = "; relative paths are relative to the config file"
SAVED = "name the folder that save_pretrained wrote, or a hub id"
NOTHING = "the verdict will be INCONCLUSIVE and nothing will be deployed; set deployment.min_accuracy or min_f1"
OTHERWISE = "there is no such folder, and a hub id looks otherwise"


class TestFiles:
    @pytest.mark.parametrize(
        ("line", "found", "remedy"),
        [
            (
                "val_path: data/final/vla.jsonl",
                "is data/final/vla.jsonl: there is no such file",
                "did you mean val.jsonl?",
            ),
            (
                "val_path: data/final/qqqqqqqq.csv",
                "is data/final/qqqqqqqq.csv: there is no such file",
                "{here}/data/final holds test.jsonl, train.jsonl, val.jsonl",
            ),
            (
                "val_path: nowhere/at/all.csv",
                "is nowhere/at/all.csv: there is no such file",
                "there is no folder {here}/nowhere" + RELATIVE,
            ),
            ("val_path: data/final", "is data/final: this ending says no format that is read", FORMATS),
            ("val_path: notes.txt", "is notes.txt: this ending says no format that is read", FORMATS),
            ("val_path: folder.csv", "is folder.csv, which is a folder", "name a file in it"),
            (
                "val_path: https://host/val.csv",
                "is https://host/val.csv, which is not on this machine",
                f"fetch it first, then {FORMATS}",
            ),
            ("val_path: hf://a/b/c/d", "is hf://a/b/c/d, which is no hub data set", "write hf://owner/name[/config]"),
            (
                "val_path: ./data/../data/final/train.jsonl",
                "is the same file as data.train_path, ./data/../data/final/train.jsonl",
                TWO_FILES,
            ),
            ("val_path: link.jsonl", "is the same file as data.train_path, link.jsonl", TWO_FILES),
        ],
    )
    def test_data_files(self, here, line, found, remedy):
        """A data file that is not there, not readable in kind, or used twice is told before anything is read."""
        (here / "folder.csv").mkdir()
        (here / "link.jsonl").symlink_to(here / "data/final/train.jsonl")
        assert faults(config_text(line)) == [f"ml_config.yaml:3 | data.val_path {found} | {remedy.format(here=here)}"]

    @pytest.mark.parametrize(
        ("value", "found", "remedy"),
        [
            (
                "more.csv",
                "only plain text is read here",
                "name a text file with one text a line, its name ending in .txt or .txt.gz",
            ),
            (
                "hf://a/b",
                "only plain text is read here",
                "name a text file with one text a line, its name ending in .txt or .txt.gz",
            ),
            ("moer.txt", "there is no such file", "did you mean more.txt?"),
        ],
    )
    def test_unlabelled_texts(self, here, value, found, remedy):
        """Further texts are a plain text file, and it is there."""
        (here / "more.txt").write_text("guri")
        line = f"unlabelled_path: {value}"
        assert faults(config_text(line)) == [f"ml_config.yaml:3 | data.unlabelled_path is {value}: {found} | {remedy}"]

    @pytest.mark.parametrize(
        ("model", "why"),
        [
            ("{name: scratch:tiny}", "model.name is scratch:tiny, whose vocabulary is not trimmed"),
            ("{name: some-model, trim_vocabulary: 'off'}", "model.trim_vocabulary is off"),
            ("{name: some-model}", None),
        ],
    )
    def test_unlabelled_texts_that_change_nothing(self, here, model, why):
        """They serve the trimming of a vocabulary only; a path to them is made absolute like any other."""
        (here / "more.TXT.gz").write_bytes(b"")
        text = config_text("unlabelled_path: more.TXT.gz")
        loaded = load(re.sub(r"model: *\n(  .*\n)+", f"model: {model}\n", text))
        said = [f"ml_config.yaml:3: data.unlabelled_path changes nothing: {why}"] if why else []
        assert [w for w in loaded.warnings if "unlabelled" in w] == said
        assert loaded.config.data.unlabelled_path == str(here / "more.TXT.gz")

    def test_packed_and_hub(self, here):
        """Packed files and hub data sets are accepted as they are; a hub data set may give all splits."""
        (here / "val.TSV.gz").write_bytes(b"")
        config = load(config_text("val_path: val.TSV.gz\ntest_path: hf://masakhane/masakhanews/som")).config
        assert config.data.test_path == "hf://masakhane/masakhanews/som"
        hub = "data: {train_path: hf://a/b, test_path: hf://a/b}\nmodel: {name: scratch:tiny}\n"
        assert load(hub + GATE).config.data.test_path == "hf://a/b"

    def test_shares_leave_rows_to_train_on(self, here):
        """Validation and test may not take all rows of the training file."""
        found = "data.val_share and data.test_share take 1 of the rows, which leaves none to train on"
        assert faults(config_text("val_share: 0.5\ntest_share: 0.5")) == [
            f"ml_config.yaml:4 | {found} | lower them, e.g. to 0.15 and 0.2"
        ]

    def test_language_that_nothing_knows(self, here):
        """A code is refused when no profile and no identifier has it, with its likeliest meaning in one line."""
        for code in ("so", "som", "so-SO", "sw", "ha", "orm", "pcm", "ymm"):
            assert load(config_text(f"language: {code}")).config.data.language == code
        advice = "leave the key out for a language that ml-run has no code for: none needs it"
        (found,) = faults(config_text("language: sml"))
        assert found == (
            "ml_config.yaml:3 | data.language is sml, which is no language that ml-run knows | "
            f"did you mean sm (Samoan), sl (Slovenian) or ml (Malayalam)? {advice}"
        )
        (found,) = faults(config_text("language: xyz"))
        assert found.endswith(f"| write its ISO 639 code, e.g. so for Somali; {advice}")

    def test_data_checks_that_are_no_rules(self, here):
        """A misspelt rule would silently change nothing: it is refused at its line, beside faults of other rules."""
        text = config_text("checks:\n  duplicates_exact: off\n  leak_exact: loud\n  xyz: error\n  conflict: off")
        first, second, third = faults(text)
        found = "data.checks names duplicates_exact, which is no data check"
        assert first == f"ml_config.yaml:4 | {found} | did you mean duplicate_exact?"
        assert second.startswith("ml_config.yaml:5 | data.checks.leak_exact is loud")
        assert third.startswith("ml_config.yaml:6 | data.checks names xyz, which is no data check | docs/checks.md")
        (on_the_line,) = faults(config_text(), "data.checks.bomb=off")
        assert on_the_line == (
            "--set data.checks.bomb=off | data.checks names bomb, which is no data check | did you mean bom?"
        )

    def test_every_data_check_is_known(self, here):
        """`data.checks` takes each rule's name."""
        entries = "\n".join(f"  {name}: off" for name in RULES)
        assert set(load(config_text(f"checks:\n{entries}")).config.data.checks) == set(RULES)


class TestModel:
    @pytest.mark.parametrize(
        ("name", "found", "remedy"),
        [
            ("scratch:tyni", "is scratch:tyni, which is no model from scratch", "did you mean scratch:tiny?"),
            ("scratch:x", "is scratch:x, which is no model from scratch", "known: scratch:tiny, scratch:small"),
            ("./models/xlmr", f"is ./models/xlmr: {OTHERWISE}", "did you mean xlm-r?"),
            ("models/a/b", f"is models/a/b: {OTHERWISE}", "there is no folder {here}/models/a" + RELATIVE),
            ("file.txt", "is file.txt, which is a file", "name the folder that holds config.json"),
            ("models/empty", "is models/empty: the folder has no config.json that can be read", SAVED),
        ],
    )
    def test_no_model(self, here, name, found, remedy):
        """A model that cannot be one is told before anything is loaded."""
        make_model(here / "models/xlm-r")
        (here / "models/empty").mkdir()
        (here / "models/empty/model.safetensors").write_bytes(b"")
        (here / "file.txt").write_text("")
        text = config_text().replace("scratch:tiny", name)
        assert faults(text) == [f"ml_config.yaml:4 | model.name {found} | {remedy.format(here=here)}"]

    def test_linear(self, here):
        """The linear model needs no folder and no hub, and has no revision."""
        loaded = load(config_text().replace("scratch:tiny", "linear\n  revision: main"))
        assert loaded.config.model.name == "linear"
        assert loaded.warnings == ("ml_config.yaml:5: model.revision changes nothing: model.name is not on the hub",)

    def test_folder_called_linear(self, here):
        """A folder called linear is named as ./linear, also in the config that a resumed run reads."""
        make_model(here / "linear")
        assert load(config_text().replace("scratch:tiny", "linear")).config.model.name == "linear"
        loaded = load(config_text().replace("scratch:tiny", "./linear"))
        assert loaded.config.model.name == str(here / "linear")
        assert "name: ./linear" in loaded.resolved_yaml

    def test_only_safetensors(self, here):
        """A folder with pickled weights is refused, with the way to convert them and the danger in it."""
        make_model(here / "old", weights="pytorch_model.bin")
        (found,) = faults(config_text().replace("scratch:tiny", "old"))
        assert (
            "the folder holds its weights as .bin only; only safetensors are loaded | a .bin file can run code" in found
        )
        assert 'M.from_pretrained("old").save_pretrained("old")' in found

    @pytest.mark.parametrize(
        ("config", "limit"),
        [
            ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
            ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
            ({"model_type": "camembert", "max_position_embeddings": 130, "pad_token_id": 0}, 129),
            ({"model_type": "bert", "max_position_embeddings": 128, "pad_token_id": 1}, 128),
            ({"model_type": "deberta-v2", "max_position_embeddings": 128, "position_biased_input": False}, None),
            ({"model_type": "gpt2", "n_positions": 128}, 128),
            ({"model_type": "t5"}, None),
            ({"model_type": "bert", "max_position_embeddings": "many"}, None),
        ],
    )
    def test_max_length_and_the_model(self, here, config, limit):
        """max_length may not exceed the positions of the model; XLM-R's first two are never reached."""
        make_model(here / "base", **config)
        text = config_text(model="max_length: 600").replace("scratch:tiny", "base")
        if limit is None:
            assert load(text).config.model.max_length == 600
            return
        found = f"model.max_length is 600, but base reads at most {limit} tokens | write max_length: {limit}, or less"
        assert faults(text) == [f"ml_config.yaml:5 | {found}"]
        assert load(text, f"model.max_length={limit}").config.model.max_length == limit

    def test_default_max_length_and_the_tokenizer(self, here):
        """The default is checked as well, and the tokenizer is asked where the model says nothing."""
        make_model(here / "base", model_type="t5")
        (here / "base/tokenizer_config.json").write_text('{"model_max_length": 256}')
        text = config_text().replace("scratch:tiny", "base")
        found = (
            "model.max_length is 512, its default, but base reads at most 256 tokens | write max_length: 256, or less"
        )
        assert faults(text) == [f"ml_config.yaml:3 | {found}"]
        (here / "base/tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
        assert load(text).config.model.max_length == 512

    def test_max_length_and_a_model_in_the_hub_cache(self, here):
        """A hub model that was fetched before is checked, too, by the revision that will be loaded."""
        repository = here / "no-cache/hub/models--xlm-roberta-base"
        make_model(repository / "snapshots/abc", model_type="xlm-roberta", max_position_embeddings=514, pad_token_id=1)
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text("abc")
        text = config_text(model="max_length: 513").replace("scratch:tiny", "xlm-roberta-base")
        found = (
            "model.max_length is 513, but xlm-roberta-base reads at most 512 tokens | write max_length: 512, or less"
        )
        assert faults(text) == [f"ml_config.yaml:5 | {found}"]
        assert len(faults(text, "model.revision=abc")) == 1
        assert load(text, "model.revision=other").config.model.max_length == 513

    def test_warnings(self, here):
        """A hub id that looks like a folder, and a revision that changes nothing, are said but not refused."""
        make_model(here / "models/xlm-r")
        said = "there is no such folder beside the config file, so it is taken for a hub id"
        assert load(config_text().replace("scratch:tiny", "models/xlmr")).warnings == (
            f"ml_config.yaml:4: model.name is models/xlmr: {said}",
        )
        assert load(config_text(model="revision: 0123456")).warnings == (
            "ml_config.yaml:5: model.revision changes nothing: model.name is not on the hub",
        )


class TestGate:
    @pytest.mark.parametrize(
        ("rest", "warning"),
        [
            ("", "ml_config.yaml: no criterion is set: " + NOTHING),
            ("gate: {must_beat_baseline: false}\n", "ml_config.yaml: no criterion is set: " + NOTHING),
            (
                "gate: {max_regression: 0.01}\n",
                "ml_config.yaml:5: every criterion compares with production: while there is none, " + NOTHING,
            ),
            (
                GATE + "gate:\n  max_regression: 0.01\n  min_improvement: 0.01\n",
                "ml_config.yaml:7: gate.max_regression changes nothing beside gate.min_improvement, which asks more",
            ),
        ],
    )
    def test_warnings(self, here, rest, warning):
        """A gate that can say nothing, or twice the same, is allowed and told."""
        assert load(config_text(rest=rest)).warnings == (warning,)

    @pytest.mark.parametrize(
        "rest", [GATE, "gate: {max_ece: 0}\n", "gate: {max_regression: 0.1}\ndeployment: {first_deploy: manual}\n"]
    )
    def test_no_warnings(self, here, rest):
        """One criterion is enough."""
        assert load(config_text(rest=rest)).warnings == ()

    def test_a_lower_bound_of_one_is_out_of_reach(self, here):
        """An accuracy of 1 can never be shown by the lower end of an interval."""
        (found,) = faults(config_text(rest="gate: {decide_on: lower_bound}\ndeployment: {min_accuracy: 1}"))
        assert found.startswith("ml_config.yaml:6 | deployment.min_accuracy is 1 and gate.decide_on is lower_bound: no")


class TestSeeds:
    def test_several_seeds(self, here):
        """Each of several seeds trains a model, and the config kept in the run's folder can be read back."""
        loaded = load(config_text(rest="training: {seeds: [42, 1, 2]}\n" + GATE))
        assert loaded.config.training.seeds == (42, 1, 2)
        assert load(loaded.resolved_yaml).config.training.seeds == (42, 1, 2)

    @pytest.mark.parametrize(
        ("training", "expected"),
        [
            (
                "seeds: [4, 5, 4, 5]",
                "training.seeds names 4 and 5 more than once | name each seed once: the same seed gives the same model",
            ),
            (
                "{seed: 7, seeds: [1, 2]}",
                (
                    "training.seed is 7 and training.seeds names others | "
                    "remove training.seed: each of training.seeds trains one model"
                ),
            ),
        ],
    )
    def test_faults(self, here, training, expected):
        """A seed named twice, and a single seed beside several, are refused."""
        written = training if training.startswith("{") else f"{{{training}}}"
        assert faults(config_text(rest=f"training: {written}\n" + GATE)) == [f"ml_config.yaml:5 | {expected}"]

    def test_one_seed_is_no_list(self, here):
        """One model has no spread: a list of one seed is refused."""
        (found,) = faults(config_text(rest="training: {seeds: [1]}\n" + GATE))
        assert found.startswith("ml_config.yaml:5 | training.seeds")


class TestProcesses:
    def test_a_batch_that_divides(self, here):
        """A batch is divided among processes without rest, and one process is the default."""
        loaded = load(config_text(rest="training: {batch_size: 12}\ncompute: {processes: 3}\n" + GATE))
        assert loaded.config.compute.processes == 3
        assert load(config_text(rest=GATE)).config.compute.processes == 1

    def test_a_batch_that_does_not(self, here):
        """A batch that leaves a rest is refused, by both keys, with one that does not."""
        written = "training: {batch_size: 16}\ncompute: {processes: 3}\n"
        (found,) = faults(config_text(rest=written + GATE))
        assert found == (
            "ml_config.yaml:6 | training.batch_size is 16, which compute.processes, 3, does not divide | "
            "set training.batch_size to a multiple of 3, e.g. 15, or change compute.processes"
        )


@needs_ray
class TestEngine:
    def test_workers_share_a_batch_unless_each_trains_alone(self, here):
        """A batch that workers cannot share is refused; with several seeds, each of them trains one model."""
        training, compute = "training: {batch_size: 16%s}\n", "compute: {engine: ray, workers: 3}\n"
        (found,) = faults(config_text(rest=training % "" + compute + GATE))
        assert found == (
            "ml_config.yaml:6 | training.batch_size is 16, which compute.workers, 3, does not divide | "
            "set training.batch_size to a multiple of 3, e.g. 15, or change compute.workers"
        )
        assert load(config_text(rest=training % ", seeds: [1, 2]" + compute + GATE)).config.compute.shares == 3

    def test_processes_are_for_one_machine(self, here):
        """On a cluster the workers take the place of processes."""
        (found,) = faults(config_text(rest="compute: {engine: ray, processes: 2}\n" + GATE))
        assert found == (
            "ml_config.yaml:5 | compute.processes is 2, and compute.engine is ray | "
            "remove it: on a cluster, compute.workers share one training"
        )
