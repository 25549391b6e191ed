"""Corpora with defects: rows in Somali, each of which names the rules that must point at it."""

import random
from functools import cache

from ml_run.quickstart.sentences import Writer, words
from planted_files import Files, Item

TOPICS = {
    "Caafimaad": ["dhakhtar", "cudur", "bukaan", "isbitaal", "daawo", "tallaal", "xanuun", "kalkaaliye"],
    "Ciyaaro": ["kubad", "kooxda", "goolal", "tartan", "garoon", "tababare", "horyaal", "ciyaartoy"],
    "Ganacsi": ["suuq", "lacag", "qiimo", "ganacsato", "dukaan", "bangi", "alaab", "faa'iido"],
}
SOURCES = ("idaacad", "wargeys", "bog")
LABELS = HEALTH, SPORT, TRADE = tuple(TOPICS)
SIZES = {"train": 270, "val": 60, "test": 135}
ARABIC = (
    "أعلنت وزارة الصحة أن المستشفى الجديد سيفتح أبوابه للمرضى في الأسبوع المقبل",
    "ارتفعت أسعار الخضروات في السوق بسبب قلة الأمطار هذا العام في جميع المناطق",
)
FOOTER = "Fadlan la wadaag saaxiibadaada boggan."
_ENGLISH, _SWITCHES, _PERSONAL = words()["english"], words()["english_halves"], words()["personal"]
FOREIGN = ("wrong_language", "language_by_class")


# --- clean rows -----------------------------------------------------------------------------------------------------


@cache
def _texts():
    """Texts by split, each with its label: two new sentences, the second with four words of its topic."""
    chance = random.Random(5)
    writer = Writer(chance)
    return {
        split: [
            (f"{_sentences(writer)}, {' '.join(chance.sample(TOPICS[label], 4))}", label)
            for label in LABELS * (count // len(LABELS))
        ]
        for split, count in SIZES.items()
    }


def _sentences(writer):
    return writer.sentence("Northern", 3).replace(", ", ". ", 1)


def clean() -> Files:
    """Rows of three topics without a defect, in Somali, and with fields that say nothing against them."""
    chance = random.Random(2)
    return {
        split: [
            Item(
                {"text": text, "label": label, "speaker": f"{split}-{number // 3}", "source": chance.choice(SOURCES),
                 "annotator_1": label, "annotator_2": label, "confidence": 0.9}
            )
            for number, (text, label) in enumerate(texts)
        ]
        for split, texts in _texts().items()
    }  # fmt: skip


# --- defects that are no reason to stop -----------------------------------------------------------------------------


def _edits():
    """For each row to be spoilt: the rules it falls under, its label, and what is changed in it."""
    yield from ((FOREIGN, TRADE, lambda _, text=text: {"text": text}) for text in _ENGLISH[:6])
    for text in ARABIC:
        yield (*FOREIGN, "script_mix", "unknown_tokens"), TRADE, lambda _, text=text: {"text": text}
    for text in _SWITCHES[:3]:
        yield ("code_switching",), HEALTH, lambda row, text=text: {"text": f"{row['text']}, {text}"}
    for text in _PERSONAL:
        yield ("personal_data", "unknown_tokens"), SPORT, lambda row, text=text: {"text": f"{row['text']}, {text}"}
    for name, (label, edit) in _CHARACTERS.items():
        rules = (name,) if name == "no_break_space" else (name, "unknown_tokens")
        yield from ((rules, label, lambda row, edit=edit: {"text": edit(row["text"])}) for _ in range(2))
    for _ in range(2):
        yield ("label_whitespace",), SPORT, lambda row: {"label": f" {row['label']}\u00a0"}
        yield ("missing_group",), HEALTH, lambda _: {"speaker": None}
        yield ("empty_text",), TRADE, lambda _: {"text": "... 12"}
        yield ("annotator_disagreement",), SPORT, lambda _: {"annotator_2": TRADE}
        yield ("no_break_space",), SPORT, lambda row: {"text": _on_several_lines(row["text"])}
    yield ("annotator_disagreement",), SPORT, lambda _: {"confidence": 0.1}
    yield ("null_like", "short_text"), HEALTH, lambda _: {"text": "NA"}
    yield ("short_text",), SPORT, lambda _: {"text": "waa yahay"}
    yield ("long_text", "truncation"), HEALTH, lambda row: {"text": _long(row["text"])}
    for label, other in ((HEALTH, SPORT), (SPORT, TRADE), (TRADE, HEALTH)):
        yield ("label_error",), label, lambda _, other=other: dict.fromkeys(_LABEL_FIELDS, other)
    for number in range(9):
        yield ("boilerplate",), LABELS[number % 3], lambda row: {"text": f"{row['text']}. {FOOTER}"}


_LABEL_FIELDS = ("label", "annotator_1", "annotator_2")
_CHARACTERS = {
    "invisible_characters": (SPORT, lambda text: f"{text[:7]}\u200b{text[7:]}"),
    "no_break_space": (HEALTH, lambda text: text.replace(" ", "\u00a0", 1)),
    "not_nfc": (TRADE, lambda text: f"{text} Jose\u0301"),
    "mojibake": (SPORT, lambda text: f"{text} ma\u00e2\u20ac\u2122aha"),
    "apostrophe_variants": (HEALTH, lambda text: f"{text} ma\u2019aha"),
}


def _on_several_lines(text):
    """So that a row of a table has several, of which the first is its place."""
    return text.replace(", ", ",\n").replace(" ", "\u00a0", 1)


def _long(text):
    return ", ".join(f"{text} {number} {' '.join(reversed(text.split()))}" for number in range(9))


def with_warnings() -> Files:
    """Every defect that a run can go on with, each in rows of its own; `source` gives the label away."""
    files = clean()
    train, test = files["train"], files["test"]
    chance = random.Random(1)
    free = {label: [item for item in train if item.values["label"] == label] for label in LABELS}
    for items in free.values():
        chance.shuffle(items)
    for rules, label, edit in _edits():
        item = free[label].pop()
        item.rules = rules
        item.values |= edit(item.values)
    train += _copies(free, test)
    for item in test[10:12]:
        item.values["speaker"] = free[SPORT].pop().values["speaker"]
        item.rules = ("leak_group",)
    for item in (item for items in files.values() for item in items):
        if chance.random() < 0.9:
            item.values["source"] = SOURCES[LABELS.index(item.values["label"].strip())]
    for number in (3, 40):
        train.insert(number, Item({}, ("blank_line",), broken=True))
    return files


def _copies(free, test):
    """Rows to be appended to train that repeat others; those that are found stand under their rules."""
    same, nearly, other, nearly_other = (free[HEALTH].pop() for _ in range(4))
    yield _copy(same, "duplicate_exact", text=same.values["text"].upper())
    yield _copy(nearly, "duplicate_near", text=_without_a_word(nearly))
    other.rules, nearly_other.rules = ("conflict",), ("conflict_near",)
    sport = dict.fromkeys(_LABEL_FIELDS, SPORT)
    yield _copy(other, "conflict", **sport)
    yield _copy(nearly_other, "conflict_near", text=_without_a_word(nearly_other), **sport)
    test[0].rules, test[1].rules = ("leak_exact",), ("leak_near",)
    yield _copy(test[0])
    yield _copy(test[1], text=_without_a_word(test[1]))


def _copy(item, *rules, **changes):
    return Item(item.values | {"speaker": f"copy of {item.values['speaker']}"} | changes, rules)


def _without_a_word(item):
    kept = item.values["text"].split()
    return " ".join(kept[:-6] + kept[-5:])


# --- defects that make data not ready -------------------------------------------------------------------------------


def not_ready() -> Files:
    """Rows that cannot be used, and classes that cannot be learned; quotes in texts are characters."""
    files = clean()
    for item in (item for items in files.values() for item in items):
        item.values = {"text": item.values["text"].replace(",", ""), "label": item.values["label"]}
    train, test = files["train"], files["test"]
    spoilt = {
        5: (("encoding",), {"text": "dhakhtarka caf\udce9"}),
        7: (("missing_field",), {"label": None}),
        11: (("label_variants",), {"label": "ganacsi"}),
        13: (("wrong_type",), {"label": [HEALTH, SPORT]}),
        17: (("wrong_type",), {"text": 12}),
    }
    for number, (rules, changes) in spoilt.items():
        train[number].rules = rules
        train[number].values |= changes
    for number in (21, 61, 62):
        train[number].values["text"] = f'"Haa" ayuu yiri {train[number].values["text"]}'
    for number in (19, 60):
        train[number].broken, train[number].rules = True, ("unreadable_line",)
    for number in (70, 90, 95):
        test[number].rules = ("label_only_in_eval",)
        test[number].values["label"] = "Dhaqan"
    return files


def one_class() -> Files:
    """One file of one class, in no language, whose texts stand in another field than usual."""
    chance = random.Random(3)
    texts = [" ".join("".join(chance.choices("bdgklmrsaeiou", k=8)) for _ in range(3)) for _ in range(400)]
    return {"train": [Item({"sentence": text, "label": HEALTH}) for text in texts]}
