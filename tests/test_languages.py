"""Language profiles: loading, folding, recognising, advising."""

import csv
import random
import sys
import time
import unicodedata

import pytest
from pydantic import ValidationError

from conftest import SHARED
from ml_run.config.data_checks import RULES
from ml_run.config.names import known_profiles
from ml_run.errors import UsageError
from ml_run.languages import (
    AdviceRule,
    Condition,
    advise,
    choose_language,
    find_profile,
    load_profile,
    normalise,
    recognise,
)
from ml_run.results import Finding, Lengths, PreparedData, SplitSummary

SO = load_profile("so")

SOMALI = [
    "Ninka ayaa sheegay inuu maanta soo gaaray magaalada isagoo wata buugag badan",
    "Waxay dadku u sheegeen in roobku uu ka da'ay deegaanka oo dhan habeenkii hore",
    "Macallinka iyo ardaydu waxay isugu yimaadeen dugsiga markii la furay",
    "Dowladda ayaa sheegtay inay dib u dhis ku samayn doonto waddada weyn",
    "Geelu wuxuu ku nool yahay meelaha kulul, laakiin biyo ayuu u baahan yahay",
    "Waxaa lagu arkay suuqa caanood iyo hilib badan, balse qiimuhu aad buu u sarreeyay",
]
SWAHILI = [
    "Watu wengi walikuja sokoni leo asubuhi kununua mahindi na maharagwe ya kupika nyumbani",
    "Mwalimu alisema kwamba wanafunzi wote wanapaswa kusoma vitabu vyao kabla ya mtihani",
    "Serikali imetangaza kuwa barabara mpya itajengwa kati ya miji miwili mikubwa ya pwani",
    "Mvua ilinyesha usiku kucha na mto ukafurika, lakini hakuna mtu aliyeumia hata kidogo",
    "Kwa sababu ya ukame, wafugaji wamehama na mifugo yao kwenda kutafuta maji na malisho",
]
HAUSA = [
    "Mutane da yawa sun zo kasuwa yau da safe domin su sayi masara da wake da za a dafa a gida",
    "Malamin ya ce dole ne dukkan ɗalibai su karanta littattafansu kafin a fara jarrabawa",
    "Gwamnati ta sanar cewa za a gina sabuwar hanya tsakanin manyan birane biyu na ƙasar",
    "An yi ruwan sama dukan dare har kogi ya cika, amma babu wanda ya ji rauni ko kaɗan",
    "Saboda fari, makiyaya sun tashi da dabbobinsu don neman ruwa da wurin kiwo",
]
ENGLISH = [
    "Many people came to the market this morning to buy maize and beans to cook at home",
    "The teacher said that all students should read their books before the examination",
    "The government has announced that a new road will be built between the two largest towns",
    "It rained all night and the river flooded, but nobody was hurt and the bridge is open again",
    "Because of the drought the herders have moved with their animals in search of water",
]
OROMO = [
    "Namoonni hedduun ganama har'a gara gabaa dhufanii boqqolloo fi baaqelaa bitatan",
    "Barsiisaan barattoonni hundi qormaata dura kitaaba isaanii akka dubbisan dubbateera",
    "Mootummaan karaan haaraan magaalota gurguddoo lama gidduutti akka ijaaramu beeksiseera",
    "Halkan guutuu roobni roobee lagni guutus, namni miidhame tokkollee hin jiru",
    "Sababa hongeetiin horsiisee bultoonni bishaan barbaachaaf loon isaanii waliin godaanan",
]


def lengths(p95=20.0):
    return Lengths(minimum=1, median=10, mean=11, p95=p95, maximum=99)


def split(name, classes, p95=20.0):
    rows = sum(classes.values())
    return SplitSummary(
        name=name, source=f"{name}.jsonl", rows=rows, rejected=0, classes=classes, characters=lengths(),
        words=lengths(p95), fingerprint="f",
    )  # fmt: skip


def prepared(train, test, *, findings=(), p95=20.0):
    return PreparedData(
        labels=tuple(train), splits={"train": split("train", train, p95), "test": split("test", test)},
        text_fields=("text",), label_field="label", findings=findings, readiness="ready", fingerprint="f",
    )  # fmt: skip


def finding(rule, count=1):
    return Finding(rule=rule, severity="info", message="m", count=count, remedy="r")


def topics(data):
    return {advice.topic for advice in advise(SO, data)}


def masakhanews(language, part):
    folder = SHARED / "data/masakhanews" / language
    if not folder.is_dir():
        pytest.skip("needs MasakhaNEWS in ../shared/data, which this clone does not have")
    csv.field_size_limit(1 << 30)
    with (folder / f"{part}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


# --- profiles -------------------------------------------------------------------------------------------------------


def test_profiles_load():
    """Every profile in the package is valid and bears the code of its file."""
    assert known_profiles() == ("so",)
    for code in known_profiles():
        assert load_profile(code).code == code


def test_unknown_profile_names_the_known_ones():
    """A code without a profile is a usage error that lists the codes there are."""
    with pytest.raises(UsageError) as error:
        load_profile("sw")
    assert str(error.value) == (
        "data.language: there is no language profile 'sw'\n  → use one of: so; or leave the key out: the profile only "
        "adds advice and folds spelling variants, every language can be run without one"
    )


def test_a_path_is_no_profile():
    """A code that is a path reaches no file outside the package."""
    with pytest.raises(UsageError, match="there is no language profile"):
        load_profile("../../ml_run/languages/so")


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ({"measure": "moon_phase", "at_least": 1}, "Input should be 'train_rows'"),
        ({"measure": "train_rows"}, "has no bound"),
        ({"measure": "train_rows", "at_most": 1, "rules": ["leak_exact"]}, "`rules` belongs to the measure"),
        ({"measure": "findings", "at_least": 1}, "`rules` belongs to the measure"),
        ({"measure": "train_rows", "above": 1}, "Extra inputs are not permitted"),
    ],
)
def test_faulty_conditions_fail_on_load(condition, complaint):
    """A condition that is not one of the closed set is refused when the profile is loaded."""
    with pytest.raises(ValidationError, match=complaint):
        Condition.model_validate(condition)


@pytest.mark.parametrize("text", ["{train_rows}", "{test_rows.__class__}", "{test_rows:>99}", "{test_rows!r}", "{}"])
def test_placeholders_are_measurements_of_the_rule(text):
    """An advice text can hold nothing but measurements that its own conditions look at, plainly."""
    when = [{"measure": "test_rows", "at_most": 9}]
    with pytest.raises(ValidationError, match="is not a measurement"):
        AdviceRule.model_validate({"topic": "t", "when": when, "text": text, "source": "s", "dated": "2026-11"})


def test_all_advice_names_source_and_date():
    """No advice without a source, and every topic occurs once."""
    assert all(rule.source.strip() and rule.text.strip() for rule in SO.advice)
    assert len({rule.topic for rule in SO.advice}) == len(SO.advice)


def test_advice_listens_to_rules_that_exist():
    """A condition on findings names rules of the data stage, so that a renamed rule cannot silence advice."""
    asked = {name for rule in SO.advice for condition in rule.when for name in condition.rules}
    assert asked
    assert asked <= set(RULES)


# --- folding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Hay\u2019adda  SOMALIA", "hay'adda somalia"),
        ("Hay\u2018adda", "hay'adda"),
        ("hay`adda", "hay'adda"),
        ("hay\u2018adda\u00a0 caafimaad", "hay'adda caafimaad"),
        ("F\ufeff-aa\u200bi\u00adidada", "f-aaiidada"),
        ("guri\u200e\u202b\u2066", "guri"),
        ("gu\x00ri\x96\x07", "guri"),
        ("gu\x00ri\x07\x7f", "guri"),
        (" a\t\n\u2009b\u3000c ", "a b c"),
        ("Jose\u0301", "jos\u00e9"),
        ("Straße", "strasse"),
        ("", ""),
    ],
)
def test_normalised_forms_are_equal(text, same):
    """Rows that say the same have one normalised form, whatever keyboard and encoding they came from."""
    assert normalise(text, SO) == same
    assert normalise(same, SO) == same


@pytest.mark.parametrize(("one", "other"), [("ayay", "ayey"), ("gabadh", "gabar"), ("aa", "a"), ("wayn", "weyn")])
def test_spelling_stays(one, other):
    """Dialect spellings are never folded together: they are what is classified."""
    assert normalise(one, SO) != normalise(other, SO)


def test_folding_without_profile():
    """Without a profile typographic apostrophes are folded and a backtick, an apostrophe in Somali only, is kept."""
    assert normalise("a\u2019b`c", None) == "a'b`c"
    assert normalise("a`b", None) == "a`b"


def test_every_invisible_format_character_goes():
    """Every Unicode format character is taken out, but for the visible signs of Arabic, Syriac, Kaithi and Egyptian."""
    kept = {
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) == "Cf" and normalise(chr(code), None)
    }
    visible = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    assert kept <= visible


def test_folding_is_idempotent():
    """Folding a folded text changes nothing, for any characters."""
    chance = random.Random(0)
    codes = [*range(0x250), *range(0x300, 0x400), *range(0x1E00, 0x2100), *range(0xFB00, 0xFB10), 0x130]
    for _ in range(2000):
        text = "".join(chr(code) for code in chance.choices(codes, k=8))
        once = normalise(text, SO)
        assert normalise(once, SO) == once


def test_folding_is_fast():
    """A million rows of 100 characters are folded in seconds: 20,000 in under a second even on a busy machine."""
    rows = ["Hay\u2019adda caafimaadka ayaa sheegtay in ay gaadhay magaalada " + str(i) * 8 for i in range(20_000)]
    start = time.process_time()
    for row in rows:
        normalise(row, SO)
    assert time.process_time() - start < 1


# --- recognising ----------------------------------------------------------------------------------------------------


def test_somali_is_recognised():
    """A handful of Somali sentences is enough, and the guess shows its evidence."""
    guess = recognise(SOMALI)
    assert (guess.code, guess.name, guess.how) == ("so", "Somali", "recognised")
    assert "function words of Somali" in guess.evidence


@pytest.mark.parametrize("texts", [SWAHILI, HAUSA, ENGLISH, OROMO], ids=["Swahili", "Hausa", "English", "Oromo"])
def test_other_languages_are_not_called_somali(texts):
    """Oromo, Swahili, Hausa and English are unknown, not Somali."""
    assert recognise(texts) is None


@pytest.mark.parametrize(
    "texts", [[], [""], ["12 34", "!"], SOMALI[:1], ["iyo"] * 500, SOMALI + 3 * ENGLISH, ["ሰላም ለዓለም"] * 40]
)
def test_it_abstains_when_in_doubt(texts):
    """Too little text, one word again and again, a corpus mixed of two languages or another script: no guess."""
    assert recognise(texts) is None


def test_few_words_are_not_enough():
    """Below 60 words nothing is said, however Somali they look."""
    assert sum(len(text.split()) for text in SOMALI[:4]) < 60
    assert recognise(SOMALI[:4]) is None


def test_one_marker_is_not_enough():
    """A word that happens to be a Somali function word, in every text of another language, proves nothing."""
    assert recognise([f"oo {text}" for text in ENGLISH * 20 + SWAHILI * 20]) is None
    assert recognise(["oo lama sana pale kile hapo"] * 100) is None


def test_markers_must_be_frequent():
    """Many different markers, but one in twenty words only: a language that borrowed them, not Somali."""
    markers = sorted(SO.recognition.markers)[:10]
    assert recognise([f"{text} and so it was in the end {marker}" for marker in markers for text in ENGLISH]) is None


def test_recognition_looks_at_the_whole_corpus():
    """The sample is spread over the corpus: the rows at its head do not decide."""
    assert recognise(ENGLISH * 120 + SOMALI * 600).code == "so"
    assert recognise(SOMALI + ENGLISH * 200) is None


@pytest.mark.parametrize("field", ["headline", "text"])
@pytest.mark.parametrize("part", ["train", "dev", "test"])
def test_real_somali_and_oromo(part, field):
    """On real news, Somali is recognised by headlines or texts alone, and Oromo never."""
    assert recognise([row[field] for row in masakhanews("som", part)]).code == "so"
    assert recognise([row[field] for row in masakhanews("orm", part)]) is None


# --- advising -------------------------------------------------------------------------------------------------------


def test_advice_follows_what_was_measured():
    """A small, imbalanced dialect corpus with a small test split gets the advice for exactly these."""
    small = prepared({"Northern": 700, "Southern": 100}, {"Northern": 80, "Southern": 12})
    assert topics(small) == {
        "baseline", "orthography", "dialect-labels", "maay", "source-held-out", "test-set-noise", "small-classes",
        "instability", "epochs", "warm-up", "class-weights", "learning-curve",
    }  # fmt: skip


def test_large_balanced_news_gets_little_advice():
    """Advice whose condition is not met is left out."""
    assert topics(prepared({"sports": 20_000, "health": 15_000}, {"sports": 900, "health": 700})) == {"baseline"}


def test_long_texts_bring_truncation():
    """Lengths of the training texts decide whether tokenizer and truncation are spoken of."""
    counts = {"sports": 5000, "health": 5000}
    assert topics(prepared(counts, counts, p95=100)) == {"baseline", "tokenizer"}
    assert topics(prepared(counts, counts, p95=300)) == {"baseline", "tokenizer", "truncation"}


def test_bounds_are_inclusive():
    """`at_most: 1000` holds at 1,000 and not at 1,001."""
    train = {"sports": 5000, "health": 5000}
    assert "test-set-noise" in topics(prepared(train, {"sports": 500, "health": 500}))
    assert "test-set-noise" not in topics(prepared(train, {"sports": 500, "health": 501}))


def test_findings_bring_their_advice():
    """A leak found brings the advice on leaks; another finding does not."""
    counts = {"sports": 5000, "health": 5000}
    assert "leakage" in topics(prepared(counts, counts, findings=(finding("leak_exact"),)))
    assert topics(prepared(counts, counts, findings=(finding("empty_text"), finding("leak_exact", 0)))) == {"baseline"}


def test_measurements_are_filled_in():
    """The numbers measured stand in the text, with thousands grouped."""
    data = prepared({"Northern": 1400, "Southern": 200}, {"Northern": 281, "Southern": 12})
    by_topic = {advice.topic: advice for advice in advise(SO, data)}
    assert by_topic["test-set-noise"].text.startswith("293 test rows leave room for chance.")
    assert "than the whole training of 1,600 rows" in by_topic["warm-up"].text
    assert "The largest class has 7 times" in by_topic["class-weights"].text
    assert not any("{" in advice.text for advice in by_topic.values())
    assert by_topic["warm-up"].dated == "2026-11"


def test_undefined_measurements_bring_no_advice():
    """A class without training rows leaves the imbalance undefined, and nothing is said of it."""
    assert "class-weights" not in topics(prepared({"sports": 5000, "health": 0}, {"sports": 5, "health": 5}))


def test_dialect_labels_are_read_whole():
    """A label names a dialect only as a whole word: `Southern` does, `Southern politics` does not."""
    counts = {"Southern politics": 5000, "sport": 5000}
    assert "dialect-labels" not in topics(prepared(counts, counts))
    assert "dialect-labels" in topics(prepared({" SOUTHERN": 5000, "Other": 5000}, counts))


def test_each_code_of_a_language_finds_its_profile():
    """ISO 639-1, 639-3 and regional variants are one profile; a language without a profile has none, and no error."""
    assert find_profile("so") is find_profile("som") is find_profile("so-SO") is SO
    assert find_profile("sw") is None
    assert find_profile("xx") is None


def test_the_configured_language_is_taken_without_looking():
    """data.language decides whatever the texts are; a language without a profile is known by its name all the same."""
    profile, guess = choose_language("som", ENGLISH)
    assert profile is SO
    assert (guess.code, guess.name, guess.how, guess.evidence) == ("so", "Somali", "configured", "data.language is som")
    profile, guess = choose_language("sw", SOMALI)
    assert profile is None
    assert (guess.code, guess.name, guess.how) == ("sw", "Swahili", "configured")


def test_an_unset_language_is_recognised_or_unknown():
    """Without data.language the profiles are asked, and a language that none recognises has no profile."""
    profile, guess = choose_language(None, SOMALI * 3)
    assert profile is SO
    assert guess.how == "recognised"
    assert choose_language(None, ENGLISH * 3) == (None, None)
