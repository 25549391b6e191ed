"""Every rule of the data stage, planted in files of every format: found where it stands, and nothing else is."""

import json
import re
from collections import defaultdict

import pytest
import yaml

import planting
from harness import ml_run
from ml_run.config.data_checks import RULES
from planted_files import FORMATS, IMPOSSIBLE, write
from planting import LABELS, TRADE

INFO, WARNING, ERROR = "info", "warning", "error"
CONFIG = {
    "data": {"group_field": "speaker"},
    "model": {"name": "scratch:tiny", "max_length": 256},
    "deployment": {"min_accuracy": 0.5},
}
CORPORA = {
    "warnings": (
        0,
        planting.with_warnings,
        {"bom": "val"},
        {
            "data": {"group_field": "speaker", "label_map": {"Siyaasad": TRADE},
                     "limits": {"unknown_tokens.warning_above": 0.0001}},
            "model": {"name": "letters", "max_length": 512},
            "gate": {"min_class_recall": 0.97, "decide_on": "lower_bound"},
        },
    ),
    "not ready": (3, planting.not_ready, {"quoting": False}, {"data": {}}),
    "one class": (3, planting.one_class, {}, {"data": {}, "model": {"name": "no-such/model"}}),
}  # fmt: skip
"""By name: the exit code, what is written, how, and the keys of the config that differ."""
SEVERITIES = {
    "warnings": {
        "annotator_disagreement": INFO,
        "apostrophe_variants": INFO,
        "blank_line": INFO,
        "boilerplate": WARNING,
        "bom": INFO,
        "code_switching": INFO,
        "conflict": WARNING,
        "conflict_near": WARNING,
        "duplicate_exact": INFO,
        "duplicate_near": INFO,
        "empty_text": WARNING,
        "invisible_characters": INFO,
        "label_error": INFO,
        "label_whitespace": INFO,
        "language_by_class": WARNING,
        "leak_exact": WARNING,
        "leak_group": WARNING,
        "leak_near": WARNING,
        "long_text": INFO,
        "missing_group": WARNING,
        "mojibake": INFO,
        "no_break_space": INFO,
        "not_nfc": INFO,
        "null_like": WARNING,
        "personal_data": INFO,
        "script_mix": INFO,
        "short_text": INFO,
        "truncation": INFO,
        "unknown_tokens": WARNING,
        "wrong_language": WARNING,
    },
    "not ready": {
        "encoding": ERROR,
        "label_only_in_eval": ERROR,
        "label_variants": ERROR,
        "missing_field": ERROR,
        "quoting": INFO,
        "unreadable_line": ERROR,
        "wrong_type": ERROR,
    },
    "one class": {},
}
"""Rules that point at rows or files: `planting` says at which."""
TRAIN = 272
"""Rows of train that are left in the corpus of warnings."""
OF_THE_WHOLE = {
    "warnings": {
        "gate_undecidable": (WARNING, 3, [f"test {label}" for label in LABELS]),
        "label_map_unused": (WARNING, 1, []),
        "shortcut": (WARNING, 1, []),
        "tokens_per_word": (WARNING, TRAIN, []),
    },
    "not ready": {
        "class_small": (WARNING, 2, ["val Dhaqan", "val ganacsi"]),
        "class_too_small": (ERROR, 4, ["test Dhaqan", "test ganacsi", "train Dhaqan", "train ganacsi"]),
        "gate_undecidable": (WARNING, 1, ["test ganacsi"]),
        "imbalance": (WARNING, 1, []),
    },
    "one class": {
        "field_chosen": (INFO, 1, []),
        "language_not_checked": (INFO, 400, []),
        "single_label": (ERROR, 400, []),
        "split_made": (INFO, 140, []),
        "tokens_not_checked": (INFO, 1, []),
    },
}
"""Rules that judge classes, fields or settings: severity, count and places."""


def check(folder, form, files, how=None, changes=None):
    """Write a project in one format and check its data; returns where what stands, and how the command ended."""
    places = write(folder, files, form, **how or {})
    config = CONFIG | (changes or {})
    config["data"] = config["data"] | {f"{split}_path": f"data/{split}.{form}" for split in files}
    (folder / "ml_config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return places, ml_run("check-data", *(["--json"] if changes else []), "--quiet", cwd=folder)


def found_in(folder):
    """Severity, count and places of each rule that was found; of one found more than once, all together."""
    record = json.loads((folder / "experiments/check_data/data/report.json").read_text("utf-8"))
    found = defaultdict(lambda: ("", 0, []))
    for one in record["findings"]:
        _, count, places = found[one["rule"]]
        found[one["rule"]] = (one["severity"], count + one["count"], places + [_place(e) for e in one["examples"]])
    return {rule: (severity, count, sorted(places)) for rule, (severity, count, places) in found.items()}


def _place(example):
    if example["line"]:
        return f"{example['file']}:{example['line']}"
    return f"{example['file']} {example['label'] or ''}".strip()


def _expected(corpus, form, places):
    """What was planted, as `found_in` has what was found."""
    rows = {
        rule: (severity, len(places[rule]), sorted(places[rule]))
        for rule, severity in SEVERITIES[corpus].items()
        if rule not in IMPOSSIBLE[form]
    }
    if "boilerplate" in rows:
        rows["boilerplate"] = (WARNING, len(places["boilerplate"]), places["boilerplate"][:1])
    return rows | OF_THE_WHOLE[corpus]


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_planted_is_found_where_it_stands_and_nothing_else(form, corpus, tmp_path):
    """Each planted row is named by file and line under its rules, with count and severity; no other rule speaks."""
    code, make, how, changes = CORPORA[corpus]
    _letters(tmp_path / "letters")
    places, done = check(tmp_path, form, make(), how, changes)
    assert done.code == code, done.err
    found, expected = found_in(tmp_path), _expected(corpus, form, places)
    suspected, wrong = (which.pop("label_error", (INFO, 0, []))[2] for which in (found, expected))
    assert found == expected
    assert set(wrong) <= set(suspected) <= {place for rows in places.values() for place in rows}
    told = json.loads(done.out)
    assert (told["exit_code"], done.err) == (code, "")
    assert {one["rule"] for one in told["findings"]} <= {*expected, "label_error"}
    assert len(told["findings"]) + told.get("findings_left_out", 0) >= len(expected)


def _letters(folder):
    """A model whose tokenizer cuts words into letters, and knows no others than Latin ones without marks."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789',."
    pieces = ["[UNK]", "[PAD]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "post_processor": None,
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {piece: n for n, piece in enumerate(pieces)}},
    }  # fmt: skip
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.safetensors").touch()


@pytest.mark.parametrize("form", FORMATS)
def test_clean_data_gives_no_finding(form, tmp_path):
    """The same rows without a defect: one good line, exit 0, nothing found, whatever the format."""
    _, done = check(tmp_path, form, planting.clean())
    assert (done.code, done.err) == (0, "")
    assert re.match(r"✔ ready: \d\d checks on 465 rows found nothing\n", done.out)
    assert found_in(tmp_path) == {}


def test_every_rule_is_planted():
    """A new rule has to be planted here; what cannot occur in one format is planted in another, and it is said why."""
    planted = {rule for corpus in (SEVERITIES, OF_THE_WHOLE) for rules in corpus.values() for rule in rules}
    assert planted == set(RULES)
    for rule in planted:
        assert not all(rule in impossible for impossible in IMPOSSIBLE.values())
    assert all(reason for impossible in IMPOSSIBLE.values() for reason in impossible.values())
