import pytest

from ml_run.quality.lengths import length_findings
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks


def _splits(**texts):
    return {
        name: [Row(f"{name}.csv", line, text, "x", None, {}) for line, text in enumerate(found, start=1)]
        for name, found in texts.items()
    }


def _seen(splits, **limits):
    checks = Checks(limits={name.replace("__", "."): value for name, value in limits.items()})
    return {
        found.rule: [(example.file, example.line) for example in found.examples]
        for found in length_findings(splits, checks)
    }


def test_short_texts_are_counted_in_words():
    """Fewer than three words is short, three are enough; the limit can be changed."""
    splits = _splits(train=["haa", "  waa   yahay ", "waa maya haa"], test=["maya"])
    [found] = length_findings(splits, Checks())
    assert found.message == "3 texts have fewer than 3 words (2 in train.csv, 1 in test.csv)"
    assert (found.rule, found.severity, found.count, found.share) == ("short_text", "info", 3, 0.75)
    assert _seen(splits, short_text__words=2) == {"short_text": [("train.csv", 1), ("test.csv", 1)]}


@pytest.mark.parametrize("text", ["今天天气很好。", "วันนี้อากาศดี", "ሰላም፡ለዓለም፡ሁሉ", "こんにちは世界"])
def test_scripts_without_blanks_are_not_called_short(text):
    """A sentence without blanks is one word to nobody who reads it."""
    assert _seen(_splits(train=[text])) == {}
    assert _seen(_splits(train=["你好", "ሰላም"])) == {"short_text": [("train.csv", 1), ("train.csv", 2)]}


def test_a_text_many_times_as_long_as_most_is_found():
    """Ten times the 95th percentile of its split, in characters; exactly ten times is not."""
    usual = ["waa guri wayn."] * 40
    splits = _splits(train=[*usual, "waa guri wayn. " * 10], val=usual, test=[*usual, "waa guri wayn." * 10])
    [found] = length_findings(splits, Checks())
    assert found.message == (
        "1 text is more than 10 times as long as most of their split (1 in train.csv): one has 150 characters, "
        "where 95 % of train have 14 at most"
    )
    assert _seen(splits, long_text__ratio=9) == {"long_text": [("train.csv", 41), ("test.csv", 41)]}
    assert _seen(splits, long_text__ratio=11) == {}


def test_each_split_is_measured_by_itself():
    """A test split of articles beside a train split of tweets is no accident of joining."""
    assert _seen(_splits(train=["waa guri wayn"] * 99, test=["waa guri wayn " * 50] * 20)) == {}


def test_one_long_text_among_few_is_found():
    """One long text must not set the measure by which it is judged."""
    assert _seen(_splits(train=["waa guri wayn", "waa guri wayn " * 20])) == {"long_text": [("train.csv", 2)]}


def test_rules_that_are_off_are_not_looked_for():
    """Turning both off looks at no row, and no rows give nothing."""
    assert length_findings({"train": [None]}, Checks({"short_text": "off", "long_text": "off"})) == []
    assert length_findings({"train": [], "test": []}, Checks()) == []
