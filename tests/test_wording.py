from ml_run import wording
from ml_run.results import Estimate


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
    assert [wording.number_of(1, "row"), wording.number_of(1021, "row"), wording.number_of(0, "class")] == [
        "1 row",
        "1,021 rows",
        "0 classes",
    ]
    assert [wording.duration(s) for s in (3.44, 80, 7500)] == ["3.4 s", "1 min 20 s", "2 h 5 min"]
    assert [wording.listed(["a"]), wording.listed(["a", "b", "c"])] == ["a", "a, b and c"]


def test_shares_are_per_cent_with_one_decimal_and_a_blank():
    """The same share looks the same in a finding, an error and a report."""
    assert [wording.percent(share) for share in (0.8421, 1.0, 0.0)] == ["84.2 %", "100.0 %", "0.0 %"]


def test_sentences_begin_large_and_end_with_a_stop_but_names_stay_as_they_are():
    """A stage's message becomes a sentence; a key such as macro_f1 keeps its letters."""
    assert [wording.sentence(t) for t in ("all is well", "macro_f1 is low", "data.language is so", "why?", "  ")] == [
        "All is well.",
        "macro_f1 is low.",
        "data.language is so.",
        "Why?",
        "",
    ]
