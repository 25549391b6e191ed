"""The types of the config, their schema and their reference page."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from ml_run.config import Config
from ml_run.config.names import SCRATCH_MODELS
from ml_run.config.schema import describe, json_schema, reference, sections

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {"data": {"train_path": "train.jsonl"}, "model": {"name": "scratch:tiny"}}


def accepted(text):
    """Does the schema accept this file, read as an editor's YAML reader reads it?"""
    return jsonschema.Draft202012Validator(json_schema()).is_valid(yaml.safe_load(text))


def config_with(**sections_):
    import json

    return json.dumps(MINIMAL | sections_)


class TestTypes:
    def test_defaults_fill_everything_but_data_and_model(self):
        """A training file and a model name are enough for a config."""
        config = Config.model_validate(MINIMAL)
        assert (config.training.epochs, config.training.learning_rate, config.data.val_share) == (5, 2e-5, 0.15)

    def test_frozen(self):
        """A config cannot be changed after it was read."""
        config = Config.model_validate(MINIMAL)
        with pytest.raises(ValidationError):
            config.training.epochs = 3

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "2e-5", True])
    def test_only_finite_numbers(self, value):
        """The types themselves take no NaN, no infinity, no text and no boolean for a number."""
        with pytest.raises(ValidationError):
            Config.model_validate(MINIMAL | {"training": {"learning_rate": value}})

    def test_repr_shows_no_text(self):
        """No text of a config is in its repr: any of them may be a secret from the environment."""
        config = Config.model_validate(
            MINIMAL | {"tracking": {"uri": "https://u:hemmelig@host", "experiment": "hemmelig"}}
        )
        assert "hemmelig" not in repr(config) + str(config) + repr(config.tracking)
        assert "epochs=5" in repr(config)

    def test_a_refused_value_is_not_in_the_error(self):
        """Pydantic's own error text does not repeat the value it refused, which may be a secret."""
        with pytest.raises(ValidationError) as caught:
            Config.model_validate(MINIMAL | {"training": {"epochs": "hemmelig"}})
        assert "hemmelig" not in str(caught.value)

    def test_every_key_is_described_and_bounded(self):
        """Each key has one line of description; each number has both bounds."""
        for section, keys in sections().items():
            for key, schema in keys.items():
                assert schema["description"].strip(), f"{section}.{key}"
                if "number" in describe(schema):
                    assert describe(schema).count(" and ") + describe(schema).count(" to ") == 1, f"{section}.{key}"


class TestSchema:
    def test_is_valid_json_schema(self):
        """The schema is a correct draft 2020-12 schema."""
        jsonschema.Draft202012Validator.check_schema(json_schema())

    def test_accepts_the_shipped_file(self):
        """The shipped file validates, though YAML 1.1 reads its 2e-5 as a text."""
        text = (ROOT / "ml_config.yaml").read_text("utf-8")
        assert isinstance(yaml.safe_load(text)["training"]["learning_rate"], str)
        assert accepted(text)

    @pytest.mark.parametrize(
        "text",
        [
            config_with(training={"epochs": 0}),
            config_with(training={"epochs": "5"}),
            config_with(training={"epochs": 1.5}),
            config_with(training={"learning_rate": "fast"}),
            config_with(training={"lr": 0.1}),
            config_with(deployment={"min_f1": 82}),
            config_with(deployment={"auto_deploy": "maybe"}),
            config_with(data={"train_path": "a.jsonl", "leaks": "ignore"}),
            config_with(data={"train_path": "a.jsonl", "checks": {"leak_exact": "fatal"}}),
            config_with(data={"val_path": "a.jsonl"}),
            config_with(extra={}),
            '{"data": {"train_path": "a.jsonl"}}',
        ],
    )
    def test_refuses_broken_files(self, text):
        """Unknown, missing, ill-typed and out-of-range keys are seen in the editor."""
        assert not accepted(text)

    @pytest.mark.parametrize(
        "text",
        [
            "training: {learning_rate: 2e-5, epochs: 1, max_grad_norm: 1}",
            "deployment: {auto_deploy: yes}",
            "deployment: {min_f1: null, auto_deploy: !!str yes}",
            "gate: {must_beat_baseline: off}",
            "registry: {name: 2024}",
        ],
    )
    def test_accepts_both_readings_of_yaml(self, text):
        """What we take as it was meant is accepted whichever YAML version the editor reads."""
        assert accepted(yaml.safe_dump(MINIMAL) + text)

    def test_accepts_labels_that_yaml_turns_into_something_else(self):
        """Labels and rules written no, off or 1 are accepted in mappings."""
        assert accepted(
            "model: {name: scratch:tiny}\ndata: {train_path: a.csv, label_map: {a: no, b: 1}, checks: {x: off}}"
        )


class TestReference:
    def test_committed_page_is_current(self):
        """docs/config.md is what the schema says today."""
        write = "from pathlib import Path; from ml_run.config.schema import reference"
        command = f'python -c \'{write}; Path("docs/config.md").write_text(reference(), "utf-8")\''
        assert (ROOT / "docs/config.md").read_text("utf-8") == reference(), f"write it anew: {command}"

    def test_names_every_key_and_default(self):
        """Every key has a row with its bounds and default."""
        page = reference()
        assert "| `epochs` | a whole number from 1 to 1000, or auto | `5` |" in page
        assert "| `train_path` | one line of text | **required** |" in page
        assert "| `leaks` | one of drop, keep, error |  |" in page
        assert all(f"| `{key}` |" in page for keys in sections().values() for key in keys)


class TestAgreement:
    """Names that the config knows and rooms above give their meaning."""

    def test_scratch_models(self):
        """The config accepts the models from scratch that can be built, and no others."""
        from ml_run.modeling.scratch import SHAPES

        assert set(SCRATCH_MODELS) == set(SHAPES)


def test_imports_nothing_heavy(tmp_path):
    """Reading a config imports none of the libraries that take seconds, not even numpy."""
    heavy = ("torch", "transformers", "datasets", "mlflow", "sklearn", "pandas", "pyarrow", "scipy", "numpy")
    code = (
        "import sys; from pathlib import Path; from ml_run.config.file import load_config\n"
        f"try: load_config(Path({str(tmp_path / 'none.yaml')!r}))\n"
        f"except Exception: pass\nprint([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
