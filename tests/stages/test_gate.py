"""The gate: fail-closed, and saying why."""

import pytest

from ml_run.config import DeploymentConfig, GateConfig
from ml_run.results import ClassScores, Comparison, Estimate, Evaluation, ModelScores
from ml_run.stages.gate import decide
from ml_run.statistics import level_of_look, macro_f1_difference

NOTHING = Estimate(value=None)


def estimate(value, half=0.05):
    return Estimate(value=value, low=value - half, high=value + half)


def scores(accuracy=0.86, macro_f1=0.84, n=300, support=(100, 100, 100), ece=0.03, **changes):
    classes = tuple(
        ClassScores(label=label, support=s, precision=estimate(0.8), recall=estimate(0.8), f1=estimate(0.8))
        for label, s in zip("ABC", support, strict=True)
    )
    values = {
        "name": "candidate", "n": n, "accuracy": estimate(accuracy) if accuracy is not None else NOTHING,
        "macro_f1": estimate(macro_f1) if macro_f1 is not None else NOTHING, "weighted_f1": estimate(0.85),
        "log_loss": 0.4, "ece": ece, "classes": classes, "confusion": ((80, 10, 10),) * 3,
    }  # fmt: skip
    return ModelScores(**(values | changes))


def comparison(against, low, high, note=""):
    difference = Estimate(value=(low + high) / 2, low=low, high=high)
    return Comparison(
        against=against, n=300, excluded=0, macro_f1_difference=difference, accuracy_difference=difference, note=note
    )


def evaluation(candidate=None, comparisons=(), production=None, latency=20.0):
    return Evaluation(
        labels=("A", "B", "C"), n=300, candidate=candidate or scores(), baselines=(), production=None,
        production_version=production, comparisons=comparisons, latency_ms_p50=10.0, latency_ms_p95=latency,
    )  # fmt: skip


def judge(evaluated=None, accuracy=0.85, f1=0.82, **gate):
    return decide(evaluated or evaluation(), GateConfig(**gate), DeploymentConfig(min_accuracy=accuracy, min_f1=f1))


@pytest.mark.parametrize(
    ("value", "threshold", "expected"),
    [(0.85, 0.85, "PASS"), (17 / 20, 0.85, "PASS"), (0.8499, 0.85, "FAIL"), (0.86, 0.85, "PASS"), (0.0, 0.0, "PASS")],
)
def test_point_passes_exactly_from_the_threshold_on(value, threshold, expected):
    """With decide_on point, PASS means value >= threshold, nothing else."""
    assert judge(evaluation(scores(accuracy=value)), accuracy=threshold, f1=None).overall == expected


@pytest.mark.parametrize(("value", "expected"), [(0.91, "PASS"), (0.87, "INCONCLUSIVE"), (0.79, "FAIL")])
def test_lower_bound_needs_the_whole_interval(value, expected):
    """With decide_on lower_bound an interval that holds the threshold (half-width .05 around it) decides nothing."""
    assert judge(evaluation(scores(accuracy=value)), f1=None, decide_on="lower_bound").overall == expected


def test_a_pass_whose_interval_straddles_says_so_and_how_many_rows_would_settle_it():
    """A PASS on the value alone names its interval and the rows that would make it sure."""
    verdict = judge(f1=None)
    assert verdict.criteria[0].reason == (
        "accuracy 0.860 reaches >= 0.85 on the value alone: its 95 % interval [0.810, 0.910] holds the threshold, "
        "another test set could differ; about 9,761 test rows (9,461 more) would settle it four times in five, if "
        "0.860 is the true value"
    )
    assert verdict.criteria[0].straddles
    assert (verdict.criteria[0].rows_to_settle, verdict.criteria[0].label_first) == (9761, None)
    assert verdict.reason == "the criterion is met, but a test set of 300 rows cannot be sure of min_accuracy"


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf")])
def test_an_undefined_number_never_passes(missing):
    """NaN, infinity and a missing metric are INCONCLUSIVE, whatever the threshold."""
    candidate = scores(accuracy=0.9).model_copy(update={"accuracy": Estimate(value=missing)})
    verdict = judge(evaluation(candidate), accuracy=0.0, f1=None)
    assert verdict.overall == "INCONCLUSIVE"
    assert verdict.criteria[0].reason == "accuracy is undefined on these 300 test rows"


def test_no_criteria_at_all_never_pass():
    """A config without any criterion is INCONCLUSIVE and says which keys to set."""
    verdict = judge(accuracy=None, f1=None)
    assert (verdict.overall, verdict.criteria) == ("INCONCLUSIVE", ())
    assert verdict.reason == "there are no criteria: set deployment.min_accuracy or deployment.min_f1"


def test_a_class_absent_from_the_test_split_never_passes():
    """Good accuracy does not pass a model of which one class was never tested."""
    verdict = judge(evaluation(scores(accuracy=0.99, support=(150, 150, 0))), f1=None)
    assert verdict.overall == "INCONCLUSIVE"
    assert verdict.reason == "no test rows of C: nothing is known of the model there"


def test_r32_a_pass_that_rests_on_leaked_rows_is_none():
    """R32: kept test rows with a copy in train cannot make a PASS that the others do not bear out; FAIL stays FAIL."""
    clean = scores(accuracy=0.83, macro_f1=0.84, n=280)
    verdict = judge(evaluation().model_copy(update={"candidate_without_leaks": clean}))
    assert verdict.overall == "INCONCLUSIVE"
    assert [c.verdict for c in verdict.criteria] == ["PASS", "PASS"]
    assert verdict.reason.startswith(
        "it passes only with the 20 of 300 test rows that have a copy in train (data.leaks: keep; they are marked in "
        "data/test.parquet): without them, accuracy 0.830 misses >= 0.85"
    )
    borne_out = scores(accuracy=0.86, macro_f1=0.84, n=280)
    assert judge(evaluation().model_copy(update={"candidate_without_leaks": borne_out})).overall == "PASS"
    failing = evaluation(candidate=scores(accuracy=0.7))
    assert judge(failing.model_copy(update={"candidate_without_leaks": borne_out})).overall == "FAIL"


def test_overall_is_the_worst():
    """One failed criterion fails the whole, beside passed and inconclusive ones."""
    verdict = judge(evaluation(scores(accuracy=0.99, macro_f1=None)), accuracy=0.9, f1=0.5)
    assert verdict.overall == "INCONCLUSIVE"
    verdict = judge(evaluation(scores(accuracy=0.5, macro_f1=None)), accuracy=0.9, f1=0.5)
    assert [c.verdict for c in verdict.criteria] == ["FAIL", "INCONCLUSIVE"]
    assert verdict.overall == "FAIL"


def test_a_class_with_little_support_is_inconclusive_not_failed():
    """Below min_support a class criterion says how many rows there are and how many are needed."""
    verdict = judge(evaluation(scores(support=(140, 145, 15))), min_class_f1=0.7)
    third = next(c for c in verdict.criteria if c.name == "min_class_f1[C]")
    assert third.verdict == "INCONCLUSIVE"
    assert third.reason == (
        "only 15 test rows of C, 30 are needed (gate.min_support); about 30 test rows of C (15 more) would "
        "settle it four times in five, if 0.800 is the true value"
    )


def test_class_criteria_judge_each_class():
    """Every class gets its own line, for F1 and for recall."""
    verdict = judge(min_class_f1=0.85, min_class_recall=0.7)
    names = [c.name for c in verdict.criteria]
    assert names == [
        "min_accuracy", "min_f1", "min_class_f1[A]", "min_class_recall[A]", "min_class_f1[B]", "min_class_recall[B]",
        "min_class_f1[C]", "min_class_recall[C]",
    ]  # fmt: skip
    assert verdict.overall == "FAIL"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(-0.01, 0.05, "PASS"), (-0.05, 0.03, "INCONCLUSIVE"), (-0.2, -0.1, "FAIL")]
)
def test_regression_is_a_paired_test(low, high, expected):
    """max_regression .02 passes only when the whole interval of the difference lies above -.02."""
    evaluated = evaluation(comparisons=(comparison("production", low, high),), production="3")
    assert judge(evaluated, max_regression=0.02).criteria[-1].verdict == expected


def test_production_that_cannot_be_scored_is_inconclusive():
    """A criterion against production without a comparison never passes."""
    verdict = judge(evaluation(production="3"), accuracy=0.5, f1=0.5, max_regression=0.02)
    assert verdict.overall == "INCONCLUSIVE"
    assert verdict.criteria[-1].reason == "the production model could not be scored on these rows"


def test_without_production_the_value_criteria_decide():
    """The first model can pass: criteria against production do not apply, and the verdict says so."""
    verdict = judge(accuracy=0.7, f1=0.7, max_regression=0.02)
    assert verdict.overall == "PASS"
    assert verdict.reason == "all 2 criteria are met; there is no production model yet to compare with"


def test_beating_the_baselines_is_tested_against_each():
    """must_beat_baseline needs the difference to each baseline to be above zero beyond chance."""
    both = (comparison("majority", 0.4, 0.6), comparison("linear", -0.02, 0.05))
    verdict = judge(evaluation(comparisons=both), must_beat_baseline=True)
    assert {c.name: c.verdict for c in verdict.criteria[2:]} == {
        "must_beat_baseline[majority]": "PASS",
        "must_beat_baseline[linear]": "INCONCLUSIVE",
    }


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.001, 0.1, "PASS"), (0.0, 0.1, "INCONCLUSIVE"), (-0.1, 0.0, "FAIL"), (-0.1, -0.01, "FAIL"), (0.0, 0.0, "FAIL")],
)
def test_to_beat_is_more_than_to_equal(low, high, expected):
    """must_beat_baseline passes only when the whole interval lies above 0: equal predictions never do."""
    evaluated = evaluation(comparisons=(comparison("linear", low, high),))
    assert judge(evaluated, must_beat_baseline=True).criteria[-1].verdict == expected


@pytest.mark.parametrize("decide_on", ["point", "lower_bound"])
def test_a_model_that_says_what_another_says_has_not_beaten_it(decide_on):
    """R30: equal predictions differ by 0 and are never superior; 120 rows cannot rule out that they differ a bit."""
    true = [0, 1, 2] * 40
    same = macro_f1_difference(true, true, true, 3, seed=1)
    equal = {"n": 120, "excluded": 0, "macro_f1_difference": same, "accuracy_difference": same}
    both = (Comparison(against="linear", **equal), Comparison(against="production", **equal))
    verdict = judge(
        evaluation(comparisons=both, production="3"), must_beat_baseline=True, min_improvement=0.0, max_regression=0.05,
        decide_on=decide_on,
    )  # fmt: skip
    *_, linear, regression, improvement = verdict.criteria
    assert (linear.value, linear.verdict, linear.direction) == (0.0, "INCONCLUSIVE", ">")
    assert linear.reason == (
        "macro_f1_difference[linear] 0.000, but its 95 % interval [-0.017, 0.017] holds the threshold 0"
    )
    assert (improvement.verdict, improvement.direction, improvement.rows_to_settle) == ("INCONCLUSIVE", ">", None)
    assert regression.verdict == "PASS"


def looked(low, high, number, against="production", n=300):
    return comparison(against, low, high).model_copy(
        update={"level": level_of_look(number), "look": number, "label_first": "B", "n": n}
    )


@pytest.mark.parametrize(
    ("number", "level", "said"), [(1, ".9392", "1st"), (2, ".9848", "2nd"), (3, ".9932", "3rd"), (21, ".9999", "21st")]
)
def test_a_difference_is_judged_at_the_level_of_the_look(number, level, said):
    """R31: the level of the comparison stands in the criterion, and its sentence names the look and the level."""
    verdict = judge(evaluation(comparisons=(looked(0.01, 0.09, number),), production="3"), max_regression=0.02)
    assert verdict.criteria[-1].level == level_of_look(number)
    percent = f"{100 * level_of_look(number):.4g}"
    assert verdict.criteria[-1].reason == (
        f"macro_f1_difference[production] 0.050 reaches >= -0.02, and so does its whole {percent} % interval "
        f"[0.010, 0.090]; at the {said} look at this test set a difference is judged at level {level}"
    )


def test_an_open_difference_names_what_would_settle_it():
    """An INCONCLUSIVE difference says how many rows would settle it, of which class, and if any model could pass."""
    verdict = judge(evaluation(comparisons=(looked(-0.06, 0.08, 3),), production="3"), max_regression=0.02)
    last = verdict.criteria[-1]
    assert (last.verdict, last.rows_to_settle, last.label_first) == ("INCONCLUSIVE", 2808, "B")
    assert last.reason == (
        "macro_f1_difference[production] 0.010, but its 99.32 % interval [-0.060, 0.080] holds the threshold -0.02; "
        "at the 3rd look at this test set a difference is judged at level .9932; about 2,808 test rows (2,508 more) "
        "would settle it four times in five, if 0.010 is the true value; rows of B would narrow the interval most; an "
        "equally good model would not pass either: on 300 rows the interval reaches 0.070 below the difference, and "
        "gate.max_regression is 0.02 (usual for so many rows: 0.03)"
    )


def test_macro_f1_names_the_class_to_label_first():
    """A macro-F1 that straddles says which class's rows would narrow its interval most: the small, muddled one."""
    candidate = scores(support=(150, 135, 15), confusion=((140, 5, 5), (5, 125, 5), (3, 3, 9)))
    verdict = judge(evaluation(candidate), accuracy=None)
    assert verdict.criteria[0].label_first == "C"
    assert verdict.criteria[0].reason.endswith("if 0.840 is the true value; rows of C would narrow the interval most")


@pytest.mark.parametrize(
    ("latency", "expected"), [(20.0, "PASS"), (50.0, "PASS"), (50.1, "FAIL"), (None, "INCONCLUSIVE")]
)
def test_latency_and_calibration_have_an_upper_limit(latency, expected):
    """max_latency_ms passes at or below its limit; unmeasured latency never passes."""
    verdict = judge(evaluation(latency=latency), accuracy=None, f1=None, max_latency_ms=50.0)
    assert verdict.overall == expected
    assert judge(accuracy=None, f1=None, max_ece=0.02).overall == "FAIL"


def test_same_evaluation_same_verdict_to_the_byte():
    """The gate has no clock and no chance in it (R30)."""
    assert judge(min_class_f1=0.8).model_dump_json() == judge(min_class_f1=0.8).model_dump_json()
