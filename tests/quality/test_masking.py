import random
import re
import time

import pytest

from ml_run.quality.masking import excerpt, kinds_in, mask, spans
from ml_run.quality.rules import Sighting, finding


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("qor SYNTHETIC.name+tag@mail.example.org!", "e-mail address"),
        ("ku dir magac@tusaale.so.", "e-mail address"),
        ("eeg https://example.org/a?b=c#d", "web address"),
        ("eeg HTTPS://EXAMPLE.ORG", "web address"),
        ("eeg www.example.org/x", "web address"),
        ("eeg wa.me/252000000000", "web address"),
        ("wac +252 61 0000000", "telephone number"),
        ("wac +252-61-000-0000.", "telephone number"),
        ("wac (+252)610000000", "telephone number"),
        ("wac 00252610000000", "telephone number"),
        ("wac 061 0000000", "telephone number"),
        ("wac 0610000000", "telephone number"),
        ("wac (020) 7946 0000", "telephone number"),
        ("wac 212-555-0123", "telephone number"),
        (
            "wac \u0660\u0661\u0662 \u0663\u0664\u0665\u0666 \u0667\u0668\u0669".replace("\u0660", "0"),
            "telephone number",
        ),
        ("waa @magac_yar", "user name"),
        (".@magac.yar waa", "user name"),
    ],
)
def test_personal_data_is_told_and_hidden(text, kind):
    """Each kind is named, and nothing of it is left in the masked text."""
    assert kinds_in(text) == [kind]
    shown = mask(text)
    assert f"‹{kind}›" in shown
    assert not re.search(r"[\d@]|example|magac|tusaale|wa\.me", shown)


@pytest.mark.parametrize(
    "text",
    [
        "xilli ciyaareedkii 2018-2019 iyo 2019/2020, 1946 - 2000",
        "01.02.2026 03-04-2026 2026-11-23 11:36:37 23/11/2026",
        "10,000,000 shilin, 1 000 000 doolar, 12.500.000,00 euro, 1000000000 oo shilin, $1,500,000.00",
        "2-1, 3-0 iyo 10-12; 0-0 1-1 2-2 3-3",
        "tirada 7,136 (0.275%) lambarka 1176/2012",
        "0.123456789 iyo 100.000.000",
        "@user @USER @ 5 iyo @5",
        "iyo/ama waa.maya http",
        "guri 123",
    ],
)
def test_years_amounts_dates_and_scores_are_none(text):
    """News is full of digits: nothing is called a telephone number without a sign that it is one."""
    assert kinds_in(text) == []
    assert mask(text) == text


def test_a_web_address_is_masked_whole():
    """What stands inside a web address is not counted again."""
    assert kinds_in("https://example.org/@name?to=a@b.org&tel=+252610000000 waa") == ["web address"]
    assert mask("(https://example.org/@name) waa") == "(‹web address› waa"


def test_examples_of_every_finding_are_masked():
    """Whatever the rule, its examples hold no personal data, not even where the text is cut."""
    text = "guri " * 22 + "SYNTHETIC@example.org waa 061 0000000"
    for start in range(0, 130, 7):
        [example] = finding("bom", "info", "m", [Sighting("f", 1, text[start:])], count=1).examples
        assert not re.search(r"SYNTHETIC|example|\d", example.text)


def test_an_excerpt_begins_shortly_before_the_place():
    """The place is seen in the 120 characters that reports show, masked first."""
    assert excerpt("a" * 100 + "!b", re.compile("!")) == "…" + "a" * 40 + "!b"
    assert excerpt("a!b", re.compile("!")) == "a!b"
    assert excerpt("x@example.org" + " " * 50 + "b", re.compile("@")) == "‹e-mail address›" + " " * 50 + "b"


@pytest.mark.parametrize("unit", ["a", "1", "a.", "1 ", "a@", "+1", "@", "0", "www.", "1-2 ", "(0"])
def test_time_is_linear_in_the_length(unit):
    """No text makes the patterns slow: 200,000 hostile characters take less than a second."""
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    mask(text)
    kinds_in(text)
    assert time.process_time() - start < 2


def test_masking_twice_is_masking_once():
    """The names that stand for what was hidden are themselves nothing personal."""
    chance = random.Random(3)
    pieces = ["a@b.org", "www.x.y", "+252610000000", "@magac", "guri", "2019-2020", ".", ",", "(", "5"]
    for _ in range(500):
        text = " ".join(chance.choices(pieces, k=8))
        assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize("text", ["wac 061 5551234 ama qof@tusaale.so, maanta", "waxba", ""])
def test_spans_are_the_places_that_mask_replaces(text):
    """Putting in what the spans say is masking: both find the same."""
    parts, done = [], 0
    for start, end, instead in spans(text):
        parts += [text[done:start], instead]
        done = end
    assert "".join([*parts, text[done:]]) == mask(text)
    assert len(spans(text)) == len(kinds_in(text))
