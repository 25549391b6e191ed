"""What the tests share: a small real corpus, a project folder, the way to run the command line."""

import json
import os
import random
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as ml-run itself does, for the process tests are forked from
SHARED = Path(__file__).resolve().parents[2] / "shared"
LABELS = ("Central", "Northern", "Southern")
_STEMS = {
    "Central": ["gaaray", "yiri", "dowlad"],
    "Northern": ["gaadhay", "yidhi", "dawlad"],
    "Southern": ["kenyy", "lammy", "seddy"],
}
_WORDS = """
guri wadan biyo dadka suuq maanta shalay magaalo buug nabad geel roob albaab aqoon arday aabbe badda bariis
beer bil bisad caano cadho cagaar caafimaad cimilo cunto dameer darajo daar deeq degmo dhakhtar dhul dugsi
faras far fasax galab ganacsi gaari habeen hadal hal heshiis hilib hooyo ilmo jaamacad jid jir kalluun kubad
laan libaax lacag luqad maalin macallin mindi miyi muus nal nolol ogeysiis oday qaxwo qof qorrax qoraal rajo
raashin saaxiib salaan sanad shaah shaqo shimbir sonkor subax tababar talo tartan taariikh timir toddobaad
tuulo ubax ugaadh waddo walaal waqti warqad wiil webi xaas xafiis xeeb xidid xirfad xoolo yaraan yool hawl
hees goob geed fiid erey
"""
_COMMON = _WORDS.split()


def make_rows(count: int, seed: int = 0, labels=LABELS) -> list[dict]:
    """`count` rows without a defect that a small model learns in seconds: each label has words of its own."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        label = labels[number % len(labels)]
        words = chance.sample(_COMMON, k=6) + chance.choices(_STEMS[label], k=3)
        chance.shuffle(words)
        rows.append({"text": " ".join(words) + f" {seed}x{number}", "label": label})
    return rows


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def write_project(folder: Path, *, train=150, val=60, test=60, **sections) -> Path:
    """A project folder with data and a config that a run walks in a few seconds; returns the folder.

    `sections` override whole keys, e.g. deployment={"min_accuracy": 0.99}.
    """
    import yaml

    for seed, (name, count) in enumerate({"train": train, "val": val, "test": test}.items()):
        write_jsonl(folder / f"data/{name}.jsonl", make_rows(count, seed))
    config = {
        "data": {f"{name}_path": f"data/{name}.jsonl" for name in ("train", "val", "test")},
        "model": {"name": "scratch:tiny", "num_labels": 3, "max_length": 32},
        "training": {"batch_size": 16, "learning_rate": 0.003, "epochs": 3, "seed": 7},
        "deployment": {"auto_deploy": True, "min_accuracy": 0.5, "min_f1": 0.5},
    }
    for section, values in sections.items():
        config[section] = config.get(section, {}) | values
    (folder / "ml_config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return folder


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory):
    """What ml-run learns of this machine while it is tested stays out of the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def project(tmp_path):
    """A project folder of default content."""
    return write_project(tmp_path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the data files of the shipped config, which is the current folder; no hub cache is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no-cache"))
    for name in ("train", "val", "test"):
        write_jsonl(tmp_path / f"data/final/{name}.jsonl", [{"text": "a", "label": "b"}])
    return tmp_path


@pytest.fixture(scope="module")
def one_thread():
    """Sums in one order: what is compared to the bit must not depend on how busy the machine is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
