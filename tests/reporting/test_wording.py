import pytest

from ml_run.reporting import wording
from ml_run.results import Estimate


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b]8;;http://x\x1b\\", "\\x1b]8;;http://x\\x1b\\"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("x\ud800y\udcff", "x\\ud800y\\udcff"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("hay\u200badda\u00ad\ufeff", "hay\\u200badda\\xad\\ufeff"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("a\u2028b\ufffe", "a\\u2028b\\ufffe"),
        ("ሰሜን हिन्दी‍ शमालي ’", "ሰሜን हिन्दी‍ शमालي ’"),
    ],
)
def test_dangerous_characters_are_written_out_and_scripts_are_left_alone(given, shown):
    """What could act on a terminal, a parser or the reading direction is shown, never sent."""
    assert wording.visible(given) == shown


def test_lines_of_a_block_are_kept():
    """A config stays a list of lines; control characters within a line are written out."""
    assert wording.visible_lines("a: 1\nb: \x1b[0m\n") == "a: 1\nb: \\x1b[0m\n"


def test_undefined_numbers_say_so():
    """None is never shown as 0 or nan."""
    nothing = Estimate(value=None)
    assert [wording.score(None), wording.percent(None), wording.signed(None)] == ["undefined"] * 3
    assert wording.with_interval(nothing) == "undefined"
    assert wording.signed_with_interval(nothing) == "undefined"
    assert wording.short_estimate(nothing) == "undefined"


def test_numbers_are_written_one_way():
    """Scores have three decimals, differences a real sign, counts their noun."""
    estimate = Estimate(value=-0.0204, low=-0.06, high=0.02)
    assert wording.signed_with_interval(estimate) == "−0.020 [−0.060, +0.020]"
    assert wording.with_interval(Estimate(value=0.84213, low=0.8, high=0.8791)) == "0.842 [0.800, 0.879]"
    assert [wording.count(1, "row"), wording.count(1021, "row"), wording.count(0, "class", "classes")] == [
        "1 row",
        "1,021 rows",
        "0 classes",
    ]
    assert [wording.duration(s) for s in (3.44, 80, 7500)] == ["3.4 s", "1 min 20 s", "2 h 5 min"]
    assert [wording.listed(["a"]), wording.listed(["a", "b", "c"])] == ["a", "a, b and c"]


def test_sentences_begin_large_and_end_with_a_stop_but_names_stay_as_they_are():
    """A stage's message becomes a sentence; a key such as macro_f1 keeps its letters."""
    assert [wording.sentence(t) for t in ("all is well", "macro_f1 is low", "data.language is so", "why?", "  ")] == [
        "All is well.",
        "macro_f1 is low.",
        "data.language is so.",
        "Why?",
        "",
    ]
