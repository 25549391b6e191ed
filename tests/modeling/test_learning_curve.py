import csv
import math
import random
import time

import pytest

from conftest import LABELS, SHARED, make_rows
from ml_run.modeling.learning_curve import REPETITIONS, learning_curve, nested_order, sizes_of
from ml_run.modeling.linear_tuning import Rows
from ml_run.modeling.power_law import PowerLaw, fit_power_law
from ml_run.results import LinearTrial

_CHANCE = random.Random(0)
_WORDS = ["".join(_CHANCE.choices("abdeghijklmnoqrstuwxy", k=6)) for _ in range(180)]
_OWN, _OTHER = (_WORDS[:50], _WORDS[50:100], _WORDS[100:150]), _WORDS[150:]
SIZES = (100, 178, 316, 562, 1000)


def corpus(count, seed, wrong=0):
    """Rows of the small corpus; of every `wrong`-th the label is another one."""
    rows = make_rows(count, seed)
    ids = [LABELS.index(row["label"]) for row in rows]
    for number in range(0, count, wrong or count + 1):
        ids[number] = (ids[number] + 1 + number // wrong % 2) % 3 if wrong else ids[number]
    return Rows([row["text"] for row in rows], ids)


def rare(count, seed):
    """Rows that one of many words of their class tells apart: what is not learnt yet shows as a curve that rises."""
    chance = random.Random(seed)
    ids = [number % 3 for number in range(count)]
    return Rows([f"{chance.choice(_OWN[label])} {' '.join(chance.choices(_OTHER, k=4))}" for label in ids], ids)


def curve(train, val, threshold, **given):
    return learning_curve(train, val, LABELS, threshold=threshold, balanced=True, seed=3, **given)


@pytest.fixture(scope="module")
def noisy():
    """Rows of which a fifth has a wrong label, in training and validation: no model gets beyond about 0.8."""
    return corpus(240, 0, wrong=5), corpus(100, 1, wrong=5)


@pytest.mark.parametrize(
    ("rows", "classes", "expected"),
    [(1000, 7, SIZES), (60, 3, (6, 11, 19, 34, 60)), (100, 40, (80, 85, 89, 95, 100)), (9, 5, (9,))],
)
def test_sizes_grow_by_the_same_factor(rows, classes, expected):
    """From a tenth of the rows, or two rows a class where that is more, to all of them."""
    assert sizes_of(rows, classes) == expected


def test_each_first_part_has_all_classes_by_their_shares():
    """Sizes are nested and stratified, and another seed puts other rows first."""
    ids = [0] * 60 + [1] * 30 + [2] * 2
    order = nested_order(ids, 1)
    assert sorted(order) == list(range(92))
    assert {ids[number] for number in order[:3]} == {0, 1, 2}
    counts = [[ids[number] for number in order[:size]].count(0) for size in (23, 46)]
    assert counts == [pytest.approx(15, abs=1), pytest.approx(30, abs=1)]
    assert order == nested_order(ids, 1) != nested_order(ids, 2)


@pytest.mark.parametrize("law", [PowerLaw(0.9, 3.0, 0.6), PowerLaw(0.8, 0.9, 0.2), PowerLaw(0.7, 20.0, 1.0)])
def test_a_power_law_is_found_again(law):
    """Scores that follow a power law give its parameters back, and with them the rows for a score."""
    found = fit_power_law(SIZES, [law.score_at(size) for size in SIZES])
    assert (found.a, found.b, found.c) == pytest.approx((law.a, law.b, law.c), rel=0.02)
    target = (law.a + law.score_at(1000)) / 2
    assert found.rows_for(target) == pytest.approx(1000 * 2 ** (1 / law.c), rel=0.1)
    assert found.rows_for(law.a + 0.05) == math.inf


def test_one_outlying_score_does_not_carry_the_fit_away():
    """The fit is robust: least squares would move the forecast by 0.022 for a single size that is 0.1 off."""
    law = PowerLaw(0.9, 3.0, 0.6)
    scores = [law.score_at(size) for size in SIZES]
    scores[1] -= 0.1
    assert fit_power_law(SIZES, scores).score_at(2000) == pytest.approx(law.score_at(2000), abs=0.012)


def test_a_reached_threshold_is_said_to_be_reached(noisy):
    """The points are the linear model's own scores; what is reached needs no forecast."""
    found = curve(*noisy, 0.5)
    assert (found.outcome, found.training_rows, found.threshold) == ("reached", 240, 0.5)
    assert tuple(point.repetitions for point in found.points) == REPETITIONS
    assert [point.rows for point in found.points] == [24, 43, 76, 135, 240]
    assert found.points[-1].sd is None
    assert all(point.sd > 0 for point in found.points[:-1])
    assert found.rows_to_reach is found.rows_to_reach_low is found.rows_to_reach_high is None
    assert found.sentence == (
        "The linear model reaches the macro-F1 of 0.5 that deployment.min_f1 asks for on the validation split, with "
        f"the 240 training rows: {found.points[-1].mean:.3f}."
    )


def test_what_wrong_labels_forbid_is_out_of_reach(noisy):
    """Where the curve levels off below the threshold, it is said that more rows alone will not do."""
    found = curve(*noisy, 0.99)
    assert (found.outcome, found.rows_to_reach, found.rows_to_reach_low) == ("out_of_reach", None, None)
    assert found.sentence == (
        "More rows alone will not bring the linear model to a validation macro-F1 of 0.99: it has "
        f"{found.points[-1].mean:.3f} with the 240 training rows, and 20 times as many would not do."
    )


def test_a_threshold_ahead_gets_a_number_of_rows_and_its_range():
    """While the curve still rises, the rows that are missing are told with an interval that holds them."""
    train, val = rare(240, 0), rare(150, 1)
    last = curve(train, val, None).points[-1].mean
    threshold = round(last + 0.02, 3)
    found = curve(train, val, threshold)
    assert found.outcome == "within_reach"
    assert 1 <= found.rows_to_reach_low <= found.rows_to_reach
    assert found.rows_to_reach_high is None or found.rows_to_reach <= found.rows_to_reach_high
    assert found.sentence.startswith("With about ")
    assert f"more training rows the linear model would reach a validation macro-F1 of {threshold:g}" in found.sentence
    assert found == curve(train, val, threshold)


def test_without_a_threshold_the_trend_is_told(noisy):
    """deployment.min_f1 may be left out: the curve then says what twice the rows would give."""
    found = curve(*noisy, None)
    assert found.outcome == "no_threshold"
    assert "; with twice as many, its curve gives 0." in found.sentence


def test_too_little_to_see_a_trend():
    """With few rows, or of one class, nothing is fitted and the sentence says why."""
    few = curve(corpus(30, 0), corpus(30, 1), 0.9)
    assert (few.outcome, few.points, few.a) == ("unknown", (), None)
    assert few.sentence == (
        "What more training rows would bring cannot be told: 30 training rows and 30 validation rows of 3 classes are "
        "too few to see a trend."
    )
    one = curve(Rows(["one two"] * 50, [0] * 50), corpus(30, 1), 0.9)
    assert one.sentence == "What more training rows would bring cannot be told: they are of one class."


def test_many_classes_are_cut_to_what_seconds_allow():
    """Rows times classes are limited, and the sentence says of how many rows it speaks."""
    train, val = corpus(200, 0), corpus(50, 1)
    labels = tuple(f"{number}" for number in range(600))
    found = learning_curve(train, val, labels, threshold=1.0, balanced=True, seed=1)
    assert found.points[-1].rows == 50
    assert "with 50 of the 200 training rows" in found.sentence


def test_the_setting_that_tuning_chose_is_used(noisy):
    """The curve is that of the tuned baseline, with its C, weights and words read."""
    chosen = LinearTrial(words=1, c=0.25, balanced=False, val_macro_f1=0.5, val_accuracy=0.5)
    assert curve(*noisy, None, chosen=chosen).points != curve(*noisy, None).points


@pytest.mark.skipif(not (SHARED / "data/masakhanews").is_dir(), reason="MasakhaNEWS is not here")
def test_real_news_in_seconds():
    """On a thousand Somali articles the curve rises, and takes less than ten seconds of processor time."""
    rows = {}
    for name in ("train", "dev"):
        with (SHARED / f"data/masakhanews/som/{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows[name] = list(csv.DictReader(file, delimiter="\t"))
    labels = sorted({row["category"] for row in rows["train"]})
    train, val = (
        Rows([f"{row['headline']} {row['text']}" for row in found], [labels.index(row["category"]) for row in found])
        for found in rows.values()
    )
    began = time.process_time()
    found = learning_curve(train, val, labels, threshold=0.99, balanced=True, seed=42)
    assert time.process_time() - began < 10
    means = [point.mean for point in found.points]
    assert means[0] < means[2] < means[4]
    assert 0.6 < means[4] < 0.9
