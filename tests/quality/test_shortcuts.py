import csv
import random

import pytest

from conftest import SHARED, make_rows
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quality.shortcuts import check_shortcuts
from ml_run.quality.surface import encoding, form

NEWS = SHARED / "data" / "masakhanews"
COUNT = 300


def splits_of(extra=lambda number, label, chance: {}, text=lambda text, label, chance: text, count=COUNT):
    """Rows of three classes in a mixed order; `extra` gives the other fields of a row, `text` rewrites it."""
    chance = random.Random(5)
    rows = []
    for number, row in enumerate(make_rows(count)):
        written = text(row["text"], row["label"], chance)
        raw = {"text": written, "label": row["label"], **extra(number, row["label"], chance)}
        rows.append(Row("rows.csv", number + 2, written, row["label"], None, raw, str(number)))
    chance.shuffle(rows)
    return {"train": rows[: count // 2], "val": rows[count // 2 :], "test": []}


def found_in(splits, **more):
    """The probes that found a shortcut, with their findings."""
    check = check_shortcuts(splits, Checks(), seed=1, **more)
    found = [probe.name for probe in check.probes if probe.macro_f1 > probe.guess + 0.2]
    assert len(found) == len(check.findings)
    return dict(zip(found, check.findings, strict=True)), {probe.name: probe for probe in check.probes}


def leaning(values):
    """A field whose value depends on the label four times out of five."""

    def extra(number, label, chance):
        own = values[("Central", "Northern", "Southern").index(label)]
        return {"source": own if chance.random() < 0.8 else chance.choice(values)}

    return extra  # fmt: skip


def test_a_source_that_tells_the_label():
    """The planted field is found, with its score beside a guess and the text, and a value to look up."""
    found, probes = found_in(splits_of(leaning(["radio", "forum", "news"])))
    assert list(found) == ["source"]
    assert list(probes) == ["length", "punctuation", "encoding", "source"]
    probe = probes["source"]
    assert probe.macro_f1 == pytest.approx(0.87, abs=0.03)
    assert (probe.guess, probe.text, probe.rows) == (pytest.approx(1 / 3), 1.0, COUNT)
    one = found["source"]
    assert (one.rule, one.severity, one.count) == ("shortcut", "warning", 1)
    assert one.message.startswith(
        f"the field source alone tells the label with a macro-F1 of {probe.macro_f1:.3f}, where guessing by class "
        "shares has 0.333 and the words of the text 1.000; "
    )
    assert one.message.endswith("; 82.6 % of the 109 rows with 'forum' are Northern")


def test_the_group_field_gets_advice_of_its_own():
    """That a group tells the label is no fault of the splits; the remedy says what to trust."""
    splits = splits_of(leaning(["x", "y", "z"]))
    (plain,), (group,) = (found_in(splits, **more)[0].values() for more in ({}, {"group_field": "source"}))
    assert plain.message == group.message
    assert group.remedy.endswith("trust scores on groups that train has not")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", lambda n, label, chance: f"https://example.org/{label[:4].lower()}/{chance.randrange(10**9)}"),
        ("date", lambda n, label, chance: f"20{10 + len(label)}-{n % 12 + 1:02}-{n % 28 + 1:02}T10:00:00"),
        ("seconds", lambda n, label, chance: chance.random() + len(label)),
        ("seconds", lambda n, label, chance: str(chance.random() + len(label))),
        ("code", lambda n, label, chance: ["N", "C", "S"].index(label[0]) if label[0] in "NCS" else None),
        ("note", lambda n, label, chance: "checked" if label == "Central" else None),
    ],
)
def test_other_fields_that_tell_the_label(name, value):
    """Addresses, dates, measures, codes and fields that only one class has filled in are found."""
    found, _ = found_in(splits_of(lambda *row: {name: value(*row)}))
    assert list(found) == [name]


@pytest.mark.parametrize(
    ("probe", "rewrite"),
    [
        ("length", lambda text, label, chance: text + " guri" * (30 if label == "Central" else 0)),
        ("punctuation", lambda text, label, chance: text + ("!" if label == "Central" else ".")),
        ("encoding", lambda text, label, chance: text + (" d\u2019a" if label == "Central" else " d'a")),
        ("encoding", lambda text, label, chance: text[:5] + ("\u200b" if label == "Northern" else "") + text[5:]),
    ],
)
def test_a_form_that_tells_the_label(probe, rewrite):
    """Length, end marks, forms of apostrophes and invisible characters that go with a class are found."""
    found, _ = found_in(splits_of(text=rewrite))
    assert probe in found
    assert "mix them, or make them alike" in found[probe].remedy


def test_a_length_is_told_in_words():
    """The finding says what typical lengths are."""
    found, _ = found_in(splits_of(text=lambda text, label, chance: text + " guri" * (30 if label == "Central" else 0)))
    assert found["length"].message.endswith("half of Central has 40 words or more, half of Northern 10 or fewer")


def harmless(number, label, chance):
    """Fields that say nothing of the label, or say it without giving it away."""
    return {
        "id": number,
        "row_name": f"row_{number}",
        "timestamp": f"2026-01-{chance.randrange(28) + 1:02}T{chance.randrange(24):02}:{chance.randrange(60):02}:07",
        "source": chance.choice(["radio", "forum", "news"]),
        "author": f"author {chance.randrange(60)}",
        "weight": chance.random(),
        "synthetic": True,
        "label_id": len(label),
        "dialect_label": label,
        "annotator_2": label,
        "tags": [label],
        "headline": label,
        "notes": f"a longer remark of words about {label} {number}",
    }


def test_harmless_fields_are_no_shortcuts():
    """Times, sources and numbers by chance, ids, constants, other forms of label and text: nothing is found."""
    found, probes = found_in(splits_of(harmless))
    assert found == {}
    assert set(probes) == {"length", "punctuation", "encoding", "timestamp", "source", "author", "weight"}


def test_ids_of_a_sorted_file_are_no_shortcut():
    """Where a row stands in a file sorted by class is not what is looked for; a class inside the id is."""
    rows = sorted(splits_of()["train"] + splits_of()["val"], key=lambda row: row.label)
    ids = [Row(r.file, r.line, r.text, r.label, None, {**r.raw, "id": n, "name": f"so-{n}", "key": f"{r.label}_{n}"})
           for n, r in enumerate(rows)]  # fmt: skip
    found, probes = found_in({"train": ids, "val": [], "test": []})
    assert list(found) == ["key"]
    assert set(probes) == {"length", "punctuation", "encoding", "key"}


def test_chance_is_no_shortcut():
    """Small, uneven classes and fields of noise, six times over: no probe fires."""
    fired = []
    for seed in range(6):
        chance = random.Random(seed)
        weights = [chance.random() ** 2 + 0.05 for _ in range(chance.choice([2, 3, 5]))]
        rows = [
            Row("f", n, "guri " * chance.randrange(1, 30) + chance.choice(".!?"),
                str(chance.choices(range(len(weights)), weights)[0]), None,
                {"source": chance.choice("abcd"), "author": f"p{chance.randrange(40)}", "at": chance.random()})
            for n in range(chance.choice([100, 150, 300]))
        ]  # fmt: skip
        fired += check_shortcuts({"train": rows, "val": [], "test": []}, Checks(), seed=seed).findings
    assert fired == []


def test_the_margin_can_be_moved():
    """`shortcut.margin` decides what is found; the probes stay the same."""
    splits = splits_of(leaning(["radio", "forum", "news"]))
    strict = check_shortcuts(splits, Checks(limits={"shortcut.margin": 0.9}), seed=1)
    assert (strict.findings, len(strict.probes)) == ((), 4)


def test_nothing_is_asked_when_off_or_of_too_few_rows():
    """`shortcut: off` costs nothing, and 99 rows are too few."""
    empty = [check_shortcuts(splits_of(), Checks({"shortcut": "off"}), seed=1),
             check_shortcuts(splits_of(count=99), Checks(), seed=1)]  # fmt: skip
    assert [(check.findings, check.probes) for check in empty] == [((), ())] * 2


@pytest.mark.parametrize("features", [form, encoding])
def test_the_form_of_a_text_says_nothing_of_its_length_or_words(features):
    """A text said twice, and another with the same marks, have the same features."""
    assert features("guri wadan, biyo.\nguri wadan, biyo.") != features("GURI wadan; biyo’!")
    assert features("geel aaa geel aaa ") == features("geel aaa geel aaa geel aaa geel aaa ")
    assert features("geel baa") == features("roob gaa")
    assert features("")


def test_what_is_not_seen_is_part_of_the_encoding():
    """A control character counts apart from the letters that are no ASCII."""
    assert encoding("a\x00b") != encoding("a b")
    assert encoding("a\u200bb") != encoding("aéb")


@pytest.mark.skipif(not NEWS.is_dir(), reason="needs ../shared with the MasakhaNEWS files")
@pytest.mark.parametrize("language", ["som", "orm"])
def test_genuine_news_has_no_shortcut(language):
    """Neither length, form nor address tells the topic of genuine Somali and Oromo news (every second row)."""
    rows = []
    for name in ("train", "dev", "test"):
        with (NEWS / language / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows += [Row(name, n, f"{raw['headline']} {raw['text']}", raw["category"], None, raw)
                     for n, raw in enumerate(csv.DictReader(file, delimiter="\t"), start=2)]  # fmt: skip
    found, probes = found_in(
        {"train": rows[::2], "val": [], "test": []}, text_fields=("headline", "text"), label_field="category"
    )
    assert found == {}
    assert list(probes) == ["length", "punctuation", "encoding", "url"]
    assert probes["url"].text > 0.6


def test_numbers_too_large_for_a_tree():
    """A field of numbers beyond what a tree compares is asked all the same, and tells what it tells."""
    sizes = {"Central": 1e40, "Northern": 1.0, "Southern": -1e300}
    found, _ = found_in(splits_of(lambda number, label, chance: {"views": sizes[label] * (1 + number / 1000)}))
    assert list(found) == ["views"]


def test_texts_that_begin_with_thousands_of_blanks():
    """The words behind very many blanks are read."""
    _, probes = found_in(splits_of(text=lambda text, label, chance: " " * 20_000 + text))
    assert probes["length"].text == 1.0
