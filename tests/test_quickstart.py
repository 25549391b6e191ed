"""The SYNTHETIC sample: what it holds, what it must never do, and that a run can pass on it."""

import json
import unicodedata
from collections import Counter, defaultdict

import numpy as np
import pytest
import yaml

from harness import ml_run
from ml_run.config.file import load_config
from ml_run.errors import UsageError
from ml_run.languages import load_profile, normalise, recognise
from ml_run.modeling.baselines import linear_baseline, majority_predictions
from ml_run.modeling.linear_tuning import Rows
from ml_run.quickstart import PLANTED, write_sample
from ml_run.quickstart.sentences import LABELS, southern, words

SO = load_profile("so")
FILES = {"SYNTHETIC_train.jsonl", "SYNTHETIC_val.jsonl", "SYNTHETIC_test.jsonl", "ml_config.yaml"}
INVISIBLE = set("\u200b\ufeff\u00ad\u200e")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("sample")).parent


@pytest.fixture(scope="module")
def rows(sample):
    return {split: read(sample / f"SYNTHETIC_{split}.jsonl") for split in ("train", "val", "test")}


def read(path):
    return [json.loads(line) for line in path.read_text("utf-8-sig").splitlines() if line]


def has_letter(row):
    return any(character.isalpha() for character in row["text"])


# --- the files ------------------------------------------------------------------------------------------------------


def test_it_writes_four_files_and_names_the_config(tmp_path):
    """The sample is three data files that say SYNTHETIC in their names, and the config beside them."""
    config = write_sample(tmp_path / "new" / "folder")
    assert config == tmp_path / "new" / "folder" / "ml_config.yaml"
    assert {path.name for path in config.parent.iterdir()} == FILES


def test_one_seed_gives_the_same_bytes(sample, tmp_path):
    """Two samples of one seed are byte for byte the same, those of another seed are not."""
    write_sample(tmp_path / "again")
    write_sample(tmp_path / "other", seed=43)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (sample / name).read_bytes()
    assert (tmp_path / "other/SYNTHETIC_test.jsonl").read_bytes() != (sample / "SYNTHETIC_test.jsonl").read_bytes()


def test_it_can_be_written_again(tmp_path):
    """Files that are as they would be written are left alone, and a missing one is written."""
    config = write_sample(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "SYNTHETIC_val.jsonl").unlink()
    assert write_sample(tmp_path) == config
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {name for name in after if after[name] != times[name]} == {"SYNTHETIC_val.jsonl"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_it_never_overwrites(tmp_path, name):
    """A file of one of these names that holds something else is refused, kept, and nothing else is written."""
    (tmp_path / name).write_text("mine", "utf-8")
    with pytest.raises(UsageError) as error:
        write_sample(tmp_path)
    assert error.value.where == str(tmp_path / name)
    assert "nothing is ever overwritten" in error.value.found
    assert f"ml-run --config {tmp_path / 'ml_config.yaml'}" in error.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text("utf-8") == "mine"


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path):
    """Where a file stands in the way of the folder, the error says so instead of a traceback."""
    (tmp_path / "taken").write_text("", "utf-8")
    with pytest.raises(UsageError, match="cannot write the sample here"):
        write_sample(tmp_path / "taken" / "folder")


def test_the_config_is_valid_and_offline(sample):
    """The shipped config loads without a fault or warning, trains from nothing and deploys what passes."""
    loaded = load_config(sample / "ml_config.yaml", [])
    assert loaded.warnings == ()
    assert loaded.config.model.name == "scratch:tiny"
    assert loaded.config.deployment.auto_deploy
    written = yaml.safe_load((sample / "ml_config.yaml").read_text("utf-8"))
    assert {written["data"][f"{split}_path"] for split in ("train", "val", "test")} < FILES


# --- the rows -------------------------------------------------------------------------------------------------------


def test_every_row_says_synthetic(rows):
    """No row can be taken for a real one: each carries the fields of the users' data, and says SYNTHETIC twice."""
    for row in [row for split in rows.values() for row in split]:
        assert list(row) == ["text", "label", "source", "timestamp", "synthetic"]
        assert row["synthetic"] is True
        assert row["source"].startswith("SYNTHETIC-")


def test_size_and_imbalance(rows):
    """About 2,000 rows in three classes, most of them Northern, few Southern."""
    assert 1900 <= sum(map(len, rows.values())) <= 2100
    for split in rows.values():
        counts = Counter(row["label"].strip() for row in split)
        assert set(counts) == set(LABELS)
        assert 0.54 < counts["Northern"] / len(split) < 0.62


def test_it_reads_as_somali(rows):
    """The profile recognises the sample, so that its advice applies as to real data."""
    assert recognise([row["text"] for row in rows["train"]]).code == "so"


@pytest.mark.parametrize(
    ("standard", "maay"),
    [("laba", "lammy"), ("toban,", "tumung,"), ("mindi", "toory"), ("xoolaha", "hoolahy"), ("macallinka", "maallinky"),
     ("dugsiga", "dugsigy"), ("toddoba", "todoby"), ("oo", "oo"), ("iyo", "iyo")],
)  # fmt: skip
def test_southern_features(standard, maay):
    """Southern rows have the features listed for Maay: no x, no c, only r and l doubled, final -y, own numbers."""
    assert southern(standard) == maay


def test_the_classes_differ_but_overlap(rows):
    """Dh and -ay lean to Northern, r and -ey to Central, and each is found in the other class, too."""
    share = {}
    for label in ("Northern", "Central"):
        found = [word.strip(",") for row in rows["test"] if row["label"] == label for word in row["text"].split()]
        counts = Counter(found)
        share[label] = counts["odhan"] / (counts["odhan"] + counts["oran"])
    assert 0.70 < share["Northern"] < 0.97
    assert 0.03 < share["Central"] < 0.30


def test_a_simple_model_learns_it_but_not_perfectly(rows):
    """The linear baseline reaches about .9 and the majority about .57: something to learn, nothing to be perfect at."""
    train, val = (
        Rows([row["text"] for row in kept], [LABELS.index(row["label"].strip()) for row in kept])
        for kept in ([row for row in rows[split] if has_letter(row)] for split in ("train", "val"))
    )
    true = [LABELS.index(row["label"]) for row in rows["test"]]
    texts = [row["text"] for row in rows["test"]]
    linear = linear_baseline(train, val, LABELS, balanced=False, seed=0)[0].probabilities(texts).argmax(1)
    majority = majority_predictions(train.ids, len(true))
    assert 0.87 < sum(a == b for a, b in zip(true, linear, strict=True)) / len(true) < 0.97
    assert 0.52 < sum(a == b for a, b in zip(true, majority, strict=True)) / len(true) < 0.62


# --- the defects ----------------------------------------------------------------------------------------------------


def test_planted_defects_are_found_by_the_data_stage(sample, tmp_path):
    """The data stage finds every planted defect as often as planted, none that is not, and the data is not refused."""
    done = ml_run("check-data", "--config", sample / "ml_config.yaml", "--json", "--quiet", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    data = json.loads((tmp_path / "experiments/check_data/data/report.json").read_text("utf-8"))
    found = {finding["rule"]: finding["count"] for finding in data["findings"]}
    assert len(found) == len(data["findings"])
    assert set(found) == {*PLANTED, "truncation"}  # the config's max_length fits 95 % of the texts, on purpose
    assert found.pop("imbalance") == data["splits"]["train"]["classes"]["Southern"]  # it counts the smallest class
    assert found.pop("label_error") == 50  # the length of the list to look through
    assert found.pop("truncation") < 0.05 * data["splits"]["train"]["rows"]
    assert found == {rule: PLANTED[rule] for rule in found}
    assert data["readiness"] == "ready with warnings"
    assert data["synthetic"] is True
    assert {"baseline", "leakage", "dialect-labels", "class-weights"} <= {one["topic"] for one in data["advice"]}


def test_copies_are_as_planted(rows):
    """Exact copies, conflicts and leaks are there as often as `PLANTED` says, on normalised text."""
    by_text = defaultdict(list)
    for row in filter(has_letter, rows["train"]):
        by_text[normalise(row["text"], SO)].append(row["label"].strip())
    repeated = [labels for labels in by_text.values() if len(labels) > 1]
    assert sum(len(labels) for labels in repeated if len(set(labels)) > 1) == PLANTED["conflict"]
    assert sum(len(labels) - 1 for labels in repeated if len(set(labels)) == 1) == PLANTED["duplicate_exact"]
    held_out = [normalise(row["text"], SO) for split in ("val", "test") for row in rows[split]]
    assert sum(text in by_text for text in held_out) == PLANTED["leak_exact"]
    assert len(set(held_out)) == len(held_out)


def test_near_copies_are_as_planted_and_no_others(rows):
    """No two sentences share half of their character 5-grams but the planted near copies, which share over .8."""
    from sklearn.feature_extraction.text import CountVectorizer

    split_of = {}
    for split, content in rows.items():
        for row in content:
            split_of.setdefault(normalise(row["text"], SO), split)
    texts = [text for text in split_of if len(text) > 40]
    grams = CountVectorizer(analyzer="char", ngram_range=(5, 5), binary=True).fit_transform(texts)
    shared = np.triu((grams @ grams.T).toarray(), 1).astype(float)
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    likeness = shared / (sizes[:, None] + sizes[None, :] - shared)
    near = Counter(frozenset((split_of[texts[a]], split_of[texts[b]])) for a, b in np.argwhere(likeness > 0.5))
    assert near == {frozenset({"train"}): PLANTED["duplicate_near"], frozenset({"train", "test"}): PLANTED["leak_near"]}
    assert likeness[likeness > 0.5].min() > 0.8


def test_characters_are_as_planted(sample, rows):
    """Invisible characters, no-break spaces, mojibake, NFD, apostrophe variants: as many rows as `PLANTED` says."""
    texts = [row["text"] for row in filter(has_letter, rows["train"])]
    assert sum(not INVISIBLE.isdisjoint(text) for text in texts) == PLANTED["invisible_characters"]
    assert sum("\u00a0" in text for text in texts) == PLANTED["no_break_space"]
    assert sum("\u00e2\u20ac\u2122" in text for text in texts) == PLANTED["mojibake"]
    assert sum(not unicodedata.is_normalized("NFC", text) for text in texts) == PLANTED["not_nfc"]
    assert (
        sum(any(c in text for c in "\u2018`") or ("\u2019" in text) for text in texts) == PLANTED["apostrophe_variants"]
    )
    assert (sample / "SYNTHETIC_val.jsonl").read_bytes().startswith(b"\xef\xbb\xbf")
    assert (sample / "SYNTHETIC_train.jsonl").read_text("utf-8").splitlines().count("") == PLANTED["blank_line"]


def test_odd_rows_are_as_planted(rows):
    """Rows without a letter, too short, too long, (half) English, with contact data, with padded labels."""
    train = rows["train"]
    texts = [row["text"] for row in train]
    assert sum(not has_letter(row) for row in train) == PLANTED["empty_text"]
    assert sum(text in words()["short"] for text in texts) == PLANTED["short_text"]
    assert sum(len(text) > 5000 for text in texts) == PLANTED["long_text"]
    assert sum("SYNTHETIC" in text or "+252" in text for text in texts) == PLANTED["personal_data"]
    assert sum(row["label"] != row["label"].strip() for row in train) == PLANTED["label_whitespace"]
    assert sum(text in words()["english"] for text in texts) == PLANTED["wrong_language"]
    halves = tuple(words()["english_halves"])
    assert sum(text.endswith(halves) for text in texts) == PLANTED["code_switching"]
    assert [row["label"] for row in rows["test"]].count("Southern") < 30


def test_the_source_gives_the_label_away(rows):
    """The planted shortcut: guessing the most frequent label of a source beats guessing the most frequent label."""
    by_source = defaultdict(Counter)
    for row in rows["train"]:
        by_source[row["source"]][row["label"].strip()] += 1
    right = sum(by_source[row["source"]].most_common(1)[0][0] == row["label"] for row in rows["test"])
    assert right / len(rows["test"]) > 0.65


@pytest.mark.slow
def test_the_quickstart_passes_and_deploys(tmp_path):
    """`ml-run quickstart` in an empty folder ends 0 with verdict PASS, a deployed model, and says SYNTHETIC."""
    done = ml_run("quickstart", "--json", "--quiet", cwd=tmp_path, timeout=600)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["verdict"], result["deployment"]["action"], result["synthetic"]) == ("PASS", "deployed", True)
    assert result["scores"]["candidate"]["accuracy"]["low"] > 0.80
    assert result["scores"]["candidate"]["macro_f1"]["low"] > 0.75
