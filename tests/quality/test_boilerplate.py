from ml_run.quality.boilerplate import boilerplate_findings
from ml_run.quality.rows import Row
from ml_run.quality.rules import Checks

FOOTER = "La wadaag sheekadan saaxiibbadaa."


def _splits(texts):
    return {"train": [Row("f.csv", number, text, "x", None, {}) for number, text in enumerate(texts, start=1)]}


def _found(rows, **limits):
    return boilerplate_findings(_splits(rows), Checks(limits={f"boilerplate.{k}": v for k, v in limits.items()}))


def _texts(count, footer="", every=1):
    return [f"Guri {n} waa wayn yahay. {footer if n % every == 0 else ''}" for n in range(count)]


def test_a_sentence_of_many_texts_is_found():
    """A footer is named with its share, whatever its case and blanks; the examples show the sentence."""
    texts = _texts(400, every=10, footer=FOOTER)
    texts[0] = "Guri waa.\n" + FOOTER.upper().replace(" ", "  ")
    [found] = _found(texts)
    assert found.message == (
        "1 sentence stands in more than 4 texts of 400, the most frequent in 40 (10.0 %): "
        "'la wadaag sheekadan saaxiibbadaa.'"
    )
    assert (found.severity, found.count, found.share) == ("warning", 40, 0.1)
    assert [(example.line, example.text) for example in found.examples] == [(1, FOOTER.lower())]


def test_the_limits_are_passed_not_reached():
    """More than 1 % of the texts, and five at least."""
    assert _found(_texts(1000, footer=FOOTER, every=100)) == []
    assert _found(_texts(990, footer=FOOTER, every=99)) != []
    assert _found(_texts(40, footer=FOOTER, every=10)) == []
    assert _found(_texts(50, footer=FOOTER, every=10)) != []
    assert _found(_texts(40, footer=FOOTER, every=10), texts=4) != []
    assert _found(_texts(50, footer=FOOTER, every=10), warning_above=0.1) == []


def test_short_sentences_and_copies_do_not_count():
    """Thanks and greetings are short; rows that are copies of one text are duplicates, not boilerplate."""
    assert _found(_texts(50, footer="Mahadsanid.")) == []
    assert _found([*_texts(50), *[f"Waa maqaal. {FOOTER}"] * 20]) == []
    assert _found([f"{FOOTER} {FOOTER} {FOOTER} {FOOTER} {FOOTER} {FOOTER}", *_texts(50)]) == []


def test_what_it_shows_is_masked_and_short():
    """A footer often is an e-mail address, which no report shows; a long one is cut."""
    [found] = _found(
        _texts(
            50,
            footer="Nala soo xidhiidh maalin kasta, subax iyo galab: SYNTHETIC@example.org maanta iyo berri "
            + "oo kale " * 30,
        )
    )
    assert "synthetic" not in found.message + found.examples[0].text
    assert found.message.endswith("…'")


def test_the_answer_does_not_depend_on_hash_seeds():
    """Sentences come most frequent first, then in the order of the file."""
    texts = [
        f"Sheeko {n} oo cusub. Tani waa qayb hore. Taasi waa qayb labaad. {FOOTER if n % 2 else ''}" for n in range(60)
    ]
    [found] = _found(texts)
    assert [example.text for example in found.examples] == [
        "tani waa qayb hore.",
        "taasi waa qayb labaad.",
        FOOTER.lower(),
    ]


def test_clean_texts_and_a_rule_that_is_off_give_none():
    """Different sentences are no boilerplate, and nothing is looked at when the rule is off."""
    assert _found(_texts(300)) == []
    assert boilerplate_findings({"train": [None]}, Checks({"boilerplate": "off"})) == []
