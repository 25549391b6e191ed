"""Rows in another language: what they are held against, which are wrong, and that unknown is never wrong."""

import subprocess
import sys

import pytest

from conftest import SHARED, make_rows
from ml_run.languages import choose_language
from ml_run.quality.language import check_language
from ml_run.quality.review import WRONG_LANGUAGE
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks
from ml_run.quickstart import PLANTED
from ml_run.quickstart.defects import make_rows as make_sample
from ml_run.quickstart.sentences import words

SOMALI = (
    "Macallinka iyo ardaydu waxay isugu yimaadeen dugsiga markii la furay",
    "Waxay dadku u sheegeen in roobku uu ka da'ay deegaanka oo dhan",
    "Geelu wuxuu ku nool yahay meelaha kulul, laakiin biyo ayuu u baahan yahay",
    "Waxaa lagu arkay suuqa caanood iyo hilib badan, balse qiimuhu waa sarreeyaa",
)
ENGLISH = (
    "The teacher said that all students should read their books before the examination",
    "It rained all night and the river flooded, but nobody was hurt",
)
SWAHILI = (
    "Watu wengi walikuja sokoni leo asubuhi kununua mahindi na maharagwe ya kupika nyumbani",
    "Mwalimu alisema kwamba wanafunzi wote wanapaswa kusoma vitabu vyao kabla ya mtihani",
    "Serikali imetangaza kuwa barabara mpya itajengwa kati ya miji miwili mikubwa ya pwani",
)
PIDGIN = (
    "De people wey dey for market don buy plenty rice and beans wey dem go cook for house",
    "Di teacher say make all di students read dia books before di exam start for morning",
)
TIGRINYA = (
    "ሓደ ሰብ ናብ ዕዳጋ ከይዱ ብዙሕ ነገራት ገዚኡ ናብ ገዝኡ ተመሊሱ",
    "መምህር ንተማሃሮ መጽሓፎም ከንብቡ ነጊርዎም እዩ ቅድሚ ፈተና ዝኣክል",
)


def rows(texts, split="train", labels=("a", "b")):
    return [Row(f"{split}.jsonl", n, text, labels[n % len(labels)], None, {}) for n, text in enumerate(texts, start=1)]


def check(splits, configured=None, checks=None):
    """What the check says of splits of rows, with the language chosen as the data stage chooses it."""
    texts = [row.text for members in splits.values() for row in members]
    profile, guess = choose_language(configured, texts)
    return check_language(splits, guess=guess, profile=profile, checks=checks or Checks())


def rules(found):
    return {one.rule: one for one in found.findings}


class TestWrongRows:
    def test_planted_rows_are_found_with_their_lines(self):
        """English rows among Somali ones are a warning with lines and language, and are there to be looked at."""
        texts = [*SOMALI * 10, *ENGLISH]
        found = check({"train": rows(texts), "test": rows(SOMALI * 5, "test")}, "so")
        (wrong,) = found.findings
        assert wrong.rule == "wrong_language"
        assert wrong.severity == "warning"
        assert (wrong.count, wrong.share) == (2, 2 / 62)
        assert [example.line for example in wrong.examples] == [41, 42]
        assert wrong.message == (
            "2 rows look like another language than Somali to both identifiers: 2 English "
            "(2 in train.jsonl; 4.8 % of train)"
        )
        assert wrong.remedy == "have a native speaker look at the rows in review_queue.csv; nothing is deleted"
        assert [(one.split, one.row.line, one.why) for one in found.reviews] == [
            ("train", 41, "wrong_language: it looks like English"),
            ("train", 42, "wrong_language: it looks like English"),
        ]
        assert all(WRONG_LANGUAGE < one.value < WRONG_LANGUAGE + 1 for one in found.reviews)

    def test_the_record_counts_by_split_and_class(self):
        """The record has each class of each split, what was seen in place of the language, and the scripts."""
        record = check({"train": rows([*SOMALI * 10, *ENGLISH, "haa"])}, "so").record
        assert record.expected == "so"
        assert record.how == "data.language is so; checked by both identifiers"
        counted = [(one.split, one.label, one.rows, one.wrong, one.unknown) for one in record.shares]
        assert counted == [("train", "a", 21, 1, 0), ("train", "b", 22, 1, 1)]
        assert record.others == {"en": 2}
        assert record.scripts == {"Latin": 43}

    def test_a_small_share_is_a_note(self):
        """Up to 0.5 % of each split, foreign rows are only noted; the limit can be changed."""
        splits = {"train": rows([*SOMALI * 50, ENGLISH[0]])}
        assert rules(check(splits, "so"))["wrong_language"].severity == "info"
        strict = Checks(limits={"wrong_language.warning_above": 0.001})
        assert rules(check(splits, "so", strict))["wrong_language"].severity == "warning"

    def test_language_is_never_an_error(self):
        """Even a corpus wholly in another language is a warning; then the expectation is doubted, not the rows."""
        found = check({"train": rows(SOMALI * 10)}, "sw")
        (wrong,) = found.findings
        assert wrong.severity == "warning"
        assert wrong.count == 40
        assert wrong.remedy.startswith("set data.language to the language of most rows")
        assert found.reviews == []

    def test_rows_of_a_dialect_are_not_to_be_deleted(self):
        """Where labels name dialects, the remedy says that a dialect can look foreign."""
        texts = [*SOMALI * 10, *ENGLISH]
        (wrong,) = check({"train": rows(texts, labels=("Northern", "Southern"))}, "so").findings
        assert wrong.remedy == (
            "a dialect can look foreign to identifiers: have a native speaker look, and delete none for this"
        )

    def test_characters_that_pycld2_refuses(self):
        """Control characters, lone surrogates and noncharacters neither raise nor hide the language."""
        odd = "\x96{}\x00 \ud800 {}\ufdd0\uffff"
        texts = [*SOMALI * 10, odd.format(*ENGLISH), odd.format(*SOMALI[:2]), "\U0001fffe " + SOMALI[0]]
        found = check({"train": rows(texts)}, "so")
        assert [example.line for example in rules(found)["wrong_language"].examples] == [41]


class TestUnknown:
    def test_short_rows_are_unknown(self):
        """Two or three words say nothing: they are no finding, whatever an identifier takes them for."""
        found = check({"train": rows([*SOMALI * 5, "Real Madrid", "breaking news", "Liverpool v Arsenal"])}, "so")
        assert found.findings == []
        assert sum(one.unknown for one in found.record.shares) == 3

    def test_many_unknown_rows_are_told(self):
        """When more than half of the rows are too short, the language counts as not checked."""
        (note,) = check({"train": rows([*SOMALI, *["waa maya", "haa"] * 10])}, "so").findings
        assert (note.rule, note.severity, note.count) == ("language_not_checked", "info", 20)
        assert note.message.startswith("the language of 20 of 24 rows is unknown")

    def test_a_language_that_no_identifier_knows(self):
        """Maay is never held against anything: neither passed nor wrong."""
        found = check({"train": rows(SOMALI * 10)}, "ymm")
        (note,) = found.findings
        assert (note.rule, note.severity, note.count) == ("language_not_checked", "info", 40)
        assert note.message == (
            "the language of the rows was not checked: no identifier knows Maay (data.language is ymm)"
        )
        assert found.record.expected is None
        assert found.record.shares == ()

    def test_a_close_relative_is_not_wrong(self):
        """Identifiers mix up Xhosa and Zulu, so one taken for the other is unknown."""
        xhosa = "Utitshala uthe bonke abafundi kufuneka bafunde iincwadi zabo phambi koviwo"
        assert check({"train": rows([xhosa] * 30)}, "zu").findings[0].rule == "language_not_checked"


class TestExpectation:
    def test_taken_from_the_rows(self):
        """Without data.language and profile, the language that both identifiers see in most training rows counts."""
        found = check({"train": rows([*SWAHILI * 15, ENGLISH[0]])})
        assert found.record.expected == "sw"
        assert found.record.how == (
            "taken from the rows: both identifiers take 97.8 % of 46 training rows for Swahili; "
            "checked by both identifiers"
        )
        assert rules(found)["wrong_language"].examples[0].line == 46

    def test_no_majority(self):
        """Rows of many languages have none in common, and nothing is held against them."""
        (note,) = check({"train": rows([*SWAHILI * 6, *ENGLISH * 9])}).findings
        assert note.rule == "language_not_checked"
        assert note.message.endswith("the identifiers do not agree on one language for 80.0 % of rows")

    def test_too_few_rows(self):
        """A handful of rows is no corpus."""
        (note,) = check({"train": rows([*SWAHILI, "haa", "maya"])}).findings
        assert note.message.endswith("too few rows are long enough to tell it from them")

    def test_identifiers_that_disagree_set_no_expectation(self):
        """pycld2 does not know Pidgin and calls it English: that is no agreement."""
        (note,) = check({"train": rows(PIDGIN * 15)}).findings
        assert note.rule == "language_not_checked"

    @pytest.mark.parametrize(
        ("code", "texts", "identifier"), [("ti", TIGRINYA, "pycld2"), ("pcm", PIDGIN, "py3langid")]
    )
    def test_one_identifier_that_knows_the_language_decides(self, code, texts, identifier):
        """A language that one identifier lacks is judged by the other, and that is said."""
        found = check({"train": rows([*texts * 10, *SWAHILI[:2]])}, code)
        wrong = rules(found)["wrong_language"]
        assert [example.line for example in wrong.examples] == [21, 22]
        assert f"to {identifier}, the only identifier that knows it: 2 Swahili" in wrong.message
        assert found.record.how.endswith(f"checked by {identifier}, the only identifier that knows it")


class TestSwitchedOff:
    def test_rules_that_are_off_cost_nothing(self):
        """With all rules off nothing is recorded; with those of language off, only scripts are."""
        splits = {"train": rows([*SOMALI * 5, *ENGLISH])}
        language = dict.fromkeys(
            ("wrong_language", "language_by_class", "language_not_checked", "code_switching"), "off"
        )
        assert check(splits, "so", Checks({**language, "script_mix": "off"})).record is None
        found = check(splits, "so", Checks(language))
        assert (found.findings, found.reviews, found.record.expected) == ([], [], None)
        assert found.record.scripts == {"Latin": 22}

    def test_no_reviews_for_a_rule_that_is_off(self):
        """Rows that nobody wants to hear of are not put into the queue."""
        assert check({"train": rows([*SOMALI * 5, *ENGLISH])}, "so", Checks({"wrong_language": "off"})).reviews == []

    def test_the_slow_model_is_loaded_only_for_a_row_to_ask_about(self):
        """A corpus that pycld2 finds right costs no half second for loading py3langid."""
        code = (
            "import sys; sys.path.insert(0, 'tests'); sys.path.insert(0, 'tests/quality');"
            "from test_language import SOMALI, check, rows; assert check({'train': rows(SOMALI * 20)}).findings == [];"
            "print('py3langid' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"


class TestWholeCorpora:
    def test_the_sample_of_the_quickstart(self):
        """Each planted row is found, and no row of the made-up dialects is called foreign."""
        splits = {
            split: [Row(split, line, row["text"], row["label"].strip(), None, row) for line, row in enumerate(members)]
            for split, members in make_sample(42).items()
        }
        for configured in ("so", None):
            found = rules(check(splits, configured))
            assert set(found) == {"wrong_language", "code_switching"}
            assert found["wrong_language"].count == PLANTED["wrong_language"] == 12
            assert {example.text for example in found["wrong_language"].examples} == set(words()["english"])
            assert found["code_switching"].count == PLANTED["code_switching"] == 5
            assert {example.text for example in found["code_switching"].examples} == set(words()["english_halves"])

    def test_the_rows_of_other_tests(self):
        """The small made-up corpus that most tests run on is in no language that could be wrong."""
        splits = {
            name: rows([row["text"] for row in make_rows(150, n)], name) for n, name in enumerate(("train", "test"))
        }
        assert check(splits).findings == []

    @pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared MasakhaNEWS data")
    @pytest.mark.parametrize(("folder", "code"), [("som", "so"), ("orm", "om")])
    @pytest.mark.parametrize("field", ["headline", "text"])
    def test_genuine_news(self, folder, code, field):
        """No Somali or Oromo headline or article is foreign, whether the language is set or not."""
        splits = news(folder, field, {"headline": 2000, "text": 150}[field])
        for configured in (code, None):
            found = check(splits, configured)
            assert found.record.expected == code
            assert found.record.others == {}
            assert set(rules(found)) <= ({"code_switching"} if field == "text" else set())


def news(folder, field, most):
    import csv

    splits = {}
    for split in ("train", "dev", "test"):
        with (SHARED / f"data/masakhanews/{folder}/{split}.tsv").open(encoding="utf-8", newline="") as file:
            members = list(csv.DictReader(file, delimiter="\t"))
        splits[split] = [Row(split, n, row[field], row["category"], None, row) for n, row in enumerate(members[:most])]
    return splits
