"""What the tests of the config share: writing a config, loading it, listing its faults."""

import json
from pathlib import Path

import pytest

from ml_run.config.file import load_config
from ml_run.errors import ConfigError, ExitCode

GATE = "deployment: {min_accuracy: 0.5}\n"


def write(text, name="ml_config.yaml"):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def config_text(data="", model="", rest=GATE):
    """A sound config with further lines in its first two sections."""
    data, model = ("".join(f"  {line}\n" for line in lines.splitlines()) for lines in (data, model))
    return f"data:\n  train_path: data/final/train.jsonl\n{data}model:\n  name: scratch:tiny\n{model}{rest}"


def load(text, *overrides, environ=None, **options):
    return load_config(write(text), overrides, environ or {}, **options)


def faults(text, *overrides, environ=None):
    """The faults of a config, each as `where | found | remedy`."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, environ=environ)
    assert caught.value.exit_code == ExitCode.USAGE
    return [f"{fault.where} | {fault.found} | {fault.remedy}" for fault in caught.value.faults]


def make_model(folder, weights="model.safetensors", **config):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / weights).write_bytes(b"")
